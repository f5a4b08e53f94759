/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c - running branches and loops: regions of the program, with their arguments and results.
 *
 * Invariants: a loop's changing values live in its body's arguments; results are taken (or copied) all
 * before the first argument is replaced, so that bodies may permute them.
 */
#include "plan.h"

static bool on_heap(const tn_run_context *c, int slot)
{
    return c->program->slots[slot].place == TN_PLACE_HEAP;
}

/* The value at `to` becomes the one at `from`: shared on the heap, copied in the block. */
static tn_code move_value(tn_run_context *c, int from, int to, tn_error *err)
{
    tn_tensor *src = &c->values[from], *dst = &c->values[to], *kept;
    if (src == dst || (src->data && src->data == dst->data && !on_heap(c, to))) return TN_OK;
    if (!src->data && tn_tensor_bytes(src)) return TN_OK; /* a stand-in for what the other branch has */
    if (!on_heap(c, to)) {
        if (tn_tensor_bytes(dst)) memcpy(dst->data, src->data, tn_tensor_bytes(dst));
        return TN_OK;
    }
    TN_TRY(tn_tensor_keep(src, &kept, err));
    tn_value_take(dst, kept);
    return TN_OK;
}

/* An argument looks at its input for as long as the region runs. */
static void lend_value(tn_run_context *c, int from, int to)
{
    tn_tensor *src = &c->values[from], *dst = &c->values[to];
    if (on_heap(c, to)) tn_value_share(dst, src);
    else dst->shape = src->shape; /* of a bounded value it is known only now */
}

static void drop(tn_run_context *c, int slot)
{
    if (!on_heap(c, slot)) return;
    tn_value_drop(&c->values[slot]);
    c->values[slot].data = NULL; /* a borrowed one, too */
}

/* TensorFlow's ToBool: a scalar's value, else whether there are elements. */
static bool is_true(const tn_tensor *t)
{
    if (t->shape.rank > 0) return tn_tensor_count(t) > 0;
    if (t->dtype == TN_STRING) return TN_STRINGS(t)[0].n > 0;
    return tn_tensor_number(t, 0) != 0;
}

static int chosen_branch(const tn_step *s, const tn_tensor *index)
{
    if (s->n_sub == 2 && strstr(s->op->name, "If")) return is_true(index) ? 0 : 1;
    int64_t i = tn_tensor_int(index, 0);
    return i < 0 || i >= s->n_sub ? s->n_sub - 1 : (int)i;
}

tn_code tn_exec_if(tn_run_context *c, const tn_step *s, tn_error *err)
{
    const tn_code_range *branch = &s->sub[chosen_branch(s, &c->values[s->in[0]])];
    for (int i = 0; i < branch->n_args; i++) lend_value(c, s->in[i + 1], branch->args[i]);
    TN_TRY(tn_run_range(c, branch, err));
    for (int i = 0; i < s->n_out; i++) TN_TRY(move_value(c, branch->rets[i], s->out[i], err));
    for (int i = 0; i < branch->n_args; i++) drop(c, branch->args[i]);
    for (int i = 0; i < branch->n_rets; i++) drop(c, branch->rets[i]);
    return TN_OK;
}

/* Heap results first leave their slots, so that replacing one argument does not disturb another. */
static tn_code pass_heap_values(tn_run_context *c, const tn_code_range *body, tn_error *err)
{
    tn_tensor **taken = tn_calloc((size_t)body->n_rets + 1, sizeof *taken);
    tn_code code = taken ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i < body->n_rets; i++)
        if (body->rets[i] != body->args[i] && on_heap(c, body->args[i]))
            code = tn_tensor_keep(&c->values[body->rets[i]], &taken[i], err);
    for (int i = 0; code == TN_OK && i < body->n_rets; i++)
        if (body->rets[i] != body->args[i]) drop(c, body->rets[i]);
    for (int i = 0; taken && i < body->n_rets; i++)
        if (taken[i]) tn_value_take(&c->values[body->args[i]], taken[i]);
    tn_free(taken);
    return code;
}

static tn_code next_iteration(tn_run_context *c, const tn_code_range *body, tn_error *err)
{
    bool heap = false;
    for (int i = 0; i < body->n_rets; i++) {
        if (body->rets[i] == body->args[i]) continue;
        heap |= on_heap(c, body->args[i]) || on_heap(c, body->rets[i]);
        if (!on_heap(c, body->args[i])) TN_TRY(move_value(c, body->rets[i], body->args[i], err));
    }
    return heap ? pass_heap_values(c, body, err) : TN_OK;
}

static tn_code goes_on(tn_run_context *c, const tn_code_range *cond, bool *out, tn_error *err)
{
    TN_TRY(tn_run_range(c, cond, err));
    *out = is_true(&c->values[cond->rets[0]]);
    return TN_OK;
}

tn_code tn_exec_while(tn_run_context *c, const tn_step *s, tn_error *err)
{
    const tn_code_range *cond = &s->sub[0], *body = &s->sub[1];
    bool more;
    for (int i = 0; i < s->n_in; i++) {
        if (body->rets[i] == body->args[i] || on_heap(c, body->args[i])) lend_value(c, s->in[i], body->args[i]);
        else TN_TRY(move_value(c, s->in[i], body->args[i], err));
    }
    TN_TRY(goes_on(c, cond, &more, err));
    while (more) {
        TN_TRY(tn_may_go_on(c, err));
        TN_TRY(tn_run_range(c, body, err));
        TN_TRY(next_iteration(c, body, err));
        TN_TRY(goes_on(c, cond, &more, err));
    }
    for (int i = 0; i < s->n_out; i++) {
        if (on_heap(c, s->out[i])) TN_TRY(move_value(c, body->args[i], s->out[i], err));
        else c->values[s->out[i]].shape = c->values[body->args[i]].shape;
    }
    for (int i = 0; i < body->n_args; i++) drop(c, body->args[i]);
    return TN_OK;
}
