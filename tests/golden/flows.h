/* SPDX-License-Identifier: Apache-2.0
 *
 * flows.h - whether gradients could go through an operator at all, by its signature.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include "graph/op.h"

#include <string.h>

enum { FLOWING = 1 << TN_FLOAT | 1 << TN_DOUBLE | 1 << TN_HALF | 1 << TN_BFLOAT16 | 1 << TN_COMPLEX64 | 1 << TN_COMPLEX128 |
                 1 << TN_RESOURCE | 1 << TN_VARIANT };

static inline uint32_t arg_dtypes(const tn_sig *sig, const tn_sig_arg *arg)
{
    const char *attr = arg->type_attr ? arg->type_attr : arg->type_list_attr;
    if (!attr) return 1u << arg->type;
    for (int i = 0; i < sig->n_attrs; i++)
        if (!strcmp(sig->attrs[i].name, attr) && sig->attrs[i].allowed_types) return sig->attrs[i].allowed_types;
    return ~0u;
}

static inline bool any_flows(const tn_sig *sig, const tn_sig_arg *args, int n)
{
    for (int i = 0; i < n; i++)
        if (arg_dtypes(sig, &args[i]) & FLOWING) return true;
    return false;
}

static inline bool gradients_flow(const tn_op *op)
{
    const tn_sig *sig = tn_op_sig(op);
    return any_flows(sig, sig->in, sig->n_in) && any_flows(sig, sig->out, sig->n_out);
}

#endif
