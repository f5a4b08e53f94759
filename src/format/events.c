/* SPDX-License-Identifier: Apache-2.0
 *
 * events.c - writes event files, which TensorBoard shows: a TFRecord file of Event messages.
 *
 * Invariants: a record is appended whole or, after a failure, cut short at the end of the file, where
 * every reader stops; what was written before stays readable. Nothing is written after a failure.
 */
#include "format.h"

#include <unistd.h>

#define FILE_VERSION "brain.Event:2"
#define MOST_FILES 10000

struct tn_events {
    tn_appender *file;
    tn_events_style style;
    tn_arena *arena; /* of one event */
    char *path;
    tn_error first; /* failure */
};

/* ---- the file ---- */

/* The process and a number make the name unique within a second. */
static tn_code choose_path(tn_events *e, const char *folder, const char *suffix, tn_error *err)
{
    char host[256];
    tn_path_host(host, sizeof host);
    for (int k = 0; k < MOST_FILES; k++) {
        char *name =
            tn_arena_printf(e->arena, "events.out.tfevents.%010lld.%s.%ld.%d%s", (long long)tn_wall_time(),
                            host, (long)getpid(), k, suffix ? suffix : "");
        char *path = name ? tn_path_join(e->arena, folder, name) : NULL;
        if (!path) return tn_no_memory(err, strlen(folder));
        if (tn_file_exists(path)) continue;
        e->path = tn_strdup(path);
        return e->path ? TN_OK : tn_no_memory(err, strlen(path));
    }
    return tn_fail(err, TN_ALREADY_EXISTS, "%s has %d event files of this second", folder, MOST_FILES);
}

static tn_code begin(tn_events *e, const char *folder, const char *suffix, tn_error *err)
{
    TN_TRY(tn_make_folders(folder, err));
    TN_TRY(choose_path(e, folder, suffix, err));
    TN_TRY(tn_appender_open(e->path, &e->file, err));
    tn_Event event = {0};
    TN_SET(&event, Event, what, file_version) = TN_VIEW(FILE_VERSION);
    TN_TRY(tn_events_put(e, &event, err));
    return tn_events_flush(e, err);
}

tn_code tn_events_open(const char *folder, const char *suffix, tn_events_style style, tn_events **out,
                       tn_error *err)
{
    tn_events *e = tn_calloc(1, sizeof *e);
    if (!e) return tn_no_memory(err, sizeof *e);
    e->style = style;
    e->arena = tn_arena_new(0);
    tn_code code = e->arena ? begin(e, folder, suffix, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_events_close(e, NULL);
        return code;
    }
    *out = e;
    return TN_OK;
}

const char *tn_events_path(const tn_events *e)
{
    return e->path;
}

static tn_code failed_before(const tn_events *e, tn_error *err)
{
    if (err) *err = e->first;
    return e->first.code;
}

static tn_code keep(tn_events *e, tn_code code, const tn_error *local, tn_error *err)
{
    if (code == TN_OK) return TN_OK;
    e->first = *local;
    e->first.code = code;
    return failed_before(e, err);
}

static tn_code put_record(tn_events *e, const tn_Event *event, tn_error *err)
{
    tn_buf bytes = {0}, record = {0};
    tn_code code = TN_ENCODE(Event, event, &bytes, err);
    if (code == TN_OK) {
        tn_record_put(&record, bytes.data, bytes.n);
        code = tn_buf_check(&record, err);
    }
    if (code == TN_OK) code = tn_appender_put(e->file, record.data, record.n, err);
    tn_buf_free(&bytes);
    tn_buf_free(&record);
    return code;
}

tn_code tn_events_put(tn_events *e, const tn_Event *event, tn_error *err)
{
    tn_error local = {0};
    tn_Event stamped = *event;
    if (e->first.code) return failed_before(e, err);
    if (!(stamped.wall_time > 0)) stamped.wall_time = tn_wall_time();
    return keep(e, put_record(e, &stamped, &local), &local, err);
}

