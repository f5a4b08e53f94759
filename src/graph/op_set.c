/* SPDX-License-Identifier: Apache-2.0
 *
 * op_set.c - DenseToDenseSetOperation: rows of two tensors as sets; the result is sparse (indices,
 * values, shape), rows sorted.
 */
#include "op_move.h"

typedef enum set_op { SET_A_MINUS_B, SET_B_MINUS_A, SET_INTERSECTION, SET_UNION } set_op;

static tn_code set_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    TN_TRY(tn_infer_rank_at_least(c, 1, 1, err));
    if (a->rank >= 0 && b->rank >= 0 && a->rank != b->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Ranks do not match: %d and %d", a->rank, b->rank);
    int rank = TN_MAX(a->rank, b->rank);
    tn_infer_set_rank(c, 0, 2);
    tn_infer_set_rank(c, 1, 1);
    tn_infer_set_rank(c, 2, 1);
    if (rank >= 0) c->out[0].shape.dim[1] = c->out[2].shape.dim[0] = rank;
    return TN_OK;
}

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

/* Positions in a row, sorted by value, each value once. */
typedef struct sorted_row {
    const tn_tensor *t;
    int64_t *at, n;
} sorted_row;

static void merge_runs(const tn_tensor *t, int64_t *from, int64_t *to, int64_t low, int64_t mid, int64_t high)
{
    int64_t i = low, j = mid;
    for (int64_t k = low; k < high; k++)
        to[k] =
            i < mid && (j >= high || compare_elements(t, from[i], t, from[j]) <= 0) ? from[i++] : from[j++];
}

static void sort_row(sorted_row *r, int64_t *spare)
{
    int64_t *from = r->at, *to = spare;
    for (int64_t width = 1; width < r->n; width *= 2) {
        for (int64_t low = 0; low < r->n; low += 2 * width)
            merge_runs(r->t, from, to, low, TN_MIN(low + width, r->n), TN_MIN(low + 2 * width, r->n));
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != r->at) memcpy(r->at, from, (size_t)r->n * sizeof *from);
    int64_t n = 0;
    for (int64_t i = 0; i < r->n; i++)
        if (!n || compare_elements(r->t, r->at[n - 1], r->t, r->at[i])) r->at[n++] = r->at[i];
    r->n = n;
}

static void load_row(sorted_row *r, int64_t row, int64_t *spare)
{
    int64_t cols = r->t->shape.dim[r->t->shape.rank - 1];
    r->n = cols;
    for (int64_t k = 0; k < cols; k++) r->at[k] = row * cols + k;
    sort_row(r, spare);
}

/* An element of the result: from a (input 0) or b (input 1), in which row. */
typedef struct chosen {
    int64_t row, at;
    int from;
} chosen;
typedef struct choice {
    chosen *v;
    int64_t n, cap;
} choice;

static tn_code choose(choice *c, int64_t row, int from, int64_t at, tn_error *err)
{
    if (c->n == c->cap) {
        int64_t cap = c->cap ? 2 * c->cap : 64;
        chosen *v = tn_realloc(c->v, (size_t)cap * sizeof *v);
        if (!v) return tn_no_memory(err, (size_t)cap * sizeof *v);
        c->v = v;
        c->cap = cap;
    }
    c->v[c->n++] = (chosen){row, at, from};
    return TN_OK;
}

static tn_code combine_row(set_op op, int64_t row, const sorted_row *a, const sorted_row *b, choice *c,
                           tn_error *err)
{
    int64_t i = 0, j = 0;
    while (i < a->n || j < b->n) {
        int d = i >= a->n ? 1 : j >= b->n ? -1 : compare_elements(a->t, a->at[i], b->t, b->at[j]);
        bool take = d == 0 ? op == SET_INTERSECTION || op == SET_UNION
                           : op == SET_UNION || op == (d < 0 ? SET_A_MINUS_B : SET_B_MINUS_A);
        if (take) TN_TRY(choose(c, row, d > 0, d > 0 ? b->at[j] : a->at[i], err));
        i += d <= 0;
        j += d >= 0;
    }
    return TN_OK;
}

