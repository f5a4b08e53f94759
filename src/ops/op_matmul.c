/* SPDX-License-Identifier: Apache-2.0
 *
 * op_matmul.c - MatMul, BatchMatMul, BatchMatMulV2 and V3: shapes, batches with broadcasting, dtypes that
 * kernel/'s gemm does not know (done in a wider one), gradients.
 */
#include "../plan/pack.h"
#include "op_math.h"

/* ==== shapes ==== */

typedef struct form { /* what an operator's attributes say */
    bool ta, tb, adjoint;
} form;

static form form_of(const tn_op *op, const tn_attrs *attrs)
{
    if (!strcmp(op->name, "MatMul"))
        return (form){tn_attr_b(attrs, "transpose_a"), tn_attr_b(attrs, "transpose_b"), false};
    return (form){tn_attr_b(attrs, "adj_x"), tn_attr_b(attrs, "adj_y"), true};
}

static tn_code size_error(const tn_shape *a, const tn_shape *b, tn_error *err)
{
    char x[160], y[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "Matrix size-incompatible: In[0]: %s, In[1]: %s",
                   tn_shape_text(a, x, sizeof x), tn_shape_text(b, y, sizeof y));
}

static tn_code ndims_error(const tn_shape *a, const tn_shape *b, tn_error *err)
{
    char x[160], y[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "In[0] and In[1] has different ndims: %s vs. %s",
                   tn_shape_text(a, x, sizeof x), tn_shape_text(b, y, sizeof y));
}

/* The last two dimensions of the product, put after out's present ones. */
static tn_code product_dims(const tn_shape *a, const tn_shape *b, form f, tn_shape *out, tn_error *err)
{
    int64_t inner;
    const int64_t *da = a->dim + a->rank - 2, *db = b->dim + b->rank - 2;
    if (tn_infer_merge_dim(da[f.ta ? 0 : 1], db[f.tb ? 1 : 0], &inner, NULL) != TN_OK)
        return size_error(a, b, err);
    out->dim[out->rank++] = da[f.ta ? 1 : 0];
    out->dim[out->rank++] = db[f.tb ? 0 : 1];
    return TN_OK;
}

static tn_code matmul_infer(tn_infer *c, tn_error *err)
{
    tn_shape a = c->in[0]->shape, b = c->in[1]->shape, unknown = {.rank = 2, .dim = {-1, -1}};
    form f = form_of(c->op, c->attrs);
    if ((a.rank >= 0 && a.rank != 2) || (b.rank >= 0 && b.rank != 2)) return ndims_error(&a, &b, err);
    if (a.rank < 0) a = unknown;
    if (b.rank < 0) b = unknown;
    tn_shape out = {.rank = 0};
    TN_TRY(product_dims(&a, &b, f, &out, err));
    c->out[0].shape = out;
    if (!f.ta) c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

static tn_shape batch_of(const tn_shape *s)
{
    tn_shape b = *s;
    b.rank -= 2;
    return b;
}

static tn_code batch_error(const tn_shape *a, const tn_shape *b, tn_error *err)
{
    char x[160], y[160];
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "In[0] and In[1] must have compatible batch dimensions: %s vs. %s",
                   tn_shape_text(a, x, sizeof x), tn_shape_text(b, y, sizeof y));
}

static tn_code batch_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    bool v1 = !strcmp(c->op->name, "BatchMatMul");
    for (int i = 0; i < 2; i++)
        if (c->in[i]->shape.rank == 0 || c->in[i]->shape.rank == 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "In[%d] ndims must be >= 2: %d", i,
                           c->in[i]->shape.rank);
    if (a->rank < 0 || b->rank < 0) return TN_OK;
    if (v1 && a->rank != b->rank) return ndims_error(a, b, err);
    tn_shape ba = batch_of(a), bb = batch_of(b), out;
    tn_code code = v1 ? tn_shape_merge(&ba, &bb, &out, NULL) : tn_shape_broadcast(&ba, &bb, &out, NULL);
    if (code != TN_OK) return batch_error(a, b, err);
    TN_TRY(product_dims(a, b, form_of(c->op, c->attrs), &out, err));
    c->out[0].shape = out;
    return TN_OK;
}

/* ==== running ==== */

