/* SPDX-License-Identifier: Apache-2.0
 *
 * show_events.c - `turnery show` of event files, one or all below a folder: which tags there are and their
 * values by step; for programs every event.
 *
 * A file is read twice: for its tags, then (where events or a tag are asked for) for what is in them.
 */
#include "show.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 16 };

/* ==== tags ==== */

typedef struct tag {
    char *name, *kind;
    int64_t count, first_step, last_step;
    bool is_scalar;
    float last; /* a scalar's last value */
} tag;
typedef struct tags {
    tag *v;
    int n, cap, at; /* at: where the one found last is */
    int64_t events;
} tags;

static const char *kind_of(const tn_event_value *v)
{
    return *v->plugin ? v->plugin : v->kind;
}

/* Tags come round in the same order step by step: the search goes on where the last one ended. */
static tag *tag_of(tags *t, const tn_event_value *v)
{
    for (int i = 1; i <= t->n; i++) {
        int k = (t->at + i) % t->n;
        if (strcmp(t->v[k].name, v->tag)) continue;
        t->at = k;
        return &t->v[k];
    }
    if (t->n == t->cap) {
        int cap = t->cap ? t->cap * 2 : 16;
        tag *more = realloc(t->v, (size_t)cap * sizeof *more);
        if (!more) return NULL;
        t->v = more;
        t->cap = cap;
    }
    tag *made = &t->v[t->n];
    *made = (tag){.name = strdup(v->tag), .kind = strdup(kind_of(v))};
    if (!made->name || !made->kind) return free(made->name), free(made->kind), NULL;
    t->at = t->n++;
    return made;
}

static bool scalar_of(const tn_event_value *v, double *out)
{
    *out = (double)v->simple_value;
    if (!strcmp(v->kind, "simple_value")) return true;
    tn_dtype t = v->tensor ? tn_tensor_dtype(v->tensor) : TN_STRING;
    if (!v->tensor || tn_tensor_count(v->tensor) != 1 || t == TN_STRING || t == TN_RESOURCE ||
        t == TN_VARIANT)
        return false;
    *out = tn_tensor_number(v->tensor, 0);
    return true;
}

static void note_event(tags *t, const tn_event *e)
{
    t->events++;
    for (int i = 0; i < e->n_values; i++) {
        tag *g = tag_of(t, &e->values[i]);
        double last;
        if (!g) continue;
        if (!g->count++) g->first_step = g->last_step = e->step;
        if (e->step < g->first_step) g->first_step = e->step;
        if (e->step > g->last_step) g->last_step = e->step;
        if ((g->is_scalar = scalar_of(&e->values[i], &last))) g->last = (float)last;
    }
}

/* Which of them --tag most likely meant; NULL when none is near. The name is the tags'. */
static const char *nearest_tag(const tags *t, const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (int i = 0; i < t->n && n < sizeof names / sizeof *names; i++) names[n++] = t->v[i].name;
    return tn_nearest(name, names, n);
}

/* NOT_FOUND when --tag names none of them. */
static tn_code check_tag(const tags *t, const char *path, const char *name, tn_error *err)
{
    for (int i = 0; name && i < t->n; i++)
        if (!strcmp(t->v[i].name, name)) return TN_OK;
    if (!name) return TN_OK;
    const char *near = nearest_tag(t, name);
    usage_error(err, "%s: no event has the tag '%s'%s%s%s", path, name, near ? " (there is '" : "", near ? near : "",
                near ? "')" : "");
    return err->code = TN_NOT_FOUND;
}

static void free_tags(tags *t)
{
    for (int i = 0; i < t->n; i++) {
        free(t->v[i].name);
        free(t->v[i].kind);
    }
    free(t->v);
}

/* ==== one event, for programs ==== */

static void histogram_facts(const tn_event_histogram *h, facts *f)
{
    facts_object(f, "value");
    facts_double(f, "min", h->min);
    facts_double(f, "max", h->max);
    facts_double(f, "num", h->num);
    facts_double(f, "sum", h->sum);
    facts_double(f, "sum_squares", h->sum_squares);
    facts_list(f, "bucket_limit");
    for (int64_t i = 0; i < h->n; i++) facts_double(f, NULL, h->limits[i]);
    facts_end(f);
    facts_list(f, "bucket");
    for (int64_t i = 0; i < h->n; i++) facts_double(f, NULL, h->counts[i]);
    facts_end(f);
    facts_end(f);
}

