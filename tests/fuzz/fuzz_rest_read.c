/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_rest_read.c - any bytes as the JSON body of a REST request; what is read must come back the same from the writer.
 * The first byte chooses what the body is for.
 */
#include "serve/rest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tn_loaded_value one[] = {{.key = "x", .name = "x:0"}};
static const tn_loaded_value two[] = {{.key = "a", .name = "a:0", .dtype = TN_FLOAT}, {.key = "b_bytes", .name = "b:0", .dtype = TN_STRING}};

typedef struct wish {
    tn_loaded_value in[1];
    tn_loaded_signature signatures[2];
} wish;

static tn_code find(void *payload, tn_view name, const tn_loaded_signature **out, tn_error *err)
{
    wish *w = payload;
    *out = &w->signatures[name.n ? 1 : 0];
    if (tn_view_is(name, "nix")) return tn_fail(err, TN_INVALID_ARGUMENT, "no such signature");
    return TN_OK;
}

/* Written in columnar form and read again. */
static void check_round_trip(const tn_rest_inputs *in, const tn_rest_reading *how)
{
    const char *names[2];
    tn_buf json = {0};
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    tn_rest_inputs again;
    for (int i = 0; i < in->signature->n_in; i++) names[i] = in->signature->in[i].key;
    if (tn_rest_write_predict(names, in->in, in->signature->n_in, true, true, &json, &err) != TN_OK) __builtin_trap();
    memcpy(strstr(json.data, "\"outputs\""), "\"inputs\" ", 9);
    const tn_rest_reading same = {.find = how->find, .payload = how->payload, .more_types = true};
    wish *w = how->payload;
    w->signatures[0] = *in->signature;
    tn_code code = tn_rest_read_predict((tn_view){json.data, json.n}, &same, a, &again, &err);
    if (code == TN_OK) {
        for (int i = 0; i < in->signature->n_in; i++)
            if (in->in[i]->dtype != TN_FLOAT && in->in[i]->dtype != TN_DOUBLE && in->in[i]->dtype != TN_HALF && !tn_tensor_equal(in->in[i], again.in[i]))
                __builtin_trap(); /* floating ones may be NaN of other bits */
        tn_rest_inputs_drop(&again);
    } else if (!strstr(err.message, "without loss of precision")) { /* 16777216.5e0 is a whole number when written */
        __builtin_trap();
    }
    tn_buf_free(&json);
    tn_arena_free(a);
}

static void read_predict(tn_view json, uint8_t first, tn_arena *a)
{
    static const tn_dtype dtypes[] = {TN_FLOAT, TN_DOUBLE, TN_INT32, TN_INT64, TN_UINT8, TN_UINT64, TN_BOOL, TN_STRING, TN_HALF};
    wish w = {.in = {one[0]}};
    tn_rest_inputs in;
    tn_error err;
    w.in[0].dtype = dtypes[first % TN_COUNT(dtypes)];
    w.signatures[0] = (tn_loaded_signature){.name = TN_DEFAULT_SIGNATURE, .in = w.in, .n_in = 1};
    w.signatures[1] = (tn_loaded_signature){.name = "two", .in = two, .n_in = 2};
    const tn_rest_reading how = {.find = find, .payload = &w, .more_types = true};
    if (tn_rest_read_predict(json, &how, a, &in, &err) != TN_OK) return;
    check_round_trip(&in, &how);
    tn_rest_inputs_drop(&in);
}

static void read_examples(tn_view json, tn_arena *a)
{
    tn_Input input;
    tn_view signature;
    tn_error err;
    tn_buf bytes = {0};
    if (tn_rest_read_examples(json, a, &signature, &input, &err) == TN_OK && TN_ENCODE(Input, &input, &bytes, &err) != TN_OK) __builtin_trap();
    tn_buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    char *text = tn_malloc(size); /* without the first byte, with a NUL */
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] == 'e')
        read_examples((tn_view){text, size - 1}, a);
    else
        read_predict((tn_view){text, size - 1}, data[0], a);
    tn_free(text);
    tn_arena_free(a);
    return 0;
}
