/* SPDX-License-Identifier: Apache-2.0
 *
 * op_split.c - strings taken apart and put together across elements: StringSplit, StringSplitV2 (sparse
 * results), StringNGrams (ragged), ReduceJoin.
 */
#include "op_move.h"

/* ==== splitting ==== */

typedef struct parts { /* of all rows, in order */
    tn_view *v;
    int64_t *row;
    int64_t n, cap, widest, in_row;
} parts;

static tn_code add_part(parts *p, int64_t row, const char *from, size_t n, tn_error *err)
{
    if (p->n == p->cap) {
        int64_t cap = p->cap ? 2 * p->cap : 64;
        tn_view *v = tn_realloc(p->v, (size_t)cap * sizeof *v);
        if (v) p->v = v;
        int64_t *rows = v ? tn_realloc(p->row, (size_t)cap * sizeof *rows) : NULL;
        if (rows) p->row = rows;
        if (!v || !rows) return tn_no_memory(err, (size_t)cap * sizeof *v);
        p->cap = cap;
    }
    p->in_row = p->n && p->row[p->n - 1] == row ? p->in_row + 1 : 1;
    p->widest = TN_MAX(p->widest, p->in_row);
    p->v[p->n] = (tn_view){from, n};
    p->row[p->n++] = row;
    return TN_OK;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Runs of white space; after `most` splits (-1: any number) the rest is the last part, even when empty. */
static tn_code split_spaces(parts *p, int64_t row, const tn_string *s, int64_t most, tn_error *err)
{
    size_t i = 0;
    while (i < s->n && is_space(s->p[i])) i++;
    for (int64_t k = 1; i < s->n; k++) {
        size_t end = i;
        while (end < s->n && !is_space(s->p[end])) end++;
        TN_TRY(add_part(p, row, s->p + i, end - i, err));
        for (i = end; i < s->n && is_space(s->p[i]);) i++;
        if (k == most) return add_part(p, row, s->p + i, s->n - i, err);
    }
    return TN_OK;
}

static tn_code split_by(parts *p, int64_t row, const tn_string *s, const tn_string *sep, int64_t most,
                        tn_error *err)
{
    size_t i = 0;
    for (int64_t k = 0; most < 0 || k < most; k++) {
        const char *found = s->n - i >= sep->n && s->n ? memmem(s->p + i, s->n - i, sep->p, sep->n) : NULL;
        if (!found) break;
        TN_TRY(add_part(p, row, s->p + i, (size_t)(found - (s->p + i)), err));
        i = (size_t)(found - s->p) + sep->n;
    }
    return add_part(p, row, s->n ? s->p + i : "", s->n - i, err);
}

/* Every character of `set` separates; none: between all bytes. */
static tn_code split_any(parts *p, int64_t row, const tn_string *s, const tn_string *set, bool skip,
                         tn_error *err)
{
    size_t from = 0;
    if (s->n == 0) return TN_OK;
    if (set->n == 0) {
        for (size_t i = 0; i < s->n; i++) TN_TRY(add_part(p, row, s->p + i, 1, err));
        return TN_OK;
    }
    for (size_t i = 0; i <= s->n; i++) {
        if (i < s->n && !memchr(set->p, s->p[i], set->n)) continue;
        if (!skip || i > from) TN_TRY(add_part(p, row, s->p + from, i - from, err));
        from = i + 1;
    }
    return TN_OK;
}

static tn_code write_sparse(tn_run *r, const parts *p, int64_t rows, tn_error *err)
{
    tn_shape indices = {.rank = 2, .dim = {p->n, 2}}, values = tn_shape_vector(p->n),
             shape = tn_shape_vector(2);
    TN_TRY(tn_run_output(r, 0, &indices, err));
    TN_TRY(tn_run_output(r, 1, &values, err));
    TN_TRY(tn_run_output(r, 2, &shape, err));
    int64_t column = 0;
    for (int64_t i = 0; i < p->n; i++) {
        column = i && p->row[i - 1] == p->row[i] ? column + 1 : 0;
        TN_INT64S(r->out[0])[2 * i] = p->row[i];
        TN_INT64S(r->out[0])[2 * i + 1] = column;
        TN_TRY(tn_string_set(r->out[1], i, p->v[i].p, p->v[i].n, err));
    }
    TN_INT64S(r->out[2])[0] = rows;
    TN_INT64S(r->out[2])[1] = p->widest;
    return TN_OK;
}

static tn_code split_run(tn_run *r, tn_error *err)
{
    parts p = {0};
    tn_code code = TN_OK;
    bool v2 = !strcmp(r->op->name, "StringSplitV2"), skip = true;
    int64_t most = -1, rows = tn_tensor_count(r->in[0]);
    const tn_string *sep = TN_STRINGS(r->in[1]);
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar", v2 ? "sep" : "delimiter");
    tn_attr_get_int(r->attrs, "maxsplit", &most);
    if (most <= 0) most = -1;
    tn_attr_get_bool(r->attrs, "skip_empty", &skip);
    for (int64_t i = 0; i < rows && code == TN_OK; i++) {
        const tn_string *s = TN_STRINGS(r->in[0]) + i;
        code = !v2      ? split_any(&p, i, s, sep, skip, err)
               : sep->n ? split_by(&p, i, s, sep, most, err)
                        : split_spaces(&p, i, s, most, err);
    }
    if (code == TN_OK) code = write_sparse(r, &p, rows, err);
    tn_free(p.v);
    tn_free(p.row);
    return code;
}

static tn_code split_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    tn_infer_set_rank(c, 0, 2);
    c->out[0].shape.dim[1] = 2;
    tn_infer_set_rank(c, 1, 1);
    tn_infer_set_rank(c, 2, 1);
    c->out[2].shape.dim[0] = 2;
    return TN_OK;
}

