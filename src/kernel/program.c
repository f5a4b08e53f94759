/* SPDX-License-Identifier: Apache-2.0
 *
 * program.c - chains of element-wise float operators run block by block: a block's intermediate results stay
 * in registers of TN_BLOCK floats on the stack, so that memory is read and written once.
 */
#include <omp.h>

#include "isa_pw.h"
#include "walk.h"

bool tn_pw_program_takes(tn_pw_op op)
{
    return op < TN_PW_COUNT && tn_isa_pw_base.f[op] != NULL;
}

/* ---- prepare ---- */

static tn_code check_operand(const tn_pw_program *p, int at, uint8_t o, bool written, unsigned regs,
                             unsigned outs, tn_error *err)
{
    const int i = o & 0x3f;
    switch (o & 0xc0) {
    case 0x00:
        if (i < TN_PW_MAX_REGS && (written || (regs >> i & 1))) return TN_OK;
        break;
    case 0x40:
        if (!written && i < p->n_in) return TN_OK;
        break;
    case 0x80:
        if (!written && i < p->n_imm) return TN_OK;
        break;
    default:
        if (i < p->n_out && (written || (outs >> i & 1))) return TN_OK;
    }
    return tn_fail(err, TN_INVALID_ARGUMENT, "instruction %d of an element-wise program: bad operand 0x%02x",
                   at, o);
}

