/* SPDX-License-Identifier: Apache-2.0
 * Models of TensorFlow cut short at any byte, or with a byte that is another one: an error with words, or a model that runs
 * or fails to; never more than that. (AddressSanitizer sees what is read beyond.) */
#include <stdlib.h>

#include "test.h"

typedef struct damage {
    char folder[32];
    char path[96];       /* of the damaged file */
    char checkpoint[96]; /* in the folder, too */
    tn_buf whole;
} damage;

static char *source(tn_arena *a, const char *path)
{
    const char *root = getenv("TN_SOURCE");
    return tn_arena_printf(a, "%s/tests/golden/models/%s", root ? root : "..", path);
}

static void begin(damage *d, tn_arena *a, const char *original, const char *as)
{
    tn_error err = {0};
    *d = (damage){.folder = "/tmp/tn_damaged.XXXXXX"};
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->path, sizeof d->path, "%s/%s", d->folder, as);
    snprintf(d->checkpoint, sizeof d->checkpoint, "%s/m", d->folder);
    assert_ok(tn_file_read(source(a, original), 0, &d->whole, &err), &err);
}

static void end(damage *d)
{
    assert_int_equal(tn_remove_tree(d->folder, NULL), TN_OK);
    tn_buf_free(&d->whole);
}

static void put(damage *d, const void *p, size_t n)
{
    FILE *f = fopen(d->path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void copy(damage *d, tn_arena *a, const char *original, const char *as)
{
    tn_buf bytes = {0};
    assert_int_equal(tn_file_read(source(a, original), 0, &bytes, NULL), TN_OK);
    assert_int_equal(tn_file_write(tn_path_join(a, d->folder, as), bytes.data, bytes.n, NULL), TN_OK);
    tn_buf_free(&bytes);
}

static void ask_all(tn_loaded *m)
{
    for (int i = 0; i < tn_loaded_signatures(m); i++) {
        const tn_loaded_signature *s = tn_loaded_signature_at(m, i);
        for (int k = 0; k < s->n_out; k++) {
            const char *fetch = s->out[k].name;
            tn_tensor *out;
            tn_error err = {0};
            if (!fetch) continue;
            if (tn_session_run(tn_loaded_session(m), NULL, 0, &fetch, 1, &out, NULL, 0, &err) == TN_OK) tn_tensor_unref(out);
            else assert_true(err.message[0]);
        }
    }
}

static void look(damage *d, tn_code (*load)(damage *d, tn_loaded **m, tn_error *err))
{
    tn_loaded *m;
    tn_error err = {0};
    if (load(d, &m, &err) != TN_OK) {
        assert_true(err.message[0]);
        return;
    }
    ask_all(m);
    tn_loaded_free(m);
}

/* Every length and every byte in the beginning, then fewer and fewer of them. */
static void damage_all(damage *d, tn_code (*load)(damage *d, tn_loaded **m, tn_error *err))
{
    for (size_t n = 0; n < d->whole.n; n += 1 + n / 120) {
        put(d, d->whole.data, n);
        look(d, load);
    }
    for (size_t i = 0; i < d->whole.n; i += 1 + i / 120) {
        d->whole.data[i] ^= (char)(i % 3 ? 1 << i % 8 : 0xff);
        put(d, d->whole.data, d->whole.n);
        d->whole.data[i] ^= (char)(i % 3 ? 1 << i % 8 : 0xff);
        look(d, load);
    }
}

static const tn_session_options limits = {.threads = 1, .memory_limit = (size_t)1 << 26, .time_limit = 10};

static tn_code load_saved_model(damage *d, tn_loaded **m, tn_error *err)
{
    return tn_load_saved_model(d->folder, NULL, 0, &limits, m, err);
}

static tn_code load_meta_graph(damage *d, tn_loaded **m, tn_error *err)
{
    return tn_load_meta_graph(d->path, NULL, &limits, m, err);
}

static tn_code load_checkpoint(damage *d, tn_loaded **m, tn_error *err)
{
    char meta[128];
    snprintf(meta, sizeof meta, "%s.meta", d->checkpoint);
    return tn_load_meta_graph(meta, d->checkpoint, &limits, m, err);
}

static void test_saved_models(void **state)
{
    (void)state;
    static const char *const models[] = {"half_plus_two", "module_control_flow"};
    for (size_t i = 0; i < TN_COUNT(models); i++) {
        tn_arena *a = tn_arena_new(0);
        damage d;
        begin(&d, a, tn_arena_printf(a, "%s/saved_model/1/saved_model.pb", models[i]), "saved_model.pb");
        char *variables = tn_arena_printf(a, "%s/saved_model/1/variables/variables", models[i]);
        assert_int_equal(tn_make_folders(tn_path_join(a, d.folder, "variables"), NULL), TN_OK);
        copy(&d, a, tn_arena_printf(a, "%s.index", variables), "variables/variables.index");
        copy(&d, a, tn_arena_printf(a, "%s.data-00000-of-00001", variables), "variables/variables.data-00000-of-00001");
        damage_all(&d, load_saved_model);
        end(&d);
        tn_arena_free(a);
    }
}

static void test_meta_graphs(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    damage d;
    begin(&d, a, "train_mlp_sgd_decay/saver/model.ckpt.meta", "m.meta");
    damage_all(&d, load_meta_graph);
    end(&d);
    tn_arena_free(a);
}

static void test_checkpoints(void **state)
{
    (void)state;
    static const char *const kinds[] = {"index", "data-00000-of-00001"};
    for (int i = 0; i < 2; i++) {
        tn_arena *a = tn_arena_new(0);
        damage d;
        const char *from = "train_mlp_sgd_decay/saver/model.ckpt";
        begin(&d, a, tn_arena_printf(a, "%s.%s", from, kinds[i]), i ? "m.data-00000-of-00001" : "m.index");
        copy(&d, a, tn_arena_printf(a, "%s.meta", from), "m.meta");
        copy(&d, a, tn_arena_printf(a, "%s.%s", from, kinds[!i]), i ? "m.index" : "m.data-00000-of-00001");
        damage_all(&d, load_checkpoint);
        end(&d);
        tn_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saved_models),
        cmocka_unit_test(test_meta_graphs),
        cmocka_unit_test(test_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