#define SPLIT(NAME, SIG)                              \
    const tn_op tn_op_##NAME = {                      \
        .name = #NAME,                                \
        .sig = SIG,                                   \
        .infer = split_infer,                         \
        .run = split_run,                             \
        .flags = TN_NO_GRADIENT,                      \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2), \
    }
SPLIT(StringSplit, "input:string delimiter:string -> indices:int64 values:string shape:int64; "
                   "skip_empty:bool=true");
SPLIT(StringSplitV2, "input:string sep:string -> indices:int64 values:string shape:int64; maxsplit:int=-1");

/* ==== StringNGrams ==== */

typedef struct ngrams {
    tn_view separator, left, right;
    const int64_t *widths;
    int n_widths;
    int64_t pad;
    bool keep_short;
} ngrams;

static ngrams ngrams_of(const tn_attrs *a)
{
    ngrams g = {{"", 0},
                {"", 0},
                {"", 0},
                NULL,
                0,
                tn_attr_i(a, "pad_width"),
                tn_attr_b(a, "preserve_short_sequences")};
    tn_attr_get_string(a, "separator", &g.separator);
    tn_attr_get_string(a, "left_pad", &g.left);
    tn_attr_get_string(a, "right_pad", &g.right);
    g.n_widths = tn_attr_list(a, "ngram_widths", &g.widths);
    return g;
}

static int64_t padding(const ngrams *g, int64_t width)
{
    return g->pad < 0 ? width - 1 : TN_MIN(g->pad, width - 1);
}

static int64_t count_of(const ngrams *g, int64_t length, int64_t width)
{
    return TN_MAX(0, length + 2 * padding(g, width) - width + 1);
}

/* A short row that gives none is kept whole, with its padding. */
static int64_t row_count(const ngrams *g, int64_t length, int64_t *kept_width)
{
    int64_t n = 0;
    *kept_width = -1;
    for (int k = 0; k < g->n_widths; k++) n += count_of(g, length, g->widths[k]);
    if (g->keep_short && length > 0 && n == 0) {
        *kept_width = length + 2 * TN_MAX(g->pad, 0);
        n = 1;
    }
    return n;
}

