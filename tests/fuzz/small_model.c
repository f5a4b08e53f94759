/* SPDX-License-Identifier: Apache-2.0
 *
 * small_model.c - a model with a signature of each kind, for targets that ask one: of two matrices the product and the sum, of strings
 * the length, and themselves as classes.
 */
#include "small_model.h"

#define MATRIX TN_SHAPE(-1, -1)

static tn_graph *graph(void)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node a = tn_placeholder(b, "a", TN_FLOAT, MATRIX), c = tn_placeholder(b, "b", TN_FLOAT, MATRIX);
    tn_op_named(b, "MatMul", "prod", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "sum", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_node s = tn_placeholder(b, "s", TN_STRING, TN_SHAPE(-1));
    tn_named(b, "length", tn_cast_to(b, tn_op(b, "StringLength", TN_INPUTS(s), TN_NO_ATTRS), TN_FLOAT));
    tn_op_named(b, "ExpandDims", "classes", TN_INPUTS(s, tn_scalar(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_builder_free(b);
    return g;
}

tn_code tn_fuzz_save_model(const char *folder, tn_error *err)
{
    static const tn_tensor_info ab[] = {{.key = "a", .name = "a:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}},
                                        {.key = "b", .name = "b:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}}};
    static const tn_tensor_info both[] = {{.key = "prod", .name = "prod:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}},
                                          {.key = "sum", .name = "sum:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}}};
    static const tn_tensor_info s = {.key = "inputs", .name = "s:0", .dtype = TN_STRING, .shape = {1, {-1}}};
    static const tn_tensor_info length = {.key = "outputs", .name = "length:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_tensor_info classes = {.key = "classes", .name = "classes:0", .dtype = TN_STRING, .shape = {2, {-1, 1}}};
    static const tn_signature signatures[] = {
        {"c", "tensorflow/serving/classify", &s, &classes, 1, 1},
        {"r", "tensorflow/serving/regress", &s, &length, 1, 1},
        {"serving_default", TN_PREDICT_METHOD, ab, both, 2, 2},
    };
    tn_graph *g = graph();
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = 3};
    tn_session *session = NULL;
    tn_code code = tn_session_new(g, NULL, &session, err);
    if (code == TN_OK) code = tn_savedmodel_save(folder, -1, &e, session, NULL, err);
    tn_session_free(session);
    tn_graph_free(g);
    return code;
}

tn_servable *tn_fuzz_load_model(const char *folder)
{
    tn_servable *s;
    tn_error err;
    tn_servable_options o = {.model = "m", .path = folder, .version = 1, .session.memory_limit = 1 << 26};
    if (tn_fuzz_save_model(folder, &err) != TN_OK || tn_servable_load(&o, &s, &err) != TN_OK) __builtin_trap();
    return s;
}
