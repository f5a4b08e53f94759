/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptor.h - fields of protobuf messages that a graph brings the declarations of: which number, kind and
 * default a field of a name has, and between which dtypes and it values go.
 */
#ifndef TN_DESCRIPTOR_H
#define TN_DESCRIPTOR_H

#include "../graph/op.h"
#include "../wire/proto.h"

typedef struct tn_described {
    tn_view name;
    uint32_t number;
    int type; /* TN_FieldType_... */
    bool repeated, packed;
    tn_view fallback;         /* the declared default of text and bytes */
    uint64_t number_fallback; /* of all else, as on the wire */
} tn_described;

/* The fields named by the attribute field_names, one for each dtype of `types`, of the attributes'
 * message_type. What comes is in the arena or in the attributes. INVALID_ARGUMENT: there are none such, or
 * not of the dtype. */
tn_code tn_describe(const tn_attrs *attrs, const tn_dtype *types, int n, tn_arena *a, tn_described *out,
                    tn_error *err);

tn_wire_type tn_described_wire(int type); /* of one value */
/* A number as it is on the wire, to and from element i of a tensor. */
void tn_described_store(int type, uint64_t raw, tn_tensor *t, int64_t i);
uint64_t tn_described_load(int type, const tn_tensor *t, int64_t i);

#endif
