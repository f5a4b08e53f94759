/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse_dense.c - a sparse tensor with a dense one: SparseTensorDenseMatMul, SparseTensorDenseAdd,
 * SparseDenseCwiseAdd, -Mul and -Div; and SparseMatMul, whose operands are dense with many zeros.
 */
#include "../graph/op_grads.h"
#include "op_math.h"
#include "sparse.h"

/* ==== SparseTensorDenseMatMul ==== */

static bool attr(const tn_attrs *a, const char *name)
{
    bool v = false;
    tn_attr_get_bool(a, name, &v);
    return v;
}

static tn_code matmul_infer(tn_infer *c, tn_error *err)
{
    bool ta = attr(c->attrs, "adjoint_a"), tb = attr(c->attrs, "adjoint_b");
    const tn_shape *b = &c->in[3]->shape;
    int64_t n, rank, inner;
    tn_shape a = {.rank = 2, .dim = {-1, -1}};
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    TN_TRY(tn_infer_rank(c, 3, 2, err));
    tn_infer_ints(c, 2, &a);
    if (a.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor 'a_shape' must have 2 elements, got %d", a.rank);
    if (b->rank == 2)
        TN_TRY(tn_infer_merge_dim(ta ? a.dim[0] : a.dim[1], tb ? b->dim[1] : b->dim[0], &inner, err));
    c->out[0].shape = (tn_shape){
        .rank = 2, .dim = {ta ? a.dim[1] : a.dim[0], b->rank == 2 ? (tb ? b->dim[0] : b->dim[1]) : -1}};
    return TN_OK;
}

static tn_code matmul_desc(const tn_run *r, tn_sparse_gemm *d, tn_error *err)
{
    const tn_tensor *index = r->in[0], *shape = r->in[2], *b = r->in[3];
    bool ta = attr(r->attrs, "adjoint_a"), tb = attr(r->attrs, "adjoint_b");
    tn_sparse s;
    if (tn_tensor_count(shape) != 2 || b->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a_shape must have 2 elements and b must be a matrix");
    TN_TRY(tn_sparse_of(index, r->in[1], shape, &s, err));
    *d = (tn_sparse_gemm){b->dtype, index->dtype, s.dim[ta], s.dim[!ta], b->shape.dim[!tb], s.n, ta, tb};
    if (d->inner != b->shape.dim[tb])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Cannot multiply A and B because inner dimension does not match: %lld "
                       "vs. %lld.  Did you forget a transpose?",
                       (long long)d->inner, (long long)b->shape.dim[tb]);
    return TN_OK;
}

/* Half and bfloat16 are multiplied as floats. */
static tn_code matmul_narrow(tn_run *r, tn_sparse_gemm *d, tn_arena *a, tn_error *err)
{
    tn_dtype t = d->dtype;
    int64_t n[3] = {d->count, d->inner * d->cols, d->rows * d->cols};
    float *x[3];
    for (int k = 0; k < 3; k++)
        if (!(x[k] = TN_ARRAY(a, n[k] + 1, float))) return tn_no_memory(err, (size_t)n[k] * sizeof(float));
    TN_TRY(tn_cast(t, TN_FLOAT, n[0], r->in[1]->data, x[0], false, 1, err));
    TN_TRY(tn_cast(t, TN_FLOAT, n[1], r->in[3]->data, x[1], false, 1, err));
    d->dtype = TN_FLOAT;
    TN_TRY(tn_sparse_gemm_run(d, r->in[0]->data, x[0], x[1], x[2], err));
    return tn_cast(TN_FLOAT, t, n[2], x[2], r->out[0]->data, false, 1, err);
}

static tn_code matmul(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse_gemm d;
    TN_TRY(matmul_desc(r, &d, err));
    tn_shape s = {.rank = 2, .dim = {d.rows, d.cols}};
    TN_TRY(tn_run_output(r, 0, &s, err));
    if (d.dtype == TN_HALF || d.dtype == TN_BFLOAT16) return matmul_narrow(r, &d, a, err);
    return tn_sparse_gemm_run(&d, r->in[0]->data, r->in[1]->data, r->in[3]->data, r->out[0]->data, err);
}
TN_RUN_IN_ARENA(matmul_run, matmul)

static tn_node column(tn_builder *b, tn_node indices, int64_t k)
{
    tn_node at[] = {indices, tn_grad_int(b, TN_INT32, k), tn_grad_int(b, TN_INT32, 1)};
    return tn_op(b, "GatherV2", at, 3, TN_NO_ATTRS);
}

static tn_node rows(tn_builder *b, tn_node x, tn_node which)
{
    return tn_g3(b, "GatherV2", x, which, tn_grad_int(b, TN_INT32, 0));
}

static tn_node transposed(tn_builder *b, tn_node x, bool conjugate)
{
    return tn_g2(b, conjugate ? "ConjugateTranspose" : "Transpose", x, tn_ints(b, (int64_t[]){1, 0}, 2));
}

/* Of a's element (r, c): dy[r, :] times the conjugate of op(b)[c, :]. */
static tn_node matmul_grad_values(tn_grad *g, bool ta, bool tb)
{
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 0), y = tn_grad_in(g, 3);
    tn_node dy = rows(b, tn_grad_dy(g, 0), column(b, indices, ta));
    tn_node with = rows(b, tb ? transposed(b, y, false) : y, column(b, indices, !ta));
    if (!tb) with = tn_g_conj(b, with);
    tn_node sum = tn_g2(b, "Sum", tn_g2(b, "Mul", dy, with), tn_grad_int(b, TN_INT32, 1));
    return ta ? tn_g_conj(b, sum) : sum;
}

