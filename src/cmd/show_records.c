/* SPDX-License-Identifier: Apache-2.0
 *
 * show_records.c - `turnery show` of TFRecord files: tf.Example and tf.SequenceExample feature by feature,
 * other records as bytes.
 *
 * A file is read twice: for the features that there are, then record by record.
 */
#include "show.h"

#include <stdlib.h>
#include <string.h>

enum { FEW_RECORDS = 10, FEW_VALUES = 8, MOST_FEATURES = 1024, FEW_BYTES = 48 };

static const char *const kinds[] = {"none", "bytes_list", "float_list", "int64_list"};

/* ==== which features there are ==== */

typedef struct feature {
    char *name;
    bool is_list;
    tn_feature_kind kind;
    int64_t in, least, most; /* records that have it; values */
} feature;
typedef struct overview {
    feature *v;
    int n;
    int64_t records, bytes, examples, sequences;
} overview;

static void note_feature(overview *o, const char *name, bool is_list, tn_feature_kind kind, int64_t n)
{
    feature *p = NULL;
    for (int i = 0; i < o->n && !p; i++)
        if (!strcmp(o->v[i].name, name) && o->v[i].is_list == is_list) p = &o->v[i];
    if (!p) {
        if (o->n == MOST_FEATURES) return;
        if (!o->v && !(o->v = calloc(MOST_FEATURES, sizeof *o->v))) return;
        p = &o->v[o->n];
        *p = (feature){.name = strdup(name), .is_list = is_list, .kind = kind, .least = n, .most = n};
        if (!p->name) return;
        o->n++;
    }
    p->in++;
    if (p->kind == TN_FEATURE_NONE) p->kind = kind;
    if (n < p->least) p->least = n;
    if (n > p->most) p->most = n;
}

static void note_record(overview *o, tn_bytes record)
{
    tn_example e;
    o->records++;
    o->bytes += (int64_t)record.n;
    if (tn_example_read(record, &e, NULL) != TN_OK) return;
    *(e.is_sequence ? &o->sequences : &o->examples) += 1;
    for (int i = 0; i < e.n_features; i++)
        note_feature(o, e.features[i].name, false, e.features[i].value.kind, e.features[i].value.n);
    for (int i = 0; i < e.n_lists; i++)
        note_feature(o, e.lists[i].name, true, e.lists[i].n ? e.lists[i].v[0].kind : TN_FEATURE_NONE,
                     e.lists[i].n);
    tn_example_free(&e);
}

static void overview_facts(const overview *o, facts *f)
{
    facts_int(f, "count", o->records);
    facts_size(f, "bytes", o->bytes);
    facts_int(f, "examples", o->examples);
    facts_int(f, "sequence_examples", o->sequences);
    facts_list(f, "features");
    for (int i = 0; i < o->n; i++) {
        const feature *p = &o->v[i];
        facts_object(f, NULL);
        facts_text(f, "feature", p->name);
        facts_text(f, "kind", kinds[p->kind]);
        facts_int(f, "records", p->in);
        facts_int(f, "least", p->least);
        facts_int(f, "most", p->most);
        if (o->sequences) facts_text(f, "of", p->is_list ? "steps" : "values");
        facts_end(f);
    }
    facts_end(f);
}

/* ==== records ==== */

static void put_value(const tn_feature_value *v, int64_t i, facts *f)
{
    if (v->kind == TN_FEATURE_INTS)
        facts_int(f, NULL, v->ints[i]);
    else if (v->kind == TN_FEATURE_FLOATS)
        facts_float(f, NULL, v->floats[i]);
    else
        facts_bytes(f, NULL, v->bytes[i]);
}

/* For people the first few. */
static void put_values(const char *key, const tn_feature_value *v, int64_t few, facts *f)
{
    int64_t n = facts_json(f) || v->n <= few ? v->n : few;
    facts_list(f, key);
    for (int64_t i = 0; i < n; i++) put_value(v, i, f);
    if (n < v->n) facts_text(f, NULL, "...");
    facts_end(f);
}

static void feature_rows(const tn_example *e, facts *f)
{
    facts_list(f, "features");
    for (int i = 0; i < e->n_features; i++) {
        const tn_feature_value *v = &e->features[i].value;
        facts_object(f, NULL);
        facts_text(f, "feature", e->features[i].name);
        if (v->kind == TN_FEATURE_NONE)
            facts_null(f, "kind");
        else
            facts_text(f, "kind", kinds[v->kind]);
        facts_int(f, "length", v->n);
        put_values("values", v, FEW_VALUES, f);
        facts_end(f);
    }
    facts_end(f);
}