static tn_code put_ngram(tn_run *r, const ngrams *g, int64_t out, int64_t row, int64_t length, int64_t pad,
                         int64_t from, int64_t width, tn_buf *text, tn_error *err)
{
    tn_buf_clear(text);
    for (int64_t k = from; k < from + width; k++) {
        int64_t at = k - pad;
        if (k > from) tn_buf_add(text, g->separator.p, g->separator.n);
        if (at < 0)
            tn_buf_add(text, g->left.p, g->left.n);
        else if (at >= length)
            tn_buf_add(text, g->right.p, g->right.n);
        else
            tn_buf_add(text, TN_STRINGS(r->in[0])[row + at].p, TN_STRINGS(r->in[0])[row + at].n);
    }
    TN_TRY(tn_buf_check(text, err));
    return tn_string_set(r->out[0], out, text->n ? text->data : "", text->n, err);
}

static tn_code row_ngrams(tn_run *r, const ngrams *g, int64_t row, int64_t length, int64_t *out, tn_buf *text,
                          tn_error *err)
{
    int64_t kept;
    row_count(g, length, &kept);
    for (int k = 0; k < g->n_widths; k++) {
        int64_t pad = padding(g, g->widths[k]);
        for (int64_t i = 0, n = count_of(g, length, g->widths[k]); i < n; i++)
            TN_TRY(put_ngram(r, g, (*out)++, row, length, pad, i, g->widths[k], text, err));
    }
    if (kept >= 0) return put_ngram(r, g, (*out)++, row, length, TN_MAX(g->pad, 0), 0, kept, text, err);
    return TN_OK;
}

static void put_index(tn_tensor *t, int64_t i, int64_t v)
{
    if (t->dtype == TN_INT64)
        TN_INT64S(t)[i] = v;
    else
        TN_INT32S(t)[i] = (int32_t)v;
}

static tn_code check_splits(const tn_tensor *splits, int64_t values, tn_error *err)
{
    int64_t n = tn_tensor_count(splits);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = tn_tensor_int(splits, i), before = i ? tn_tensor_int(splits, i - 1) : 0;
        if ((i == 0 && v != 0) || v < before || v > values)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid split value %lld, must be in [%lld, %lld]",
                           (long long)v, (long long)before, (long long)values);
    }
    if (n > 0 && tn_tensor_int(splits, n - 1) != values)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Last split value must be data size. Expected %lld",
                       (long long)values);
    return TN_OK;
}

static tn_code ngrams_run(tn_run *r, tn_error *err)
{
    ngrams g = ngrams_of(r->attrs);
    const tn_tensor *splits = r->in[1];
    int64_t rows = tn_tensor_count(splits) - 1, total = 0, kept, out = 0;
    TN_TRY(check_splits(splits, tn_tensor_count(r->in[0]), err));
    for (int k = 0; k < g.n_widths; k++)
        if (g.widths[k] < 1 || g.widths[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "ngram widths must be at least 1");
    for (int64_t i = 0; i < rows; i++) {
        put_index(r->out[1], i, total);
        total +=
            g.n_widths ? row_count(&g, tn_tensor_int(splits, i + 1) - tn_tensor_int(splits, i), &kept) : 0;
    }
    if (rows >= 0) put_index(r->out[1], rows, total);
    tn_shape s = tn_shape_vector(total);
    TN_TRY(tn_run_output(r, 0, &s, err));
    tn_buf text = {0};
    tn_code code = TN_OK;
    for (int64_t i = 0; i < rows && code == TN_OK && g.n_widths; i++) {
        int64_t from = tn_tensor_int(splits, i);
        code = row_ngrams(r, &g, from, tn_tensor_int(splits, i + 1) - from, &out, &text, err);
    }
    tn_buf_free(&text);
    return code;
}

static tn_code ngrams_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_infer_set_rank(c, 0, 1);
    c->out[1].shape = c->in[1]->shape;
    return TN_OK;
}

