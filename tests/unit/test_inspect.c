/* SPDX-License-Identifier: Apache-2.0
 *
 * test_inspect.c - looking into files: checkpoints, models, records, Examples and events as they are, damaged ones too,
 * and when memory ends; statistics; operators that are not there.
 */
#include <math.h>

#include "format/format.h"
#include "place.h"

enum { MOST_ALLOCATIONS = 20000 };

/* Fails each allocation of the call in turn; it must say so and leave nothing behind (AddressSanitizer sees). */
#define each_allocation_fails(call, drop)                                                         \
    do {                                                                                          \
        tn_code code_ = TN_RESOURCE_EXHAUSTED;                                                    \
        for (int64_t n_ = 1; code_ != TN_OK && n_ < MOST_ALLOCATIONS; n_++) {                     \
            tn_malloc_fail_at(n_);                                                                \
            code_ = (call);                                                                       \
            tn_malloc_fail_at(0);                                                                 \
            if (code_ != TN_OK) assert_code(code_, TN_RESOURCE_EXHAUSTED);                        \
        }                                                                                         \
        assert_code(code_, TN_OK);                                                                \
        drop;                                                                                     \
    } while (0)

/* ==== statistics ==== */

static void test_stats(void **state)
{
    (void)state;
    tn_stats s;
    tn_error err;
    float v[] = {1, -2, 0, NAN, INFINITY, -INFINITY, 4, 0};
    tn_tensor *t;
    assert_ok(tn_tensor_of(TN_FLOAT, &TN_SHAPE(2, 4), v, &t, &err), &err);
    assert_ok(tn_tensor_stats(t, &s, &err), &err);
    assert_true(s.count == 8 && s.nan == 1 && s.inf == 2 && s.zero == 2 && s.min == -2 && s.max == 4);
    assert_true(fabs(s.mean - 0.6) < 1e-12 && fabs(s.std - sqrt((0.16 + 6.76 + 2 * 0.36 + 11.56) / 5)) < 1e-12);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_of(TN_FLOAT, &TN_SHAPE(1), &v[3], &t, &err), &err);
    assert_ok(tn_tensor_stats(t, &s, &err), &err);
    assert_true(isnan(s.min) && isnan(s.max) && isnan(s.mean) && isnan(s.std) && s.count == 1);
    tn_tensor_unref(t);
    int64_t big[] = {INT64_MAX, INT64_MIN};
    assert_ok(tn_tensor_of(TN_INT64, &TN_SHAPE(2), big, &t, &err), &err);
    assert_ok(tn_tensor_stats(t, &s, &err), &err);
    assert_true(s.max == 9223372036854775808.0 && s.min == -9223372036854775808.0);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(1), &t, &err), &err);
    assert_code(tn_tensor_stats(t, &s, &err), TN_INVALID_ARGUMENT);
    tn_tensor_unref(t);
}

/* ==== checkpoints ==== */

static void test_slices(void **state)
{
    tn_error err;
    tn_bundle_writer *w;
    tn_bundle *b;
    tn_bundle_piece p;
    tn_tensor *t;
    const char *prefix = in(state, "m");
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(2, 3), &t, &err), &err);
    assert_ok(tn_bundle_writer_open(prefix, &w, &err), &err);
    for (int64_t k = 0; k < 2; k++) {
        tn_slice slice = {.rank = 2, .start = {2 * k, 0}, .length = {2, -1}};
        assert_ok(tn_bundle_add_slice(w, "part", &TN_SHAPE(4, 3), &slice, t, &err), &err);
    }
    assert_ok(tn_bundle_add(w, "whole", t, &err), &err);
    assert_ok(tn_bundle_commit(w, &err), &err);
    tn_tensor_unref(t);
    assert_ok(tn_bundle_open(prefix, &b, &err), &err);
    assert_int_equal(tn_bundle_shards(b), 1);
    tn_bundle_info part = tn_bundle_info_at(b, 0), whole = tn_bundle_info_at(b, 1);
    assert_true(part.n_slices == 2 && part.bytes == 48 && tn_shape_equal(&part.shape, &TN_SHAPE(4, 3)));
    assert_true(whole.n_slices == 0 && whole.bytes == 24 && whole.offset == 48 && whole.dtype == TN_FLOAT);
    assert_ok(tn_bundle_piece_at(b, 0, 1, &p, &err), &err);
    assert_true(p.start.dim[0] == 2 && p.start.dim[1] == 0 && p.bytes == 24 && p.offset == 24 && p.shape.dim[0] == 2);
    tn_bundle_close(b);
}

