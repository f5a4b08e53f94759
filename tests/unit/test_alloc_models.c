/* SPDX-License-Identifier: Apache-2.0
 * Memory that ends while models of TensorFlow are opened, prepared and run, and while one is trained on and saved: each
 * time RESOURCE_EXHAUSTED, nothing leaked (which AddressSanitizer sees), and the next attempt goes well. Every allocation
 * in the beginning, then fewer and fewer of them. Writing that fails, too. */
#include <errno.h>
#include <stdlib.h>

#include "test.h"

enum { MOST = 8 };

typedef struct model {
    const char *folder, *path, *checkpoint, *signature;
    const char *feeds[3]; /* of training: NAME for NAME:0 and train/feeds/NAME.npy */
} model;

static char *path_in(tn_arena *a, const char *folder, const char *path)
{
    const char *root = getenv("TN_SOURCE");
    return tn_arena_printf(a, "%s/tests/golden/models/%s/%s", root ? root : "..", folder, path);
}

/* A tf.Example {x: 1.0}; any text to those who want none. */
static const char example[] = "\012\017\012\015\012\001x\022\010\022\006\012\004\000\000\200\077";

/* Zeros of the shape, 2 for dimensions that are open; strings are examples. */
static tn_code some(const tn_loaded_value *v, tn_tensor **out, tn_error *err)
{
    tn_shape s = v->shape.rank < 0 ? TN_SHAPE(2) : v->shape;
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 0) s.dim[i] = 2;
    tn_code code = tn_tensor_new(v->dtype, &s, out, err);
    if (code) return code;
    for (int64_t i = 0, n = tn_tensor_count(*out); i < n && !code; i++)
        code = v->dtype == TN_STRING ? tn_string_set(*out, i, example, sizeof example - 1, err) : TN_OK;
    if (code) tn_tensor_unref(*out);
    return code;
}

static tn_code ask(tn_loaded *m, const char *signature, tn_error *err)
{
    const tn_loaded_signature *s;
    tn_feed feeds[MOST];
    const char *fetches[MOST];
    tn_tensor *in[MOST], *out[MOST];
    int n = 0;
    tn_code code = tn_loaded_find_signature(m, signature, &s, err);
    if (code) return code;
    assert_true(s->n_in <= MOST && s->n_out <= MOST);
    for (int i = 0; i < s->n_out; i++) fetches[i] = s->out[i].name;
    for (; n < s->n_in && !code; n += !code)
        if (!(code = some(&s->in[n], &in[n], err))) feeds[n] = (tn_feed){s->in[n].name, in[n]};
    if (!code && !(code = tn_session_run(tn_loaded_session(m), feeds, n, fetches, s->n_out, out, NULL, 0, err)))
        for (int i = 0; i < s->n_out; i++) tn_tensor_unref(out[i]);
    while (n--) tn_tensor_unref(in[n]);
    return code;
}

static tn_code open_and_ask(const model *m, const char *path, tn_error *err)
{
    tn_loaded *l;
    tn_session_options o = {.threads = 1, .memory_limit = (size_t)1 << 30};
    tn_code code = tn_load_saved_model(path, NULL, 0, &o, &l, err);
    if (code) return code;
    code = ask(l, m->signature, err);
    tn_loaded_free(l);
    return code;
}

/* How many allocations there were until it went well. */
static int64_t with_failing_memory(const model *m, const char *path, tn_code (*attempt)(const model *, const char *, tn_error *))
{
    tn_error err = {0};
    int64_t k = 1;
    tn_code code = TN_RESOURCE_EXHAUSTED;
    for (; code == TN_RESOURCE_EXHAUSTED && k < 1000000; k += 1 + k / 50) {
        tn_malloc_fail_at(k);
        code = attempt(m, path, &err);
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("%s, allocation %d: %s %s", m->folder, (int)k, tn_code_name(code), err.message);
    }
    tn_malloc_fail_at(0);
    assert_int_equal(code, TN_OK);
    return k;
}

