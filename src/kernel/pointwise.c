/* SPDX-License-Identifier: Apache-2.0
 *
 * pointwise.c - one element-wise operator over broadcast operands of any type. Floats (and half and
 * bfloat16, widened block by block) use the loops of isa_pw.c, the other types those of pw_types.c.
 */
#include <omp.h>

#include "isa_pw.h"
#include "walk.h"

static const struct {
    const char *name;
    int arity;
} ops[TN_PW_COUNT] = {
#define ROW(name, n) {#name, n},
    TN_PW_OPS(ROW)
#undef ROW
};

int tn_pw_arity(tn_pw_op op)
{
    return op < TN_PW_COUNT ? ops[op].arity : 0;
}
const char *tn_pw_name(tn_pw_op op)
{
    return op < TN_PW_COUNT ? ops[op].name : "?";
}

static bool by_float(tn_pw_op op, tn_dtype t)
{
    return (t == TN_FLOAT || t == TN_HALF || t == TN_BFLOAT16) && op != TN_PW_SELECT;
}

bool tn_pw_supported(tn_pw_op op, tn_dtype t)
{
    if (op >= TN_PW_COUNT) return false;
    if (op == TN_PW_COMPLEX && t == TN_FLOAT) return true;
    return by_float(op, t) ? tn_isa_pw_base.f[op] != NULL : tn_pw_any_of(op, t) != NULL;
}

tn_dtype tn_pw_result(tn_pw_op op, tn_dtype t)
{
    switch (op) {
    case TN_PW_EQUAL:
    case TN_PW_NOT_EQUAL:
    case TN_PW_LESS:
    case TN_PW_LESS_EQUAL:
    case TN_PW_GREATER:
    case TN_PW_GREATER_EQUAL:
    case TN_PW_APPROX_EQUAL:
    case TN_PW_IS_NAN:
    case TN_PW_IS_INF:
    case TN_PW_IS_FINITE: return TN_BOOL;
    case TN_PW_REAL:
    case TN_PW_IMAG:
    case TN_PW_COMPLEX_ABS:
    case TN_PW_ANGLE: return t == TN_COMPLEX64 ? TN_FLOAT : t == TN_COMPLEX128 ? TN_DOUBLE : t;
    case TN_PW_COMPLEX: return t == TN_DOUBLE ? TN_COMPLEX128 : TN_COMPLEX64;
    default: return t;
    }
}

/* How many plain additions an element is worth. */
static double cost(tn_pw_op op)
{
    switch (op) {
    case TN_PW_EXP:
    case TN_PW_EXPM1:
    case TN_PW_LOG:
    case TN_PW_LOG1P:
    case TN_PW_TANH:
    case TN_PW_SIGMOID:
    case TN_PW_SOFTPLUS:
    case TN_PW_ERF:
    case TN_PW_ELU:
    case TN_PW_SELU:
    case TN_PW_SIN:
    case TN_PW_COS:
    case TN_PW_SOFTPLUS_GRAD: return 3;
    case TN_PW_POW:
    case TN_PW_TAN:
    case TN_PW_SINH:
    case TN_PW_COSH:
    case TN_PW_ASINH:
    case TN_PW_ACOSH:
    case TN_PW_ATANH:
    case TN_PW_ERFC:
    case TN_PW_LGAMMA:
    case TN_PW_DIGAMMA:
    case TN_PW_NDTRI:
    case TN_PW_ERFINV:
    case TN_PW_FLOOR_MOD:
    case TN_PW_TRUNC_MOD: return 30;
    default: return 1;
    }
}

