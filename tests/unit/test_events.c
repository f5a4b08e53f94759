/* SPDX-License-Identifier: Apache-2.0
 *
 * test_events.c - event files: TensorFlow's are read, its histograms come out the same, ours come back, and
 * damage is told.
 */
#include <errno.h>
#include <math.h>

#include "format/format.h"
#include "place.h"

/* ---- TensorFlow's ---- */

static const tn_json *json_file(void **state, const char *path)
{
    tn_json *j;
    tn_error err;
    assert_ok(tn_json_parse(content(state, path), arena_of(state), &j, &err), &err);
    return j;
}

static tn_tensor *numbers(const tn_json *list)
{
    tn_tensor *t;
    tn_error err;
    int64_t i = 0;
    assert_ok(tn_tensor_new(TN_DOUBLE, &TN_SHAPE((int64_t)list->count), &t, &err), &err);
    for (const tn_json *j = list->child; j; j = j->next) ((double *)t->data)[i++] = j->number;
    return t;
}

static void same_histogram(const tn_HistogramProto *want, const tn_json *values, tn_arena *a)
{
    tn_HistogramProto h;
    tn_error err;
    tn_tensor *t = numbers(values);
    assert_ok(tn_histogram_of(t, a, &h, &err), &err);
    assert_true(h.num == want->num && h.min == want->min && h.max == want->max);
    assert_true(fabs(h.sum - want->sum) < 1e-9 && fabs(h.sum_squares - want->sum_squares) < 1e-9);
    assert_int_equal(h.bucket.n, want->bucket.n);
    for (uint32_t i = 0; i < h.bucket.n; i++) {
        assert_true(h.bucket_limit.items[i] == want->bucket_limit.items[i]);
        assert_true(h.bucket.items[i] == want->bucket.items[i]);
    }
    tn_tensor_unref(t);
}

static void test_version_1(void **state)
{
    const tn_json *inputs =
        tn_json_find(json_file(state, golden(state, "events/v1_histogram_inputs.json")), "weights")->child;
    tn_event_reader *r;
    const tn_Event *e;
    tn_error err;
    tn_code code;
    int events = 0, histograms = 0, graphs = 0, scalars = 0;
    assert_ok(tn_event_reader_open(golden(state, "events/v1.tfevents"), &r, &err), &err);
    while ((code = tn_event_reader_next(r, &e, &err)) == TN_OK) {
        if (!events++) assert_true(tn_view_is(e->file_version, "brain.Event:2"));
        graphs += e->what_case == TN_Event_graph_def;
        for (uint32_t i = 0; e->what_case == TN_Event_summary && i < e->summary->value.n; i++) {
            const tn_Summary_Value *v = &e->summary->value.items[i];
            scalars += v->value_case == TN_Summary_Value_simple_value;
            if (v->value_case != TN_Summary_Value_histo) continue;
            same_histogram(v->histo, inputs, arena_of(state));
            inputs = inputs->next;
            histograms++;
        }
    }
    assert_code(code, TN_OUT_OF_RANGE);
    assert_int_equal(events * 10000 + histograms * 1000 + graphs * 100 + scalars,
                     14 * 10000 + 6 * 1000 + 100 + scalars);
    assert_true(scalars >= 12);
    tn_event_reader_close(r);
}

static void test_version_2_histograms(void **state)
{
    const tn_json *inputs =
        tn_json_find(json_file(state, golden(state, "events/v2_histogram_inputs.json")), "train")->child;
    tn_event_reader *r;
    const tn_Event *e;
    tn_error err;
    assert_ok(tn_event_reader_open(golden(state, "events/v2.tfevents"), &r, &err), &err);
    while (tn_event_reader_next(r, &e, &err) == TN_OK) {
        const tn_Summary_Value *v = e->what_case == TN_Event_summary ? &e->summary->value.items[0] : NULL;
        if (!v || !tn_view_is(v->tag, "layer/kernel")) continue;
        tn_tensor *want, *got, *values = numbers(inputs);
        assert_ok(tn_tensor_from_proto(v->tensor, 0, &want, &err), &err);
        assert_ok(tn_histogram_tensor(values, 10, &got, &err), &err);
        for (int i = 0; i < 30; i++)
            if (fabs(((double *)got->data)[i] - ((double *)want->data)[i]) > 1e-5)
                fail_msg("row %d: %g, not %g", i / 3, ((double *)got->data)[i], ((double *)want->data)[i]);
        tn_tensor_unref(want);
        tn_tensor_unref(got);
        tn_tensor_unref(values);
        inputs = inputs->next;
    }
    assert_null(inputs);
    tn_event_reader_close(r);
}

