/* SPDX-License-Identifier: Apache-2.0
 *
 * event_file.c - event files as those see them who have no messages: events with their values, tensors made.
 * Reading the messages is event_read.c's.
 */
#include "format.h"

struct tn_event_file {
    tn_event_reader *reader;
    tn_arena *arena; /* of one event */
    tn_event event;
    tn_tensor **tensors; /* of the present event */
    int n_tensors;
    int64_t number;
};

static const char *text(tn_event_file *f, tn_view v)
{
    return tn_arena_strndup(f->arena, v.n ? v.p : "", v.n);
}

static tn_bytes bytes_of(tn_view v)
{
    return (tn_bytes){v.n ? v.p : "", v.n};
}

static void drop_tensors(tn_event_file *f)
{
    for (int i = 0; i < f->n_tensors; i++) tn_tensor_unref(f->tensors[i]);
    f->n_tensors = 0;
}

/* ==== values ==== */

static tn_code take_metadata(tn_event_file *f, const tn_SummaryMetadata *m, tn_event_value *v, tn_error *err)
{
    v->plugin = v->display_name = v->description = "";
    if (!m) return TN_OK;
    v->has_metadata = true;
    v->plugin = text(f, m->plugin_data ? m->plugin_data->plugin_name : (tn_view){0});
    v->plugin_content = bytes_of(m->plugin_data ? m->plugin_data->content : (tn_view){0});
    v->display_name = text(f, m->display_name);
    v->description = text(f, m->summary_description);
    v->data_class = m->data_class;
    return v->plugin && v->display_name && v->description ? TN_OK : tn_no_memory(err, 0);
}

static tn_code take_tensor(tn_event_file *f, const tn_TensorProto *p, tn_event_value *v, tn_error *err)
{
    tn_error why = {TN_OK, ""};
    tn_code code = tn_tensor_from_proto(p, 0, &f->tensors[f->n_tensors], &why);
    if (code == TN_OK) {
        v->tensor = f->tensors[f->n_tensors++];
        return TN_OK;
    }
    v->problem = tn_arena_strdup(f->arena, why.message);
    return v->problem ? TN_OK : tn_no_memory(err, 0);
}

static void take_histogram(const tn_HistogramProto *h, tn_event_value *v)
{
    v->histogram = (tn_event_histogram){h->min,          h->max,
                                        h->num,          h->sum,
                                        h->sum_squares,  h->bucket_limit.items,
                                        h->bucket.items, TN_MIN(h->bucket_limit.n, h->bucket.n)};
}

static tn_code take_value(tn_event_file *f, const tn_Summary_Value *p, tn_event_value *v, tn_error *err)
{
    v->kind = "";
    if (!(v->tag = text(f, p->tag))) return tn_no_memory(err, p->tag.n);
    TN_TRY(take_metadata(f, p->metadata, v, err));
    switch (p->value_case) {
    case TN_Summary_Value_simple_value:
        v->kind = "simple_value";
        v->simple_value = p->simple_value;
        return TN_OK;
    case TN_Summary_Value_tensor: v->kind = "tensor"; return take_tensor(f, p->tensor, v, err);
    case TN_Summary_Value_histo:
        v->kind = "histo";
        take_histogram(p->histo, v);
        return TN_OK;
    case TN_Summary_Value_image:
        v->kind = "image";
        v->height = p->image->height;
        v->width = p->image->width;
        v->colorspace = p->image->colorspace;
        v->encoded = bytes_of(p->image->encoded_image_string);
        return TN_OK;
    case TN_Summary_Value_audio:
        v->kind = "audio";
        v->sample_rate = p->audio->sample_rate;
        v->channels = p->audio->num_channels;
        v->frames = p->audio->length_frames;
        v->encoded = bytes_of(p->audio->encoded_audio_string);
        return (v->content_type = text(f, p->audio->content_type)) ? TN_OK : tn_no_memory(err, 0);
    case TN_Summary_Value_obsolete_old_style_histogram:
        v->kind = "obsolete_old_style_histogram";
        v->encoded = bytes_of(p->obsolete_old_style_histogram);
        return TN_OK;
    default: return TN_OK;
    }
}

