/* SPDX-License-Identifier: Apache-2.0
 *
 * op_files.c - operators on files: ReadFile, WriteFile, MatchingFiles, ImmutableConst,
 * GenerateVocabRemapping. The files are the session's (files.h). What TensorFlow checks of a file's
 * checkpoint or pictures is others' business.
 */
#include "../plan/files.h"
#include "op_move.h"
#include "sparse.h"

static tn_view text_at(const tn_tensor *t, int64_t i)
{
    const tn_string *s = TN_STRINGS(t) + i;
    return (tn_view){s->n ? s->p : "", s->n};
}

static tn_code one_string(const tn_tensor *t, const char *what, tn_view *out, tn_error *err)
{
    char text[128];
    if (t->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s tensor must be scalar, but had shape: %s", what,
                       tn_shape_text(&t->shape, text, sizeof text));
    *out = text_at(t, 0);
    return TN_OK;
}

static tn_code read_run(tn_run *r, tn_error *err)
{
    tn_view path;
    tn_buf bytes = {0};
    TN_TRY(one_string(r->in[0], "Input filename", &path, err));
    TN_TRY(tn_files_read(tn_run_files(r), r->name, path, &bytes, err));
    tn_code code = tn_string_set(r->out[0], 0, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

TN_STATE_OP(ReadFile, read_run, tn_infer_scalar, 0, 0, "filename:string -> contents:string;");

static tn_code write_run(tn_run *r, tn_error *err)
{
    tn_view path, bytes;
    TN_TRY(one_string(r->in[0], "Input filename", &path, err));
    TN_TRY(one_string(r->in[1], "Contents", &bytes, err));
    return tn_files_write(tn_run_files(r), r->name, path, bytes, false, err);
}

TN_STATE_OP(WriteFile, write_run, tn_infer_none, TN_EFFECT, 0, "filename:string contents:string -> ;");

/* ==== MatchingFiles ==== */

static tn_code matching(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_paths found = {0};
    char text[128];
    if (r->in[0]->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input patterns tensor must be scalar or vector, but had shape: %s",
                       tn_shape_text(&r->in[0]->shape, text, sizeof text));
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++)
        TN_TRY(tn_files_match(tn_run_files(r), r->name, text_at(r->in[0], i), a, &found, err));
    tn_paths_sort(&found, 0);
    tn_shape s = tn_shape_vector((int64_t)found.n);
    TN_TRY(tn_run_output(r, 0, &s, err));
    for (size_t i = 0; i < found.n; i++)
        TN_TRY(tn_string_set(r->out[0], (int64_t)i, found.at[i], strlen(found.at[i]), err));
    return TN_OK;
}
TN_RUN_IN_ARENA(matching_run, matching)

static tn_code vector_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_rank(c, 0, 1);
    return TN_OK;
}

TN_STATE_OP(MatchingFiles, matching_run, vector_infer, 0, TN_BIT(0), "pattern:string -> filenames:string;");

/* ==== ImmutableConst ==== a file's first bytes as they are */

static tn_code constant_infer(tn_infer *c, tn_error *err)
{
    char text[128];
    tn_shape s;
    if (!tn_attr_get_shape(c->attrs, "shape", &s) || !tn_shape_known(&s))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape %s is not fully defined",
                       tn_shape_text(&s, text, sizeof text));
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code constant_run(tn_run *r, tn_error *err)
{
    tn_view path = {"", 0};
    tn_buf bytes = {0};
    tn_tensor *out = r->out[0];
    tn_attr_get_string(r->attrs, "memory_region_name", &path);
    if (!tn_dtype_is_pod(out->dtype))
        return tn_fail(err, out->dtype == TN_STRING ? TN_UNIMPLEMENTED : TN_INVALID_ARGUMENT,
                       "%s is not supported for ImmutableConst", tn_dtype_name(out->dtype));
    TN_TRY(tn_files_read(tn_run_files(r), r->name, path, &bytes, err));
    size_t n = (size_t)tn_tensor_count(out) * tn_dtype_size(out->dtype);
    tn_code code = TN_OK;
    if (bytes.n < n)
        code = tn_fail(err, TN_INTERNAL, "Readonly memory region has wrong length (%zu) when allocating %zu",
                       bytes.n, n);
    else if (n)
        memcpy(out->data, bytes.data, n);
    tn_buf_free(&bytes);
    return code;
}

TN_STATE_OP(ImmutableConst, constant_run, constant_infer, 0, 0,
            "-> tensor:dtype; dtype:type shape:shape memory_region_name:string");

/* ==== GenerateVocabRemapping ==== where each of some lines of one file stands in another */

typedef struct lines {
    tn_buf text;
    tn_view *at;
    int64_t n;
} lines;