static tn_code check_insts(const tn_pw_program *p, tn_error *err)
{
    unsigned regs = 0, outs = 0;
    for (int i = 0; i < p->n_inst; i++) {
        const tn_pw_inst *s = &p->inst[i];
        if (!tn_pw_program_takes(s->op))
            return tn_fail(err, TN_INVALID_ARGUMENT, "instruction %d of an element-wise program: %s", i,
                           tn_pw_name(s->op));
        for (int a = 0; a < tn_pw_arity(s->op); a++)
            TN_TRY(check_operand(p, i, s->src[a], false, regs, outs, err));
        TN_TRY(check_operand(p, i, s->dst, true, regs, outs, err));
        if (s->dst & 0xc0)
            outs |= 1u << (s->dst & 0x3f);
        else
            regs |= 1u << s->dst;
    }
    if (outs != (1u << p->n_out) - 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an element-wise program leaves an output unwritten");
    return TN_OK;
}

static bool in_type(tn_dtype t)
{
    return t == TN_FLOAT || t == TN_HALF || t == TN_BFLOAT16 || t == TN_BOOL || t == TN_INT32;
}
static bool out_type(tn_dtype t)
{
    return t == TN_FLOAT || t == TN_HALF || t == TN_BFLOAT16 || t == TN_BOOL;
}

static tn_code check_sizes(const tn_pw_program *p, tn_error *err)
{
    if (p->n_inst < 1 || p->n_inst > TN_PW_MAX_INSTS || p->n_in < 0 || p->n_in > TN_PW_MAX_INPUTS ||
        p->n_out < 1 || p->n_out > TN_PW_MAX_OUTPUTS || p->n_imm < 0 || p->n_imm > TN_PW_MAX_IMMS)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "an element-wise program has %d instructions, %d inputs, %d outputs, %d immediates",
                       p->n_inst, p->n_in, p->n_out, p->n_imm);
    for (int i = 0; i < p->n_in; i++)
        if (!in_type(p->in_dtype[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "an element-wise program reads %s",
                           tn_dtype_name(p->in_dtype[i]));
    for (int i = 0; i < p->n_out; i++)
        if (!out_type(p->out_dtype[i]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "an element-wise program writes %s",
                           tn_dtype_name(p->out_dtype[i]));
    return TN_OK;
}

static tn_code check_columns(const tn_pw_program *p, tn_error *err)
{
    for (int i = 0; i < p->n_in; i++) {
        const tn_shape *s = &p->in_shape[i];
        if (p->in_pitch[i] < 0 || p->in_offset[i] < 0 ||
            (p->in_pitch[i] && (s->rank < 1 || p->in_pitch[i] < s->dim[s->rank - 1])))
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of an element-wise program has rows %lld apart", i,
                           (long long)p->in_pitch[i]);
    }
    return TN_OK;
}

/* Rows that lie apart are read where they are: as long as they are worth a block, blocks end with them. */
static void cut_blocks(tn_pw_program *p)
{
    enum { LONG_ROW = 128 };
    const int64_t columns = p->dim[p->rank - 1];
    bool apart = false;
    for (int i = 0; i < p->n_in; i++) apart |= p->in_pitch[i] && !tn_walk_dense(p->rank, p->dim, p->stride[i]);
    p->chunk = 0;
    p->grain = tn_walk_block(p->rank, p->dim);
    if (!apart || p->rank < 2 || columns < LONG_ROW) return;
    const int64_t blocks = (columns + TN_BLOCK - 1) / TN_BLOCK;
    p->chunk = (int)TN_MIN(((columns + blocks - 1) / blocks + 15) / 16 * 16, TN_BLOCK);
    p->grain = columns;
}

tn_code tn_pw_program_prepare(tn_pw_program *p, tn_error *err)
{
    const tn_shape *shapes[TN_PW_MAX_INPUTS];
    TN_TRY(check_sizes(p, err));
    TN_TRY(check_insts(p, err));
    TN_TRY(check_columns(p, err));
    for (int i = 0; i < p->n_in; i++) shapes[i] = &p->in_shape[i];
    TN_TRY(tn_walk_collapse(&p->shape, shapes, p->in_pitch, p->n_in, &p->rank, p->dim, p->stride, err));
    cut_blocks(p);
    p->count = tn_shape_count(&p->shape);
    p->isa = tn_isa_level_now();
    p->threads = tn_team(p->threads, (double)p->count * p->n_inst);
    return TN_OK;
}

/* ---- run ---- */

typedef struct blocks { /* one thread's working memory */
    float reg[TN_PW_MAX_REGS][TN_BLOCK];
    float in[TN_PW_MAX_INPUTS][TN_BLOCK];
    float out[TN_PW_MAX_OUTPUTS][TN_BLOCK];
} blocks;

static void to_floats(tn_dtype t, int n, const void *in, float *out)
{
    if (t == TN_BOOL)
        for (int i = 0; i < n; i++) out[i] = ((const uint8_t *)in)[i] != 0;
    else if (t == TN_INT32)
        for (int i = 0; i < n; i++) out[i] = (float)((const int32_t *)in)[i];
    else
        tn_widen(t, n, in, out);
}

static void from_floats(tn_dtype t, int n, const float *in, void *out)
{
    if (t == TN_BOOL)
        for (int i = 0; i < n; i++) ((uint8_t *)out)[i] = in[i] != 0;
    else
        tn_narrow(t, n, in, out);
}

/* What is the same for all elements is spread no further than there are any. */
static int64_t longest_block(const tn_pw_program *p)
{
    return TN_MIN(p->count, TN_BLOCK);
}

static const float *input_block(const tn_pw_program *p, int i, const void *data, int64_t at, int n,
                                bool first, float *buf)
{
    char raw[TN_BLOCK * 4] __attribute__((aligned(64)));
    const int64_t *stride = p->stride[i];
    const tn_dtype t = p->in_dtype[i];
    if (t == TN_FLOAT) return tn_walk_fetch(p->rank, p->dim, stride, 4, data, at, n, first, buf);
    if (tn_walk_scalar(p->rank, stride)) {
        float one;
        if (!first) return buf;
        to_floats(t, 1, data, &one);
        tn_spread(4, &one, longest_block(p), buf);
        return buf;
    }
    to_floats(t, n, tn_walk_fetch(p->rank, p->dim, stride, (int)tn_dtype_size(t), data, at, n, true, raw),
              buf);
    return buf;
}

/* Immediates are spread only when an instruction reads them: into its own argument's block. */
typedef struct operand_blocks {
    const float *in[TN_PW_MAX_INPUTS];
    float *out[TN_PW_MAX_OUTPUTS];
    float imm[3][TN_BLOCK];
    float imm_value[3];
    bool imm_set[3];
} operand_blocks;

static const float *source(const tn_pw_program *p, blocks *b, operand_blocks *o, int arg, uint8_t src)
{
    const int i = src & 0x3f;
    switch (src & 0xc0) {
    case 0x00: return b->reg[i];
    case 0x40: return o->in[i];
    case 0xc0: return o->out[i];
    default:
        if (!o->imm_set[arg] || memcmp(&o->imm_value[arg], &p->imm[i], sizeof(float)) != 0) {
            tn_spread(4, &p->imm[i], longest_block(p), o->imm[arg]);
            o->imm_value[arg] = p->imm[i];
            o->imm_set[arg] = true;
        }
        return o->imm[arg];
    }
}

static void run_block(const tn_pw_program *p, const tn_pw_isa *isa, blocks *b, operand_blocks *o, int n)
{
    for (int k = 0; k < p->n_inst; k++) {
        const tn_pw_inst *s = &p->inst[k];
        const int arity = tn_pw_arity(s->op);
        const float *x[3] = {NULL, NULL, NULL};
        for (int a = 0; a < arity; a++) x[a] = source(p, b, o, a, s->src[a]);
        float *to = s->dst & 0xc0 ? o->out[s->dst & 0x3f] : b->reg[s->dst];
        isa->f[s->op](n, x[0], x[1], x[2], s->attr, to);
    }
}

/* An output that is a later read of an input's memory must not be written early: blocks are read whole
 * before any instruction runs only when they are copied, so outputs of a program with several go through
 * buffers when one of them may be the memory of an input. */
static bool overlaps(const tn_pw_program *p, const void *const *in, const void *out)
{
    for (int i = 0; i < p->n_in; i++)
        if (in[i] == out) return true;
    return false;
}

/* How many elements the block has that begins at `at`. */
static int block_at(const tn_pw_program *p, int64_t at, int64_t to)
{
    if (!p->chunk) return (int)TN_MIN(p->grain, to - at);
    const int64_t columns = p->dim[p->rank - 1];
    return (int)TN_MIN(TN_MIN(p->chunk, columns - at % columns), to - at);
}

static void run_range(const tn_pw_program *p, const void *const *in, void *const *out, int64_t from,
                      int64_t to)
{
    const tn_pw_isa *isa = TN_ISA_PICK(tn_isa_pw, p->isa);
    blocks b __attribute__((aligned(64)));
    operand_blocks o __attribute__((aligned(64)));
    bool buffered[TN_PW_MAX_OUTPUTS];
    for (int a = 0; a < 3; a++) o.imm_set[a] = false;
    for (int i = 0; i < p->n_out; i++) buffered[i] = p->out_dtype[i] != TN_FLOAT || overlaps(p, in, out[i]);
    const void *data[TN_PW_MAX_INPUTS];
    for (int i = 0; i < p->n_in; i++)
        data[i] = (const char *)in[i] + p->in_offset[i] * (int64_t)tn_dtype_size(p->in_dtype[i]);
    for (int64_t at = from, n; at < to; at += n) {
        n = block_at(p, at, to);
        for (int i = 0; i < p->n_in; i++) o.in[i] = input_block(p, i, data[i], at, (int)n, at == from, b.in[i]);
        for (int i = 0; i < p->n_out; i++) o.out[i] = buffered[i] ? b.out[i] : (float *)out[i] + at;
        run_block(p, isa, &b, &o, (int)n);
        for (int i = 0; i < p->n_out; i++) {
            if (!buffered[i]) continue;
            if (p->out_dtype[i] == TN_FLOAT)
                memcpy((float *)out[i] + at, b.out[i], (size_t)n * sizeof(float));
            else
                from_floats(p->out_dtype[i], (int)n, b.out[i],
                            (char *)out[i] + at * (int64_t)tn_dtype_size(p->out_dtype[i]));
        }
    }
}

void tn_pw_program_run(const tn_pw_program *p, const void *const *in, void *const *out)
{
    if (p->threads == 1) {
        run_range(p, in, out, 0, p->count);
        return;
    }
#pragma omp parallel num_threads(p->threads)
    {
        int64_t from, to;
        tn_share(p->count, p->grain, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        run_range(p, in, out, from, to);
    }
}