static void media_facts(const tn_event_value *v, facts *f)
{
    facts_object(f, "value");
    if (!strcmp(v->kind, "image")) {
        facts_int(f, "height", v->height);
        facts_int(f, "width", v->width);
        facts_int(f, "colorspace", v->colorspace);
        facts_b64(f, "png_b64", v->encoded);
    } else {
        facts_float(f, "sample_rate", v->sample_rate);
        facts_int(f, "num_channels", v->channels);
        facts_int(f, "length_frames", v->frames);
        facts_text(f, "content_type", v->content_type);
        facts_b64(f, "encoded_b64", v->encoded);
    }
    facts_end(f);
}

static void value_facts(const tn_event_value *v, int64_t most, facts *f)
{
    if (!strcmp(v->kind, "simple_value")) {
        facts_float(f, "value", v->simple_value);
    } else if (v->tensor) {
        facts_text(f, "dtype", dtype_text(tn_tensor_dtype(v->tensor)));
        facts_shape(f, "shape", tn_tensor_shape(v->tensor));
        facts_tensor(f, "value", v->tensor, most);
    } else if (!strcmp(v->kind, "histo")) {
        histogram_facts(&v->histogram, f);
    } else if (!strcmp(v->kind, "image") || !strcmp(v->kind, "audio")) {
        media_facts(v, f);
    } else if (v->problem) {
        facts_text(f, "problem", v->problem);
    }
}

static void metadata_facts(const tn_event_value *v, facts *f)
{
    if (!v->has_metadata) return;
    facts_text(f, "plugin", v->plugin);
    facts_b64(f, "plugin_content_b64", v->plugin_content);
    facts_int(f, "data_class", v->data_class);
    facts_text(f, "display_name", v->display_name);
    facts_text(f, "description", v->description);
}

static void summary_facts(const show_values *s, const tn_event *e, facts *f)
{
    facts_list(f, "summary");
    for (int i = 0; i < e->n_values; i++) {
        if (s->tag && strcmp(s->tag, e->values[i].tag)) continue;
        facts_object(f, NULL);
        facts_text(f, "tag", e->values[i].tag);
        facts_text(f, "kind", e->values[i].kind);
        metadata_facts(&e->values[i], f);
        value_facts(&e->values[i], 0, f);
        facts_end(f);
    }
    facts_end(f);
}

static void what_facts(const show_values *s, const tn_event *e, facts *f)
{
    if (!strcmp(e->what, "summary")) {
        summary_facts(s, e, f);
    } else if (!strcmp(e->what, "session_log")) {
        facts_object(f, "session_log");
        facts_text(f, "status", e->text);
        if (*e->path) facts_text(f, "checkpoint_path", e->path);
        if (*e->message) facts_text(f, "msg", e->message);
        facts_end(f);
    } else if (!strcmp(e->what, "tagged_run_metadata")) {
        facts_text(f, "tag", e->text);
        facts_int(f, "bytes", (int64_t)e->bytes.n);
    } else if (!strcmp(e->what, "graph_def") || !strcmp(e->what, "meta_graph_def")) {
        facts_int(f, "bytes", (int64_t)e->bytes.n);
        if (*e->what == 'm') return;
        facts_list(f, "nodes");
        for (int i = 0; i < e->n_nodes; i++) facts_text(f, NULL, e->nodes[i]);
        facts_end(f);
    } else if (e->text) {
        facts_text(f, e->what, e->text);
    }
}

static bool has_tag(const tn_event *e, const char *name)
{
    for (int i = 0; i < e->n_values; i++)
        if (!strcmp(e->values[i].tag, name)) return true;
    return !name;
}

static void event_item(const show_values *s, const tn_event *e, facts *f)
{
    if (s->tag && !has_tag(e, s->tag)) return;
    facts_object(f, NULL);
    facts_double(f, "wall_time", e->wall_time);
    facts_int(f, "step", e->step);
    facts_text(f, "what", e->what);
    what_facts(s, e, f);
    facts_end(f);
}

/* ==== one tag's values, for people ==== */

