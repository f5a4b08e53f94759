/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_pointwise.c - chains of element-wise float operators become one pass over memory: a program for
 * kernel/'s interpreter of blocks.
 *
 * A cluster grows from its last node towards its inputs: a producer of the same shape joins when all who
 * look at it are in the cluster already, so that no cycle can arise. In a loop's body, where each step's own cost
 * counts, whatever reads the same values joins too, and results that others want come out as further outputs: then
 * no way may lead from the cluster through somebody else back into it. Scalars that are constants become immediates;
 * columns of a matrix are read where they lie. Limits are the program's: inputs, outputs, registers, instructions.
 */
#include "../plan/array.h"
#include "columns.h"
#include "fused.h"

enum { REPLACED = 1 }; /* in a node's slot, for the time of the pass: and more by the number of the output */
enum { MOST_NODES = 512 }; /* of a body whose steps are joined */

typedef struct cluster {
    tn_binding *b;
    tn_pnode *nodes[TN_PW_MAX_INSTS]; /* the last first */
    int n;
    tn_pnode *outputs[TN_PW_MAX_OUTPUTS];
    int n_outputs;
    tn_pval inputs[TN_PW_MAX_INPUTS];
    int n_inputs;
    float imm[TN_PW_MAX_IMMS];
    int n_imm;
} cluster;

static int opcode(const tn_pnode *n)
{
    static const char *const names[] = {
#define ROW(name, args) #name,
        TN_PW_OPS(ROW)
#undef ROW
    };
    if (!(n->op->flags & TN_POINTWISE) || !n->op->pointwise) return -1;
    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (strcmp(names[i], n->op->pointwise) == 0) return tn_pw_program_takes((tn_pw_op)i) ? (int)i : -1;
    return -1;
}

static bool may_join(const tn_pnode *n)
{
    if (n->n_out != 1 || n->n_in < 1 || n->n_in > 3 || n->n_control || n->effect || n->n_sub) return false;
    if (n->out[0].dtype != TN_FLOAT || !tn_shape_known(&n->out[0].shape) || n->out[0].value) return false;
    for (int i = 0; i < n->n_in; i++) {
        const tn_info *in = &n->in[i].node->out[n->in[i].index];
        bool mask = tn_pnode_is(n, "SelectV2") && i == 0 && in->dtype == TN_BOOL;
        if ((in->dtype != TN_FLOAT && !mask) || !tn_shape_known(&in->shape)) return false;
    }
    int op = opcode(n);
    return op >= 0 && tn_pw_arity((tn_pw_op)op) == n->n_in;
}

static bool in_cluster(const cluster *c, const tn_pnode *n)
{
    for (int i = 0; i < c->n; i++)
        if (c->nodes[i] == n) return true;
    return false;
}

static int uses_inside(const cluster *c, const tn_pnode *n)
{
    int uses = 0;
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->nodes[i]->n_in; k++) uses += c->nodes[i]->in[k].node == n;
    return uses;
}

static int outer_inputs(const cluster *c)
{
    int n = 0;
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->nodes[i]->n_in; k++) n += !in_cluster(c, c->nodes[i]->in[k].node);
    return n;
}

/* One more producer, if there is one that may join; false: none. */
static bool grow(cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->nodes[i]->n_in; k++) {
            tn_pnode *p = c->nodes[i]->in[k].node;
            if (in_cluster(c, p) || !may_join(p) ||
                !tn_shape_equal(&p->out[0].shape, &c->nodes[0]->out[0].shape))
                continue;
            if (uses_inside(c, p) != p->mark) continue;
            c->nodes[c->n++] = p;
            if (outer_inputs(c) <= TN_PW_MAX_INPUTS - 2) return true;
            c->n--;
        }
    }
    return false;
}

/* ==== several results ==== */

/* n waits for a node of the cluster; seen: by order. */
static bool waits_for(const cluster *c, const tn_pnode *n, bool *seen)
{
    if (in_cluster(c, n)) return true;
    if (n->order < 0 || seen[n->order]) return false;
    seen[n->order] = true;
    const tn_pnode *is = n->copy ? n->copy : n; /* a fused step waits for all that its parts wait for */
    for (int i = 0; i < is->n_in; i++)
        if (waits_for(c, is->in[i].node, seen)) return true;
    for (int i = 0; i < is->n_control; i++)
        if (waits_for(c, is->control[i], seen)) return true;
    return false;
}

/* No input of the cluster waits for one of its nodes. */
static bool is_closed(const cluster *c)
{
    bool seen[MOST_NODES] = {false};
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->nodes[i]->n_in; k++) {
            const tn_pnode *p = c->nodes[i]->in[k].node;
            if (!in_cluster(c, p) && waits_for(c, p, seen)) return false;
        }
    return true;
}

