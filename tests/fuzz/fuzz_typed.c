/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_typed.c - two bytes of choice, then what is typed at the command line for a model's inputs: a value, NumPy's expressions,
 * tf.Examples, lines of JSON, rows of CSV. The second byte says for which inputs.
 */
#include "cmd/predict.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tn_spec inputs[] = {
    {.name = "x", .dtype = TN_FLOAT, .shape = {2, {-1, 2}}},
    {.name = "i", .dtype = TN_INT64, .shape = {1, {-1}}},
    {.name = "s", .dtype = TN_STRING, .shape = {1, {-1}}},
    {.name = "b", .dtype = TN_BOOL, .shape = {0, {0}}},
    {.name = "u", .dtype = TN_UINT8, .shape = {-1, {0}}},
    {.name = "p.indices", .dtype = TN_INT64, .shape = {2, {-1, 2}}},
    {.name = "p.values", .dtype = TN_HALF, .shape = {1, {-1}}},
    {.name = "p.dense_shape", .dtype = TN_INT64, .shape = {1, {2}}},
};

static tn_code answer(asked *a, const tn_tensor *const *in, tn_error *err)
{
    (void)err;
    for (int i = 0; i < a->n_in; i++)
        if (tn_tensor_dtype(in[i]) != a->in[i].dtype) __builtin_trap();
    return TN_OK;
}

/* Files that are no files of ours; shapes of more than five figures would only take memory. */
static bool is_harmless(const char *text)
{
    size_t figures = 0;
    for (const char *s = strchr(text, '('); s && *s; s++) figures += *s >= '0' && *s <= '9';
    return !strchr(text, '/') && figures < 6;
}

static void bind(predict_values *v, asked *a)
{
    tn_tensor *out[TN_COUNT(inputs)] = {NULL};
    tn_error err;
    if (inputs_check(&v->in, &err) == TN_OK && inputs_bind(&v->in, "fuzz", a->in, a->n_in, out, &err) == TN_OK)
        for (int i = 0; i < a->n_in; i++)
            if (!out[i]) __builtin_trap();
    for (int i = 0; i < a->n_in; i++) tn_tensor_unref(out[i]);
    for (int i = 0; v->in.exprs.n && i < v->in.inputs.n; i++) free((char *)v->in.inputs.v[i]);
}

/* Answers go nowhere. */
static void stream(predict_values *v, asked *a, const char *path)
{
    FILE *in = stdin, *out = stdout;
    tn_error err;
    stdin = fopen(path, "r");
    stdout = fopen("/dev/null", "w");
    if (!stdin || !stdout) __builtin_trap();
    ask_lines(v, a, &err);
    fclose(stdin);
    fclose(stdout);
    stdin = in;
    stdout = out;
}

static void try(int way, predict_values *v, asked *a, const char *text, const char *path)
{
    strings *const lists[] = {&v->in.inputs, &v->in.exprs, &v->in.examples};
    if (way == 4) v->csv = path;
    if (way >= 3) {
        stream(v, a, path);
    } else if (is_harmless(text)) {
        lists[way]->v[lists[way]->n++] = text;
        bind(v, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static predict_values v; /* large */
    char path[64];
    if (size < 2) return 0;
    char *text = tn_malloc(size - 1); /* with a NUL */
    memcpy(text, data + 2, size - 2);
    text[size - 2] = 0;
    v = (predict_values){.in = {.batch = 2, .seed = 1}, .pipelined = 4, .json = true, .lines = true};
    asked a = {.in = inputs, .n_in = TN_COUNT(inputs), .run = answer};
    if (data[1] % 16 < TN_COUNT(inputs)) a = (asked){.in = &inputs[data[1] % 16], .n_in = 1, .run = answer};
    else if (data[1] % 2) a = (asked){.in = &inputs[5], .n_in = 3, .run = answer};
    tn_fuzz_path(path, sizeof path, "typed");
    tn_fuzz_write(path, data + 2, size - 2);
    try(data[0] % 5, &v, &a, text, path);
    unlink(path);
    tn_free(text);
    return 0;
}
