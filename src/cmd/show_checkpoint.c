/* SPDX-License-Identifier: Apache-2.0
 *
 * show_checkpoint.c - `turnery show` of a checkpoint: its tensors, where they are and whether they are whole;
 * one tensor's values; all of them as files.
 */
#include "show.h"

#include <string.h>

/* ==== the list ==== */

/* Whether its bytes are what the index says; the tensor itself is let go again. */
static tn_code check(const show_values *v, tn_bundle *b, const char *name, tn_error *err)
{
    tn_tensor *t;
    if (!v->verify) return TN_OK;
    tn_code code = tn_bundle_read(b, name, &t, err);
    if (code == TN_OK) tn_tensor_unref(t);
    return code;
}

static void tensor_row(const show_values *v, tn_bundle *b, int i, bool has_names, facts *f, tn_error *first)
{
    tn_bundle_info t = tn_bundle_info_at(b, i);
    tn_error err = {TN_OK, ""};
    facts_object(f, NULL);
    facts_text(f, "name", t.name);
    if (has_names) facts_text(f, "variable", tn_bundle_variable(b, i) ? tn_bundle_variable(b, i) : "");
    facts_text(f, "dtype", dtype_text(t.dtype));
    facts_shape(f, "shape", &t.shape);
    facts_size(f, "bytes", t.bytes);
    if (t.n_slices) {
        facts_null(f, "shard");
        facts_int(f, "slices", t.n_slices);
    } else {
        facts_int(f, "shard", t.shard);
        if (facts_json(f)) facts_int(f, "offset", t.offset);
    }
    if (check(v, b, t.name, &err) != TN_OK) {
        facts_text(f, "damage", err.message);
        keep_first(first, &err);
    }
    facts_end(f);
}

static void slice_rows(tn_bundle *b, int i, facts *f)
{
    tn_bundle_info t = tn_bundle_info_at(b, i);
    tn_bundle_piece p;
    for (int k = 0; k < t.n_slices; k++) {
        if (tn_bundle_piece_at(b, i, k, &p, NULL) != TN_OK) continue; /* told with the tensor */
        facts_object(f, NULL);
        facts_text(f, "tensor", t.name);
        facts_shape(f, "start", &p.start);
        facts_shape(f, "shape", &p.shape);
        facts_size(f, "bytes", p.bytes);
        facts_int(f, "shard", p.shard);
        if (facts_json(f)) facts_int(f, "offset", p.offset);
        facts_end(f);
    }
}

static void totals(tn_bundle *b, facts *f)
{
    int64_t bytes = 0, slices = 0;
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_bundle_info t = tn_bundle_info_at(b, i);
        bytes += t.bytes;
        slices += t.n_slices;
    }
    facts_int(f, "count", tn_bundle_count(b));
    facts_size(f, "bytes", bytes);
    facts_int(f, "shards", tn_bundle_shards(b));
    if (slices) facts_int(f, "partitioned_into", slices);
}

static tn_code list_all(const show_values *v, tn_bundle *b, facts *f, tn_error *err)
{
    tn_error first = {TN_OK, ""};
    bool has_names = false; /* TensorFlow 2 keeps the variables' own */
    for (int i = 0; i < tn_bundle_count(b); i++) has_names = has_names || tn_bundle_variable(b, i);
    totals(b, f);
    facts_list(f, "tensors");
    for (int i = 0; i < tn_bundle_count(b); i++) tensor_row(v, b, i, has_names, f, &first);
    facts_end(f);
    facts_list(f, "slices");
    for (int i = 0; i < tn_bundle_count(b); i++) slice_rows(b, i, f);
    facts_end(f);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

tn_code bundle_facts(const show_values *v, const char *prefix, facts *f, tn_error *err)
{
    tn_bundle *b;
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code != TN_OK) return code;
    code = list_all(v, b, f, err);
    tn_bundle_close(b);
    return code;
}

/* ==== one tensor; all as files ==== */

static tn_code show_one(const show_values *v, tn_bundle *b, facts *f, tn_error *err)
{
    tn_tensor *t;
    tn_code code = tn_bundle_read(b, v->tensor, &t, err);
    if (code != TN_OK) return code;
    facts_text(f, "name", v->tensor);
    tensor_facts(v, t, f);
    tn_tensor_unref(t);
    return TN_OK;
}

/* One that is damaged keeps nobody from having the others. */
static tn_code write_files(const show_values *v, tn_bundle *b, facts *f, tn_error *err)
{
    tn_error first = {TN_OK, ""};
    int written = 0;
    tn_code code = output_folder(v->tensors, err);
    if (code != TN_OK) return code;
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_error why = {TN_OK, ""};
        tn_tensor *t;
        if (tn_bundle_read(b, tn_bundle_name(b, i), &t, &why) == TN_OK) {
            written += tensor_file(v->tensors, tn_bundle_name(b, i), t, &why) == TN_OK;
            tn_tensor_unref(t);
        }
        keep_first(&first, &why);
    }
    facts_text(f, "folder", v->tensors);
    facts_int(f, "written", written);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

/* ==== the kind ==== */

/* A prefix, or one of its files. */
static bool is_shard_name(const char *path)
{
    const char *data = strstr(path, ".data-");
    return data && strstr(data, "-of-");
}

static bool fits(const look *l)
{
    if (l->is_folder) return false;
    bool part = ends_with(l->path, ".index") || is_shard_name(l->path);
    return part || tn_checkpoint_exists(l->path);
}

static tn_code show(const show_values *v, const char *path, facts *f, tn_error *err)
{
    char prefix[4096];
    const char *data = is_shard_name(path) ? strstr(path, ".data-") : NULL;
    size_t n =
        data ? (size_t)(data - path) : strlen(path) - (ends_with(path, ".index") ? strlen(".index") : 0);
    tn_bundle *b;
    if (n >= sizeof prefix) return usage_error(err, "the path '%.100s...' is too long", path);
    memcpy(prefix, path, n);
    prefix[n] = 0;
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code != TN_OK) return code;
    if (v->tensors)
        code = write_files(v, b, f, err);
    else if (v->tensor)
        code = show_one(v, b, f, err);
    else
        code = list_all(v, b, f, err);
    tn_bundle_close(b);
    return code;
}

const show_kind show_checkpoint = {"checkpoint", fits, show};
