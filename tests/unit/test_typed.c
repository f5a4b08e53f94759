/* SPDX-License-Identifier: Apache-2.0
 * What is typed for a model's inputs, by a process whose memory ends: values, expressions, tf.Examples, lines of JSON, rows of CSV. Each
 * allocation of the commands or the library fails in turn: RESOURCE_EXHAUSTED, or that is the answer to a line; nothing is
 * leaked (which AddressSanitizer sees), and all goes well afterwards. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cmd/predict.h"
#include "test.h"

/* ==== the allocator ==== the linker puts these in the place of the C library's (meson.build) */

static atomic_llong left; /* allocations until the one that fails; 0: none does */

static bool fails(void)
{
    return atomic_load(&left) > 0 && atomic_fetch_sub(&left, 1) == 1;
}

#define INSTEAD(type, name, parameters, arguments, otherwise) \
    type __real_##name parameters;                             \
    type __wrap_##name parameters;                             \
    type __wrap_##name parameters                              \
    {                                                          \
        if (!fails()) return __real_##name arguments;          \
        errno = ENOMEM;                                        \
        return otherwise;                                      \
    }

INSTEAD(void *, malloc, (size_t n), (n), NULL)
INSTEAD(void *, calloc, (size_t n, size_t size), (n, size), NULL)
INSTEAD(void *, realloc, (void *p, size_t n), (p, n), NULL)
INSTEAD(char *, strdup, (const char *s), (s), NULL)
INSTEAD(char *, strndup, (const char *s, size_t n), (s, n), NULL)
INSTEAD(FILE *, open_memstream, (char **p, size_t *n), (p, n), NULL)
INSTEAD(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)

/* ==== the model ==== */

static const tn_spec inputs[] = {
    {.name = "x", .dtype = TN_FLOAT, .shape = {2, {-1, 2}}},
    {.name = "s", .dtype = TN_STRING, .shape = {1, {-1}}},
    {.name = "p.indices", .dtype = TN_INT64, .shape = {2, {-1, 2}}},
    {.name = "p.values", .dtype = TN_FLOAT, .shape = {1, {-1}}},
    {.name = "p.dense_shape", .dtype = TN_INT64, .shape = {1, {2}}},
};

static tn_code answer(asked *a, const tn_tensor *const *in, tn_error *err)
{
    (void)a, (void)in, (void)err;
    return TN_OK;
}

/* ==== attempts ==== */