static void find_outputs(cluster *c)
{
    c->n_outputs = 0;
    for (int i = 0; i < c->n; i++) {
        if (uses_inside(c, c->nodes[i]) == c->nodes[i]->mark) continue;
        if (c->n_outputs < TN_PW_MAX_OUTPUTS) c->outputs[c->n_outputs] = c->nodes[i];
        c->n_outputs++;
    }
}

/* n reads what the cluster makes, or reads too; or the other way round. */
static bool is_near(const cluster *c, const tn_pnode *n)
{
    for (int k = 0; k < n->n_in; k++)
        if (in_cluster(c, n->in[k].node)) return true;
    return uses_inside(c, n) > 0;
}

/* One more node of the body, if one may join; false: none. */
static bool join(cluster *c, const tn_region *body)
{
    for (int i = body->n_nodes - 1; i >= 0; i--) {
        tn_pnode *n = body->nodes[i];
        if (n->copy || in_cluster(c, n) || !may_join(n) || !is_near(c, n) || n->mark == 0) continue;
        if (!tn_shape_equal(&n->out[0].shape, &c->nodes[0]->out[0].shape)) continue;
        c->nodes[c->n++] = n;
        find_outputs(c);
        if (outer_inputs(c) <= TN_PW_MAX_INPUTS - 2 && c->n_outputs <= TN_PW_MAX_OUTPUTS && is_closed(c)) return true;
        c->n--;
    }
    return false;
}

/* ==== the program ==== */

typedef struct assembler {
    cluster *c;
    tn_pw_program *p;
    int reg_of[TN_PW_MAX_INSTS]; /* by position in the cluster; -1: none yet */
    int uses_left[TN_PW_MAX_INSTS];
    bool busy[TN_PW_MAX_REGS];
} assembler;

static int position(const cluster *c, const tn_pnode *n)
{
    for (int i = 0; i < c->n; i++)
        if (c->nodes[i] == n) return i;
    return -1;
}

static int find_imm(assembler *a, float v)
{
    for (int i = 0; i < a->p->n_imm; i++)
        if (memcmp(&a->p->imm[i], &v, sizeof v) == 0) return i;
    if (a->p->n_imm == TN_PW_MAX_IMMS) return -1;
    a->p->imm[a->p->n_imm] = v;
    return a->p->n_imm++;
}

static int find_input(assembler *a, tn_pval v)
{
    cluster *c = a->c;
    const tn_info *o = &v.node->out[v.index];
    tn_columns from = {v, 0, 0};
    if (c->b->passes & TN_PASS(ALIAS)) tn_columns_of(c->b, v, &from);
    for (int i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].node == from.of.node && c->inputs[i].index == from.of.index &&
            a->p->in_offset[i] == from.offset && tn_shape_equal(&a->p->in_shape[i], &o->shape))
            return i;
    if (c->n_inputs == TN_PW_MAX_INPUTS) return -1;
    a->p->in_dtype[c->n_inputs] = o->dtype;
    a->p->in_shape[c->n_inputs] = o->shape;
    a->p->in_offset[c->n_inputs] = from.offset;
    a->p->in_pitch[c->n_inputs] = from.pitch;
    c->inputs[c->n_inputs] = from.of;
    return c->n_inputs++;
}

/* Which output of the program the node's result is; -1: none. */
static int output_of(const cluster *c, const tn_pnode *n)
{
    for (int i = 0; i < c->n_outputs; i++)
        if (c->outputs[i] == n) return i;
    return -1;
}

static bool operand(assembler *a, tn_pval v, uint8_t *out)
{
    int at = position(a->c, v.node), i;
    const tn_info *o = &v.node->out[v.index];
    if (at >= 0 && output_of(a->c, v.node) >= 0) {
        *out = TN_PW_OUT(output_of(a->c, v.node));
        return true;
    }
    if (at >= 0) {
        *out = TN_PW_REG(a->reg_of[at]);
        if (--a->uses_left[at] == 0) a->busy[a->reg_of[at]] = false;
        return true;
    }
    if (o->value && o->dtype == TN_FLOAT && tn_shape_count(&o->shape) == 1) {
        if ((i = find_imm(a, TN_FLOATS(o->value)[0])) < 0) return false;
        *out = TN_PW_IMM(i);
        return true;
    }
    if ((i = find_input(a, v)) < 0) return false;
    *out = TN_PW_IN(i);
    return true;
}

static float attr_of(const tn_pnode *n)
{
    float alpha = 0;
    if (n->attrs) tn_attr_get_float(n->attrs, "alpha", &alpha);
    return alpha;
}