static tn_code set_write(tn_run *r, const choice *c, tn_error *err)
{
    const tn_shape *in = &r->in[0]->shape;
    int rank = in->rank;
    tn_shape indices = {.rank = 2, .dim = {c->n, rank}}, values = tn_shape_vector(c->n),
             shape = tn_shape_vector(rank);
    TN_TRY(tn_run_output(r, 0, &indices, err));
    TN_TRY(tn_run_output(r, 1, &values, err));
    TN_TRY(tn_run_output(r, 2, &shape, err));
    int64_t *out = TN_INT64S(r->out[0]), widest = 0, column = 0;
    for (int64_t i = 0; i < c->n; i++, out += rank) {
        column = i && c->v[i].row == c->v[i - 1].row ? column + 1 : 0;
        widest = TN_MAX(widest, column + 1);
        int64_t rest = c->v[i].row;
        out[rank - 1] = column;
        for (int k = rank - 2; k >= 0; k--) {
            out[k] = rest % in->dim[k];
            rest /= in->dim[k];
        }
        TN_TRY(tn_move_row(r->out[1], i, r->in[c->v[i].from], c->v[i].at, 1, err));
    }
    for (int k = 0; k < rank; k++) TN_INT64S(r->out[2])[k] = k == rank - 1 ? widest : in->dim[k];
    return TN_OK;
}

static tn_code set_rows(tn_run *r, set_op op, int64_t *space, tn_error *err)
{
    const tn_tensor *a = r->in[0], *b = r->in[1];
    int last = a->shape.rank - 1;
    int64_t rows = tn_shape_product(&a->shape, 0, last), na = a->shape.dim[last], nb = b->shape.dim[last];
    sorted_row ra = {a, space, 0}, rb = {b, space + na, 0};
    choice c = {0};
    tn_code code = TN_OK;
    for (int64_t row = 0; row < rows && code == TN_OK; row++) {
        load_row(&ra, row, space + na + nb);
        load_row(&rb, row, space + na + nb);
        code = combine_row(op, row, &ra, &rb, &c, err);
    }
    if (code == TN_OK) code = set_write(r, &c, err);
    tn_free(c.v);
    return code;
}

static tn_code set_run(tn_run *r, tn_error *err)
{
    static const char *const names[] = {"a-b", "b-a", "intersection", "union"};
    const tn_shape *a = &r->in[0]->shape, *b = &r->in[1]->shape;
    int op = 0;
    while (op < 4 && !tn_attr_is(r->attrs, "set_operation", names[op])) op++;
    if (op == 4) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid set_operation");
    if (a->rank < 2 || a->rank != b->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "set operations need inputs of the same rank of at least 2, got %d and %d", a->rank,
                       b->rank);
    for (int k = 0; k < a->rank - 1; k++)
        if (a->dim[k] != b->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Mismatched group dimension %d: %lld vs %lld", k,
                           (long long)a->dim[k], (long long)b->dim[k]);
    int64_t na = a->dim[a->rank - 1], nb = b->dim[b->rank - 1];
    size_t bytes = (size_t)(na + nb + TN_MAX(na, nb) + 1) * sizeof(int64_t);
    int64_t *space = tn_malloc(bytes);
    if (!space) return tn_no_memory(err, bytes);
    tn_code code = set_rows(r, (set_op)op, space, err);
    tn_free(space);
    return code;
}

const tn_op tn_op_DenseToDenseSetOperation = {
    .name = "DenseToDenseSetOperation",
    .sig = "set1:T set2:T -> result_indices:int64 result_values:T result_shape:int64; "
           "set_operation:string validate_indices:bool=true "
           "T:type{int8,int16,int32,int64,uint8,uint16,string}",
    .infer = set_infer,
    .run = set_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};