static void test_odd_histograms(void **state)
{
    tn_HistogramProto h;
    tn_tensor *t = floats(&TN_SHAPE(3), (float[]){0, NAN, 1}), *none = floats(&TN_SHAPE(0), NULL), *r;
    tn_error err;
    assert_code(tn_histogram_of(t, arena_of(state), &h, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "number 1");
    assert_code(tn_histogram_tensor(t, 5, &r, &err), TN_INVALID_ARGUMENT);
    TN_FLOATS(t)[1] = INFINITY;
    assert_code(tn_histogram_tensor(t, 5, &r, &err), TN_INVALID_ARGUMENT);
    TN_FLOATS(t)[1] = -1e30f; /* beyond the last limit but one */
    assert_ok(tn_histogram_of(t, arena_of(state), &h, &err), &err);
    assert_true(h.num == 3);
    assert_ok(tn_histogram_of(none, arena_of(state), &h, &err), &err);
    assert_true(h.num == 0 && h.bucket.n == 1);
    assert_ok(tn_histogram_tensor(none, 5, &r, &err), &err);
    tn_tensor_unref(r);
    tn_tensor_unref(t);
    tn_tensor_unref(none);
}

/* ---- ours ---- */

typedef struct settings {
    int64_t hidden;
    double rate;
} settings;
static const tn_option rows[] = {TN_OPTION(settings, hidden, .def = "64"),
                                 TN_OPTION(settings, rate, .def = "0.1"), TN_OPTIONS_END};

static const char *write_some(void **state, tn_events_style style)
{
    tn_events *e;
    tn_error err;
    static const float pixels[24] = {0, .5f, 1, 2, -1};
    tn_tensor *t = floats(&TN_SHAPE(2, 3, 4, 1), pixels), *flat = floats(&TN_SHAPE(2), pixels);
    tn_graph *g = tn_graph_new();
    assert_ok(tn_events_open(in(state, "log"), ".v2", style, &e, &err), &err);
    const char *path = tn_arena_strdup(arena_of(state), tn_events_path(e));
    assert_ok(tn_events_scalar(e, 3, "loss", 1.5f, &err), &err);
    assert_ok(tn_events_histogram(e, 3, "weights", t, &err), &err);
    assert_ok(tn_events_images(e, 4, "pic", t, 1, &err), &err);
    assert_ok(tn_events_text(e, 0, "note", TN_VIEW("# hi"), &err), &err);
    assert_ok(tn_events_settings(e, "settings", rows, &(settings){3, .5}, &err), &err);
    assert_ok(tn_events_graph(e, g, &err), &err);
    assert_code(tn_events_images(e, 4, "pic", flat, 1, &err),
                TN_INVALID_ARGUMENT); /* nothing is written then */
    assert_ok(tn_events_close(e, &err), &err);
    tn_graph_free(g);
    tn_tensor_unref(t);
    tn_tensor_unref(flat);
    return path;
}

static const tn_Summary_Value *next_value(tn_event_reader *r, int64_t step, const char *tag)
{
    const tn_Event *e;
    tn_error err;
    assert_ok(tn_event_reader_next(r, &e, &err), &err);
    assert_int_equal(e->what_case, TN_Event_summary);
    assert_int_equal(e->step, step);
    assert_true(e->wall_time > 1.7e9);
    assert_true(tn_view_is(e->summary->value.items[0].tag, tag));
    return &e->summary->value.items[0];
}

static bool plugin_is(const tn_Summary_Value *v, const char *name)
{
    return v->metadata && tn_view_is(v->metadata->plugin_data->plugin_name, name);
}

static tn_event_reader *past_version(const char *path)
{
    tn_event_reader *r;
    const tn_Event *e;
    tn_error err;
    assert_ok(tn_event_reader_open(path, &r, &err), &err);
    assert_ok(tn_event_reader_next(r, &e, &err), &err);
    assert_int_equal(e->what_case, TN_Event_file_version);
    return r;
}

static void test_writes_tensors(void **state)
{
    tn_event_reader *r = past_version(write_some(state, TN_EVENTS_V2));
    tn_error err;
    const tn_Event *e;
    tn_tensor *t;
    const tn_Summary_Value *v = next_value(r, 3, "loss");
    assert_true(plugin_is(v, "scalars") && v->metadata->data_class == TN_DataClass_DATA_CLASS_SCALAR);
    assert_ok(tn_tensor_from_proto(v->tensor, 0, &t, &err), &err);
    assert_true(t->shape.rank == 0 && TN_FLOATS(t)[0] == 1.5f);
    tn_tensor_unref(t);
    assert_true(plugin_is(next_value(r, 3, "weights"), "histograms"));
    v = next_value(r, 4, "pic");
    assert_true(plugin_is(v, "images"));
    assert_int_equal(v->tensor->string_val.n, 3);
    assert_true(tn_view_is(v->tensor->string_val.items[0], "4") &&
                tn_view_is(v->tensor->string_val.items[1], "3"));
    tn_image image;
    assert_ok(tn_png_decode(v->tensor->string_val.items[2], 0, 0, &image, &err), &err);
    assert_int_equal(image.width * 10 + image.height, 43);
    static const uint8_t want[] = {0, 128, 255, 255, 0, 0};
    assert_memory_equal(image.pixels, want, sizeof want); /* cut off outside 0 and 1 */
    tn_free(image.pixels);
    assert_true(plugin_is(next_value(r, 0, "note"), "text"));
    v = next_value(r, 0, "settings");
    assert_ok(tn_tensor_from_proto(v->tensor, 0, &t, &err), &err);
    assert_non_null(strstr(TN_STRINGS(t)[0].p, "| hidden | 3 |"));
    tn_tensor_unref(t);
    assert_ok(tn_event_reader_next(r, &e, &err), &err);
    assert_int_equal(e->what_case, TN_Event_graph_def);
    assert_code(tn_event_reader_next(r, &e, &err), TN_OUT_OF_RANGE);
    tn_event_reader_close(r);
}

static void test_writes_version_1(void **state)
{
    tn_event_reader *r = past_version(write_some(state, TN_EVENTS_V1));
    assert_true(next_value(r, 3, "loss")->simple_value == 1.5f);
    assert_true(next_value(r, 3, "weights")->histo->num == 24);
    const tn_Summary_Value *v = next_value(r, 4, "pic/image");
    assert_int_equal(v->image->width * 100 + v->image->height * 10 + v->image->colorspace, 431);
    tn_event_reader_close(r);
}

static void test_files_of_their_own(void **state)
{
    tn_events *a, *b;
    tn_error err;
    assert_ok(tn_events_open(in(state, "log"), NULL, TN_EVENTS_V2, &a, &err), &err);
    assert_ok(tn_events_open(in(state, "log"), NULL, TN_EVENTS_V2, &b, &err), &err);
    assert_string_not_equal(tn_events_path(a), tn_events_path(b));
    assert_int_equal(strncmp(tn_path_base(tn_events_path(a)), "events.out.tfevents.", 20), 0);
    assert_ok(tn_events_close(a, &err), &err);
    assert_ok(tn_events_close(b, &err), &err);
    assert_code(tn_events_open("/dev/null/log", NULL, TN_EVENTS_V2, &a, &err) == TN_OK, false);
}

/* ---- damage and failures ---- */

static void test_damage(void **state)
{
    const char *path = write_some(state, TN_EVENTS_V2);
    tn_view whole = content(state, path);
    const tn_Event *e;
    tn_error err;
    for (size_t n = whole.n - 1; n > whole.n - 16; n--) { /* as of a writer that was killed */
        write_file(path, (tn_view){whole.p, n});
        tn_event_reader *r = past_version(path);
        for (int i = 0; i < 5; i++) assert_ok(tn_event_reader_next(r, &e, &err), &err);
        assert_code(tn_event_reader_next(r, &e, &err) == TN_OK, false);
        tn_event_reader_close(r);
    }
    ((char *)whole.p)[100] ^= 1;
    write_file(path, whole);
    tn_event_reader *r;
    tn_code code = tn_event_reader_open(path, &r, &err);
    while (code == TN_OK) code = tn_event_reader_next(r, &e, &err);
    assert_code(code, TN_DATA_LOSS);
    assert_says(&err, path);
    tn_event_reader_close(r);
}

static void test_full_disk(void **state)
{
    tn_events *e;
    tn_error err;
    assert_ok(tn_events_open(in(state, "log"), NULL, TN_EVENTS_V2, &e, &err), &err);
    assert_ok(tn_events_scalar(e, 1, "loss", 1, &err), &err);
    tn_file_fail_at(1, ENOSPC);
    assert_code(tn_events_flush(e, &err), TN_RESOURCE_EXHAUSTED);
    assert_code(tn_events_scalar(e, 2, "loss", 1, &err), TN_RESOURCE_EXHAUSTED);
    assert_code(tn_events_close(e, &err), TN_RESOURCE_EXHAUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_version_1),        TEST(test_version_2_histograms),
        TEST(test_odd_histograms),   TEST(test_writes_tensors),
        TEST(test_writes_version_1), TEST(test_files_of_their_own),
        TEST(test_damage),           TEST(test_full_disk),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
