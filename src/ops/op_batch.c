/* SPDX-License-Identifier: Apache-2.0
 *
 * op_batch.c - Batch, Unbatch and UnbatchGrad of serving graphs. In TensorFlow runs that come at the same
 * time may become one batch; here each run is a batch of its own, and what would be another run's part never
 * comes: DEADLINE_EXCEEDED.
 */
#include "op_move.h"

/* ==== Batch ==== */

static tn_code check_rows(const tn_run *r, int64_t *n, tn_error *err)
{
    int64_t most = tn_attr_i(r->attrs, "max_batch_size");
    for (int i = 0; i < r->n_in; i++) {
        const tn_shape *s = &r->in[i]->shape;
        if (s->rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Batching input tensors must have at least one dimension");
        if (s->dim[0] != r->in[0]->shape.dim[0])
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Batching input tensors supplied in a given op invocation must have equal 0th-dimension "
                "size");
    }
    *n = r->in[0]->shape.dim[0];
    if (*n > most)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Task size %lld is larger than maximum input batch size %lld", (long long)*n,
                       (long long)most);
    return TN_OK;
}

/* The least of the sizes allowed that is no less than n. */
static tn_code size_of(const tn_run *r, int64_t *n, tn_error *err)
{
    const tn_attr *a = tn_attr_find(r->attrs, "allowed_batch_sizes");
    int64_t most = tn_attr_i(r->attrs, "max_batch_size"), rows = *n;
    if (!a || !a->n) return TN_OK;
    for (int k = 0; k < a->n; k++)
        if (k && a->is[k] <= a->is[k - 1])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "allowed_batch_sizes entries must be monotonically increasing");
    if (a->is[a->n - 1] != most)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "final entry in allowed_batch_sizes must equal max_batch_size");
    for (int k = a->n; k-- && a->is[k] >= rows;) *n = a->is[k];
    return TN_OK;
}

static tn_code give_empty(tn_run *r, tn_error *err)
{
    const tn_shape none = tn_shape_vector(0);
    for (int o = 0; o < r->n_out; o++) TN_TRY(tn_run_output(r, o, &none, err));
    return TN_OK;
}

/* What is missing of `to` rows is the first one. */
static tn_code give_rows(tn_run *r, int o, int64_t to, tn_error *err)
{
    const tn_tensor *in = r->in[o];
    tn_shape s = in->shape;
    int64_t rows = s.dim[0], each = tn_shape_product(&s, 1, s.rank);
    if (rows == to) return tn_run_output_share(r, o, in, err);
    s.dim[0] = to;
    TN_TRY(tn_run_output(r, o, &s, err));
    TN_TRY(tn_move_row(r->out[o], 0, in, 0, rows * each, err));
    for (int64_t i = rows; i < to; i++) TN_TRY(tn_move_row(r->out[o], i * each, in, 0, each, err));
    return TN_OK;
}

static tn_code batch_run(tn_run *r, tn_error *err)
{
    const tn_shape scalar = {.rank = 0}, one = TN_SHAPE(1, 3);
    int n = r->n_out - 2;
    int64_t rows = 0, to;
    TN_TRY(check_rows(r, &rows, err));
    to = rows;
    TN_TRY(size_of(r, &to, err));
    if (!rows) return give_empty(r, err);
    for (int o = 0; o < n; o++) TN_TRY(give_rows(r, o, to, err));
    TN_TRY(tn_run_output(r, n, &one, err));
    TN_TRY(tn_run_output(r, n + 1, &scalar, err));
    int64_t *index = TN_INT64S(r->out[n]), *id = TN_INT64S(r->out[n + 1]);
    *id = index[0] = (int64_t)tn_hash(r->name, strlen(r->name));
    index[1] = 0;
    index[2] = rows;
    return TN_OK;
}

/* ==== Unbatch ==== */

static tn_code check_index(const tn_run *r, int data, int index, int id, tn_error *err)
{
    const tn_shape *x = &r->in[data]->shape, *s = &r->in[index]->shape;
    if (x->rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': its batch must have a first dimension", r->name);
    if (s->rank != 2 || s->dim[1] != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': batch_index must be a matrix of three columns",
                       r->name);
    if (tn_tensor_count(r->in[id]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': id must be a scalar", r->name);
    return TN_OK;
}

static tn_code nobody(const tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_DEADLINE_EXCEEDED, "'%s': Batched data did not arrive within timeout window.",
                   r->name);
}

/* Parts follow each other, each as long as its row of the index says. */
static tn_code unbatch_run(tn_run *r, tn_error *err)
{
    const tn_tensor *x = r->in[0];
    if (!tn_is_plain(x->dtype) && tn_dtype_is_pod(x->dtype))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported data type: %d", (int)x->dtype);
    TN_TRY(check_index(r, 0, 1, 2, err));
    int64_t at = 0, from = -1, n = 0;
    for (const int64_t *row = TN_INT64S(r->in[1]), *end = row + tn_tensor_count(r->in[1]); row < end;
         row += 3) {
        int64_t size;
        if (__builtin_sub_overflow(row[2], row[1], &size) || size < 0 || size > x->shape.dim[0] - at)
            return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': parts of %lld rows of %lld in all", r->name,
                           (long long)size, (long long)x->shape.dim[0]);
        if (row[0] == TN_INT64S(r->in[2])[0]) {
            from = at;
            n = size;
        }
        at += size;
    }
    if (from < 0) return nobody(r, err);
    tn_shape s = x->shape;
    int64_t each = tn_shape_product(&s, 1, s.rank);
    s.dim[0] = n;
    TN_TRY(tn_run_output(r, 0, &s, err));
    return tn_move_row(r->out[0], 0, x, from * each, n * each, err);
}

/* The run whose input is not empty has the gradients of all, which are its own alone. */
static tn_code unbatch_grad_run(tn_run *r, tn_error *err)
{
    const tn_tensor *index = r->in[1];
    TN_TRY(check_index(r, 0, 1, 3, err));
    if (!tn_tensor_count(r->in[0])) return tn_run_output_share(r, 0, r->in[0], err);
    for (int64_t i = 0; i < index->shape.dim[0]; i++)
        if (TN_INT64S(index)[3 * i] != TN_INT64S(r->in[3])[0]) return nobody(r, err);
    return tn_run_output_share(r, 0, r->in[2], err);
}

#define BATCH(Name, Run, Sig) TN_STATE_OP(Name, Run, tn_infer_none, 0, ~0u, Sig)
BATCH(Batch, batch_run,
      "in_tensors:[T] -> batched_tensors:[T] batch_index:int64 id:int64; num_batch_threads:int "
      "max_batch_size:int "
      "max_enqueued_batches:int=10 batch_timeout_micros:int allowed_batch_sizes:list(int)=[] "
      "grad_timeout_micros:int "
      "container:string=\"\" shared_name:string=\"\" batching_queue:string=\"\" T:list(type)>=1");
BATCH(Unbatch, unbatch_run,
      "batched_tensor:T batch_index:int64 id:int64 -> unbatched_tensor:T; timeout_micros:int "
      "container:string=\"\" "
      "shared_name:string=\"\" T:type");
BATCH(UnbatchGrad, unbatch_grad_run,
      "original_input:T batch_index:int64 grad:T id:int64 -> batched_grad:T; container:string=\"\" "
      "shared_name:string=\"\" T:type");