static void test_checkpoint_list(void **state)
{
    tn_error err;
    tn_checkpoint_list list;
    place *at = *state;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"m-5.index", "m-20.index", "m-10.index"};
        write_file(in(state, names[i]), TN_VIEW("12345"));
    }
    write_file(in(state, "m-10.data-00000-of-00001"), TN_VIEW("1234567"));
    assert_ok(tn_checkpoint_list_read(at->folder, &list, &err), &err);
    assert_true(list.n == 3 && !list.has_state);
    assert_true(list.v[0].step == 5 && list.v[1].step == 10 && list.v[2].step == 20 && list.v[1].bytes == 12);
    assert_true(list.v[2].is_there && !list.v[2].is_listed && !list.v[2].is_latest);
    tn_checkpoint_list_free(&list);
    write_file(in(state, "checkpoint"), TN_VIEW("model_checkpoint_path: \"m-20\"\nall_model_checkpoint_paths: \"m-1\"\n"
                                                "all_model_checkpoint_paths: \"m-20\"\nall_model_checkpoint_timestamps: 1.5\n"
                                                "all_model_checkpoint_timestamps: 2.5\n"));
    assert_ok(tn_checkpoint_list_read(at->folder, &list, &err), &err);
    assert_true(list.n == 4 && list.has_state && !list.v[0].is_there && list.v[0].step == 1 && list.v[0].timestamp == 1.5);
    assert_true(list.v[1].is_latest && list.v[1].is_listed && list.v[2].step == 5 && !list.v[2].is_listed);
    tn_checkpoint_list_free(&list);
    each_allocation_fails(tn_checkpoint_list_read(at->folder, &list, NULL), tn_checkpoint_list_free(&list));
    write_file(in(state, "checkpoint"), TN_VIEW("{"));
    list = (tn_checkpoint_list){.n = 0};
    assert_code(tn_checkpoint_list_read(at->folder, &list, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(list.n, 3);
    tn_checkpoint_list_free(&list);
    assert_code(tn_checkpoint_list_read(in(state, "none"), &list, &err), TN_NOT_FOUND);
}

/* ==== models ==== */

static const tn_signature_info *signature(const tn_meta_graph_info *g, const char *name)
{
    for (int i = 0; i < g->n_signatures; i++)
        if (!strcmp(g->signatures[i].signature.name, name)) return &g->signatures[i];
    fail_msg("no signature %s", name);
    return NULL;
}

static void test_saved_model(void **state)
{
    tn_error err;
    tn_archive *a;
    const char *folder = golden(state, "models/half_plus_two/saved_model/1");
    assert_ok(tn_archive_open(folder, &a, &err), &err);
    assert_true(tn_archive_kind_of(a) == TN_ARCHIVE_SAVED_MODEL && tn_archive_count(a) == 1);
    const tn_meta_graph_info *g = tn_archive_at(a, 0);
    assert_true(g->n_tags == 1 && !strcmp(g->tags[0], "serve") && !strncmp(g->tensorflow_version, "2.", 2));
    const tn_signature_info *s = signature(g, "serving_default");
    assert_true(s->n_missing == 0 && !s->problem && s->signature.in[0].dtype == TN_FLOAT && s->signature.in[0].shape.dim[0] == -1);
    assert_true(g->n_variables == 3 && !strcmp(g->variables[0].key, "a") && g->saver && g->saver->sharded && !g->problem);
    assert_true(g->n_collections > 0 && g->n_missing == 0);
    assert_true(g->n_assets == 1 && !strcmp(g->assets[0].filename, "notes.txt") && g->assets[0].bytes > 0);
    tn_archive_close(a);
    each_allocation_fails(tn_archive_open(folder, &a, NULL), tn_archive_close(a));
}

static void test_which_message(void **state)
{
    static const struct {
        const char *file;
        tn_archive_kind kind;
    } files[] = {{"wire/graph.pb", TN_ARCHIVE_GRAPH}, {"wire/model.meta", TN_ARCHIVE_META_GRAPH},
                 {"wire/saved_model.pb", TN_ARCHIVE_SAVED_MODEL}};
    tn_error err;
    tn_archive *a;
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        tn_view bytes = content(state, golden(state, files[i].file));
        const char *path = in(state, "unnamed");
        write_file(path, bytes);
        assert_ok(tn_archive_open(path, &a, &err), &err);
        assert_int_equal(tn_archive_kind_of(a), files[i].kind);
        tn_archive_close(a);
        bytes.n -= bytes.n / 3;
        write_file(path, bytes);
        assert_code(tn_archive_open(path, &a, &err), TN_DATA_LOSS);
        assert_says(&err, "unnamed: ");
    }
    write_file(in(state, "x.pb"), TN_VIEW("no message at all"));
    assert_code(tn_archive_open(in(state, "x.pb"), &a, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "x.pb: line 1");
}

/* ==== operators that are not there ==== */

#define FLOAT_T "attr { key: \"T\" value { type: DT_FLOAT } } "
#define X "node { name: \"x\" op: \"Placeholder\" attr { key: \"dtype\" value { type: DT_FLOAT } } } "
#define FUNCTION(name, op, in)                                                                    \
    "function { signature { name: \"" name "\" input_arg { name: \"a\" type: DT_FLOAT } "         \
    "output_arg { name: \"r\" type: DT_FLOAT } } node_def { name: \"n\" op: \"" op "\" input: \"a\" " FLOAT_T in \
    " } ret { key: \"r\" value: \"n:y:0\" } } "
#define WHILE(name, cond, body)                                                                   \
    "node { name: \"" name "\" op: \"StatelessWhile\" input: \"x\" attr { key: \"T\" value { list { type: DT_FLOAT } } } " \
    "attr { key: \"cond\" value { func { name: \"" cond "\" } } } attr { key: \"body\" value { func { name: \"" body "\" } } } } "

static void test_missing(void **state)
{
    static const char text[] = X "node { name: \"odd\" op: \"Odd\" input: \"x\" input: \"^late\" } "
                                 "node { name: \"late\" op: \"Later\" } node { name: \"fine\" op: \"Neg\" input: \"x\" " FLOAT_T "} "
                                 "node { name: \"after\" op: \"Neg\" input: \"odd\" " FLOAT_T "} " WHILE("loop", "plain", "bad")
                                 "library { " FUNCTION("plain", "Neg", "") FUNCTION("bad", "Worse", "") FUNCTION("unused", "Unheard", "")
                                 "} versions { producer: 1000 }";
    tn_error err;
    tn_graph *g;
    tn_missing *m;
    tn_session *s;
    tn_tensor *out[1];
    int n;
    write_file(in(state, "g.pbtxt"), TN_VIEW(text));
    assert_ok(tn_graphdef_load(in(state, "g.pbtxt"), &g, &err), &err);
    const char *x = "x:0", *fine = "fine:0", *after = "after:0", *odd = "odd:0", *loop = "loop:0";
    assert_ok(tn_graph_missing(g, &x, 1, &fine, 1, NULL, 0, &m, &n, &err), &err);
    assert_true(n == 0);
    tn_missing_free(m);
    assert_ok(tn_graph_missing(g, &x, 1, &after, 1, NULL, 0, &m, &n, &err), &err);
    assert_true(n == 2 && !strcmp(m[0].type, "Odd") && !strcmp(m[0].node, "odd") && !m[0].function && !strcmp(m[1].type, "Later"));
    tn_missing_free(m);
    const char *feeds[] = {x, odd};
    assert_ok(tn_graph_missing(g, feeds, 2, &after, 1, NULL, 0, &m, &n, &err), &err);
    assert_true(n == 0); /* what is fed is not asked for */
    tn_missing_free(m);
    const char *target = "loop";
    assert_ok(tn_graph_missing(g, &x, 1, NULL, 0, &target, 1, &m, &n, &err), &err);
    assert_true(n == 1 && !strcmp(m[0].type, "Worse") && !strcmp(m[0].node, "n") && !strcmp(m[0].function, "bad"));
    tn_missing_free(m);
    assert_ok(tn_graph_missing(g, NULL, 0, NULL, 0, NULL, 0, &m, &n, &err), &err);
    assert_int_equal(n, 3); /* the function that nobody calls is nobody's need */
    tn_missing_free(m);
    each_allocation_fails(tn_graph_missing(g, NULL, 0, NULL, 0, NULL, 0, &m, &n, NULL), tn_missing_free(m));
    assert_code(tn_graph_missing(g, NULL, 0, &(const char *){"gone"}, 1, NULL, 0, &m, &n, &err), TN_NOT_FOUND);

    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    tn_tensor *two;
    assert_ok(tn_tensor_scalar(TN_FLOAT, 2, &two, &err), &err);
    tn_feed feed = {x, two};
    assert_ok(tn_session_run(s, &feed, 1, &fine, 1, out, NULL, 0, &err), &err);
    assert_true(tn_tensor_number(out[0], 0) == -2);
    tn_tensor_unref(out[0]);
    assert_code(tn_session_run(s, &feed, 1, &after, 1, out, NULL, 0, &err), TN_NOT_FOUND);
    assert_says(&err, "Op type not registered 'Odd' in binary running turnery " TN_VERSION ": [[{{node odd}}]] and 'Later' [[{{node late}}]]");
    assert_code(tn_session_run(s, &feed, 1, &loop, 1, out, NULL, 0, &err), TN_NOT_FOUND);
    assert_says(&err, "'Worse' in binary running turnery " TN_VERSION ": [[{{node n}}]] in function 'bad'");
    tn_tensor_unref(two);
    tn_session_free(s);
    tn_graph_free(g);
}

/* ==== records and Examples ==== */

static void test_record_files(void **state)
{
    static const char *const files[][2] = {
        {"wire/data.tfrecord", "none"}, {"wire/data.tfrecord.gz", "GZIP"}, {"wire/data.tfrecord.zlib", "ZLIB"}};
    tn_error err;
    tn_record_file *r;
    tn_bytes record;
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        int n = 0;
        tn_code code;
        assert_ok(tn_record_file_open(golden(state, files[i][0]), &r, &err), &err);
        assert_string_equal(tn_record_file_compression(r), files[i][1]);
        while ((code = tn_record_file_next(r, &record, &err)) == TN_OK) n++;
        assert_code(code, TN_OUT_OF_RANGE);
        assert_int_equal(n, 26);
        tn_record_file_close(r);
        each_allocation_fails(tn_record_file_open(golden(state, files[i][0]), &r, NULL), tn_record_file_close(r));
    }
    assert_ok(tn_record_file_open(golden(state, "wire/truncated.tfrecord"), &r, &err), &err);
    for (int n = 0; n < 24; n++) assert_ok(tn_record_file_next(r, &record, &err), &err);
    assert_code(tn_record_file_next(r, &record, &err), TN_DATA_LOSS);
    assert_says(&err, "truncated.tfrecord: record 24: record at byte 3031");
    tn_record_file_close(r);
    assert_code(tn_record_file_open(in(state, "none"), &r, &err), TN_NOT_FOUND);
}

