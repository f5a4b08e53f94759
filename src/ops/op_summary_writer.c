/* SPDX-License-Identifier: Apache-2.0
 *
 * op_summary_writer.c - TensorFlow 2's summaries, which graphs write themselves: writers of event files as
 * resources of the session, and the operators that write to them. What values look like is
 * summary_values.c's; the loop of training has a writer of its own (format/events.c).
 *
 * Invariants: a file is only added to, by whole records, under the writer's lock; what waits is written when
 * there is too much of it, when it has waited too long, when it is asked for, and when the writer goes.
 */
#include <unistd.h>

#include "../plan/state.h"
#include "../wire/wire.h"
#include "parse.h"
#include "sparse.h"
#include "summary_values.h"

enum { MOST_BYTES = 1 << 20, MOST_FILES = 10000, MOST_PATH = 4096 };

typedef struct writer {
    tn_resource base;
    pthread_mutex_t lock;
    tn_files files;
    char *path; /* NULL: not made, or closed */
    tn_buf waiting;
    int64_t n, most;       /* events that wait */
    double since, longest; /* seconds */
} writer;

/* ==== the resource ==== */

/* The file is made by the first. */
static tn_code write_waiting(writer *w, bool first, tn_error *err)
{
    tn_code code = tn_buf_check(&w->waiting, err);
    if (code == TN_OK && w->waiting.n)
        code = tn_files_write(&w->files, w->base.name, tn_view_of(w->path),
                              (tn_view){w->waiting.data, w->waiting.n}, !first, err);
    tn_buf_clear(&w->waiting);
    w->n = 0;
    w->since = tn_wall_time();
    return code;
}

static tn_code flush(writer *w, tn_error *err)
{
    return write_waiting(w, false, err);
}

static void release(tn_resource *self)
{
    writer *w = (writer *)self;
    tn_error ignored;
    if (w->path && w->files.outside == &tn_outside_process)
        flush(w, &ignored); /* others may be gone by now */
    tn_buf_free(&w->waiting);
    pthread_mutex_destroy(&w->lock);
    tn_free(w->path);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    writer *w = tn_resource_new(sizeof *w, TN_RES_SUMMARY_WRITER, r->name, release);
    if (!w) return NULL;
    pthread_mutex_init(&w->lock, NULL);
    return &w->base;
}

static tn_code handle_run(tn_run *r, tn_error *err)
{
    return tn_run_shared_resource(r, 0, TN_RES_SUMMARY_WRITER, "summaries", make, err);
}

static tn_code any(const tn_run *r, writer **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_SUMMARY_WRITER, &res, err));
    *out = (writer *)res;
    return TN_OK;
}

/* Locked, when it is OK. */
static tn_code open_writer(const tn_run *r, writer **out, tn_error *err)
{
    TN_TRY(any(r, out, err));
    pthread_mutex_lock(&(*out)->lock);
    if ((*out)->path) return TN_OK;
    pthread_mutex_unlock(&(*out)->lock);
    return tn_fail(err, TN_NOT_FOUND, "the summary writer of '%s' does not exist, or is closed",
                   (*out)->base.name);
}

static tn_code done(writer *w, tn_code code)
{
    pthread_mutex_unlock(&w->lock);
    return code;
}

/* ==== events ==== */

static tn_code add_event(writer *w, const tn_Event *e, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(Event, e, &bytes, err);
    if (code == TN_OK) code = tn_buf_check(&bytes, err);
    if (code == TN_OK) tn_record_put(&w->waiting, bytes.n ? bytes.data : "", bytes.n);
    tn_buf_free(&bytes);
    w->n++;
    return code;
}

static tn_code put_event(writer *w, const tn_Event *e, tn_error *err)
{
    TN_TRY(add_event(w, e, err));
    bool much = w->n > w->most || w->waiting.n > MOST_BYTES || w->waiting.failed;
    return much || tn_wall_time() - w->since > w->longest ? flush(w, err) : TN_OK;
}

