/* SPDX-License-Identifier: Apache-2.0
 *
 * op_binary.c - element-wise arithmetic of two arguments with broadcasting. Comparisons and logic are in
 * op_compare.c, special functions in op_special.c.
 */
#include <math.h>

#include "list.h"
#include "op_math.h"

enum { FUSED = TN_POINTWISE | TN_INPLACE, PLAIN = TN_INPLACE };

#define BINARY_SIG(Types) "x:T y:T -> z:T; T:type{" Types "}"
#define BINARY(Name, Types, Pw, Grad, Flags)                                                                 \
    TN_ELEMENTWISE(Name, BINARY_SIG(Types), tn_infer_arithmetic, Grad, Flags, Pw)
/* An operator whose two gradients are formulas. */
#define SMOOTH(Name, Types, Pw, FormulaX, FormulaY)                                                          \
    TN_GRAD_BROADCAST(grad_##Name, FormulaX, FormulaY)                                                       \
    BINARY(Name, Types, Pw, grad_##Name, FUSED)

#define EVERY T_REAL ",uint8,int8,uint16,int16,int32,int64,complex64,complex128,uint32,uint64"
#define EVERY_MUL T_REAL ",uint8,int8,uint16,int16,int32,uint32,uint64,int64,complex64,complex128"

SMOOTH(AddV2, T_REAL ",uint8,uint16,uint32,uint64,int8,int16,int32,int64,complex64,complex128", "ADD", "dy",
       "dy");
SMOOTH(Sub, EVERY, "SUB", "dy", "dy Neg");
SMOOTH(Mul, EVERY_MUL, "MUL", "dy y~ Mul", "x~ dy Mul");
SMOOTH(Div, EVERY_MUL, "DIV", "dy y~ RealDiv", "dy x~ Neg y~ RealDiv y~ RealDiv Mul");
SMOOTH(RealDiv, EVERY_MUL, "DIV", "dy y~ RealDiv", "dy x~ Neg y~ RealDiv y~ RealDiv Mul");
SMOOTH(DivNoNan, "half,float,bfloat16,double,complex64,complex128", "DIV_NO_NAN", "dy y~ DivNoNan",
       "dy x~ Neg y~ DivNoNan y~ DivNoNan Mul");
SMOOTH(MulNoNan, T_FIELD, "MUL_NO_NAN", "dy y MulNoNan", "x dy MulNoNan");
SMOOTH(FloorMod, "realnumbertype", "FLOOR_MOD", "dy", "dy x~ y~ FloorDiv Neg Mul");
SMOOTH(SquaredDifference, T_REAL ",int32,int64,complex64,complex128", "SQUARED_DIFFERENCE",
       "2 dy Mul x y Sub Mul", "2 dy Mul x y Sub Mul Neg");
SMOOTH(Maximum, "realnumbertype", "MAXIMUM", "x y GreaterEqual dy dy ZerosLike SelectV2",
       "x y GreaterEqual dy ZerosLike dy SelectV2");
SMOOTH(Minimum, "realnumbertype", "MINIMUM", "x y LessEqual dy dy ZerosLike SelectV2",
       "x y LessEqual dy ZerosLike dy SelectV2");
SMOOTH(Xlogy, "half,bfloat16,float,double,complex64,complex128", "XLOGY", "x 0 NotEqual Cast y Xlogy dy Mul",
       "x y Xdivy dy Mul");
SMOOTH(Xlog1py, "half,bfloat16,float,double,complex64,complex128", "XLOG1PY",
       "x 0 NotEqual Cast y Xlog1py dy Mul", "x y 1 AddV2 Xdivy dy Mul");
SMOOTH(Xdivy, "half,bfloat16,float,double,complex64,complex128", "XDIVY", "x 0 NotEqual Cast y Xdivy dy Mul",
       "x Neg y Square Xdivy dy Mul");
BINARY(FloorDiv, EVERY_MUL, "FLOOR_DIV", NULL, FUSED | TN_NO_GRADIENT);
BINARY(TruncateDiv, EVERY_MUL, "TRUNC_DIV", NULL, FUSED | TN_NO_GRADIENT);
BINARY(Mod, "int32,int64,half,half,bfloat16,float,double", "TRUNC_MOD", NULL, FUSED);
BINARY(TruncateMod, "int32,int64,bfloat16,half,float,double", "TRUNC_MOD", NULL, FUSED);

TN_GRAD_BROADCAST(grad_Atan2, "y dy x Square y Square AddV2 RealDiv Mul",
                  "x Neg dy x Square y Square AddV2 RealDiv Mul")
TN_ELEMENTWISE(Atan2, "y:T x:T -> z:T; T:type{" T_REAL "}", tn_infer_broadcast, grad_Atan2, FUSED, "ATAN2");

/* y may be negative or broken at x <= 0, where no sensible logarithm is: its gradient there is 0. */
static tn_code grad_Pow(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node dx = tn_formula(g, "dy y~ Mul x~ y~ 1 Sub Pow Mul", err);
    bool complex = tn_dtype_is_complex(tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0))));
    tn_node mask = tn_formula(g, complex ? "x~ 0 NotEqual" : "x 0 Greater", err);
    tn_node x = tn_g_conj(b, tn_grad_in(g, 0));
    tn_node safe = tn_g3(b, "SelectV2", mask, x, tn_g1(b, "OnesLike", x));
    tn_node log_x = tn_g3(b, "SelectV2", mask, tn_g1(b, "Log", safe), tn_zeros_like(b, x));
    tn_grad_set_unbroadcast(g, 0, dx, 1);
    tn_grad_set_unbroadcast(g, 1, tn_g2(b, "Mul", tn_formula(g, "dy out~ Mul", err), log_x), 0);
    return TN_OK;
}
BINARY(Pow, "bfloat16,float,half,double,int8,int16,int32,int64,complex64,complex128", "POW", grad_Pow, FUSED);