static tn_code matmul_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    bool ta = attr(&g->op->attrs, "adjoint_a"), tb = attr(&g->op->attrs, "adjoint_b");
    tn_node in[] = {tn_grad_in(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2), tn_grad_dy(g, 0)};
    tn_node db = tn_op(g->b, "SparseTensorDenseMatMul", in, 4, TN_ATTRS(tn_attr_bool("adjoint_a", !ta)));
    tn_grad_set(g, 1, matmul_grad_values(g, ta, tb));
    tn_grad_set(g, 3, tb ? transposed(g->b, db, tn_dtype_is_complex(tn_node_dtype(db))) : db);
    return TN_OK;
}

const tn_op tn_op_SparseTensorDenseMatMul = {
    .name = "SparseTensorDenseMatMul",
    .sig = "a_indices:Tindices a_values:T a_shape:int64 b:T -> product:T; T:type "
           "Tindices:type{int32,int64}=int64 "
           "adjoint_a:bool=false adjoint_b:bool=false",
    .infer = matmul_infer,
    .run = matmul_run,
    .grad = matmul_grad,
    .dynamic = TN_BIT(0),
};

/* ==== SparseTensorDenseAdd ==== */

static tn_code add_run(tn_run *r, tn_error *err)
{
    const tn_tensor *indices = r->in[0], *values = r->in[1], *shape = r->in[2], *dense = r->in[3];
    int rank = dense->shape.rank;
    if (indices->shape.rank != 2 || values->shape.rank != 1 ||
        indices->shape.dim[0] != values->shape.dim[0] || indices->shape.dim[1] != rank ||
        tn_tensor_count(shape) != rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "a sparse tensor of %lld dimensions cannot be added to a dense one of %d",
                       (long long)tn_tensor_count(shape), rank);
    for (int k = 0; k < rank; k++)
        if (tn_tensor_int(shape, k) != dense->shape.dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Dimension %d does not equal (no broadcasting is supported): sparse "
                           "side %lld vs dense side %lld",
                           k, (long long)tn_tensor_int(shape, k), (long long)dense->shape.dim[k]);
    TN_TRY(tn_check_points(indices, rank, &dense->shape, "shape", err));
    TN_TRY(tn_move_row(r->out[0], 0, dense, 0, tn_tensor_count(dense), err));
    tn_scatter_desc d = {.op = TN_SCATTER_ADD,
                         .dtype = dense->dtype,
                         .index = indices->dtype,
                         .n = tn_tensor_count(dense),
                         .inner = 1,
                         .count = values->shape.dim[0]};
    if (d.count == 0) return TN_OK;
    return tn_scatter_nd(&d, &dense->shape, rank, indices->data, values->data, r->out[0]->data, err);
}

static tn_code add_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = c->in[3]->shape;
    return TN_OK;
}

static tn_code add_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 1, tn_g2(g->b, "GatherNd", tn_grad_dy(g, 0), tn_grad_in(g, 0)));
    tn_grad_set(g, 3, tn_grad_dy(g, 0));
    return TN_OK;
}

