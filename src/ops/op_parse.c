/* SPDX-License-Identifier: Apache-2.0
 *
 * op_parse.c - ParseExample, ParseExampleV2 and ParseSingleExample: serialized tf.Example records as dense,
 * sparse and ragged tensors.
 */
#include "parse.h"
#include "sparse.h"

tn_code tn_parse_examples(tn_parsing *b)
{
    b->features = TN_ARRAY(b->arena, b->n + 1, const tn_Features *);
    if (!b->features) return tn_no_memory(b->err, (size_t)b->n * sizeof *b->features);
    for (int64_t k = 0; k < b->n; k++) {
        tn_view bytes = tn_parse_string(b->r->in[0], k);
        tn_Example *e;
        tn_code code = TN_DECODE(Example, bytes, b->arena, &e, b->err);
        if (code == TN_RESOURCE_EXHAUSTED) return code;
        if (code != TN_OK)
            return tn_fail(b->err, TN_INVALID_ARGUMENT, "Could not parse example input, value: '%.*s'",
                           (int)TN_MIN(bytes.n, (size_t)200), bytes.p);
        b->features[k] = e->features;
    }
    return TN_OK;
}

/* Keys are scalars, vectors (V2), or attributes (a single example). */
static tn_code read_request(const tn_parsing *b, tn_parse_group *g)
{
    const tn_attrs *a = b->r->attrs;
    bool v2 = !strcmp(b->r->op->name, "ParseExampleV2"),
         single = !strcmp(b->r->op->name, "ParseSingleExample");
    int next = single ? 1 : 2;
    g->n_sparse = tn_parse_list_size(a, "sparse_types");
    g->n_dense = tn_parse_list_size(a, "Tdense");
    g->n_ragged = tn_parse_list_size(a, "ragged_value_types");
    if (single) {
        TN_TRY(tn_parse_attr_keys(b, "sparse_keys", g->n_sparse, &g->sparse));
        TN_TRY(tn_parse_attr_keys(b, "dense_keys", g->n_dense, &g->dense));
    } else {
        TN_TRY(tn_parse_keys(b, v2, g->n_sparse, &next, &g->sparse));
        TN_TRY(tn_parse_keys(b, v2, g->n_dense, &next, &g->dense));
        if (v2) TN_TRY(tn_parse_keys(b, true, g->n_ragged, &next, &g->ragged));
    }
    return tn_parse_describe(b, g, "dense_shapes", next);
}

static tn_code parse(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_parsing b = {.r = r, .arena = a, .err = err};
    tn_parse_group g = {0};
    b.scalar = r->in[0]->shape.rank == 0;
    b.n = tn_tensor_count(r->in[0]);
    TN_TRY(read_request(&b, &g));
    TN_TRY(tn_parse_examples(&b));
    return tn_parse_features(&b, &g);
}
TN_RUN_IN_ARENA(parse_run, parse)

static tn_code parse_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_parse_group g = {.n_sparse = tn_parse_list_size(c->attrs, "sparse_types"),
                        .n_dense = tn_parse_list_size(c->attrs, "Tdense"),
                        .n_ragged = tn_parse_list_size(c->attrs, "ragged_value_types")};
    if (c->n_out < tn_parse_group_end(&g))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has too few outputs", c->op->name);
    if (in->rank > (strcmp(c->op->name, "ParseSingleExample") ? 1 : 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input serialized must be a scalar or a vector");
    if (in->rank >= 0) tn_parse_infer(c, &g, in->rank, in->rank ? in->dim[0] : 1, "dense_shapes");
    return TN_OK;
}

#define PARSE(NAME, SIG)         \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = parse_infer,    \
        .run = parse_run,        \
        .dynamic = ~0u,          \
    }
PARSE(ParseExample, "serialized:string names:string sparse_keys:Nsparse*string dense_keys:Ndense*string "
                    "dense_defaults:[Tdense] -> sparse_indices:Nsparse*int64 sparse_values:[sparse_types] "
                    "sparse_shapes:Nsparse*int64 dense_values:[Tdense]; Nsparse:int>=0 Ndense:int>=0 "
                    "sparse_types:list(type){float,int64,string}>=0 Tdense:list(type){float,int64,string}>=0 "
                    "dense_shapes:list(shape)>=0");
PARSE(ParseExampleV2,
      "serialized:string names:string sparse_keys:string dense_keys:string ragged_keys:string "
      "dense_defaults:[Tdense] -> sparse_indices:num_sparse*int64 sparse_values:[sparse_types] "
      "sparse_shapes:num_sparse*int64 dense_values:[Tdense] ragged_values:[ragged_value_types] "
      "ragged_row_splits:[ragged_split_types]; Tdense:list(type){float,int64,string}>=0 num_sparse:int>=0 "
      "sparse_types:list(type){float,int64,string}>=0 "
      "ragged_value_types:list(type){float,int64,string}>=0 ragged_split_types:list(type){int32,int64}>=0 "
      "dense_shapes:list(shape)>=0");
PARSE(ParseSingleExample,
      "serialized:string dense_defaults:[Tdense] -> sparse_indices:num_sparse*int64 "
      "sparse_values:[sparse_types] "
      "sparse_shapes:num_sparse*int64 dense_values:[Tdense]; num_sparse:int>=0 sparse_keys:list(string)>=0 "
      "dense_keys:list(string)>=0 sparse_types:list(type){float,int64,string}>=0 "
      "Tdense:list(type){float,int64,string}>=0 dense_shapes:list(shape)>=0");