tn_code tn_pw_prepare(tn_pw_op op, tn_dtype dtype, const tn_shape *const *operands, const tn_shape *out,
                      double attr, int threads, tn_pw_plan *plan, tn_error *err)
{
    if (!tn_pw_supported(op, dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "no element-wise %s of %s", tn_pw_name(op),
                       tn_dtype_name(dtype));
    tn_pw_plan p = {.op = op,
                    .dtype = dtype,
                    .result = tn_pw_result(op, dtype),
                    .attr = attr,
                    .isa = tn_isa_level_now(),
                    .n = ops[op].arity};
    TN_TRY(tn_walk_prepare(out, operands, p.n, &p.walk, err));
    p.threads = tn_team(threads, (double)p.walk.count * cost(op));
    *plan = p;
    return TN_OK;
}

static tn_code fault_error(unsigned fault, tn_error *err)
{
    if (fault & TN_FAULT_ZERO) return tn_fail(err, TN_INVALID_ARGUMENT, "Integer division by zero");
    if (fault)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Integers to negative integer powers are not allowed");
    return TN_OK;
}

/* ---- run ---- */

/* Sizes of an operator's operands and how its loop is called. */
typedef struct call {
    const tn_pw_plan *p;
    tn_pw_fn floats; /* or */
    tn_pw_any any;
    int size[3], out_size;
    bool wide, to_bool,
        plain; /* half or bfloat16; a float result kept as bool; loops may run on all of it at once */
} call;

static call call_of(const tn_pw_plan *p)
{
    call c = {.p = p, .out_size = (int)tn_dtype_size(p->result), .plain = true};
    for (int i = 0; i < 3; i++) c.size[i] = (int)tn_dtype_size(p->dtype);
    if (p->op == TN_PW_SELECT) c.size[0] = 1;
    if (by_float(p->op, p->dtype) && p->op != TN_PW_COMPLEX)
        c.floats = TN_ISA_PICK(tn_isa_pw, p->isa)->f[p->op];
    else
        c.any = tn_pw_any_of(p->op, p->dtype);
    c.wide = c.floats && p->dtype != TN_FLOAT;
    c.to_bool = c.floats && p->result == TN_BOOL;
    for (int i = 0; i < p->n; i++) c.plain &= tn_walk_flat(p->walk.rank, p->walk.stride[i]);
    c.plain &= !c.wide && !c.to_bool;
    return c;
}

static unsigned run_loop(const call *c, int64_t n, const void *const in[3], void *out)
{
    if (c->any) return c->any(n, in[0], in[1], in[2], c->p->attr, out);
    c->floats(n, in[0], in[1], in[2], (float)c->p->attr, out);
    return 0;
}

/* A block of floats whose operands or result are not floats in memory. */
static unsigned run_converted(const call *c, int n, const void *in[3], void *out)
{
    float wide[3][TN_BLOCK] __attribute__((aligned(64)));
    float result[TN_BLOCK] __attribute__((aligned(64)));
    for (int i = 0; c->wide && i < c->p->n; i++) {
        tn_widen(c->p->dtype, n, in[i], wide[i]);
        in[i] = wide[i];
    }
    run_loop(c, n, in, result);
    if (c->to_bool)
        for (int i = 0; i < n; i++) ((uint8_t *)out)[i] = result[i] != 0;
    else
        tn_narrow(c->p->dtype, n, result, out);
    return 0;
}

static unsigned run_blocks(const call *c, const void *const *in, void *out, int64_t from, int64_t to)
{
    char buf[3][TN_BLOCK * 16] __attribute__((aligned(64)));
    const tn_walk *w = &c->p->walk;
    const int block = tn_walk_block(w->rank, w->dim);
    unsigned fault = 0;
    for (int64_t at = from; at < to; at += block) {
        const int n = (int)TN_MIN(block, to - at);
        const void *p[3] = {NULL, NULL, NULL};
        void *o = (char *)out + at * c->out_size;
        for (int i = 0; i < c->p->n; i++)
            p[i] = tn_walk_fetch(w->rank, w->dim, w->stride[i], c->size[i], in[i], at, n, at == from, buf[i]);
        fault |= c->wide || c->to_bool ? run_converted(c, n, p, o) : run_loop(c, n, p, o);
    }
    return fault;
}

static unsigned run_range(const call *c, const void *const *in, void *out, int64_t from, int64_t to)
{
    if (from >= to) return 0;
    if (!c->plain) return run_blocks(c, in, out, from, to);
    const void *p[3] = {NULL, NULL, NULL};
    for (int i = 0; i < c->p->n; i++) p[i] = (const char *)in[i] + from * c->size[i];
    return run_loop(c, to - from, p, (char *)out + from * c->out_size);
}

tn_code tn_pw_run(const tn_pw_plan *p, const void *const *in, void *out, tn_error *err)
{
    const call c = call_of(p);
    unsigned fault = 0;
    if (p->threads == 1) {
        fault = run_range(&c, in, out, 0, p->walk.count);
    } else {
#pragma omp parallel num_threads(p->threads) reduction(| : fault)
        {
            int64_t from, to;
            tn_share(p->walk.count, tn_walk_block(p->walk.rank, p->walk.dim), omp_get_thread_num(),
                     omp_get_num_threads(), &from, &to);
            fault |= run_range(&c, in, out, from, to);
        }
    }
    return fault ? fault_error(fault, err) : TN_OK;
}

/* Where a loop takes values as they are in memory and its result goes there: all of them by one thread. */
static bool run_at_once(tn_pw_op op, tn_dtype dtype, double attr, int64_t count, const void *const *in, void *out,
                        unsigned *fault)
{
    const bool by_floats = by_float(op, dtype) && op != TN_PW_COMPLEX;
    const void *p[3] = {NULL, NULL, NULL};
    for (int i = 0; i < tn_pw_arity(op); i++) p[i] = in[i];
    if (by_floats) {
        const tn_pw_fn f = TN_ISA_PICK(tn_isa_pw, tn_isa_level_now())->f[op];
        if (!f || dtype != TN_FLOAT || tn_pw_result(op, dtype) == TN_BOOL) return false;
        f(count, p[0], p[1], p[2], (float)attr, out);
        return true;
    }
    const tn_pw_any any = tn_pw_any_of(op, dtype);
    if (any) *fault = any(count, p[0], p[1], p[2], attr, out);
    return any != NULL;
}

tn_code tn_pw_flat(tn_pw_op op, tn_dtype dtype, double attr, int64_t count, const void *const *in, void *out,
                   int threads, tn_error *err)
{
    unsigned fault = 0;
    if (op < TN_PW_COUNT && tn_team(threads, (double)count * cost(op)) == 1 &&
        run_at_once(op, dtype, attr, count, in, out, &fault))
        return fault ? fault_error(fault, err) : TN_OK;
    const tn_shape s = {.rank = 1, .dim = {count}};
    const tn_shape *const shapes[3] = {&s, &s, &s};
    tn_pw_plan p;
    TN_TRY(tn_pw_prepare(op, dtype, shapes, &s, attr, threads, &p, err));
    return tn_pw_run(&p, in, out, err);
}
