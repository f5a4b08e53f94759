/* SPDX-License-Identifier: Apache-2.0
 * Files that cannot grow beyond so many bytes: the write that comes there is short, and the next one fails. What is written whole or not
 * at all is not there then, and nothing beside it; what was there before stays; what is appended to holds whole records. */
#include <signal.h>
#include <sys/resource.h>

#include "serve/spool.h"
#include "small_graph.h"
#include "wire/wire.h"

typedef struct written {
    small_graph graph;
    tn_tensor *tensor;
} written;

/* ==== what writes ==== */

static tn_code write_tensor(const written *w, const char *path, tn_error *err)
{
    return tn_tensor_save(path, w->tensor, err);
}

static tn_code write_checkpoint(const written *w, const char *path, tn_error *err)
{
    tn_saver *s;
    tn_saver_options o = {.max_to_keep = 1};
    tn_code code = tn_saver_new(path, &o, &s, err);
    if (code != TN_OK) return code;
    code = small_graph_save(&w->graph, s, 1, err);
    tn_saver_free(s);
    return code;
}

static tn_code write_saved_model(const written *w, const char *path, tn_error *err)
{
    const tn_export e = {.graph = w->graph.graph};
    return tn_savedmodel_save(path, 1, &e, w->graph.session, NULL, err);
}

static tn_code write_events(const written *w, const char *path, tn_error *err)
{
    tn_events *e;
    tn_code code = tn_events_open(path, NULL, TN_EVENTS_V2, &e, err), closed;
    if (code != TN_OK) return code;
    for (int i = 0; i < 20 && code == TN_OK; i++) code = tn_events_histogram(e, i, "w", w->tensor, err);
    closed = tn_events_close(e, code == TN_OK ? err : NULL);
    return code == TN_OK ? closed : code;
}

/* ==== how it fails ==== */

/* Files of this process may have so many bytes; RLIM_INFINITY: any. */
static void limit_files(rlim_t n)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

/* Bytes of all files below it, and how many there are. */
static int64_t size_of(void **state, const char *path, int *files)
{
    char **names;
    size_t n;
    int64_t sum = 0;
    tn_error err;
    if (!tn_is_folder(path)) {
        if (!tn_file_exists(path)) return 0;
        ++*files;
        return (int64_t)content(state, path).n;
    }
    assert_ok(tn_list_folder(path, arena_of(state), &names, &n, &err), &err);
    for (size_t i = 0; i < n; i++) sum += size_of(state, tn_path_join(arena_of(state), path, names[i]), files);
    return sum;
}

typedef tn_code (*writes)(const written *w, const char *path, tn_error *err);

/* Each limit up to the one that is enough, more and more coarsely. */
static void check_whole(void **state, const written *w, const char *name, writes write)
{
    tn_code code = TN_RESOURCE_EXHAUSTED;
    tn_error err;
    for (rlim_t n = 0; code != TN_OK; n += 1 + n / 8) {
        int files = 0;
        assert_in_range(n, 0, 1 << 20);
        assert_ok(tn_make_folders(in(state, "new"), &err), &err);
        limit_files(n);
        code = write(w, in(state, "new/m"), &err);
        limit_files(RLIM_INFINITY);
        if (code != TN_OK && code != TN_RESOURCE_EXHAUSTED) fail_msg("%s, %d bytes: %s: %s", name, (int)n, tn_code_name(code), err.message);
        int64_t left = size_of(state, in(state, "new"), &files);
        if (code != TN_OK && files) fail_msg("%s, %d bytes: %d files are left, of %d bytes", name, (int)n, files, (int)left);
        if (code == TN_OK && left < 100) fail_msg("%s: %d bytes only", name, (int)left);
        assert_ok(tn_remove_tree(in(state, "new"), &err), &err);
    }
}

static void test_whole_or_not_at_all(void **state)
{
    written w = {.graph = small_graph_new(1), .tensor = floats(&TN_SHAPE(16), (float[16]){1, 2, 3})};
    check_whole(state, &w, "tensor", write_tensor);
    check_whole(state, &w, "checkpoint", write_checkpoint);
    check_whole(state, &w, "SavedModel", write_saved_model);
    tn_tensor_unref(w.tensor);
    small_graph_free(&w.graph);
}

/* ==== what is appended to ==== */

/* Records up to the end, or to where the last is cut. */
static int records_of(void **state, const char *path, bool *cut)
{
    tn_view file = content(state, path), record;
    tn_error err;
    tn_code code;
    int n = 0;
    while ((code = tn_record_next(&file, 0, &record, &err)) == TN_OK) n++;
    *cut = code != TN_OUT_OF_RANGE;
    return n;
}

static void test_events(void **state)
{
    written w = {.tensor = floats(&TN_SHAPE(16), (float[16]){1, 2, 3})};
    tn_code code = TN_RESOURCE_EXHAUSTED;
    tn_error err;
    char **names;
    size_t n_names;
    int before = 0;
    for (rlim_t n = 0; code != TN_OK; n += 1 + n / 4) {
        bool cut = false;
        assert_in_range(n, 0, 1 << 20);
        limit_files(n);
        code = write_events(&w, in(state, "events"), &err);
        limit_files(RLIM_INFINITY);
        if (code != TN_OK) assert_code(code, TN_RESOURCE_EXHAUSTED);
        assert_ok(tn_list_folder(in(state, "events"), arena_of(state), &names, &n_names, &err), &err);
        assert_true(n_names <= 1);
        int now = n_names ? records_of(state, in(state, tn_arena_printf(arena_of(state), "events/%s", names[0])), &cut) : 0;
        if (now < before || (code == TN_OK && (cut || now != 21))) fail_msg("%d bytes: %d records, there were %d", (int)n, now, before);
        before = now;
        assert_ok(tn_remove_tree(in(state, "events"), &err), &err);
    }
    tn_tensor_unref(w.tensor);
}

/* A request log holds whole records only, and says how many were lost. */
static void test_request_log(void **state)
{
    enum { RECORDS = 20 };
    tn_buf record = {0};
    tn_error err;
    int64_t lost = 1;
    tn_record_put(&record, "0123456789012345678901234567890123456789", 40);
    for (rlim_t n = 0; lost; n += 1 + n / 4) {
        tn_spool *s;
        bool cut;
        assert_in_range(n, 0, 1 << 20);
        tn_remove_tree(in(state, "log"), NULL);
        limit_files(n);
        tn_code code = tn_spool_open(&(tn_spool_options){.path = in(state, "log")}, &s, &err);
        if (code == TN_OK) {
            for (int i = 0; i < RECORDS; i++) assert_true(tn_spool_put(s, (tn_view){record.data, record.n}));
            for (int i = lost = 0; i < 10000 && records_of(state, in(state, "log"), &cut) + lost != RECORDS; i++) {
                usleep(1000);
                lost += tn_spool_take_lost(s);
            }
            tn_spool_close(s);
        }
        limit_files(RLIM_INFINITY);
        assert_ok(code, &err);
        int kept = records_of(state, in(state, "log"), &cut);
        if (cut || kept + lost != RECORDS) fail_msg("%d bytes: %d records, %d lost%s", (int)n, kept, (int)lost, cut ? ", one is cut" : "");
    }
    tn_buf_free(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_whole_or_not_at_all), TEST(test_events), TEST(test_request_log)};
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests_name("cut_writes", tests, NULL, NULL);
}