typedef struct product {
    tn_product product;                    /* first */
    tn_dtype work;                         /* what gemm computes in */
    int64_t count[3];                      /* elements of a, b, the result */
    size_t at[3];                          /* where in the scratch their converted forms are */
    bool convert[3];
    bool empty_inner;                      /* nothing to add up: zeros */
} product;

/* Strides of an operand's batches, in elements; 0 along dimensions it is repeated over. */
static void batch_strides(const tn_shape *operand, const tn_shape *out, int64_t *stride)
{
    int n = operand->rank - 2, batches = out->rank - 2;
    int64_t step = operand->dim[n] * operand->dim[n + 1];
    for (int i = 0; i < batches; i++) stride[i] = 0;
    for (int i = n - 1; i >= 0; i--) {
        stride[batches - n + i] = operand->dim[i] == 1 ? 0 : step;
        step *= operand->dim[i];
    }
}

static void describe(const tn_prepare *p, form f, tn_gemm_desc *d)
{
    const tn_shape *a = &p->in[0]->shape, *b = &p->in[1]->shape, *out = &p->out[0]->shape;
    d->m = out->dim[out->rank - 2];
    d->n = out->dim[out->rank - 1];
    d->k = a->dim[a->rank - (f.ta ? 2 : 1)];
    d->ta = f.ta;
    d->tb = f.tb;
    d->conj_a = f.adjoint && f.ta && tn_dtype_is_complex(d->dtype);
    d->conj_b = f.adjoint && f.tb && tn_dtype_is_complex(d->dtype);
    d->threads = p->threads;
    d->batch_rank = out->rank - 2;
    memcpy(d->batch_dim, out->dim, sizeof(int64_t) * (size_t)d->batch_rank);
    batch_strides(a, out, d->batch_a);
    batch_strides(b, out, d->batch_b);
}

static size_t aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static tn_code product_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, product, q);
    const tn_tensor *t[] = {p->in[0], p->in[1], p->out[0]};
    tn_dtype to = tn_dtype_base(p->out[0]->dtype);
    tn_gemm_desc d = {.dtype = q->work = tn_gemm_takes(to) ? to : TN_INT64};
    size_t scratch = 0;
    describe(p, form_of(p->op, p->attrs), &d);
    q->empty_inner = d.k == 0;
    if (t[1]->dtype == q->work) {
        TN_TRY(tn_product_prepare(p, &d, 1, &q->product, err));
    } else {
        TN_TRY(tn_gemm_prepare(&d, &q->product.plan, err)); /* what is converted is not the constant itself */
    }
    scratch = aligned(q->product.plan.scratch);
    for (int i = 0; i < 3; i++) {
        q->count[i] = tn_shape_count(&t[i]->shape);
        q->convert[i] = tn_dtype_base(t[i]->dtype) != q->work;
        q->at[i] = scratch;
        if (q->convert[i]) scratch += aligned((size_t)q->count[i] * tn_dtype_size(q->work));
    }
    p->scratch = scratch;
    return TN_OK;
}

static tn_code product_run(tn_run *r, tn_error *err)
{
    const product *q = r->params;
    const void *in[2];
    char *scratch = r->scratch;
    if (q->empty_inner) {
        memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    if (q->count[2] == 0) return TN_OK;
    for (int i = 0; i < 2; i++) {
        in[i] = r->in[i]->data;
        if (!q->convert[i]) continue;
        TN_TRY(tn_cast(r->in[i]->dtype, q->work, q->count[i], in[i], scratch + q->at[i], false, r->threads,
                       err));
        in[i] = scratch + q->at[i];
    }
    void *out = q->convert[2] ? scratch + q->at[2] : r->out[0]->data;
    tn_product_run(&q->product, in[0], in[1], NULL, out, scratch);
    if (!q->convert[2]) return TN_OK;
    return tn_cast(q->work, r->out[0]->dtype, q->count[2], out, r->out[0]->data, false, r->threads, err);
}

/* ==== gradients ==== */

static tn_node matmul(tn_builder *b, tn_node x, tn_node y, bool ta, bool tb)
{
    return tn_op(b, "MatMul", TN_INPUTS(x, y),
                 TN_ATTRS(tn_attr_bool("transpose_a", ta), tn_attr_bool("transpose_b", tb)));
}

static tn_code matmul_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_g_conj(b, tn_grad_in(g, 0)), y = tn_g_conj(b, tn_grad_in(g, 1)), dy = tn_grad_dy(g, 0);
    bool ta = tn_attr_b(&g->op->attrs, "transpose_a"), tb = tn_attr_b(&g->op->attrs, "transpose_b");
    tn_grad_set(g, 0, ta ? matmul(b, y, dy, tb, true) : matmul(b, dy, y, false, !tb));
    tn_grad_set(g, 1, tb ? matmul(b, dy, x, true, ta) : matmul(b, x, dy, !ta, false));
    return TN_OK;
}