static const char *in(char path[64], const char *folder, const char *name)
{
    snprintf(path, 64, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[64];
    tn_error err;
    assert_ok(tn_file_write(in(path, folder, name), text, strlen(text), &err), &err);
}

static tn_code bind(const strings *given, const strings *exprs, const strings *examples, const asked *a, tn_error *err)
{
    tn_tensor *out[TN_COUNT(inputs)] = {NULL};
    input_values v = {.inputs = *given, .exprs = *exprs, .examples = *examples, .batch = 1, .seed = 1};
    tn_code code = inputs_check(&v, err);
    if (code == TN_OK) code = inputs_bind(&v, "test", a->in, a->n_in, out, err);
    for (int i = 0; i < a->n_in; i++) tn_tensor_unref(out[i]);
    for (int i = given->n; i < v.inputs.n; i++) free((char *)v.inputs.v[i]);
    return code;
}

static const strings none;

static tn_code bind_values(const char *folder, tn_error *err)
{
    (void)folder;
    static const strings given = {{"x=[[1,2],[3,4]]", "s=two words", "p={'indices':[[0,0]],'values':[1],'dense_shape':[1,1]}"}, 3};
    const asked a = {.in = inputs, .n_in = TN_COUNT(inputs)};
    return bind(&given, &none, &none, &a, err);
}

static tn_code bind_expressions(const char *folder, tn_error *err)
{
    (void)folder;
    static const strings exprs = {{"x=np.ones((2,2));s=[\"a;b\"]"}, 1};
    const asked a = {.in = inputs, .n_in = 2};
    return bind(&none, &exprs, &none, &a, err);
}

static tn_code bind_examples(const char *folder, tn_error *err)
{
    (void)folder;
    static const strings examples = {{"s=[{\"age\":[22],\"name\":[\"a\"]}]"}, 1};
    const asked a = {.in = &inputs[1], .n_in = 1};
    return bind(&none, &none, &examples, &a, err);
}

/* What is printed goes into the file "out"; a line of it for each question. */
static tn_code ask(const char *folder, const predict_values *v, asked *a, tn_error *err)
{
    FILE *in_before = stdin, *out_before = stdout;
    char path[64];
    stdin = __real_fopen(in(path, folder, "in"), "r");
    stdout = __real_fopen(in(path, folder, "out"), "w");
    assert_non_null(stdin);
    assert_non_null(stdout);
    tn_code code = ask_lines(v, a, err);
    fclose(stdin);
    fclose(stdout);
    stdin = in_before;
    stdout = out_before;
    return code;
}

static tn_code ask_json(const char *folder, tn_error *err)
{
    const predict_values v = {.in = {.batch = 1, .seed = 1}, .pipelined = 2};
    asked a = {.in = inputs, .n_in = 2, .run = answer};
    return ask(folder, &v, &a, err);
}

static tn_code ask_csv(const char *folder, tn_error *err)
{
    char path[64];
    const predict_values v = {.in = {.batch = 2, .seed = 1}, .pipelined = 2, .csv = in(path, folder, "table")};
    asked a = {.in = &inputs[2], .n_in = 3, .run = answer};
    return ask(folder, &v, &a, err);
}

/* ==== all of them ==== */

/* Where one line of several has no answer the command says how many; why is in that line. */
static void check_failure(const char *folder, const char *name, long long k, tn_code code, const tn_error *err, bool lines)
{
    if (code == TN_RESOURCE_EXHAUSTED || (lines && code == TN_NOT_FOUND)) return;
    if (lines && code == TN_INVALID_ARGUMENT && strstr(err->message, "1 of ")) {
        char path[64];
        tn_buf printed = {0};
        assert_int_equal(tn_file_read(in(path, folder, "out"), 0, &printed, NULL), TN_OK);
        if (!printed.n || !strstr(printed.data, "RESOURCE_EXHAUSTED"))
            fail_msg("%s, allocation %lld: %s", name, k, printed.n ? printed.data : "nothing is printed");
        tn_buf_free(&printed);
        return;
    }
    fail_msg("%s, allocation %lld: %s %s", name, k, tn_code_name(code), err->message);
}

static void test_memory_that_ends(void **state)
{
    static const struct {
        const char *name;
        tn_code (*attempt)(const char *folder, tn_error *err);
        bool lines;
    } rows[] = {{"values", bind_values, false}, {"expressions", bind_expressions, false}, {"examples", bind_examples, false},
                {"JSON", ask_json, true}, {"CSV", ask_csv, true}};
    (void)state;
    char folder[] = "/tmp/tn_typed.XXXXXX";
    assert_non_null(mkdtemp(folder));
    write_file(folder, "in", "{\"x\": [[1,2]], \"s\": [\"a\"]}\n{\"s\": [\"b\\n\"], \"x\": [[3,4.5]]}\n");
    write_file(folder, "table", "p.values,p.indices,p.indices,p.dense_shape,p.dense_shape\n1,0,0,1,2\n");
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        bool fired = true;
        long long k = 1;
        for (; fired; k++) {
            tn_error err = {TN_OK, ""};
            atomic_store(&left, k);
            tn_code code = rows[i].attempt(folder, &err);
            fired = atomic_exchange(&left, 0) == 0;
            if (!fired) assert_ok(code, &err);
            else if (code == TN_OK) fail_msg("%s, allocation %lld: nobody says so", rows[i].name, k);
            else check_failure(folder, rows[i].name, k, code, &err, rows[i].lines);
        }
        if (k < 5) fail_msg("%s: only %lld allocations", rows[i].name, k);
    }
    assert_int_equal(tn_remove_tree(folder, NULL), TN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_that_ends)};
    return cmocka_run_group_tests_name("typed", tests, NULL, NULL);
}