static void short_value(const tn_event_value *v, facts *f)
{
    double number;
    char text[96];
    if (scalar_of(v, &number)) {
        facts_float(f, "value", (float)number);
    } else if (!strcmp(v->kind, "histo")) {
        snprintf(text, sizeof text, "%.7g values from %.7g to %.7g", v->histogram.num, v->histogram.min,
                 v->histogram.max);
        facts_text(f, "value", text);
    } else if (v->tensor && tn_tensor_count(v->tensor) <= 4) {
        facts_tensor(f, "value", v->tensor, 4);
    } else if (v->tensor) {
        char shape[128];
        snprintf(text, sizeof text, "%s %s", dtype_text(tn_tensor_dtype(v->tensor)),
                 tn_shape_text(tn_tensor_shape(v->tensor), shape, sizeof shape));
        facts_text(f, "value", text);
    } else {
        snprintf(text, sizeof text, "%s (%zu bytes)", v->kind, v->encoded.n);
        facts_text(f, "value", text);
    }
}

static void tag_items(const show_values *s, const tn_event *e, const char *run, facts *f)
{
    for (int i = 0; i < e->n_values; i++) {
        if (strcmp(s->tag, e->values[i].tag)) continue;
        facts_object(f, NULL);
        if (run) facts_text(f, "run", run);
        facts_int(f, "step", e->step);
        facts_time(f, "time", e->wall_time);
        short_value(&e->values[i], f);
        facts_end(f);
    }
}

/* ==== files ==== */

typedef void (*use_event)(void *payload, const tn_event *e);

static tn_code each_event(const char *path, use_event use, void *payload, tn_error *err)
{
    tn_event_file *file;
    const tn_event *e;
    tn_code code = tn_event_file_open(path, &file, err);
    if (code != TN_OK) return code;
    while ((code = tn_event_file_next(file, &e, err)) == TN_OK) use(payload, e);
    tn_event_file_close(file);
    return code == TN_OUT_OF_RANGE ? TN_OK : code;
}

typedef struct teller {
    const show_values *s;
    const char *run;
    facts *f;
} teller;

static void collect(void *payload, const tn_event *e)
{
    note_event(payload, e);
}

static void tell(void *payload, const tn_event *e)
{
    teller *t = payload;
    if (facts_json(t->f))
        event_item(t->s, e, t->f);
    else
        tag_items(t->s, e, t->run, t->f);
}

static void tag_rows(const tags *t, const char *run, const show_values *s, facts *f)
{
    for (int i = 0; i < t->n; i++) {
        const tag *g = &t->v[i];
        if (s->tag && strcmp(s->tag, g->name)) continue;
        facts_object(f, NULL);
        if (run) facts_text(f, "run", run);
        facts_text(f, "tag", g->name);
        facts_text(f, "kind", g->kind);
        facts_int(f, "values", g->count);
        facts_int(f, "first_step", g->first_step);
        facts_int(f, "last_step", g->last_step);
        if (g->is_scalar)
            facts_float(f, "last", g->last);
        else
            facts_null(f, "last");
        facts_end(f);
    }
}

/* Events (for people: a tag's values) of one file, as items of the list that is open. */
static tn_code tell_file(const show_values *s, const char *path, const char *run, facts *f, tn_error *err)
{
    teller t = {s, run, f};
    return each_event(path, tell, &t, err);
}

static bool fits_file(const look *l)
{
    if (l->is_folder || !l->exists) return false;
    for (size_t i = 0; i + 12 < l->n; i++)
        if (!memcmp(l->head + i, "brain.Event:", 12)) return true;
    return strstr(l->path, "tfevents") != NULL;
}

static tn_code show_file(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tags t = {.n = 0};
    tn_error ignored = {TN_OK, ""};
    tn_code code = each_event(path, collect, &t, err);
    facts_int(f, "count", t.events);
    facts_size(f, "bytes", bytes_below(path));
    facts_list(f, "tags");
    tag_rows(&t, NULL, v, f);
    facts_end(f);
    if (t.events && (v->tag || facts_json(f))) {
        facts_list(f, facts_json(f) ? "events" : v->tag);
        tell_file(v, path, NULL, f, &ignored); /* what is damaged was told at the first reading */
        facts_end(f);
    }
    if (code == TN_OK) code = check_tag(&t, path, v->tag, err);
    free_tags(&t);
    return code;
}

/* ==== folders ==== */