static tn_code step_of(const tn_run *r, int64_t *out, tn_error *err)
{
    if (tn_tensor_count(r->in[1]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "step must be scalar");
    *out = TN_INT64S(r->in[1])[0];
    return TN_OK;
}

static tn_code put_summary(const tn_run *r, tn_Summary *s, tn_error *err)
{
    writer *w;
    tn_Event e = {.wall_time = tn_wall_time()};
    TN_TRY(step_of(r, &e.step, err));
    TN_SET(&e, Event, what, summary) = s;
    TN_TRY(open_writer(r, &w, err));
    return done(w, put_event(w, &e, err));
}

static tn_code one_text(const tn_run *r, int i, const char *name, tn_view *out, tn_error *err)
{
    if (tn_tensor_count(r->in[i]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be scalar", name);
    *out = tn_parse_string(r->in[i], 0);
    return TN_OK;
}

/* ==== files ==== */

/* A file that is not there yet: the process and a number make the name unique within a second. */
static tn_code choose_path(const tn_files *f, tn_view folder, tn_view suffix, char *out, tn_error *err)
{
    char host[256];
    tn_path_host(host, sizeof host);
    for (int k = 0; k < MOST_FILES; k++) {
        bool there = false, is_folder;
        int n = snprintf(out, MOST_PATH, "%.*s/events.out.tfevents.%010lld.%s.%ld.%d%.*s",
                         (int)TN_MIN(folder.n, MOST_PATH), folder.p, (long long)tn_wall_time(), host,
                         (long)getpid(), k, (int)TN_MIN(suffix.n, MOST_PATH), suffix.p);
        if (n < 0 || n >= MOST_PATH)
            return tn_fail(err, TN_INVALID_ARGUMENT, "the path of an event file is too long");
        TN_TRY(f->outside->look(f->outside->payload, out, &there, &is_folder, err));
        if (!there) return TN_OK;
    }
    return tn_fail(err, TN_ALREADY_EXISTS, "%.*s has %d event files of this second",
                   (int)TN_MIN(folder.n, (size_t)200), folder.p, MOST_FILES);
}

static tn_code begin(writer *w, const char *path, tn_error *err)
{
    tn_Event first = {.wall_time = tn_wall_time()};
    TN_SET(&first, Event, what, file_version) = TN_VIEW("brain.Event:2");
    if (!(w->path = tn_strdup(path))) return tn_no_memory(err, strlen(path));
    tn_code code = add_event(w, &first, err);
    if (code == TN_OK) code = write_waiting(w, true, err);
    if (code == TN_OK) return TN_OK;
    tn_free(w->path);
    w->path = NULL;
    return code;
}

static tn_code create_run(tn_run *r, tn_error *err)
{
    writer *w;
    tn_view folder, suffix;
    char path[MOST_PATH];
    const tn_files *f = tn_run_files(r);
    TN_TRY(one_text(r, 1, "logdir", &folder, err));
    TN_TRY(one_text(r, 4, "filename_suffix", &suffix, err));
    for (int i = 2; i < 4; i++)
        if (tn_tensor_count(r->in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be scalar",
                           i == 2 ? "max_queue" : "flush_millis");
    if (!f || !f->outside)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': this session has no access to files", r->name);
    if ((folder.n && memchr(folder.p, 0, folder.n)) || (suffix.n && memchr(suffix.p, 0, suffix.n)))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': a path with a zero byte", r->name);
    TN_TRY(any(r, &w, err));
    pthread_mutex_lock(&w->lock);
    if (w->path) return done(w, TN_OK);
    w->files = *f;
    w->most = TN_INT32S(r->in[2])[0];
    w->longest = TN_INT32S(r->in[3])[0] / 1e3;
    w->since = tn_wall_time();
    tn_code code = choose_path(f, folder, suffix, path, err);
    return done(w, code == TN_OK ? begin(w, path, err) : code);
}

static tn_code flush_run(tn_run *r, tn_error *err)
{
    writer *w;
    TN_TRY(open_writer(r, &w, err));
    return done(w, flush(w, err));
}

static tn_code close_run(tn_run *r, tn_error *err)
{
    writer *w;
    TN_TRY(open_writer(r, &w, err));
    tn_code code = flush(w, err);
    tn_free(w->path);
    w->path = NULL;
    return done(w, code);
}

/* ==== what is written ==== */

static tn_code scalar(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(one_text(r, 2, "tag", &tag, err));
    if (tn_tensor_count(r->in[3]) < 1) return tn_fail(err, TN_INVALID_ARGUMENT, "value must be scalar");
    tn_Summary_Value *v = tn_put_value(&s, a, tag);
    if (!v) return tn_no_memory(err, sizeof *v);
    TN_SET(v, Summary_Value, value, simple_value) = (float)tn_tensor_number(r->in[3], 0);
    return put_summary(r, &s, err);
}
TN_RUN_IN_ARENA(scalar_run, scalar)

static tn_code histogram(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(one_text(r, 2, "tag", &tag, err));
    TN_TRY(tn_put_histogram(&s, a, tag, r->in[3], err));
    return put_summary(r, &s, err);
}
TN_RUN_IN_ARENA(histogram_run, histogram)

static tn_code images(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(one_text(r, 2, "tag", &tag, err));
    TN_TRY(tn_put_images(&s, a, tag, r->in[3], r->in[4], tn_attr_i(r->attrs, "max_images"), err));
    return put_summary(r, &s, err);
}
TN_RUN_IN_ARENA(images_run, images)

static tn_code sounds(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(one_text(r, 2, "tag", &tag, err));
    if (tn_tensor_count(r->in[4]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sample_rate must be scalar");
    TN_TRY(
        tn_put_sounds(&s, a, tag, r->in[3], TN_FLOATS(r->in[4])[0], tn_attr_i(r->attrs, "max_outputs"), err));
    return put_summary(r, &s, err);
}
TN_RUN_IN_ARENA(sounds_run, sounds)

static tn_code tensor(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_Summary_Value *v;
    tn_view tag, metadata;
    TN_TRY(one_text(r, 3, "tag", &tag, err));
    TN_TRY(one_text(r, 4, "summary_metadata", &metadata, err));
    TN_TRY(tn_put_tensor(&s, a, tag, r->in[2], &v, err));
    tn_code code = metadata.n ? TN_DECODE(SummaryMetadata, metadata, a, &v->metadata, err) : TN_OK;
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK)
        v->metadata = TN_NEW(a, tn_SummaryMetadata); /* TensorFlow does not look whether it is one */
    return put_summary(r, &s, err);
}
TN_RUN_IN_ARENA(tensor_run, tensor)

static tn_code not_a(const char *what, tn_code code, tn_error *err)
{
    return code == TN_OK || code == TN_RESOURCE_EXHAUSTED
               ? code
               : tn_fail(err, TN_DATA_LOSS, "Bad tf.%s binary proto tensor string", what);
}

static tn_code summaries(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary all = {0};
    for (int64_t i = 0, n = tn_tensor_count(r->in[2]); i < n; i++) {
        tn_Summary *s;
        TN_TRY(not_a("compat.v1.Summary", TN_DECODE(Summary, tn_parse_string(r->in[2], i), a, &s, err), err));
        for (uint32_t k = 0; k < s->value.n; k++) {
            tn_Summary_Value *v = TN_PUSH(a, &all.value);
            if (!v) return tn_no_memory(err, sizeof *v);
            *v = s->value.items[k];
        }
    }
    return put_summary(r, &all, err);
}
TN_RUN_IN_ARENA(summaries_run, summaries)

static tn_code graph(tn_run *r, tn_arena *a, tn_error *err)
{
    writer *w;
    tn_GraphDef *g;
    tn_Event e = {.wall_time = tn_wall_time()};
    tn_view bytes;
    TN_TRY(one_text(r, 2, "tensor", &bytes, err));
    TN_TRY(step_of(r, &e.step, err));
    TN_TRY(not_a("GraphDef", TN_DECODE(GraphDef, bytes, a, &g, err), err));
    TN_SET(&e, Event, what, graph_def) = bytes;
    TN_TRY(open_writer(r, &w, err));
    return done(w, put_event(w, &e, err));
}
TN_RUN_IN_ARENA(graph_run, graph)

static tn_code import(tn_run *r, tn_arena *a, tn_error *err)
{
    writer *w;
    tn_Event *e;
    tn_view bytes;
    TN_TRY(one_text(r, 1, "event", &bytes, err));
    TN_TRY(not_a("Event", TN_DECODE(Event, bytes, a, &e, err), err));
    TN_TRY(open_writer(r, &w, err));
    return done(w, put_event(w, e, err));
}
TN_RUN_IN_ARENA(import_run, import)

/* ==== records ==== */

#define WRITER(Name, Run, Sig) \
    TN_STATE_OP(Name, Run##_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0, "writer:resource " Sig)
const tn_op tn_op_SummaryWriter = {
    .name = "SummaryWriter",
    .sig = "-> writer:resource; shared_name:string=\"\" container:string=\"\"",
    .infer = tn_infer_scalar,
    .run = handle_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};
WRITER(CreateSummaryFileWriter, create,
       "logdir:string max_queue:int32 flush_millis:int32 filename_suffix:string -> ;");
WRITER(FlushSummaryWriter, flush, "-> ;");
WRITER(CloseSummaryWriter, close, "-> ;");
WRITER(ImportEvent, import, "event:string -> ;");
WRITER(WriteScalarSummary, scalar, "step:int64 tag:string value:T -> ; T:type{realnumbertype}");
WRITER(WriteHistogramSummary, histogram,
       "step:int64 tag:string values:T -> ; "
       "T:type{float,double,int32,uint8,int16,int8,int64,bfloat16,uint16,half,"
       "uint32,uint64,bool}=float");
WRITER(WriteImageSummary, images,
       "step:int64 tag:string tensor:T bad_color:uint8 -> ; max_images:int>=1=3 "
       "T:type{uint8,double,float,half}=float");
WRITER(WriteAudioSummary, sounds,
       "step:int64 tag:string tensor:float sample_rate:float -> ; max_outputs:int>=1=3");
WRITER(WriteSummary, tensor, "step:int64 tensor:T tag:string summary_metadata:string -> ; T:type");
WRITER(WriteRawProtoSummary, summaries, "step:int64 tensor:string -> ;");
WRITER(WriteGraphSummary, graph, "step:int64 tensor:string -> ;");