const tn_op tn_op_StringNGrams = {
    .name = "StringNGrams",
    .sig = "data:string data_splits:Tsplits -> ngrams:string ngrams_splits:Tsplits; separator:string "
           "ngram_widths:list(int)>=0 left_pad:string right_pad:string pad_width:int "
           "preserve_short_sequences:bool Tsplits:type{int32,int64}=int64",
    .infer = ngrams_infer,
    .run = ngrams_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* ==== ReduceJoin ==== */

static tn_code join_axes(const tn_tensor *axes, int rank, bool *reduced, int *order, int *n, tn_error *err)
{
    *n = (int)TN_MIN(tn_tensor_count(axes), TN_MAX_RANK + 1);
    for (int i = 0; i < *n; i++) {
        int64_t a = tn_tensor_int(axes, i);
        if (a < -rank || a >= rank)
            return tn_fail(err, TN_OUT_OF_RANGE,
                           "Invalid reduction dimension %lld for input with %d dimension(s)", (long long)a,
                           rank);
        a = a < 0 ? a + rank : a;
        if (reduced[a])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Duplicate reduction dimension %lld", (long long)a);
        reduced[a] = true;
        order[i] = (int)a;
    }
    return TN_OK;
}

static tn_code join_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    bool reduced[TN_MAX_RANK] = {false}, keep = tn_attr_b(c->attrs, "keep_dims");
    int order[TN_MAX_RANK + 1], n;
    if (in->rank < 0 || !c->in[1]->value) return TN_OK;
    TN_TRY(join_axes(c->in[1]->value, in->rank, reduced, order, &n, err));
    tn_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int k = 0; k < in->rank; k++)
        if (!reduced[k] || keep) out->dim[out->rank++] = reduced[k] ? 1 : in->dim[k];
    if (n == 0) *out = *in; /* nothing is joined */
    return TN_OK;
}

typedef struct reduce_join {
    int n, kept;
    int64_t dim[TN_MAX_RANK], stride[TN_MAX_RANK]; /* joined, the last varying fastest */
    int64_t kept_dim[TN_MAX_RANK], kept_stride[TN_MAX_RANK];
} reduce_join;

static tn_code join_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape;
    bool reduced[TN_MAX_RANK] = {false};
    int order[TN_MAX_RANK + 1];
    int64_t strides[TN_MAX_RANK];
    TN_PARAMS(p, reduce_join, j);
    TN_TRY(join_axes(p->in[1], in->rank, reduced, order, &j->n, err));
    tn_shape_strides(in, strides);
    for (int i = 0; i < j->n; i++) { /* the one named first varies fastest */
        j->dim[j->n - 1 - i] = in->dim[order[i]];
        j->stride[j->n - 1 - i] = strides[order[i]];
    }
    for (int k = 0; k < in->rank; k++) {
        if (reduced[k]) continue;
        j->kept_dim[j->kept] = in->dim[k];
        j->kept_stride[j->kept++] = strides[k];
    }
    return TN_OK;
}

static int64_t offset_of(int64_t i, int n, const int64_t *dim, const int64_t *stride)
{
    int64_t at = 0;
    for (int k = n - 1; k >= 0; k--) {
        at += i % dim[k] * stride[k];
        i /= dim[k];
    }
    return at;
}

static tn_code join_run(tn_run *r, tn_error *err)
{
    const reduce_join *j = r->params;
    tn_view sep = {"", 0};
    tn_buf text = {0};
    tn_code code = TN_OK;
    int64_t count = 1;
    tn_attr_get_string(r->attrs, "separator", &sep);
    for (int k = 0; k < j->n; k++) count *= j->dim[k];
    for (int64_t i = 0, n = tn_tensor_count(r->out[0]); i < n && code == TN_OK; i++) {
        int64_t base = offset_of(i, j->kept, j->kept_dim, j->kept_stride);
        tn_buf_clear(&text);
        for (int64_t k = 0; k < count; k++) {
            const tn_string *s = TN_STRINGS(r->in[0]) + base + offset_of(k, j->n, j->dim, j->stride);
            if (k) tn_buf_add(&text, sep.p, sep.n);
            tn_buf_add(&text, s->p, s->n);
        }
        code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_ReduceJoin = {
    .name = "ReduceJoin",
    .sig = "inputs:string reduction_indices:int32 -> output:string; keep_dims:bool=false "
           "separator:string=\"\"",
    .infer = join_infer,
    .prepare = join_prepare,
    .run = join_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(1),
};