static tn_bytes bytes_at(const tn_tensor *t, int64_t i)
{
    const tn_string *s = &((const tn_string *)tn_tensor_data(t))[i];
    return (tn_bytes){s->p, s->n};
}

static void test_examples(void **state)
{
    (void)state;
    tn_error err;
    tn_tensor *t;
    tn_example e;
    static const char text[] = "[{\"a\": [1, -2], \"b\": [0.5, 2], \"c\": [\"x\", {\"b64\": \"/wA=\"}], \"d\": 7, \"e\": []}, {}]";
    assert_ok(tn_examples_from_json(text, &t, &err), &err);
    assert_true(tn_tensor_count(t) == 2 && bytes_at(t, 1).n == 2); /* an Example with no features in it */
    assert_ok(tn_example_read(bytes_at(t, 0), &e, &err), &err);
    assert_true(e.n_features == 5 && !e.is_sequence);
    const tn_named_feature *f = e.features;
    assert_true(f[0].value.kind == TN_FEATURE_INTS && f[0].value.n == 2 && f[0].value.ints[1] == -2);
    assert_true(f[1].value.kind == TN_FEATURE_FLOATS && f[1].value.floats[0] == 0.5f);
    assert_true(f[2].value.kind == TN_FEATURE_BYTES && f[2].value.bytes[1].n == 2 && f[2].value.bytes[1].p[0] == (char)0xff);
    assert_true(f[3].value.kind == TN_FEATURE_INTS && f[3].value.ints[0] == 7 && f[4].value.n == 0);
    tn_example_free(&e);
    each_allocation_fails(tn_example_read(bytes_at(t, 0), &e, NULL), tn_example_free(&e));
    tn_tensor_unref(t);
    each_allocation_fails(tn_examples_from_json(text, &t, NULL), tn_tensor_unref(t));
    static const char *const bad[] = {"{}", "[1]", "[{\"a\": [1, \"x\"]}]", "[{\"a\": [\"x\", 1]}]", "[{\"a\": null}]", "[{\"a\": [[1]]}]",
                                      "[{\"a\": [{\"b64\": \"%\"}]}]", "[", ""};
    for (size_t i = 0; i < TN_COUNT(bad); i++) assert_code(tn_examples_from_json(bad[i], &t, &err), TN_INVALID_ARGUMENT);
}

