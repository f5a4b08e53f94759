/* SPDX-License-Identifier: Apache-2.0
 *
 * op_iterator.c - where a graph takes its examples from a data set. Data sets are not run here: the values
 * are fed in the place of the node's, as those of placeholders are; their dtypes and shapes are known for
 * that.
 */
#include "op.h"

static tn_code next_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_attr *s = tn_attr_find(c->attrs, "output_shapes");
    for (int o = 0; s && s->kind == TN_ATTR_SHAPE && s->is_list && o < s->n && o < c->n_out; o++)
        c->out[o].shape = s->shapes[o];
    return TN_OK;
}

static tn_code next_run(tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_UNIMPLEMENTED, "'%s' (%s): data sets are not run here; feed '%s:0'", r->name,
                   r->op->name, r->name);
}

#define NEXT(Name)                                                                           \
    const tn_op tn_op_##Name = {                                                             \
        .name = #Name,                                                                       \
        .sig = "iterator:resource -> components:[output_types]; output_types:list(type)>=1 " \
               "output_shapes:list(shape)>=1",                                               \
        .infer = next_infer,                                                                 \
        .run = next_run,                                                                     \
        .flags = TN_STATEFUL | TN_NO_GRADIENT,                                               \
        .dynamic = ~0u,                                                                      \
    }
NEXT(IteratorGetNext);
NEXT(IteratorGetNextSync);