const tn_op tn_op_SparseTensorDenseAdd = {
    .name = "SparseTensorDenseAdd",
    .sig = "a_indices:Tindices a_values:T a_shape:Tindices b:T -> output:T; T:type{numbertype} "
           "Tindices:type{int32,int64}",
    .infer = add_infer,
    .run = add_run,
    .grad = add_grad,
};

/* ==== SparseDenseCwise: the dense one is broadcast to the sparse one's shape ==== */

static tn_code check_broadcast(const tn_sparse *s, const tn_shape *dense, tn_error *err)
{
    int missing = s->rank - dense->rank;
    bool fits = missing >= 0;
    for (int k = 0; fits && k < dense->rank; k++)
        fits = dense->dim[k] == 1 || dense->dim[k] == s->dim[missing + k];
    if (fits) return TN_OK;
    char a[128];
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible "
                   "shapes: a sparse tensor of %d dimensions vs. dense %s",
                   s->rank, tn_shape_text(dense, a, sizeof a));
}

static tn_code cwise(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    const tn_tensor *dense = r->in[3];
    size_t size = tn_dtype_size(dense->dtype);
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    TN_TRY(tn_sparse_check(&s, false, err));
    TN_TRY(check_broadcast(&s, &dense->shape, err));
    char *with = tn_arena_array(a, (size_t)s.n + 1, size);
    if (!with) return tn_no_memory(err, (size_t)s.n * size);
    int missing = s.rank - dense->shape.rank;
    for (int64_t i = 0; i < s.n; i++) {
        int64_t at = 0;
        for (int k = 0; k < dense->shape.rank; k++) {
            int64_t d = dense->shape.dim[k];
            at = at * d + (d == 1 ? 0 : s.index[i * s.rank + missing + k]);
        }
        memcpy(with + (size_t)i * size, (const char *)dense->data + (size_t)at * size, size);
    }
    const char *name = r->op->name;
    tn_pw_op op = strstr(name, "Add") ? TN_PW_ADD : strstr(name, "Mul") ? TN_PW_MUL : TN_PW_DIV;
    return tn_pw_flat(op, dense->dtype, 0, s.n, (const void *const[]){s.values->data, with}, r->out[0]->data,
                      1, err);
}
TN_RUN_IN_ARENA(cwise_run, cwise)

static tn_code cwise_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = tn_shape_vector(n);
    return TN_OK;
}

/* The dense operand's indices of the sparse one's elements: leading columns dropped, 0 where it is broadcast.
 */
static tn_node dense_indices(tn_grad *g, tn_node dense_shape)
{
    tn_builder *b = g->b;
    tn_node zero = tn_grad_int(b, TN_INT32, 0), all = tn_ints(b, (int64_t[]){-1, -1}, 2);
    tn_node missing = tn_g2(b, "Sub", tn_g1(b, "Size", tn_grad_in(g, 2)), tn_g1(b, "Size", dense_shape));
    tn_node begin = tn_grad_pack(b, (tn_node[]){zero, missing}, 2, 0);
    tn_node own = tn_g3(b, "Slice", tn_grad_in(g, 0), begin, all);
    return tn_g2(b, "Minimum", own, tn_g2(b, "Sub", dense_shape, tn_grad_int(b, TN_INT64, 1)));
}

static tn_code cwise_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    bool mul = !strcmp(g->op->type, "SparseDenseCwiseMul");
    tn_node dense = tn_grad_in(g, 3), dy = tn_grad_dy(g, 0), x = tn_grad_in(g, 1);
    tn_node shape = tn_grad_shape(b, dense, TN_INT64), at = dense_indices(g, shape);
    tn_node with = tn_g2(b, "GatherNd", dense, at);
    tn_grad_set(g, 1, tn_g2(b, mul ? "Mul" : "RealDiv", dy, with));
    tn_node back = mul ? x : tn_g2(b, "RealDiv", tn_g1(b, "Neg", x), tn_g1(b, "Square", with));
    tn_grad_set(g, 3, tn_g3(b, "ScatterNd", at, tn_g2(b, "Mul", dy, back), shape));
    return TN_OK;
}

#define CWISE(Name, Grad)                                                                             \
    const tn_op tn_op_##Name = {                                                                      \
        .name = #Name,                                                                                \
        .sig = "sp_indices:int64 sp_values:T sp_shape:int64 dense:T -> output:T; T:type{numbertype}", \
        .infer = cwise_infer,                                                                         \
        .run = cwise_run,                                                                             \
        .grad = Grad,                                                                                 \
    }