tn_code tn_events_flush(tn_events *e, tn_error *err)
{
    tn_error local = {0};
    if (e->first.code) return failed_before(e, err);
    return keep(e, tn_appender_flush(e->file, &local), &local, err);
}

tn_code tn_events_close(tn_events *e, tn_error *err)
{
    tn_error local = {0};
    if (!e) return TN_OK;
    tn_code code = e->file ? tn_appender_close(e->file, &local) : TN_OK;
    if (e->first.code)
        code = failed_before(e, err);
    else if (code != TN_OK && err)
        *err = local;
    tn_arena_free(e->arena);
    tn_free(e->path);
    tn_free(e);
    return code;
}

/* ---- summaries ---- */

/* A value of a summary, in the arena; NULL: no memory. */
static tn_Summary_Value *new_value(tn_events *e, tn_Summary *s, const char *tag)
{
    tn_Summary_Value *v = TN_PUSH(e->arena, &s->value);
    if (v) v->tag = tn_view_of(tag);
    return v;
}

static tn_code set_plugin(tn_events *e, tn_Summary_Value *v, const char *plugin, int32_t data_class,
                          tn_error *err)
{
    tn_SummaryMetadata *m = TN_NEW(e->arena, tn_SummaryMetadata);
    tn_PluginData *p = TN_NEW(e->arena, tn_PluginData);
    if (!m || !p) return tn_no_memory(err, sizeof *m);
    p->plugin_name = tn_view_of(plugin);
    m->plugin_data = p;
    m->data_class = data_class;
    v->metadata = m;
    return TN_OK;
}

static tn_code set_tensor(tn_events *e, tn_Summary_Value *v, const tn_tensor *t, tn_error *err)
{
    tn_TensorProto *p = TN_NEW(e->arena, tn_TensorProto);
    if (!p) return tn_no_memory(err, sizeof *p);
    TN_SET(v, Summary_Value, value, tensor) = p;
    return tn_tensor_to_proto(t, e->arena, p, err);
}

static tn_code put_summary(tn_events *e, int64_t step, tn_Summary *s, tn_error *err)
{
    tn_Event event = {.step = step};
    TN_SET(&event, Event, what, summary) = s;
    return tn_events_put(e, &event, err);
}

/* One value that is a tensor, as TensorFlow 2 writes. */
static tn_code put_tensor(tn_events *e, int64_t step, const char *tag, const char *plugin, int32_t data_class,
                          const tn_tensor *t, tn_error *err)
{
    tn_Summary s = {0};
    tn_arena_reset(e->arena);
    tn_Summary_Value *v = new_value(e, &s, tag);
    if (!v) return tn_no_memory(err, sizeof *v);
    TN_TRY(set_plugin(e, v, plugin, data_class, err));
    TN_TRY(set_tensor(e, v, t, err));
    return put_summary(e, step, &s, err);
}

tn_code tn_events_scalar(tn_events *e, int64_t step, const char *tag, float value, tn_error *err)
{
    if (e->first.code) return failed_before(e, err);
    if (e->style == TN_EVENTS_V2) {
        tn_tensor t = tn_tensor_view(TN_FLOAT, &TN_SHAPE(), &value);
        return put_tensor(e, step, tag, "scalars", TN_DataClass_DATA_CLASS_SCALAR, &t, err);
    }
    tn_Summary s = {0};
    tn_arena_reset(e->arena);
    tn_Summary_Value *v = new_value(e, &s, tag);
    if (!v) return tn_no_memory(err, sizeof *v);
    TN_SET(v, Summary_Value, value, simple_value) = value;
    return put_summary(e, step, &s, err);
}

static tn_code put_histogram_v1(tn_events *e, int64_t step, const char *tag, const tn_tensor *values,
                                tn_error *err)
{
    tn_Summary s = {0};
    tn_arena_reset(e->arena);
    tn_Summary_Value *v = new_value(e, &s, tag);
    tn_HistogramProto *h = TN_NEW(e->arena, tn_HistogramProto);
    if (!v || !h) return tn_no_memory(err, sizeof *h);
    TN_TRY(tn_histogram_of(values, e->arena, h, err));
    TN_SET(v, Summary_Value, value, histo) = h;
    return put_summary(e, step, &s, err);
}