/* The product of two batches as an operator of the forward one's version. */
static tn_node batch_matmul(tn_grad *g, tn_node x, tn_node y, bool ax, bool ay, tn_dtype result)
{
    const char *type = g->op->type;
    tn_attr attrs[] = {tn_attr_bool("adj_x", ax), tn_attr_bool("adj_y", ay), tn_attr_type("Tout", result)};
    tn_node in[] = {x, y};
    return tn_output_of(
        tn_add_operation(g->b, type, NULL, in, 2, attrs, strcmp(type, "BatchMatMulV3") ? 2 : 3), 0);
}

static bool may_broadcast(tn_shape a, tn_shape b)
{
    if (a.rank < 2 || b.rank < 2) return true;
    if (a.rank == 2 && b.rank == 2) return false;
    a.rank -= 2;
    b.rank -= 2;
    return !tn_shape_known(&a) || !tn_shape_equal(&a, &b);
}

static tn_code batch_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 0), y = tn_grad_in(g, 1), dy = tn_grad_dy(g, 0);
    tn_dtype tx = tn_dtype_base(tn_node_dtype(x)), ty = tn_dtype_base(tn_node_dtype(y));
    bool ax = tn_attr_b(&g->op->attrs, "adj_x"), ay = tn_attr_b(&g->op->attrs, "adj_y");
    tn_node dx = ax ? batch_matmul(g, y, dy, ay, true, tx) : batch_matmul(g, dy, y, false, !ay, tx);
    tn_node dz = ay ? batch_matmul(g, dy, x, true, ax, ty) : batch_matmul(g, x, dy, !ax, false, ty);
    if (strcmp(g->op->type, "BatchMatMul") && may_broadcast(tn_node_shape(x), tn_node_shape(y))) {
        dx = tn_g_sum_to(g->b, dx, x, dx);
        dz = tn_g_sum_to(g->b, dz, y, dz);
    }
    tn_grad_set(g, 0, dx);
    tn_grad_set(g, 1, dz);
    return TN_OK;
}

const tn_op tn_op_MatMul = {
    .name = "MatMul",
    .sig = "a:T b:T -> product:T; transpose_a:bool=false transpose_b:bool=false "
           "T:type{bfloat16,half,float,double,"
           "int32,int64,uint8,uint16,uint32,uint64,complex64,complex128} grad_a:bool=false grad_b:bool=false",
    .infer = matmul_infer,
    .prepare = product_prepare,
    .run = product_run,
    .grad = matmul_grad,
};

#define BATCH(Name, Sig)                                                                                     \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = Sig " adj_x:bool=false adj_y:bool=false grad_x:bool=false grad_y:bool=false",                 \
        .infer = batch_infer,                                                                                \
        .prepare = product_prepare,                                                                          \
        .run = product_run,                                                                                  \
        .grad = batch_grad,                                                                                  \
    }
BATCH(BatchMatMul,
      "x:T y:T -> output:T; T:type{bfloat16,half,float,double,int32,int64,complex64,complex128}");
BATCH(BatchMatMulV2,
      "x:T y:T -> output:T; T:type{bfloat16,half,float,double,int16,int32,int64,uint8,uint16,uint32,"
      "uint64,complex64,complex128}");
BATCH(BatchMatMulV3,
      "x:Ta y:Tb -> output:Tout; Ta:type{bfloat16,half,float,double,uint8,int8,int16,int32,int64,"
      "complex64,complex128} Tb:type{bfloat16,half,float,double,uint8,int8,int16,int32,int64,complex64,"
      "complex128} Tout:type{bfloat16,half,float,double,int16,int32,int64,complex64,complex128}");
