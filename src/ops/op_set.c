/* SPDX-License-Identifier: Apache-2.0
 *
 * op_set.c - the last dimension's rows as sets of values, dense or sparse: differences, intersection, union
 * of two; SetSize. Results are sparse (indices, values, shape), rows sorted.
 */
#include "sparse.h"

typedef enum set_op { SET_A_MINUS_B, SET_B_MINUS_A, SET_INTERSECTION, SET_UNION } set_op;

typedef struct entry { /* element `at` of the values is in that row */
    int64_t row, at;
} entry;

typedef struct set { /* all rows of an operand: entries by row, then by value, each value once */
    const tn_tensor *values;
    entry *v;
    int64_t n;
    int rank;
    const int64_t *dim;
} set;

/* ==== order ==== */

static int compare_elements(const tn_tensor *t, int64_t i, const tn_tensor *u, int64_t j)
{
    if (t->dtype == TN_STRING) {
        const tn_string *a = TN_STRINGS(t) + i, *b = TN_STRINGS(u) + j;
        size_t n = TN_MIN(a->n, b->n);
        int d = n ? memcmp(a->p, b->p, n) : 0;
        return d ? d : (a->n > b->n) - (a->n < b->n);
    }
    int64_t a = tn_tensor_int(t, i), b = tn_tensor_int(u, j);
    return (a > b) - (a < b);
}

static int compare_entries(const set *a, entry x, const set *b, entry y)
{
    return x.row != y.row ? (x.row < y.row ? -1 : 1) : compare_elements(a->values, x.at, b->values, y.at);
}

static void merge_runs(const set *s, const entry *from, entry *to, int64_t low, int64_t mid, int64_t high)
{
    int64_t i = low, j = mid;
    for (int64_t k = low; k < high; k++)
        to[k] =
            i < mid && (j >= high || compare_entries(s, from[i], s, from[j]) <= 0) ? from[i++] : from[j++];
}

/* Sorts and drops what is there twice. */
static tn_code make_set(set *s, tn_arena *a, tn_error *err)
{
    entry *from = s->v, *to = TN_ARRAY(a, s->n + 1, entry);
    int64_t n = 0;
    if (!to) return tn_no_memory(err, (size_t)s->n * sizeof *to);
    for (int64_t width = 1; width < s->n; width *= 2) {
        for (int64_t low = 0; low < s->n; low += 2 * width)
            merge_runs(s, from, to, low, TN_MIN(low + width, s->n), TN_MIN(low + 2 * width, s->n));
        entry *swap = from;
        from = to;
        to = swap;
    }
    for (int64_t i = 0; i < s->n; i++)
        if (n == 0 || compare_entries(s, from[n - 1], s, from[i])) from[n++] = from[i];
    s->v = from;
    s->n = n;
    return TN_OK;
}

/* ==== operands ==== */

