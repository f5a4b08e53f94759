/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.h - constants in the form that a kernel likes, made once for all programs of a store; and the matrix product
 * whose second operand may be one. What passes make of constants is shared in the same way.
 *
 * Invariants: a pack lives as long as somebody holds it; whoever does keeps its source alive, too.
 */
#ifndef TN_PACK_H
#define TN_PACK_H

#include "../kernel/kernel.h"
#include "op.h"

typedef struct tn_pack {
    struct tn_packs *owner;
    struct tn_pack *next;
    const void *source;
    int64_t key[4];
    int refs;
    size_t bytes;
    void *data;
    tn_gemm_plan *undo; /* how the source is made of it; NULL: it cannot be */
    bool fills_tensors; /* who takes it again fills it in the same way */
    bool hollow;        /* its bytes have gone until then (shed.c) */
} tn_pack;

/* In a store. All zero: none yet. */
typedef struct tn_packs {
    pthread_mutex_t lock;
    tn_pack *first;
    size_t bytes; /* of all */
} tn_packs;

/* The pack of source under this key, made by fill(how, source, to) when nobody has it. */
tn_code tn_pack_take(tn_packs *all, const void *source, const int64_t key[4], size_t bytes,
                     void (*fill)(const void *how, const void *source, void *to), const void *how, tn_pack **out,
                     tn_error *err);
void tn_pack_release(tn_pack *p);
/* A pack (to be released) of which the source's so many bytes can be made again; NULL: there is none. */
tn_pack *tn_pack_find_undo(tn_packs *all, const void *source, size_t bytes);
void tn_pack_undo(const tn_pack *p, void *source);
size_t tn_packs_bytes(tn_packs *all);
/* A float tensor of this shape, filled from source; it holds the pack and source. All who ask with the same key share
 * its bytes. */
tn_code tn_pack_tensor(tn_packs *all, const tn_tensor *source, const int64_t key[4], const tn_shape *shape,
                       void (*fill)(const void *how, const void *source, void *to), const void *how, tn_tensor **out,
                       tn_error *err);

/* A product; when its second operand is a constant, that is packed where it pays. */
typedef struct tn_product {
    tn_gemm_plan plan;
    tn_pack *pack;    /* NULL: b is taken as it is */
    atomic_uint runs; /* the direction changes from run to run; results do not depend on it */
} tn_product;
/* b: the number of the input that is the second operand. Sets p->scratch and p->done, whose params must be q (or begin
 * with it). */
tn_code tn_product_prepare(tn_prepare *p, const tn_gemm_desc *d, int b, tn_product *q, tn_error *err);
void tn_product_run(const tn_product *q, const void *a, const void *b, const void *bias, void *c, void *scratch);

#endif
