/* SPDX-License-Identifier: Apache-2.0
 *
 * parse.h - what the parsing operators share: one feature of all examples of a batch, as a tensor. Which
 * features, from which inputs to which outputs, is op_parse.c's and op_parse_sequence.c's; the bytes are
 * wire/'s.
 */
#ifndef TN_OPS_PARSE_H
#define TN_OPS_PARSE_H

#include "../wire/proto.h"
#include "op_move.h"

typedef struct tn_wanted { /* one feature */
    tn_view key;
    tn_dtype dtype;
    tn_shape shape;       /* dense: of one example, dim[0] -1: as long as the longest */
    const tn_tensor *def; /* dense: its default; without elements: it must be there */
    bool may_lack;        /* a list of features: none is an empty one */
} tn_wanted;

typedef struct tn_parsing {
    tn_run *r;
    tn_arena *arena;
    const tn_Features **features; /* of each example; NULL: it has none */
    int64_t n;
    bool scalar;        /* one example, results without a batch dimension */
    bool scalar_splits; /* then row splits are a scalar 0; else empty */
    tn_error *err;
} tn_parsing;

typedef struct tn_parsed { /* a feature's values: one of the three */
    size_t n;
    const float *f;
    const int64_t *i;
    const tn_view *s;
} tn_parsed;

/* The features of the n examples of input 0 (op_parse.c). */
tn_code tn_parse_examples(tn_parsing *b);
/* The values of feature f (NULL: none), INVALID_ARGUMENT when they are of another type. */
tn_code tn_parse_values(const tn_parsing *b, const tn_Feature *f, int64_t example, const tn_wanted *w,
                        tn_parsed *v);
tn_code tn_parse_put(const tn_parsing *b, tn_tensor *out, int64_t at, const tn_parsed *v);
void tn_parse_split(tn_tensor *t, int64_t i, int64_t v); /* of int32 or int64 */
tn_shape tn_parse_splits_shape(const tn_parsing *b);     /* of the batch's row splits */

/* Features of all examples: outputs from `out` on are the sparse ones' indices, values, shapes, then the
 * dense ones' values, then the ragged ones' values and row splits. */
typedef struct tn_parse_group {
    tn_wanted *sparse, *dense, *ragged;
    int n_sparse, n_dense, n_ragged;
    int out;
} tn_parse_group;
static inline int tn_parse_group_end(const tn_parse_group *g)
{
    return g->out + 3 * g->n_sparse + g->n_dense + 2 * g->n_ragged;
}
tn_code tn_parse_features(const tn_parsing *b, const tn_parse_group *g);
/* The dtypes from those outputs; shapes from the attribute, defaults from inputs `defaults`, +1, .. */
tn_code tn_parse_describe(const tn_parsing *b, tn_parse_group *g, const char *shapes, int defaults);
/* What is known of those outputs; rank of the serialized input: 0 or 1. */
void tn_parse_infer(tn_infer *c, const tn_parse_group *g, int rank, int64_t batch, const char *shapes);

/* ==== what is asked for ==== */

int tn_parse_list_size(const tn_attrs *a, const char *name); /* of a list attribute; 0: absent */
tn_view tn_parse_string(const tn_tensor *t, int64_t i);      /* p is never NULL */
/* n wanted features whose keys are n scalar inputs from *next on, or (vector) one input, which are passed
 * over. */
tn_code tn_parse_keys(const tn_parsing *b, bool vector, int n, int *next, tn_wanted **out);
tn_code tn_parse_attr_keys(const tn_parsing *b, const char *attr, int n, tn_wanted **out);
tn_code tn_parse_shapes(const tn_parsing *b, const char *attr, tn_wanted *w, int n); /* one for each */

#endif