static tn_code read_lines(const tn_run *r, int input, const char *what, tn_arena *a, lines *l, tn_error *err)
{
    char text[128];
    if (tn_tensor_count(r->in[input]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s should be a single string, but got %s", what,
                       tn_shape_text(&r->in[input]->shape, text, sizeof text));
    tn_view path = text_at(r->in[input], 0);
    TN_TRY(tn_files_read(tn_run_files(r), r->name, path, &l->text, err));
    size_t most = 1;
    for (size_t i = 0; i < l->text.n; i++) most += l->text.data[i] == '\n';
    l->at = TN_ARRAY(a, most, tn_view);
    if (!l->at) return tn_no_memory(err, most * sizeof *l->at);
    if (l->text.n == 0)
        return tn_fail(err, TN_OUT_OF_RANGE, "%.*s: the file is empty", (int)TN_MIN(path.n, 200), path.p);
    for (size_t at = 0; at < l->text.n;) {
        const char *p = l->text.data + at, *end = memchr(p, '\n', l->text.n - at);
        tn_view line = {p, end ? (size_t)(end - p) : l->text.n - at};
        at += line.n + 1;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line.n == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid content in %.*s: empty line found at position %zu.",
                           (int)TN_MIN(path.n, 200), path.p, at);
        l->at[l->n++] = line;
    }
    return TN_OK;
}

static tn_code number_lines(const lines *l, int64_t n, tn_map *numbers, tn_error *err)
{
    for (int64_t i = 0; i < n; i++) {
        void *old = tn_map_get_view(numbers, l->at[i]);
        if (old)
            return tn_fail(
                err, TN_FAILED_PRECONDITION,
                "HashTable has different value for same key. Key %.*s has %lld and trying to add value %lld",
                (int)TN_MIN(l->at[i].n, 200), l->at[i].p, (long long)((intptr_t)old - 1), (long long)i);
        if (!tn_map_put_view(numbers, l->at[i], (void *)(intptr_t)(i + 1))) return tn_no_memory(err, 0);
    }
    return TN_OK;
}

static tn_code map_lines(tn_run *r, const lines *fresh, const lines *old, tn_map *numbers, tn_error *err)
{
    int64_t from = tn_attr_i(r->attrs, "new_vocab_offset"), n = tn_attr_i(r->attrs, "num_new_vocab"),
            size = tn_attr_i(r->attrs, "old_vocab_size");
    int32_t present = 0;
    if (size > old->n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Invalid vocab_size of old_vocab_file: expected %lld but got %lld", (long long)size,
                       (long long)old->n);
    if (size == 0) return tn_fail(err, TN_OUT_OF_RANGE, "Finished reading 0 of lines from old_vocab_file");
    if (from > fresh->n || n > fresh->n - from)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "lookup table size must be larger than last new vocab entry's line: %lld + %lld > %lld",
            (long long)from, (long long)n, (long long)fresh->n);
    TN_TRY(number_lines(old, size < 0 ? old->n : size, numbers, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t v = (int64_t)(intptr_t)tn_map_get_view(numbers, fresh->at[from + i]) - 1;
        TN_INT64S(r->out[0])[i] = v;
        present += v >= 0;
    }
    TN_INT32S(r->out[1])[0] = present;
    return TN_OK;
}

static tn_code remap(tn_run *r, tn_arena *a, tn_error *err)
{
    lines fresh = {0}, old = {0};
    tn_map *numbers = tn_map_new();
    tn_code code = numbers ? TN_OK : tn_no_memory(err, 0);
    if (!code && tn_attr_i(r->attrs, "num_new_vocab")) {
        code = read_lines(r, 0, "new_vocab_file", a, &fresh, err);
        if (!code) code = read_lines(r, 1, "old_vocab_file", a, &old, err);
        if (!code) code = map_lines(r, &fresh, &old, numbers, err);
    } else if (!code) {
        TN_INT32S(r->out[1])[0] = 0;
    }
    tn_map_free(numbers);
    tn_buf_free(&fresh.text);
    tn_buf_free(&old.text);
    return code;
}
TN_RUN_IN_ARENA(remap_run, remap)

static tn_code remap_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = tn_shape_vector(tn_attr_i(c->attrs, "num_new_vocab"));
    c->out[1].shape = (tn_shape){.rank = 0};
    return TN_OK;
}

TN_STATE_OP(GenerateVocabRemapping, remap_run, remap_infer, TN_NO_GRADIENT, 0,
            "new_vocab_file:string old_vocab_file:string -> remapping:int64 num_present:int32; "
            "new_vocab_offset:int>=0 num_new_vocab:int>=0 old_vocab_size:int>=-1=-1");