static bool instruction(assembler *a, int at)
{
    tn_pnode *n = a->c->nodes[at];
    tn_pw_inst *inst = &a->p->inst[a->p->n_inst++];
    inst->op = (uint8_t)opcode(n);
    inst->attr = attr_of(n);
    for (int k = 0; k < n->n_in; k++)
        if (!operand(a, n->in[k], &inst->src[k])) return false;
    if (output_of(a->c, n) >= 0) {
        inst->dst = TN_PW_OUT(output_of(a->c, n));
        return true;
    }
    for (int r = 0; r < TN_PW_MAX_REGS; r++) {
        if (a->busy[r]) continue;
        a->busy[r] = true;
        a->reg_of[at] = r;
        inst->dst = TN_PW_REG(r);
        return true;
    }
    return false;
}

/* Nodes in the order of running, which their `order` is. */
static void sort_by_order(const cluster *c, int *sorted)
{
    for (int i = 0; i < c->n; i++) {
        int k = i;
        for (; k > 0 && c->nodes[sorted[k - 1]]->order > c->nodes[i]->order; k--) sorted[k] = sorted[k - 1];
        sorted[k] = i;
    }
}

static bool assemble(cluster *c, tn_pw_program *p, int threads)
{
    assembler a = {.c = c, .p = p};
    int sorted[TN_PW_MAX_INSTS];
    find_outputs(c);
    p->n_out = c->n_outputs;
    for (int i = 0; i < p->n_out; i++) p->out_dtype[i] = TN_FLOAT;
    p->shape = c->nodes[0]->out[0].shape;
    p->threads = threads;
    for (int i = 0; i < c->n; i++) a.uses_left[i] = uses_inside(c, c->nodes[i]);
    sort_by_order(c, sorted);
    for (int i = 0; i < c->n; i++)
        if (!instruction(&a, sorted[i])) return false;
    p->n_in = c->n_inputs;
    return tn_pw_program_prepare(p, NULL) == TN_OK;
}

static tn_code fuse(tn_binding *b, tn_region *r, cluster *c, tn_error *err)
{
    tn_pw_program *p = TN_NEW(b->kept, tn_pw_program);
    if (!p) return tn_no_memory(err, sizeof *p);
    if (!assemble(c, p, b->threads) || !c->n_inputs) return TN_OK; /* stays as it is */
    tn_pnode *last = c->nodes[0];
    tn_pnode *n = tn_pnode_new(b->arena, &tn_fused_pointwise, last->name, c->n_inputs, c->n_outputs);
    if (!n || !tn_region_add(b->arena, r, n)) return tn_no_memory(err, 0);
    n->attrs = last->attrs;
    n->extra = p;
    n->order = last->order;
    memcpy(n->in, c->inputs, (size_t)c->n_inputs * sizeof *n->in);
    for (int i = 0; i < c->n; i++) c->nodes[i]->copy = n;
    for (int i = 0; i < c->n_outputs; i++) {
        n->out[i] = c->outputs[i]->out[0];
        c->outputs[i]->slot = REPLACED + i;
    }
    return TN_OK;
}

static tn_pval settled(tn_pval v)
{
    return v.node->slot >= REPLACED ? (tn_pval){v.node->copy, v.node->slot - REPLACED} : v;
}

/* Whoever looks at a result of a cluster looks at what it became: all of them at once. */
static void settle(tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int k = 0; k < n->n_in; k++) n->in[k] = settled(n->in[k]);
        for (int k = 0; k < n->n_control; k++) n->control[k] = settled((tn_pval){n->control[k], 0}).node;
    }
    for (int i = 0; i < r->n_rets; i++) r->rets[i] = settled(r->rets[i]);
}

static tn_code fuse_region(tn_binding *b, tn_region *r, bool is_body, tn_error *err)
{
    int n = r->n_nodes;
    cluster *c = TN_NEW(b->arena, cluster);
    if (!c) return tn_no_memory(err, sizeof *c);
    for (int i = 0; i < n; i++) {
        r->nodes[i]->copy = NULL;
        r->nodes[i]->slot = 0;
        r->nodes[i]->order = i;
        for (int s = 0; s < r->nodes[i]->n_sub; s++)
            TN_TRY(fuse_region(b, r->nodes[i]->sub[s], s == 1 && tn_pnode_is_loop(r->nodes[i]), err));
    }
    for (int i = 0; i < r->n_args; i++) {
        r->args[i]->copy = NULL;
        r->args[i]->slot = 0;
        r->args[i]->order = -1;
    }
    tn_region_count_uses(r);
    for (int i = n - 1; i >= 0; i--) {
        tn_pnode *last = r->nodes[i];
        if (last->copy || !may_join(last)) continue;
        *c = (cluster){.b = b, .nodes = {last}, .n = 1};
        while (c->n < TN_PW_MAX_INSTS && (grow(c) || (is_body && n <= MOST_NODES && join(c, r)))) {
        }
        if (c->n > 1) TN_TRY(fuse(b, r, c, err));
    }
    settle(r);
    return tn_region_order(b->arena, r, err);
}

tn_code tn_pass_fuse_pointwise(tn_binding *b, tn_region *r, tn_error *err)
{
    return fuse_region(b, r, false, err);
}