typedef struct walker {
    tn_code (*file)(struct walker *w, const char *path, const char *run, tn_error *err);
    const show_values *s;
    facts *f;
    tn_error first, no_tag; /* no_tag: of the last file without --tag's, until one has it */
    bool has_tag;
    int files;
} walker;

static bool is_event_file(const char *folder, const char *name)
{
    (void)folder;
    return strstr(name, "tfevents") != NULL && !ends_with(name, ".json");
}

static bool is_subfolder(const char *folder, const char *name)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/%s/.", folder, name) < (int)sizeof path && path_exists(path, NULL);
}

/* run: the folder's path below the one that was named; "." is that one itself. */
static void walk(walker *w, const char *folder, const char *run, int depth)
{
    int n;
    char path[4096], below[4096], **names = names_in(folder, is_event_file, &n);
    for (int i = 0; i < n; i++) {
        tn_error err = {TN_OK, ""};
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) >= (int)sizeof path) continue;
        w->files++;
        if (w->file(w, path, run, &err) != TN_OK) keep_first(&w->first, &err);
    }
    if (names) free_names(names, n);
    names = depth < DEEPEST ? names_in(folder, is_subfolder, &n) : NULL;
    for (int i = 0; names && i < n; i++) {
        bool top = !strcmp(run, ".");
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) >= (int)sizeof path) continue;
        if (snprintf(below, sizeof below, "%s%s%s", top ? "" : run, top ? "" : "/", names[i]) >=
            (int)sizeof below)
            continue;
        walk(w, path, below, depth + 1);
    }
    if (names) free_names(names, n);
}

static tn_code file_item(walker *w, const char *path, const char *run, tn_error *err)
{
    tags t = {.n = 0};
    tn_code code = each_event(path, collect, &t, err);
    const char *slash = strrchr(path, '/');
    facts_object(w->f, NULL);
    facts_text(w->f, "run", run);
    facts_text(w->f, "file", slash ? slash + 1 : path);
    facts_int(w->f, "events", t.events);
    facts_size(w->f, "bytes", bytes_below(path));
    if (code != TN_OK) facts_text(w->f, "damage", err->message);
    facts_end(w->f);
    free_tags(&t);
    return code;
}

static tn_code tag_item(walker *w, const char *path, const char *run, tn_error *err)
{
    tags t = {.n = 0};
    each_event(path, collect, &t, err);
    tag_rows(&t, run, w->s, w->f);
    if (check_tag(&t, path, w->s->tag, &w->no_tag) == TN_OK) w->has_tag = true;
    free_tags(&t);
    return TN_OK;
}

static tn_code values_item(walker *w, const char *path, const char *run, tn_error *err)
{
    if (facts_json(w->f)) {
        facts_object(w->f, NULL);
        facts_text(w->f, "run", run);
        facts_list(w->f, "events");
    }
    tell_file(w->s, path, run, w->f, err);
    if (facts_json(w->f)) {
        facts_end(w->f);
        facts_end(w->f);
    }
    return TN_OK;
}

static tn_code count_item(walker *w, const char *path, const char *run, tn_error *err)
{
    (void)w, (void)path, (void)run, (void)err;
    return TN_OK;
}

bool has_events(const char *folder)
{
    walker w = {.file = count_item};
    walk(&w, folder, ".", 0);
    return w.files > 0;
}

static void walk_list(walker *w, const char *folder, const char *key,
                      tn_code (*file)(walker *w, const char *path, const char *run, tn_error *err))
{
    w->file = file;
    facts_list(w->f, key);
    walk(w, folder, ".", 0);
    facts_end(w->f);
}

tn_code event_facts(const show_values *v, const char *folder, facts *f, tn_error *err)
{
    walker w = {.s = v, .f = f};
    walk_list(&w, folder, "event_files", file_item);
    walk_list(&w, folder, "tags", tag_item);
    if (v->tag || facts_json(f)) walk_list(&w, folder, facts_json(f) ? "runs" : v->tag, values_item);
    if (!w.has_tag) keep_first(&w.first, &w.no_tag);
    if (w.first.code != TN_OK) *err = w.first;
    return w.first.code;
}

static bool fits_folder(const look *l)
{
    return l->is_folder && has_events(l->path);
}

const show_kind show_event_file = {"events", fits_file, show_file};
const show_kind show_event_folder = {"event_folder", fits_folder, event_facts};
