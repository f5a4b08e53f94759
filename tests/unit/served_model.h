/* SPDX-License-Identifier: Apache-2.0
 *
 * served_model.h - a small model with several signatures, saved and loaded as a servable, for tests of requests.
 *
 *     serving_default     {a, b: float [?, ?]} -> {prod: a b, sum: a + b}
 *     with_default        {a, b} -> {sum}, b is 10 when not given
 *     scale               {x: float [?, ?]} -> {y: 2 x}
 *     total               {x} -> {t: the sum of all of x, a scalar}
 *     strings             {s: string [?]} -> {out: the same}
 *     classify, regress   {inputs: string [?]} -> as their methods want
 *     rank1, two_inputs, no_output: classify signatures that are not as they should be
 */
#ifndef TN_TEST_SERVED_MODEL_H
#define TN_TEST_SERVED_MODEL_H

#include "place.h"
#include "serve/serve.h"

#define MATRIX TN_SHAPE(-1, -1)

typedef struct small_signatures {
    tn_tensor_info a[2], ab_out[2], sum[1], x[1], y[1], t[1], s[1], out[1], examples[1], classes[2], outputs[1], rank1[1];
} small_signatures;

static inline tn_tensor_info info(const char *key, const char *name, tn_dtype t, tn_shape shape)
{
    return (tn_tensor_info){.key = key, .name = name, .dtype = t, .shape = shape};
}

static inline tn_graph *served_graph(void)
{
    tn_error err;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node a = tn_placeholder(b, "a", TN_FLOAT, MATRIX), c = tn_placeholder(b, "b", TN_FLOAT, MATRIX);
    tn_op_named(b, "MatMul", "MatMul", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "sum", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, MATRIX);
    tn_op_named(b, "AddV2", "y", TN_INPUTS(x, x), TN_NO_ATTRS);
    tn_op_named(b, "Sum", "t", TN_INPUTS(x, tn_ints(b, (int64_t[]){0, 1}, 2)), TN_NO_ATTRS);
    tn_node s = tn_placeholder(b, "s", TN_STRING, TN_SHAPE(-1));
    tn_op_named(b, "Identity", "same", TN_INPUTS(s), TN_NO_ATTRS);
    tn_node length = tn_cast_to(b, tn_op(b, "StringLength", TN_INPUTS(s), TN_NO_ATTRS), TN_FLOAT);
    tn_named(b, "length", length);
    tn_op_named(b, "ExpandDims", "scores", TN_INPUTS(length, tn_scalar(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_op_named(b, "ExpandDims", "classes", TN_INPUTS(s, tn_scalar(b, TN_INT32, 1)), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &err), &err);
    tn_builder_free(b);
    return g;
}

/* Signature with_default gets its default, which only TensorFlow 2.16 and later write. */
static inline void put_default(void **state, const char *folder)
{
    tn_error err;
    tn_SavedModel *m;
    const char *path = tn_path_join(arena_of(state), folder, "saved_model.pb");
    tn_view bytes = content(state, path);
    tn_buf out = {0};
    assert_ok(TN_DECODE(SavedModel, bytes, arena_of(state), &m, &err), &err);
    tn_SignatureDefEntry *e = TN_FIND(&m->meta_graphs.items[0].signature_def, "with_default");
    assert_non_null(e);
    tn_TensorEntry *d = TN_PUSH(arena_of(state), &e->value->defaults);
    d->key = TN_VIEW("b");
    d->value = TN_NEW(arena_of(state), tn_TensorProto);
    d->value->dtype = TN_FLOAT;
    d->value->float_val = (tn_float_list){(float[]){10}, 1, 0};
    assert_ok(TN_ENCODE(SavedModel, m, &out, &err), &err);
    write_file(path, (tn_view){out.data, out.n});
    tn_buf_free(&out);
}

/* FOLDER/1 in the test's place; returns FOLDER. */
static inline const char *save_served(void **state, const char *name)
{
    tn_error err;
    tn_session *session;
    tn_graph *g = served_graph();
    small_signatures s = {
        .a = {info("a", "a:0", TN_FLOAT, MATRIX), info("b", "b:0", TN_FLOAT, MATRIX)},
        .ab_out = {info("prod", "MatMul:0", TN_FLOAT, MATRIX), info("sum", "sum:0", TN_FLOAT, MATRIX)},
        .sum = {info("sum", "sum:0", TN_FLOAT, MATRIX)},
        .x = {info("x", "x:0", TN_FLOAT, MATRIX)},
        .y = {info("y", "y:0", TN_FLOAT, MATRIX)},
        .t = {info("t", "t:0", TN_FLOAT, TN_SHAPE())},
        .s = {info("s", "s:0", TN_STRING, TN_SHAPE(-1))},
        .out = {info("out", "same:0", TN_STRING, TN_SHAPE(-1))},
        .examples = {info("inputs", "s:0", TN_STRING, TN_SHAPE(-1))},
        .classes = {info("classes", "classes:0", TN_STRING, TN_SHAPE(-1, 1)),
                    info("scores", "scores:0", TN_FLOAT, TN_SHAPE(-1, 1))},
        .outputs = {info("outputs", "length:0", TN_FLOAT, TN_SHAPE(-1))},
        .rank1 = {info("scores", "length:0", TN_FLOAT, TN_SHAPE(-1))},
    };
    const char *classify = "tensorflow/serving/classify", *regress = "tensorflow/serving/regress";
    tn_signature signatures[] = {
        {"classify", classify, s.examples, s.classes, 1, 2},
        {"no_output", classify, s.examples, s.outputs, 1, 1},
        {"odd_method", "odd", s.x, s.y, 1, 1},
        {"rank1", classify, s.examples, s.rank1, 1, 1},
        {"regress", regress, s.examples, s.outputs, 1, 1},
        {"scale", TN_PREDICT_METHOD, s.x, s.y, 1, 1},
        {"serving_default", TN_PREDICT_METHOD, s.a, s.ab_out, 2, 2},
        {"strings", TN_PREDICT_METHOD, s.s, s.out, 1, 1},
        {"total", TN_PREDICT_METHOD, s.x, s.t, 1, 1},
        {"two_inputs", classify, s.a, s.sum, 2, 1},
        {"with_default", TN_PREDICT_METHOD, s.a, s.sum, 2, 1},
    };
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = (int)TN_COUNT(signatures)};
    assert_ok(tn_session_new(g, NULL, &session, &err), &err);
    assert_ok(tn_savedmodel_save(in(state, name), 1, &e, session, NULL, &err), &err);
    tn_session_free(session);
    tn_graph_free(g);
    put_default(state, tn_path_join(arena_of(state), in(state, name), "1"));
    return in(state, name);
}

static inline tn_servable *load_served(void **state, bool warm)
{
    tn_error err;
    tn_servable *s;
    tn_servable_options o = {
        .model = "m", .version = 1, .path = tn_path_join(arena_of(state), save_served(state, "m"), "1"), .warm_up = warm};
    assert_ok(tn_servable_load(&o, &s, &err), &err);
    return s;
}

#endif