static void test_opening_and_asking(void **state)
{
    (void)state;
    static const model models[] = {
        {.folder = "half_plus_two", .path = "saved_model/1", .signature = "serving_default"},
        {.folder = "half_plus_two_parse_v2", .path = "saved_model/1", .signature = "regress_x_to_y"},
        {.folder = "module_control_flow", .path = "saved_model/1"},
        {.folder = "module_strings", .path = "saved_model/1"},
        {.folder = "string_lookup_keras3", .path = "saved_model/1"},
        {.folder = "gru_keras3", .path = "saved_model/1"},
    };
    for (size_t i = 0; i < TN_COUNT(models); i++) {
        tn_arena *a = tn_arena_new(0);
        int64_t k = with_failing_memory(&models[i], path_in(a, models[i].folder, models[i].path), open_and_ask);
        if (k < 200) fail_msg("%s: only %d allocations", models[i].folder, (int)k);
        tn_arena_free(a);
    }
}

/* ==== a graph alone ==== */

static tn_code one(tn_dtype dtype, const tn_shape *shape, const void *v, const char *name, tn_feed *feeds, int *n, tn_error *err)
{
    tn_tensor *t;
    tn_code code = tn_tensor_of(dtype, shape, v, &t, err);
    if (!code) feeds[(*n)++] = (tn_feed){name, t};
    return code;
}

static tn_code open_and_fetch(const model *m, const char *path, tn_error *err)
{
    static const char *const fetches[] = {"out_0:0", "out_1:0"}, *const init = "init";
    (void)m;
    tn_loaded *l;
    tn_tensor *out[2];
    tn_feed feeds[2];
    int n = 0;
    tn_session_options o = {.threads = 1};
    tn_code code = tn_load_graph(path, &o, &l, err);
    if (code) return code;
    code = tn_session_run(tn_loaded_session(l), NULL, 0, NULL, 0, NULL, &init, 1, err);
    if (!code) code = one(TN_BOOL, &TN_SHAPE(), &(bool){true}, "p:0", feeds, &n, err);
    if (!code) code = one(TN_FLOAT, &TN_SHAPE(2), (float[]){0.5f, -0.25f}, "x:0", feeds, &n, err);
    if (!code && !(code = tn_session_run(tn_loaded_session(l), feeds, n, fetches, 2, out, NULL, 0, err)))
        for (int i = 0; i < 2; i++) tn_tensor_unref(out[i]);
    while (n--) tn_tensor_unref((tn_tensor *)feeds[n].value);
    tn_loaded_free(l);
    return code;
}

static void test_graphs(void **state)
{
    (void)state;
    static const model conditionals = {.folder = "../cond/loops_and_conds"}, nested = {.folder = "../cond/nested_loops"};
    tn_arena *a = tn_arena_new(0);
    assert_true(with_failing_memory(&conditionals, path_in(a, conditionals.folder, "graph.pb"), open_and_fetch) > 500);
    assert_true(with_failing_memory(&nested, path_in(a, nested.folder, "graph.pb"), open_and_fetch) > 500);
    tn_arena_free(a);
}

/* ==== training on ==== */

static tn_code feed(tn_arena *a, const model *m, const char *name, tn_feed *out, tn_error *err)
{
    tn_tensor *t;
    const char *file = tn_arena_printf(a, "train/feeds/%s.npy", name), *value = tn_arena_printf(a, "%s:0", name);
    const char *path = file && value ? path_in(a, m->folder, file) : NULL;
    tn_code code = path ? tn_tensor_load(path, &t, err) : TN_RESOURCE_EXHAUSTED;
    if (!code) *out = (tn_feed){value, t};
    return code;
}