tn_code tn_events_histogram(tn_events *e, int64_t step, const char *tag, const tn_tensor *values,
                            tn_error *err)
{
    tn_tensor *t;
    if (e->first.code) return failed_before(e, err);
    tn_code code;
    if (e->style == TN_EVENTS_V1) {
        code = put_histogram_v1(e, step, tag, values, err);
    } else if ((code = tn_histogram_tensor(values, TN_HISTOGRAM_BUCKETS, &t, err)) == TN_OK) {
        code = put_tensor(e, step, tag, "histograms", TN_DataClass_DATA_CLASS_TENSOR, t, err);
        tn_tensor_unref(t);
    }
    if (code != TN_OK) tn_wrap(err, "summary '%s'", tag);
    return code;
}

/* ---- images ---- */

typedef struct pictures {
    const tn_tensor *t;
    int n, height, width, channels;
} pictures;

static tn_code look_at_images(const tn_tensor *t, int most, pictures *out, tn_error *err)
{
    const tn_shape *s = &t->shape;
    char text[128];
    bool shaped = s->rank == 3 || s->rank == 4;
    const int64_t *d = shaped ? s->dim + (s->rank - 3) : NULL;
    bool channels = shaped && (d[2] == 1 || d[2] == 3 || d[2] == 4);
    if (!channels || d[0] < 1 || d[1] < 1 || d[0] > 65535 || d[1] > 65535 ||
        (t->dtype != TN_UINT8 && t->dtype != TN_FLOAT))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "images are uint8 or float of shape [n,h,w,c] with 1, 3 or 4 channels, not %s %s",
                       tn_dtype_name(t->dtype), tn_shape_text(s, text, sizeof text));
    int64_t n = s->rank == 4 ? s->dim[0] : 1;
    *out = (pictures){t, (int)(most > 0 ? TN_MIN(n, most) : TN_MIN(n, INT32_MAX)), (int)d[0], (int)d[1],
                      (int)d[2]};
    return TN_OK;
}

static uint8_t to_byte(float v)
{
    return v > 0 ? (uint8_t)(TN_MIN(v, 1) * 255 + 0.5f) : 0; /* NaN: 0 */
}

/* The PNG of image i, in the arena. */
static tn_code encode_image(tn_events *e, const pictures *p, int i, tn_view *out, tn_error *err)
{
    size_t size = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    const uint8_t *pixels = (const uint8_t *)p->t->data + (size_t)i * size;
    if (p->t->dtype == TN_FLOAT) {
        uint8_t *bytes = TN_ARRAY(e->arena, size, uint8_t);
        const float *from = TN_FLOATS(p->t) + (size_t)i * size;
        if (!bytes) return tn_no_memory(err, size);
        for (size_t k = 0; k < size; k++) bytes[k] = to_byte(from[k]);
        pixels = bytes;
    }
    tn_buf png = {0};
    tn_code code = tn_png_encode(pixels, p->width, p->height, p->channels, &png, err);
    char *copy = code == TN_OK ? tn_arena_strndup(e->arena, png.data, png.n) : NULL;
    if (code == TN_OK && !copy) code = tn_no_memory(err, png.n);
    if (code == TN_OK) *out = (tn_view){copy, png.n};
    tn_buf_free(&png);
    return code;
}

static tn_code put_images_v1(tn_events *e, int64_t step, const char *tag, const pictures *p, tn_error *err)
{
    tn_Summary s = {0};
    for (int i = 0; i < p->n; i++) {
        char *name = p->n == 1 ? tn_arena_printf(e->arena, "%s/image", tag)
                               : tn_arena_printf(e->arena, "%s/image/%d", tag, i);
        tn_Summary_Image *image = TN_NEW(e->arena, tn_Summary_Image);
        tn_Summary_Value *v = name ? new_value(e, &s, name) : NULL;
        if (!image || !v) return tn_no_memory(err, sizeof *image);
        *image = (tn_Summary_Image){.height = p->height, .width = p->width, .colorspace = p->channels};
        TN_TRY(encode_image(e, p, i, &image->encoded_image_string, err));
        TN_SET(v, Summary_Value, value, image) = image;
    }
    return put_summary(e, step, &s, err);
}