static void test_no_examples(void **state)
{
    (void)state;
    tn_error err;
    tn_example e;
    static const tn_bytes none[] = {{"hello", 5}, {"\x18\x01", 2}, {"\x0a\x02\x10\x01", 4}, {"\x0a\x05", 2}};
    for (size_t i = 0; i < TN_COUNT(none); i++) assert_code(tn_example_read(none[i], &e, &err), TN_INVALID_ARGUMENT);
    assert_ok(tn_example_read((tn_bytes){"", 0}, &e, &err), &err);
    assert_int_equal(e.n_features, 0);
    tn_example_free(&e);
}

/* ==== events ==== */

static tn_code read_events(const char *path, int *events, int *values)
{
    tn_event_file *f;
    const tn_event *e;
    *events = *values = 0;
    tn_code code = tn_event_file_open(path, &f, NULL);
    if (code != TN_OK) return code;
    while ((code = tn_event_file_next(f, &e, NULL)) == TN_OK) {
        ++*events;
        *values += e->n_values;
    }
    tn_event_file_close(f);
    return code == TN_OUT_OF_RANGE ? TN_OK : code;
}

static void test_events(void **state)
{
    tn_error err;
    tn_event_file *f;
    const tn_event *e;
    int events, values;
    assert_ok(tn_event_file_open(golden(state, "events/v2.tfevents"), &f, &err), &err);
    assert_ok(tn_event_file_next(f, &e, &err), &err);
    assert_true(!strcmp(e->what, "file_version") && !strcmp(e->text, "brain.Event:2"));
    assert_ok(tn_event_file_next(f, &e, &err), &err);
    const tn_event_value *v = &e->values[0];
    assert_true(e->n_values == 1 && !strcmp(v->tag, "loss") && !strcmp(v->plugin, "scalars") && v->tensor);
    assert_true(tn_tensor_number(v->tensor, 0) == 1 && !strcmp(v->description, "the loss") && !strcmp(v->kind, "tensor"));
    tn_event_file_close(f);
    assert_code(read_events(golden(state, "events/v1.tfevents"), &events, &values), TN_OK);
    assert_int_equal(events, 14);
    each_allocation_fails(read_events(golden(state, "events/hparams.tfevents"), &events, &values), assert_int_equal(events, 8));
    assert_code(tn_event_file_open(in(state, "none"), &f, &err), TN_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stats),        TEST(test_slices),       TEST(test_checkpoint_list), TEST(test_saved_model),
        TEST(test_which_message), TEST(test_missing),     TEST(test_record_files),    TEST(test_examples),
        TEST(test_no_examples),  TEST(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