static tn_code read_dense(const tn_tensor *t, set *s, tn_arena *a, tn_error *err)
{
    *s = (set){.values = t, .n = tn_tensor_count(t), .rank = t->shape.rank, .dim = t->shape.dim};
    if (s->rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid rank %d: sets have at least 2", s->rank);
    s->v = TN_ARRAY(a, s->n + 1, entry);
    if (!s->v) return tn_no_memory(err, (size_t)s->n * sizeof *s->v);
    for (int64_t i = 0; i < s->n; i++) s->v[i] = (entry){i / t->shape.dim[s->rank - 1], i};
    return make_set(s, a, err);
}

static tn_code read_sparse(const tn_run *r, int first, set *s, tn_arena *a, tn_error *err)
{
    tn_sparse t;
    TN_TRY(tn_sparse_read(r, first, &t, err));
    *s = (set){.values = t.values, .n = t.n, .rank = t.rank, .dim = t.dim};
    if (s->rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid rank %d: sets have at least 2", s->rank);
    TN_TRY(tn_sparse_check(&t, tn_attr_b(r->attrs, "validate_indices"), err));
    s->v = TN_ARRAY(a, s->n + 1, entry);
    if (!s->v) return tn_no_memory(err, (size_t)s->n * sizeof *s->v);
    for (int64_t i = 0; i < s->n; i++) s->v[i] = (entry){tn_sparse_place(&t, i) / t.dim[t.rank - 1], i};
    return make_set(s, a, err);
}

static tn_code same_rows(const set *a, const set *b, tn_error *err)
{
    if (a->rank != b->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Ranks do not match: %d and %d", a->rank, b->rank);
    for (int k = 0; k < a->rank - 1; k++)
        if (a->dim[k] != b->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Mismatched group dimension %d: %lld vs %lld", k,
                           (long long)a->dim[k], (long long)b->dim[k]);
    return TN_OK;
}

/* ==== two sets ==== */

typedef struct choice { /* the result's elements: which operand, which entry of it */
    int from;
    entry e;
} choice;

static int64_t choose(set_op op, const set *a, const set *b, choice *out)
{
    int64_t i = 0, j = 0, n = 0;
    while (i < a->n || j < b->n) {
        int d = i >= a->n ? 1 : j >= b->n ? -1 : compare_entries(a, a->v[i], b, b->v[j]);
        bool take = d == 0 ? op == SET_INTERSECTION || op == SET_UNION
                           : op == SET_UNION || op == (d < 0 ? SET_A_MINUS_B : SET_B_MINUS_A);
        if (take) out[n++] = (choice){d > 0, d > 0 ? b->v[j] : a->v[i]};
        i += d <= 0;
        j += d >= 0;
    }
    return n;
}

static tn_code write_sets(tn_run *r, const set *in, const choice *c, int64_t n, tn_error *err)
{
    int rank = in[0].rank;
    TN_TRY(tn_sparse_output(r, 0, 1, n, rank, err));
    TN_TRY(tn_sparse_output_shape(r, 2, in[0].dim, rank, err));
    int64_t *out = TN_INT64S(r->out[0]), widest = 0, column = 0;
    for (int64_t i = 0; i < n; i++, out += rank) {
        column = i && c[i].e.row == c[i - 1].e.row ? column + 1 : 0;
        widest = TN_MAX(widest, column + 1);
        int64_t rest = c[i].e.row;
        out[rank - 1] = column;
        for (int k = rank - 2; k >= 0; k--) {
            out[k] = rest % in[0].dim[k];
            rest /= in[0].dim[k];
        }
        TN_TRY(tn_move_row(r->out[1], i, in[c[i].from].values, c[i].e.at, 1, err));
    }
    TN_INT64S(r->out[2])[rank - 1] = widest;
    return TN_OK;
}

static tn_code combine(tn_run *r, const set in[2], tn_arena *a, tn_error *err)
{
    static const char *const names[] = {"a-b", "b-a", "intersection", "union"};
    int op = 0;
    while (op < 4 && !tn_attr_is(r->attrs, "set_operation", names[op])) op++;
    if (op == 4) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid set_operation");
    TN_TRY(same_rows(&in[0], &in[1], err));
    choice *c = TN_ARRAY(a, in[0].n + in[1].n + 1, choice);
    if (!c) return tn_no_memory(err, (size_t)(in[0].n + in[1].n) * sizeof *c);
    return write_sets(r, in, c, choose((set_op)op, &in[0], &in[1], c), err);
}

static tn_code dense_dense(tn_run *r, tn_arena *a, tn_error *err)
{
    set in[2];
    for (int k = 0; k < 2; k++) TN_TRY(read_dense(r->in[k], &in[k], a, err));
    return combine(r, in, a, err);
}
TN_RUN_IN_ARENA(dense_dense_run, dense_dense)

static tn_code dense_sparse(tn_run *r, tn_arena *a, tn_error *err)
{
    set in[2];
    TN_TRY(read_dense(r->in[0], &in[0], a, err));
    TN_TRY(read_sparse(r, 1, &in[1], a, err));
    return combine(r, in, a, err);
}
TN_RUN_IN_ARENA(dense_sparse_run, dense_sparse)

static tn_code sparse_sparse(tn_run *r, tn_arena *a, tn_error *err)
{
    set in[2];
    for (int k = 0; k < 2; k++) TN_TRY(read_sparse(r, 3 * k, &in[k], a, err));
    return combine(r, in, a, err);
}
TN_RUN_IN_ARENA(sparse_sparse_run, sparse_sparse)

/* The rank of an operand that begins at input i, moving i past it; sparse: indices, values, shape. */
static tn_code operand_rank(const tn_infer *c, bool sparse, int *i, int64_t *rank, tn_error *err)
{
    int64_t n;
    if (sparse) {
        TN_TRY(tn_infer_sparse(c, *i, &n, rank, err));
        *i += 3;
        return TN_OK;
    }
    *rank = c->in[*i]->shape.rank;
    return tn_infer_rank_at_least(c, (*i)++, 2, err);
}

static tn_code set_infer(tn_infer *c, tn_error *err)
{
    int i = 0;
    int64_t a, b, rank;
    TN_TRY(operand_rank(c, c->n_in == 6, &i, &a, err));
    TN_TRY(operand_rank(c, c->n_in > 2, &i, &b, err));
    TN_TRY(tn_infer_merge_dim(a, b, &rank, err));
    tn_infer_set_sparse(c, 0, 1, 2, -1, rank);
    return TN_OK;
}

#define SETS(Name, Run, In)                                                                            \
    const tn_op tn_op_##Name = {                                                                       \
        .name = #Name,                                                                                 \
        .sig = In " -> result_indices:int64 result_values:T result_shape:int64; set_operation:string " \
                  "validate_indices:bool=true T:type{int8,int16,int32,int64,uint8,uint16,string}",     \
        .infer = set_infer,                                                                            \
        .run = Run,                                                                                    \
        .flags = TN_NO_GRADIENT,                                                                       \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),                                                  \
    }
SETS(DenseToDenseSetOperation, dense_dense_run, "set1:T set2:T");
SETS(DenseToSparseSetOperation, dense_sparse_run, "set1:T set2_indices:int64 set2_values:T set2_shape:int64");
SETS(SparseToSparseSetOperation, sparse_sparse_run,
     "set1_indices:int64 set1_values:T set1_shape:int64 set2_indices:int64 set2_values:T set2_shape:int64");

/* ==== SetSize ==== */

static tn_code size(tn_run *r, tn_arena *a, tn_error *err)
{
    set s;
    TN_TRY(read_sparse(r, 0, &s, a, err));
    if (s.rank - 1 > TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    tn_shape shape = {.rank = s.rank - 1};
    memcpy(shape.dim, s.dim, (size_t)shape.rank * sizeof *s.dim);
    TN_TRY(tn_run_output(r, 0, &shape, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < s.n; i++) TN_INT32S(r->out[0])[s.v[i].row]++;
    return TN_OK;
}
TN_RUN_IN_ARENA(size_run, size)

static tn_code size_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    if (rank > 0) tn_infer_set_rank(c, 0, (int)TN_MIN(rank - 1, TN_MAX_RANK + 1));
    return TN_OK;
}

const tn_op tn_op_SetSize = {
    .name = "SetSize",
    .sig = "set_indices:int64 set_values:T set_shape:int64 -> size:int32; validate_indices:bool=true "
           "T:type{int8,int16,int32,int64,uint8,uint16,string}",
    .infer = size_infer,
    .run = size_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};