static tn_code step(tn_loaded *l, const model *m, tn_arena *a, tn_error *err)
{
    const char *target = "train_op", *loss = "loss:0";
    tn_feed feeds[TN_COUNT(m->feeds)];
    tn_tensor *out;
    int n = 0;
    tn_code code = TN_OK;
    for (size_t i = 0; i < TN_COUNT(m->feeds) && m->feeds[i] && !code; i++)
        if (!(code = feed(a, m, m->feeds[i], &feeds[n], err))) n++;
    if (!code) code = tn_session_run(tn_loaded_session(l), feeds, n, &loss, 1, &out, &target, 1, err);
    if (!code) tn_tensor_unref(out);
    while (n--) tn_tensor_unref((tn_tensor *)feeds[n].value);
    return code;
}

static tn_code train_and_save(const model *m, const char *prefix, tn_error *err)
{
    tn_loaded *l;
    tn_session_options o = {.threads = 1};
    tn_arena *a = tn_arena_new(0);
    if (!a) return TN_RESOURCE_EXHAUSTED;
    const char *meta = path_in(a, m->folder, m->path), *checkpoint = path_in(a, m->folder, m->checkpoint);
    tn_code code = meta && checkpoint ? tn_load_meta_graph(meta, checkpoint, &o, &l, err) : TN_RESOURCE_EXHAUSTED;
    if (!code) {
        code = step(l, m, a, err);
        if (!code) code = tn_loaded_save(l, prefix, err);
        tn_loaded_free(l);
    }
    tn_arena_free(a);
    return code;
}

static const model training = {"train_mlp_sgd_decay", "saver/model.ckpt.meta", "saver/model.ckpt", NULL, {"features", "labels"}};
static const model loops = {"gru_recommender_cf1", "saver/m.meta", "saver/m", NULL, {"data", "target", "keep_prob"}};

static void test_training_on(void **state)
{
    (void)state;
    char folder[] = "/tmp/tn_alloc.XXXXXX";
    assert_non_null(mkdtemp(folder));
    tn_arena *a = tn_arena_new(0);
    assert_true(with_failing_memory(&training, tn_path_join(a, folder, "m"), train_and_save) > 1000);
    assert_true(with_failing_memory(&loops, tn_path_join(a, folder, "m"), train_and_save) > 1000);
    assert_int_equal(tn_remove_tree(folder, NULL), TN_OK);
    tn_arena_free(a);
}

/* But for an index that waits for its renaming. */
static int files_in(const char *folder)
{
    tn_arena *a = tn_arena_new(0);
    char **names;
    size_t n;
    int count = 0;
    assert_int_equal(tn_list_folder(folder, a, &names, &n, NULL), TN_OK);
    for (size_t i = 0; i < n; i++) count += strcmp(names[i], "m.index.new") != 0;
    tn_arena_free(a);
    return count;
}

/* A disk that is full: nothing half-written is left, and what was there before stays. */
static void test_saving_on_a_full_disk(void **state)
{
    (void)state;
    char folder[] = "/tmp/tn_alloc.XXXXXX";
    assert_non_null(mkdtemp(folder));
    tn_arena *a = tn_arena_new(0);
    const char *prefix = tn_path_join(a, folder, "m");
    tn_error err = {0};
    assert_ok(train_and_save(&training, prefix, &err), &err);
    int files = files_in(folder), n = 1;
    tn_code code = TN_RESOURCE_EXHAUSTED;
    for (; code && n < 1000; n++) {
        tn_file_fail_at(n, ENOSPC);
        code = train_and_save(&training, prefix, &err);
        tn_file_fail_at(0, 0);
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("write %d: %s %s", n, tn_code_name(code), err.message);
        tn_bundle *b; /* the one from before, or, when only its last renaming failed, the new one */
        assert_ok(tn_bundle_open(prefix, &b, &err), &err);
        tn_bundle_close(b);
        assert_int_equal(files_in(folder), files);
    }
    assert_true(n > 3);
    assert_int_equal(tn_remove_tree(folder, NULL), TN_OK);
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening_and_asking),
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_training_on),
        cmocka_unit_test(test_saving_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