/* ==== Add: strings too ==== */

static tn_code concat_strings(const tn_tensor *x, int64_t i, const tn_tensor *y, int64_t j, tn_tensor *z,
                              int64_t at, tn_error *err)
{
    const tn_string *a = &TN_STRINGS(x)[i], *b = &TN_STRINGS(y)[j];
    char *joined = tn_malloc(a->n + b->n + 1);
    if (!joined) return tn_no_memory(err, a->n + b->n + 1);
    if (a->n) memcpy(joined, a->p, a->n);
    if (b->n) memcpy(joined + a->n, b->p, b->n);
    tn_code code = tn_string_set(z, at, joined, a->n + b->n, err);
    tn_free(joined);
    return code;
}

static tn_code add_strings_run(tn_run *r, tn_error *err)
{
    const tn_walk *w = r->params;
    int64_t index[TN_MAX_RANK] = {0}, at[4] = {0};
    for (int64_t i = 0; i < w->count; i++) {
        TN_TRY(concat_strings(r->in[0], at[0], r->in[1], at[1], r->out[0], i, err));
        tn_walk_next(w, 2, index, at);
    }
    return TN_OK;
}

static tn_code add_prepare(tn_prepare *p, tn_error *err)
{
    if (p->in[0]->dtype != TN_STRING) return tn_pointwise_prepare(p, err);
    TN_PARAMS(p, tn_walk, w);
    p->run = add_strings_run;
    const tn_shape *shapes[] = {&p->in[0]->shape, &p->in[1]->shape};
    return tn_walk_prepare(&p->out[0]->shape, shapes, 2, w, err);
}

TN_GRAD_BROADCAST(grad_Add, "dy", "dy")
/* Not TN_INPLACE: a string would lose what it is made of. The planner's fused programs are in place. */
const tn_op tn_op_Add = {
    .name = "Add",
    .sig = BINARY_SIG(T_REAL ",uint8,int8,int16,int32,int64,complex64,complex128,string"),
    .infer = tn_infer_arithmetic,
    .prepare = add_prepare,
    .run = tn_pointwise_run,
    .grad = grad_Add,
    .flags = TN_POINTWISE,
    .pointwise = "ADD",
};

/* ==== bits ==== */

BINARY(BitwiseAnd, T_BITS, "BIT_AND", NULL, PLAIN | TN_NO_GRADIENT);
BINARY(BitwiseOr, T_BITS, "BIT_OR", NULL, PLAIN | TN_NO_GRADIENT);
BINARY(BitwiseXor, T_BITS, "BIT_XOR", NULL, PLAIN | TN_NO_GRADIENT);
BINARY(LeftShift, T_BITS, "LEFT_SHIFT", NULL, PLAIN | TN_NO_GRADIENT);
BINARY(RightShift, T_BITS, "RIGHT_SHIFT", NULL, PLAIN | TN_NO_GRADIENT);

