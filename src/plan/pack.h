/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.h - constants in the form that a kernel likes, made once for all programs of a store; and the matrix product
 * whose second operand may be one. What passes make of constants is shared in the same way.
 *
 * Invariants: a pack lives as long as somebody holds it; whoever does keeps its source alive, too. Nobody looks at the
 * bytes of a hollow one.
 */
#ifndef TN_PACK_H
#define TN_PACK_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* How a pack is made again, how its source is of it. */
typedef struct tn_pack_recipe {
    size_t source_bytes, how_bytes;
    void (*make)(const void *how, const void *source, void *to);   /* NULL: it is not */
    void (*undo)(const void *how, const void *packed, void *source); /* NULL: it cannot be, or with tn_pack_factors */
    bool beside; /* who looks at it looks at the source, too */
} tn_pack_recipe;

/* Of weights that were multiplied. */
typedef struct tn_pack_factors {
    int64_t inner, channels, count, all; /* weight i of all has factor i / inner % channels, or the only one */
    float factor[];
} tn_pack_factors;

typedef enum { TN_SPLITS_UNKNOWN, TN_SPLITS, TN_SPLITS_NOT } tn_pack_splits;

typedef struct tn_pack {
    struct tn_packs *owner;
    struct tn_pack *next;
    const void *source;
    int64_t key[4];
    int refs;
    size_t bytes;
    void *data;
    tn_pack_recipe recipe;
    void *how; /* for it; NULL: there is none */
    struct tn_pack *base; /* of which it can be made, held: while its source is only in it, or from then on */
    bool hollow; /* its bytes are not there: until somebody takes it again, looks at it, or is to run */
    /* of weights with factors, which are tensors (pack_scaled.c) */
    tn_pack_factors *factors; /* NULL: it is something else */
    char *choices;            /* which of the numbers that give its elements are source's; NULL: not asked yet */
    int looks;                /* who looks at it just now */
    tn_pack_splits splits;
    bool stays;               /* runs look at it */
    bool of_file;             /* source's pages are read again when they are looked at */
} tn_pack;

/* In a store. All zero: none yet. */
typedef struct tn_packs {
    pthread_mutex_t lock;
    tn_pack *first;
    tn_pack **alone; /* of which the sources, constants of the graph, have gone */
    int n_alone, cap_alone;
    atomic_int planning; /* threads that look at constants */
    atomic_int n_scaled; /* with factors */
} tn_packs;

enum { TN_PACK_LEAST = 16 << 10 }; /* bytes that are worth to be held once */

/* For a step: the pack of source under this key, made by fill(how, source, to) when nobody has it.
 * RESOURCE_EXHAUSTED, before memory is taken: it is more than the plan may pack. */
tn_code tn_pack_take(tn_prepare *p, const void *source, const int64_t key[4], size_t bytes,
                     void (*fill)(const void *how, const void *source, void *to), const void *how, tn_pack **out,
                     tn_error *err);
/* With the lock held: the same, hollow where it is new; NULL: no memory. */
tn_pack *tn_pack_get(tn_packs *all, const void *source, const int64_t key[4], size_t bytes);
void tn_pack_release(tn_pack *p);
/* Whoever plans is between these two: constants are there then. */
void tn_packs_begin_planning(tn_packs *all);
void tn_packs_end_planning(tn_packs *all);
/* A pack (to be released) of which the source's so many bytes can be made again; NULL: there is none. */
tn_pack *tn_pack_find_undo(tn_packs *all, const void *source, size_t bytes);
void tn_pack_forget_source(tn_pack *p); /* which is there again, or never will be: after tn_pack_keep_source */
tn_pack *tn_pack_with_undo(const tn_packs *all, const void *source, size_t bytes); /* the same, with the lock held */
void tn_pack_undo(tn_pack *p, void *source);
/* With the lock held: p can be made of another pack of its source, which it holds from now on, or of the source itself.
 * It is made so. */
bool tn_pack_is_spare(const tn_packs *all, tn_pack *p);
tn_code tn_pack_refill(tn_pack *p, tn_error *err);
void tn_packs_free(tn_packs *all);
/* A step's pack, and how it is made; without memory for that, the pack and its source stay as they are. */
void tn_pack_note(tn_prepare *p, tn_pack *pack, const tn_pack_recipe *recipe, const void *how);

/* ==== weights with factors (pack_scaled.c) ==== */

/* A tensor of source's shape, its elements times factors; it holds the pack and source. All who ask with the same key
 * share its bytes, which are there for whoever looks at them. */
tn_code tn_pack_tensor(tn_packs *all, const tn_tensor *source, const int64_t key[4], const tn_pack_factors *f,
                       tn_tensor **out, tn_error *err);
/* A constant's bytes are looked at from now on; until then, or, if they stay, by runs as long as the session does not
 * rest. NULL: it is none with factors, and nothing is to be done. */
tn_pack *tn_packs_look(tn_packs *all, const void *data);
void tn_packs_looked(tn_packs *all, tn_pack *p, bool stays);
tn_pack *tn_pack_look(tn_packs *all, const void *data); /* the same, with the lock held */
void tn_pack_looked(tn_pack *p);
/* Whether these n numbers may be split (tn_gemm_splits), once somebody has noted it. */
bool tn_packs_know_splits(tn_packs *all, const void *data, int64_t n, bool *splits);
void tn_packs_note_splits(tn_packs *all, tn_pack *p, bool splits);
/* With the lock held: source is from now on what p, which is hollow, has in itself: its bytes may go. false: no. */
bool tn_pack_keep_source(tn_packs *all, tn_pack *p, const void *source);
void tn_pack_undo_factors(tn_pack *p, void *source); /* with the lock held */

/* ==== products ==== */

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