static tn_code take_summary(tn_event_file *f, const tn_Summary *s, tn_error *err)
{
    uint32_t n = s->value.n;
    tn_event_value *v = TN_ARRAY(f->arena, n + 1, tn_event_value);
    f->tensors = TN_ARRAY(f->arena, n + 1, tn_tensor *);
    if (!v || !f->tensors) return tn_no_memory(err, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) TN_TRY(take_value(f, &s->value.items[i], &v[i], err));
    f->event.values = v;
    f->event.n_values = (int)n;
    return TN_OK;
}

/* ==== events ==== */

/* Names of the nodes, as far as the graph can be read. */
static tn_code take_nodes(tn_event_file *f, tn_view graph, tn_error *err)
{
    tn_GraphDef *g;
    tn_code code = TN_DECODE(GraphDef, graph, f->arena, &g, NULL);
    if (code == TN_RESOURCE_EXHAUSTED) return tn_no_memory(err, graph.n);
    if (code != TN_OK) return TN_OK;
    const char **names = TN_ARRAY(f->arena, g->node.n + 1, const char *);
    if (!names) return tn_no_memory(err, g->node.n * sizeof *names);
    for (uint32_t i = 0; i < g->node.n; i++)
        if (!(names[i] = text(f, g->node.items[i].name))) return tn_no_memory(err, 0);
    f->event.nodes = names;
    f->event.n_nodes = (int)g->node.n;
    return TN_OK;
}

static tn_code take_session_log(tn_event_file *f, const tn_SessionLog *s, tn_error *err)
{
    const char *status = tn_proto_value_name(&tn_proto_enum_SessionStatus, s->status);
    f->event.text = status ? status : "";
    f->event.path = text(f, s->checkpoint_path);
    f->event.message = text(f, s->msg);
    return f->event.path && f->event.message ? TN_OK : tn_no_memory(err, 0);
}

static tn_code take_what(tn_event_file *f, const tn_Event *e, tn_error *err)
{
    tn_event *to = &f->event;
    switch (e->what_case) {
    case TN_Event_file_version: to->what = "file_version", to->text = text(f, e->file_version); break;
    case TN_Event_log_message: to->what = "log_message", to->text = text(f, e->log_message->message); break;
    case TN_Event_graph_def:
        to->what = "graph_def";
        to->bytes = bytes_of(e->graph_def);
        return take_nodes(f, e->graph_def, err);
    case TN_Event_meta_graph_def:
        to->what = "meta_graph_def";
        to->bytes = bytes_of(e->meta_graph_def);
        return TN_OK;
    case TN_Event_tagged_run_metadata:
        to->what = "tagged_run_metadata";
        to->text = text(f, e->tagged_run_metadata->tag);
        to->bytes = bytes_of(e->tagged_run_metadata->run_metadata);
        break;
    case TN_Event_session_log: to->what = "session_log"; return take_session_log(f, e->session_log, err);
    case TN_Event_summary: to->what = "summary"; return take_summary(f, e->summary, err);
    default: return TN_OK;
    }
    return to->text ? TN_OK : tn_no_memory(err, 0);
}

tn_code tn_event_file_next(tn_event_file *f, const tn_event **out, tn_error *err)
{
    const tn_Event *e;
    drop_tensors(f);
    tn_arena_reset(f->arena);
    tn_code code = tn_event_reader_next(f->reader, &e, err);
    if (code == TN_OUT_OF_RANGE) return code;
    if (code != TN_OK) {
        tn_note(err, "(event %lld)", (long long)f->number);
        return code;
    }
    f->number++;
    f->event = (tn_event){.wall_time = e->wall_time, .step = e->step, .what = ""};
    TN_TRY(take_what(f, e, err));
    *out = &f->event;
    return TN_OK;
}

tn_code tn_event_file_open(const char *path, tn_event_file **out, tn_error *err)
{
    tn_event_file *f = tn_calloc(1, sizeof *f);
    tn_code code = f && (f->arena = tn_arena_new(0)) ? TN_OK : tn_no_memory(err, sizeof *f);
    if (code == TN_OK) code = tn_event_reader_open(path, &f->reader, err);
    if (code != TN_OK) {
        tn_event_file_close(f);
        return code;
    }
    *out = f;
    return TN_OK;
}

void tn_event_file_close(tn_event_file *f)
{
    if (!f) return;
    drop_tensors(f);
    tn_event_reader_close(f->reader);
    tn_arena_free(f->arena);

    tn_free(f);
}