CWISE(SparseDenseCwiseAdd, NULL);
CWISE(SparseDenseCwiseMul, cwise_grad);
CWISE(SparseDenseCwiseDiv, cwise_grad);

/* ==== SparseMatMul: a dense product ==== */

typedef struct product {
    tn_gemm_plan gemm;
    int64_t n[2]; /* elements of the operands */
    size_t at[3]; /* in scratch: a and b as floats, the product's own */
} product;

static tn_code dense_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    bool ta = attr(c->attrs, "transpose_a"), tb = attr(c->attrs, "transpose_b");
    int64_t inner;
    for (int i = 0; i < 2; i++) TN_TRY(tn_infer_rank(c, i, 2, err));
    c->out[0].shape =
        (tn_shape){.rank = 2, .dim = {a->rank == 2 ? a->dim[ta] : -1, b->rank == 2 ? b->dim[!tb] : -1}};
    if (a->rank != 2 || b->rank != 2) return TN_OK;
    return tn_infer_merge_dim(a->dim[!ta], b->dim[tb], &inner, err);
}

static tn_code dense_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *a = &p->in[0]->shape, *b = &p->in[1]->shape;
    TN_PARAMS(p, product, d);
    tn_gemm_desc desc = {.dtype = TN_FLOAT,
                         .ta = attr(p->attrs, "transpose_a"),
                         .tb = attr(p->attrs, "transpose_b"),
                         .threads = p->threads};
    desc.m = a->dim[desc.ta];
    desc.k = a->dim[!desc.ta];
    desc.n = b->dim[!desc.tb];
    TN_TRY(tn_gemm_prepare(&desc, &d->gemm, err));
    for (int i = 0; i < 2; i++) {
        d->n[i] = tn_shape_count(&p->in[i]->shape);
        d->at[i] = p->scratch;
        if (p->in[i]->dtype != TN_FLOAT) p->scratch += ((size_t)d->n[i] * sizeof(float) + 63) / 64 * 64;
    }
    d->at[2] = p->scratch;
    p->scratch += d->gemm.scratch;
    return TN_OK;
}

static tn_code dense_run(tn_run *r, tn_error *err)
{
    const product *d = r->params;
    const void *x[2];
    for (int i = 0; i < 2; i++) {
        x[i] = r->in[i]->data;
        if (r->in[i]->dtype == TN_FLOAT) continue;
        char *to = (char *)r->scratch + d->at[i];
        TN_TRY(tn_cast(r->in[i]->dtype, TN_FLOAT, d->n[i], x[i], to, false, 1, err));
        x[i] = to;
    }
    tn_gemm_run(&d->gemm, x[0], x[1], NULL, r->out[0]->data,
                d->gemm.scratch ? (char *)r->scratch + d->at[2] : NULL);
    return TN_OK;
}

static tn_node product_of(tn_grad *g, tn_node x, tn_node y, bool tx, bool ty, int i)
{
    tn_node d = tn_op(g->b, "SparseMatMul", TN_INPUTS(x, y),
                      TN_ATTRS(tn_attr_bool("transpose_a", tx), tn_attr_bool("transpose_b", ty)));
    return tn_grad_cast(g->b, d, tn_node_dtype(tn_grad_in(g, i)));
}

static tn_code dense_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    bool ta = attr(&g->op->attrs, "transpose_a"), tb = attr(&g->op->attrs, "transpose_b");
    tn_node a = tn_grad_in(g, 0), b = tn_grad_in(g, 1), dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 0, ta ? product_of(g, b, dy, tb, true, 0) : product_of(g, dy, b, false, !tb, 0));
    tn_grad_set(g, 1, tb ? product_of(g, dy, a, true, ta, 1) : product_of(g, a, dy, !ta, false, 1));
    return TN_OK;
}

const tn_op tn_op_SparseMatMul = {
    .name = "SparseMatMul",
    .sig = "a:Ta b:Tb -> product:float; transpose_a:bool=false transpose_b:bool=false a_is_sparse:bool=false "
           "b_is_sparse:bool=false Ta:type{float,bfloat16}=float Tb:type{float,bfloat16}=float",
    .infer = dense_infer,
    .prepare = dense_prepare,
    .run = dense_run,
    .grad = dense_grad,
};
