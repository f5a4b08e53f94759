/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_inspect.c - one byte of choice, then what is looked into: a SavedModel, MetaGraph or GraphDef; an event, which
 * is made a record of; an Example; Examples as JSON; a folder's state file. Whatever is told is read.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum; /* so that nothing is left out */

static void read_text(const char *s)
{
    sum += s ? strlen(s) : 0;
}

static void look_at_graph(const tn_meta_graph_info *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++) read_text(g->nodes[i].inputs[k]);
    for (int i = 0; i < g->n_ops; i++) read_text(g->ops[i].op);
    for (int i = 0; i < g->n_missing; i++) read_text(g->missing[i].node);
    for (int i = 0; i < g->n_variables; i++) read_text(g->variables[i].key);
    for (int i = 0; i < g->n_signatures; i++) read_text(g->signatures[i].problem);
    for (int i = 0; i < g->n_collections; i++)
        for (int k = 0; k < g->collections[i].n; k++) read_text(g->collections[i].items[k]);
    read_text(g->problem);
}

static void look_at_archive(const char *path)
{
    tn_archive *a;
    tn_error err;
    if (tn_archive_open(path, &a, &err) != TN_OK) return;
    for (int i = 0; i < tn_archive_count(a); i++) look_at_graph(tn_archive_at(a, i));
    tn_archive_close(a);
}

static void look_at_events(const char *path)
{
    tn_event_file *f;
    const tn_event *e;
    tn_error err;
    if (tn_event_file_open(path, &f, &err) != TN_OK) return;
    while (tn_event_file_next(f, &e, &err) == TN_OK)
        for (int i = 0; i < e->n_values; i++) {
            const tn_event_value *v = &e->values[i];
            read_text(v->tag);
            for (int64_t k = 0; k < v->histogram.n; k++) sum += v->histogram.counts[k] + v->histogram.limits[k] > 0;
            if (v->tensor) sum += tn_tensor_bytes(v->tensor);
        }
    tn_event_file_close(f);
}

static void look_at_values(const tn_feature_value *v)
{
    for (int64_t i = 0; i < v->n; i++)
        sum += v->kind == TN_FEATURE_BYTES ? v->bytes[i].n : v->kind == TN_FEATURE_INTS ? (uint64_t)v->ints[i] : v->floats[i] > 0;
}

static void look_at_example(tn_bytes record)
{
    tn_example e;
    tn_error err;
    if (tn_example_read(record, &e, &err) != TN_OK) return;
    for (int i = 0; i < e.n_features; i++) look_at_values(&e.features[i].value);
    for (int i = 0; i < e.n_lists; i++)
        for (int64_t k = 0; k < e.lists[i].n; k++) look_at_values(&e.lists[i].v[k]);
    tn_example_free(&e);
}

static void make_examples(const char *text, size_t n)
{
    tn_tensor *t;
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    char *copy = tn_arena_strndup(a, text, n);
    if (copy && tn_examples_from_json(copy, &t, &err) == TN_OK) {
        for (int64_t i = 0; i < tn_tensor_count(t); i++) {
            const tn_string *s = &TN_STRINGS(t)[i];
            tn_example e;
            if (tn_example_read((tn_bytes){s->p, s->n}, &e, &err) != TN_OK) __builtin_trap();
            tn_example_free(&e);
        }
        tn_tensor_unref(t);
    }
    tn_arena_free(a);
}

static void list_checkpoints(const char *folder)
{
    tn_error err;
    tn_checkpoint_list list = {.n = 0};
    tn_checkpoint_list_read(folder, &list, &err);
    for (int i = 0; i < list.n; i++) read_text(list.v[i].prefix);
    if (list.memory) tn_checkpoint_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[64], path[128];
    tn_buf record = {0};
    if (!size) return 0;
    tn_view rest = {(const char *)data + 1, size - 1};
    tn_fuzz_path(folder, sizeof folder, "inspect");
    snprintf(path, sizeof path, "%s/%s", folder, data[0] % 5 == 4 ? "checkpoint" : "file");
    tn_make_folders(folder, NULL);
    switch (data[0] % 5) {
    case 0:
        tn_fuzz_write(path, rest.p, rest.n);
        look_at_archive(path);
        break;
    case 1:
        tn_record_put(&record, rest.p, rest.n);
        tn_fuzz_write(path, record.data, record.n);
        look_at_events(path);
        break;
    case 2: look_at_example((tn_bytes){rest.p, rest.n}); break;
    case 3: make_examples(rest.p, rest.n); break;
    default:
        tn_fuzz_write(path, rest.p, rest.n);
        list_checkpoints(folder);
        break;
    }
    tn_buf_free(&record);
    tn_remove_tree(folder, NULL);
    return 0;
}