/* Strings: width, height, then the PNGs. */
static tn_code put_images_v2(tn_events *e, int64_t step, const char *tag, const pictures *p, tn_error *err)
{
    tn_Summary s = {0};
    tn_Summary_Value *v = new_value(e, &s, tag);
    tn_TensorProto *t = TN_NEW(e->arena, tn_TensorProto);
    tn_TensorShapeProto *shape = TN_NEW(e->arena, tn_TensorShapeProto);
    tn_Dim *dim = shape ? TN_PUSH(e->arena, &shape->dim) : NULL;
    if (!v || !t || !dim) return tn_no_memory(err, sizeof *t);
    dim->size = p->n + 2;
    *t = (tn_TensorProto){.dtype = TN_STRING, .tensor_shape = shape};
    for (int i = -2; i < p->n; i++) {
        tn_view *item = TN_PUSH(e->arena, &t->string_val);
        char *size = i < 0 ? tn_arena_printf(e->arena, "%d", i == -2 ? p->width : p->height) : NULL;
        if (!item || (i < 0 && !size)) return tn_no_memory(err, sizeof *item);
        if (i < 0)
            *item = tn_view_of(size);
        else
            TN_TRY(encode_image(e, p, i, item, err));
    }
    TN_TRY(set_plugin(e, v, "images", TN_DataClass_DATA_CLASS_BLOB_SEQUENCE, err));
    TN_SET(v, Summary_Value, value, tensor) = t;
    return put_summary(e, step, &s, err);
}

tn_code tn_events_images(tn_events *e, int64_t step, const char *tag, const tn_tensor *images, int most,
                         tn_error *err)
{
    pictures p;
    if (e->first.code) return failed_before(e, err);
    tn_arena_reset(e->arena);
    tn_code code = look_at_images(images, most, &p, err);
    if (code == TN_OK)
        code = e->style == TN_EVENTS_V1 ? put_images_v1(e, step, tag, &p, err)
                                        : put_images_v2(e, step, tag, &p, err);
    if (code != TN_OK) tn_wrap(err, "summary '%s'", tag);
    return code;
}

/* ---- text, settings, the graph ---- */

tn_code tn_events_text(tn_events *e, int64_t step, const char *tag, tn_view markdown, tn_error *err)
{
    tn_string text = {(char *)markdown.p, markdown.n};
    tn_tensor t = tn_tensor_view(TN_STRING, &TN_SHAPE(), &text);
    if (e->first.code) return failed_before(e, err);
    return put_tensor(e, step, tag, "text", TN_DataClass_DATA_CLASS_TENSOR, &t, err);
}

tn_code tn_events_settings(tn_events *e, const char *tag, const tn_option *rows, const void *settings,
                           tn_error *err)
{
    tn_buf text = {0}, value = {0};
    tn_buf_str(&text, "| setting | value |\n| --- | --- |\n");
    for (const tn_option *row = rows; row && row->name; row++) {
        tn_buf_clear(&value);
        tn_option_text(row, settings, &value);
        tn_buf_printf(&text, "| %s | %s |\n", row->name, value.n ? value.data : "");
    }
    tn_code code = tn_buf_check(&value, err);
    if (code == TN_OK) code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_events_text(e, 0, tag, (tn_view){text.data, text.n}, err);
    tn_buf_free(&text);
    tn_buf_free(&value);
    return code;
}

tn_code tn_events_graph(tn_events *e, const tn_graph *g, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = tn_graphdef_encode(g, &bytes, err);
    if (code == TN_OK) {
        tn_Event event = {0};
        TN_SET(&event, Event, what, graph_def) = (tn_view){bytes.data, bytes.n};
        code = tn_events_put(e, &event, err);
    }
    tn_buf_free(&bytes);
    return code;
}
