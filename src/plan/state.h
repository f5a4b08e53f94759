/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h - what outlives a run: the variable store (variables and random generators by name), and the
 * counted resources that handles and references point to. Tables, TensorArrays and stacks are made by
 * their operators on the same base.
 *
 * Invariants: a variable's value is a counted buffer; a reader holds a reference on it while it looks,
 * and a writer that finds other references copies first, so no reader sees a change. All changes of all
 * variables of a store happen under its lock.
 */
#ifndef TN_STATE_H
#define TN_STATE_H

#include "files.h"
#include "pack.h"

typedef struct tn_store tn_store;

typedef struct tn_stored {
    tn_resource base;
    tn_store *store;
    tn_dtype dtype;
    tn_shape shape;   /* as declared; unknown: any */
    tn_tensor *value; /* NULL: uninitialised */
    tn_pack *shed;    /* the value's bytes are only here (shed.c); NULL: they are where they belong */
    int sets;         /* how often it was given another value */
    int updates;      /* how often it was changed in place */
} tn_stored;

typedef struct tn_rng {
    tn_resource base;
    tn_store *store;
    tn_philox_state state; /* the next sample to be drawn */
} tn_rng;

/* Large blocks of memory that runs have given back (blocks.c). */
enum { TN_IDLE_BLOCKS = 32 };
typedef struct tn_block {
    void *p;
    size_t n;
} tn_block;
typedef struct tn_blocks {
    pthread_mutex_t lock;
    tn_block idle[TN_IDLE_BLOCKS];
    int n;
    size_t bytes;
} tn_blocks;
tn_block tn_blocks_take(tn_blocks *b, size_t n); /* of n bytes or more, 64-byte aligned; p NULL: no memory */
void tn_blocks_give(tn_blocks *b, tn_block block, bool keep);
void tn_blocks_rest(tn_blocks *b); /* the idle ones go back to the system */
void tn_blocks_free(tn_blocks *b);

struct tn_store {
    pthread_mutex_t lock;
    tn_map *variables, *rngs; /* name -> tn_stored, tn_rng */
    tn_map *named;            /* name -> tn_resource: what operators made for the session */
    struct tn_callees *callees; /* functions that operators call; NULL: none can be called */
    uint64_t seed;            /* for generators without one */
    atomic_uint_fast64_t changes; /* of any variable, so far */
    tn_packs packs;               /* constants as kernels like them */
    tn_blocks blocks;
    tn_files files;               /* what operators may use of the outside */
    atomic_int running, waiting;  /* runs, and threads of queue runners; those of them that wait for others */
    tn_budget *budget;        /* of all that runs make and variables hold; NULL: no limit */
};

tn_code tn_store_new(uint64_t seed, tn_store **out, tn_error *err);
void tn_store_free(tn_store *s);
/* The variable of this name, made when absent. INVALID_ARGUMENT when it is there with another dtype. */
tn_code tn_store_variable(tn_store *s, const char *name, tn_dtype t, const tn_shape *shape, tn_stored **out,
                          tn_error *err);
/* The generator of an operation by its name, made from its seeds when absent. */
tn_code tn_store_rng(tn_store *s, const char *name, int64_t seed, int64_t seed2, tn_rng **out, tn_error *err);
/* With the store's lock held: the value's bytes are there again; they never will be (shed.c). */
void tn_stored_restore(tn_stored *v);
void tn_stored_drop_shed(tn_stored *v);
/* A counted reference to the present value (NULL: uninitialised). */
tn_tensor *tn_variable_value(tn_stored *v);
/* Both below expect the store's lock to be held by the caller. */
tn_code tn_variable_set(tn_stored *v, const tn_tensor *value, bool any_shape, tn_error *err);
tn_code tn_variable_take(tn_stored *v, tn_tensor *value, tn_error *err); /* the caller's reference, in any case */
tn_code tn_variable_unshare(tn_stored *v, tn_tensor **out, tn_error *err);

/* A scalar tensor of dtype resource that owns a reference on res. */
tn_code tn_resource_tensor(tn_resource *res, tn_tensor **out, tn_error *err);

#endif