/* ==== AddN, AccumulateNV2 ==== */

enum { BLOCK_BYTES = 8192 };

/* One block of the sum, in the order of the inputs, made aside because out may be one of the inputs. */
static tn_code add_block(const tn_run *r, size_t at, int64_t n, tn_error *err)
{
    _Alignas(64) char sum[BLOCK_BYTES];
    tn_dtype t = tn_dtype_base(r->out[0]->dtype);
    const char *first = (const char *)r->in[0]->data + at;
    for (int i = 1; i < r->n_in; i++) {
        const void *in[] = {i == 1 ? first : sum, (const char *)r->in[i]->data + at};
        TN_TRY(tn_pw_flat(TN_PW_ADD, t, 0, n, in, sum, 1, err));
    }
    memmove((char *)r->out[0]->data + at, r->n_in == 1 ? first : sum, (size_t)n * tn_dtype_size(t));
    return TN_OK;
}

static tn_code add_n_run(tn_run *r, tn_error *err)
{
    size_t size = tn_dtype_size(tn_dtype_base(r->out[0]->dtype));
    int64_t n = tn_shape_count(&r->out[0]->shape), block = BLOCK_BYTES / (int64_t)size;
    tn_code code = TN_OK;
    (void)err; /* an addition of a dtype that prepare has accepted does not fail */
#pragma omp parallel for num_threads(r->threads) if (n > 65536 && r->threads > 1) reduction(max : code)
    for (int64_t at = 0; at < n; at += block) {
        tn_code c = add_block(r, (size_t)at * size, TN_MIN(block, n - at), NULL);
        if (c > code) code = c;
    }
    return code;
}

static tn_code add_n_prepare(tn_prepare *p, tn_error *err)
{
    tn_dtype t = tn_dtype_base(p->in[0]->dtype);
    char a[160], b[160];
    if (t == TN_VARIANT && p->in[0]->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "AddN of non-scalar Tensor with dtype=DT_VARIANT is not supported; inputs[0] has shape: %s.",
                       tn_shape_text(&p->in[0]->shape, a, sizeof a));
    if (t == TN_VARIANT) {
        p->run = tn_variant_add_n;
        return TN_OK;
    }
    if (!tn_pw_supported(TN_PW_ADD, t))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s is not supported", p->op->name, tn_dtype_name(t));
    for (int i = 1; i < p->n_in; i++)
        if (!tn_shape_equal(&p->in[i]->shape, &p->in[0]->shape))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Inputs to operation %s of type %s must have the same size and "
                           "shape.  Input 0: %s != input %d: %s",
                           p->name, p->op->name, tn_shape_text(&p->in[0]->shape, a, sizeof a), i,
                           tn_shape_text(&p->in[i]->shape, b, sizeof b));
    return TN_OK;
}

static tn_code grad_add_n(tn_grad *g, tn_error *err)
{
    (void)err;
    for (int i = 0; i < g->op->n_in; i++) tn_grad_set(g, i, tn_grad_dy(g, 0));
    return TN_OK;
}

const tn_op tn_op_AddN = {
    .name = "AddN",
    .sig = "inputs:N*T -> sum:T; N:int>=1 "
           "T:type{float,double,int32,uint8,int16,int8,complex64,int64,qint8,quint8,"
           "qint32,bfloat16,qint16,quint16,uint16,complex128,half,uint32,uint64,variant}",
    .infer = tn_infer_same,
    .prepare = add_n_prepare,
    .run = add_n_run,
    .grad = grad_add_n,
    .flags = TN_INPLACE,
};

static tn_code accumulate_infer(tn_infer *c, tn_error *err)
{
    tn_shape declared;
    TN_TRY(tn_infer_same(c, err));
    if (!tn_attr_get_shape(c->attrs, "shape", &declared)) return TN_OK;
    return tn_shape_merge(&c->out[0].shape, &declared, &c->out[0].shape, err);
}

const tn_op tn_op_AccumulateNV2 = {
    .name = "AccumulateNV2",
    .sig = "inputs:N*T -> sum:T; N:int>=1 T:type{numbertype} shape:shape",
    .infer = accumulate_infer,
    .prepare = add_n_prepare,
    .run = add_n_run,
    .grad = grad_add_n,
    .flags = TN_INPLACE,
};