static void step_rows(const tn_named_feature_list *list, facts *f)
{
    facts_list(f, "steps");
    for (int64_t i = 0; i < list->n && (facts_json(f) || i < FEW_VALUES); i++) {
        facts_object(f, NULL);
        if (!facts_json(f)) facts_int(f, "step", i);
        if (list->v[i].kind == TN_FEATURE_NONE)
            facts_null(f, "kind");
        else
            facts_text(f, "kind", kinds[list->v[i].kind]);
        put_values("values", &list->v[i], FEW_VALUES, f);
        facts_end(f);
    }
    facts_end(f);
}

static void list_items(const tn_example *e, facts *f)
{
    facts_list(f, "feature_lists");
    for (int i = 0; i < e->n_lists; i++) {
        facts_object(f, NULL);
        facts_text(f, "feature", e->lists[i].name);
        facts_int(f, "length", e->lists[i].n);
        step_rows(&e->lists[i], f);
        facts_end(f);
    }
    facts_end(f);
}

static void record_item(int64_t number, tn_bytes record, facts *f)
{
    tn_example e;
    bool known = tn_example_read(record, &e, NULL) == TN_OK;
    facts_object(f, NULL);
    facts_int(f, "record", number);
    facts_text(f, "kind", !known ? "bytes" : e.is_sequence ? "sequence_example" : "example");
    facts_int(f, "bytes", (int64_t)record.n);
    if (known) {
        feature_rows(&e, f);
        if (e.is_sequence) list_items(&e, f);
        tn_example_free(&e);
    } else if (facts_json(f)) {
        facts_b64(f, "b64", record);
    } else {
        facts_bytes(f, "begins", (tn_bytes){record.p, record.n < FEW_BYTES ? record.n : FEW_BYTES});
    }
    facts_end(f);
}

/* ==== the file ==== */

static tn_code look_over(const char *path, overview *o, facts *f, tn_error *err)
{
    tn_record_file *r;
    tn_bytes record;
    tn_code code = tn_record_file_open(path, &r, err);
    if (code != TN_OK) return code;
    facts_text(f, "compression", tn_record_file_compression(r));
    while ((code = tn_record_file_next(r, &record, err)) == TN_OK) note_record(o, record);
    tn_record_file_close(r);
    return code == TN_OUT_OF_RANGE ? TN_OK : code;
}

static void list_records(const char *path, int64_t most, facts *f)
{
    tn_record_file *r;
    tn_bytes record;
    if (tn_record_file_open(path, &r, NULL) != TN_OK) return;
    facts_list(f, "records");
    for (int64_t i = 0; (!most || i < most) && tn_record_file_next(r, &record, NULL) == TN_OK; i++)
        record_item(i, record, f);
    facts_end(f);
    tn_record_file_close(r);
}

static bool fits(const look *l)
{
    if (l->is_folder || !l->exists) return false;
    bool deflated = l->n > 1 && ((l->head[0] == 0x1f && l->head[1] == 0x8b) ||
                                 (l->head[0] == 0x78 && (l->head[0] * 256 + l->head[1]) % 31 == 0));
    tn_record_file *r;
    tn_bytes record;
    if (strstr(l->path, "tfrecord") || strstr(l->path, ".records")) return true;
    if (!l->n || tn_record_file_open(l->path, &r, NULL) != TN_OK) return false;
    tn_code code = tn_record_file_next(r, &record, NULL);
    tn_record_file_close(r);
    return code == TN_OK || (deflated && code == TN_OUT_OF_RANGE);
}

static tn_code show(const show_values *v, const char *path, facts *f, tn_error *err)
{
    overview o = {.n = 0};
    int64_t most = v->limit ? v->limit : facts_json(f) ? 0 : FEW_RECORDS;
    tn_code code = look_over(path, &o, f, err);
    overview_facts(&o, f);
    if (o.records) list_records(path, most && most < o.records ? most : o.records, f);
    if (!facts_json(f) && most && most < o.records) {
        char more[64];
        snprintf(more, sizeof more, "%lld more (--limit=N shows N)", (long long)(o.records - most));
        facts_text(f, "and", more);
    }
    for (int i = 0; i < o.n; i++) free(o.v[i].name);
    free(o.v);
    return code;
}

const show_kind show_record_file = {"records", fits, show};
