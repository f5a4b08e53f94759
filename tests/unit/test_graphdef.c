/* SPDX-License-Identifier: Apache-2.0
 *
 * test_graphdef.c - GraphDef in and out: order, loops, functions, operators we do not have, attributes,
 * every form of a constant, and what is refused.
 */
#include "format/graphdef.h"
#include "place.h"

static tn_code parse(const char *text, tn_graph **out, tn_error *err)
{
    tn_GraphDef *def;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_PARSE(GraphDef, tn_view_of(text), a, &def, err);
    tn_graph *g = code == TN_OK ? tn_graph_new() : NULL;
    if (code == TN_OK && !g) code = tn_no_memory(err, 0);
    if (g) code = tn_graphdef_import(def, NULL, g, err);
    tn_arena_free(a);
    if (code == TN_OK)
        *out = g;
    else
        tn_graph_free(g);
    return code;
}

static tn_graph *parsed(const char *text)
{
    tn_graph *g = NULL;
    tn_error err;
    assert_ok(parse(text, &g, &err), &err);
    return g;
}

static tn_buf encoded(const tn_graph *g)
{
    tn_buf b = {0};
    tn_error err;
    assert_ok(tn_graphdef_encode(g, &b, &err), &err);
    return b;
}

/* Out and in and out again: the same bytes. */
static void check_round_trip(const tn_graph *g)
{
    tn_graph *again;
    tn_error err;
    tn_buf a = encoded(g);
    assert_ok(tn_graphdef_decode((tn_view){a.data, a.n}, &again, &err), &err);
    tn_buf b = encoded(again);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.data, b.data, a.n);
    tn_buf_free(&a);
    tn_buf_free(&b);
    tn_graph_free(again);
}

#define FLOAT "attr { key: 'dtype' value { type: DT_FLOAT } } "
#define T_FLOAT "attr { key: 'T' value { type: DT_FLOAT } } "
#define PLACEHOLDER(name) "node { name: '" name "' op: 'Placeholder' " FLOAT "} "

/* ---- order, names, loops ---- */

static void test_any_order(void **state)
{
    (void)state;
    tn_graph *g = parsed("node { name: 'z' op: 'AddV2' input: 'y' input: 'x' input: '^n' " T_FLOAT "} "
                         "node { name: 'n' op: 'NoOp' } "
                         "node { name: 'y' op: 'Identity' input: 'x:0' device: '/cpu:0' " T_FLOAT
                         "} " PLACEHOLDER("x"));
    assert_int_equal(tn_graph_count(g), 4);
    const tn_operation *z = tn_graph_operation(g, "z");
    assert_string_equal(z->in[0].op->name, "y");
    assert_string_equal(z->in[1].op->name, "x");
    assert_int_equal(z->n_control, 1);
    assert_string_equal(tn_graph_operation(g, "y")->device, "/cpu:0");
    check_round_trip(g);
    tn_graph_free(g);
    g = parsed(PLACEHOLDER("b") PLACEHOLDER("a") PLACEHOLDER("c"));
    assert_string_equal(tn_graph_at(g, 0)->name, "b"); /* as in the file, when it can be */
    assert_string_equal(tn_graph_at(g, 2)->name, "c");
    tn_graph_free(g);
}

static void test_loop(void **state)
{
    (void)state;
    tn_graph *g =
        parsed(PLACEHOLDER("x") "node { name: 'enter' op: 'Enter' input: 'x' " T_FLOAT
                                "attr { key: 'frame_name' value { s: 'f' } } } "
                                "node { name: 'merge' op: 'Merge' input: 'enter' input: 'next' " T_FLOAT
                                "attr { key: 'N' value { i: 2 } } } "
                                "node { name: 'next' op: 'NextIteration' input: 'merge' " T_FLOAT "} ");
    const tn_operation *merge = tn_graph_operation(g, "merge");
    assert_string_equal(merge->in[1].op->name, "next");
    check_round_trip(g);
    tn_graph_free(g);
}

static void test_prefix(void **state)
{
    (void)state;
    tn_GraphDef *def;
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    tn_graph *g = tn_graph_new();
    const char *text = PLACEHOLDER("x") "node { name: 'y' op: 'Identity' input: 'x' " T_FLOAT
                                        "attr { key: '_class' value { list { s: 'loc:@x' s: 'other' } } } }";
    assert_ok(TN_PARSE(GraphDef, tn_view_of(text), a, &def, &err), &err);
    assert_ok(tn_graphdef_import(def, "a/b", g, &err), &err);
    assert_ok(tn_graphdef_import(def, NULL, g, &err), &err);
    assert_code(tn_graphdef_import(def, "", g, &err), TN_ALREADY_EXISTS);
    const tn_operation *y = tn_graph_operation(g, "a/b/y");
    assert_string_equal(y->in[0].op->name, "a/b/x");
    const tn_attr *c = tn_attr_find(&y->attrs, "_class");
    assert_int_equal(c->ss[0].n, 10);
    assert_memory_equal(c->ss[0].p, "loc:@a/b/x", 10);
    tn_graph_free(g);
    tn_arena_free(a);
}

/* A function whose type is its callers': each type has a function of its own, calls of one type share it. */
#define T_OPEN "attr { key: 'T' value { placeholder: 'T' } } "
#define TWICE                                                                                                              \
    "function { signature { name: 'twice' input_arg { name: 'a' type_attr: 'T' } output_arg { name: 'b' type_attr: 'T' } "  \
    "attr { name: 'T' type: 'type' default_value { type: DT_FLOAT } } } "                                                  \
    "node_def { name: 's' op: 'AddV2' input: 'a' input: 'a' " T_OPEN "} ret { key: 'b' value: 's:z:0' } } "
#define OUTER                                                                                                              \
    "function { signature { name: 'outer' input_arg { name: 'a' type_attr: 'T' } output_arg { name: 'b' type_attr: 'T' } "  \
    "attr { name: 'T' type: 'type' } } "                                                                                   \
    "node_def { name: 's' op: 'twice' input: 'a' " T_OPEN "} ret { key: 'b' value: 's:b:0' } } "
#define CALL(name, f)                                                                                                      \
    "node { name: '" name "' op: 'PartitionedCall' input: 'x' attr { key: 'Tin' value { list { type: DT_FLOAT } } } "       \
    "attr { key: 'Tout' value { list { type: DT_FLOAT } } } attr { key: 'f' value { func { name: '" f "' "                  \
    "attr { key: 'T' value { type: DT_FLOAT } } } } } } "

static void test_polymorphic(void **state)
{
    (void)state;
    tn_graph *g = parsed(PLACEHOLDER("x") CALL("y", "outer") CALL("z", "twice") "node { name: 'w' op: 'twice' input: 'x' } "
                         "node { name: 'n' op: 'Const' attr { key: 'dtype' value { type: DT_INT32 } } attr { key: 'value' "
                         "value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 4 } } } } "
                         "node { name: 'i' op: 'twice' input: 'n' attr { key: 'T' value { type: DT_INT32 } } } "
                         "library { " TWICE OUTER "} ");
    assert_string_equal(tn_attr_get_func(&tn_graph_operation(g, "y")->attrs, "f")->name, "outer_1");
    const char *twice = tn_attr_get_func(&tn_graph_operation(g, "z")->attrs, "f")->name;
    assert_string_equal(tn_graph_operation(g, "w")->type, twice);
    assert_string_not_equal(tn_graph_operation(g, "i")->type, twice);
    assert_int_equal(tn_graph_operation(g, "i")->out[0].dtype, TN_INT32);
    assert_int_equal(tn_graph_operation(g, "w")->out[0].dtype, TN_FLOAT);
    assert_null(tn_graph_function(g, "twice"));
    check_round_trip(g);
    tn_graph_free(g);
}

/* Each instance would need another, larger one. */
static void test_polymorphic_without_end(void **state)
{
    (void)state;
    tn_graph *g;
    tn_error err;
    assert_int_not_equal(
        parse("node { name: 'y' op: 'f' attr { key: 'g' value { func { name: 'x' } } } } "
              "library { function { signature { name: 'f' attr { name: 'g' type: 'func' } } "
              "node_def { name: 's' op: 'f' attr { key: 'g' value { func { name: 'x' attr { key: 'p' value { placeholder: "
              "'g' } } attr { key: 'q' value { placeholder: 'g' } } } } } } "
              "node_def { name: 't' op: 'NoOp' attr { key: '_h' value { placeholder: 'g' } } } } }",
              &g, &err),
        TN_OK);
}

/* ---- what we do not have ---- */

static void test_unknown_operators(void **state)
{
    (void)state;
    tn_graph *g =
        parsed(PLACEHOLDER("x") "node { name: 'u' op: 'NoSuchOp' input: 'x' attr { key: 'k' value { i: 5 } } "
                                "attr { key: '_output_shapes' value "
                                "{ list { shape { dim { size: 3 } } shape { unknown_rank: true } } } } } "
                                "node { name: 'y' op: 'Identity' input: 'u:3' " T_FLOAT
                                "} node { name: 'w' op: 'NoSuchSink' input: 'y' } ");
    const tn_operation *u = tn_graph_operation(g, "u");
    assert_null(u->def);
    assert_int_equal(u->n_out, 4);
    assert_true(tn_shape_equal(&u->out[0].shape, &TN_SHAPE(3)));
    int64_t k = 0;
    assert_true(tn_attr_get_int(&u->attrs, "k", &k) && k == 5);
    assert_int_equal(tn_graph_operation(g, "w")->n_out, 1); /* it may be fetched */
    check_round_trip(g);
    tn_graph_free(g);
}

#define FUNCTION                                                                                           \
    "library { function { signature { name: 'f' input_arg { name: 'a' type: DT_FLOAT } "                   \
    "output_arg { name: 'r' type: DT_FLOAT } output_arg { name: 's' type: DT_FLOAT } control_output: 'c' " \
    "is_stateful: true } "                                                                                 \
    "node_def { name: 'sum' op: 'AddV2' input: 'u:right:1' input: 'u:left:0' " T_FLOAT "} "                \
    "node_def { name: 'u' op: 'NoSuchOp' input: 'a' } node_def { name: 'n' op: 'NoOp' input: '^u' } "      \
    "ret { key: 'r' value: 'sum:z:0' } ret { key: 's' value: 'u:other:0' } control_ret { key: 'c' value: " \
    "'n' } "                                                                                               \
    "attr { key: '_mark' value { s: 'm' } } arg_attr { key: 0 value { attr { key: '_user_specified_name' " \
    "value { s: 'A' } } } } "                                                                              \
    "resource_arg_unique_id { key: 0 value: 7 } } gradient { function_name: 'f' gradient_func: 'f' } } "

static void test_function(void **state)
{
    (void)state;
    tn_graph *g =
        parsed(FUNCTION PLACEHOLDER("x") "node { name: 'call' op: 'f' input: 'x' } "
                                         "node { name: 'y' op: 'Identity' input: 'call:1' " T_FLOAT "} ");
    const tn_function *f = tn_graph_function(g, "f");
    assert_int_equal(f->n_args * 100 + f->n_rets * 10 + f->n_control_rets, 121);
    assert_true(f->stateful);
    assert_string_equal(f->grad, "f");
    assert_string_equal(f->rets[1].op->name, "u");
    assert_int_equal(tn_node_dtype(f->rets[1]), TN_FLOAT); /* as the signature says */
    assert_int_equal(tn_graph_operation(f->body, "u")->n_out, 3);
    assert_int_equal(tn_graph_operation(g, "call")->n_out, 2);
    assert_int_equal(tn_node_dtype((tn_node){tn_graph_operation(g, "call"), 1}), TN_FLOAT);
    assert_true(tn_attr_is(&f->args[0]->attrs, "_user_specified_name", "A"));
    tn_buf b = {0};
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    tn_GraphDef *def;
    assert_ok(tn_graphdef_export(g, a, &def, &err), &err);
    assert_ok(TN_PRINT(GraphDef, def, &b, &err), &err);
    static const char *const kept[] = {"\"u:right:1\"",
                                       "\"u:left:0\"",
                                       "\"sum:z:0\"",
                                       "\"_mark\"",
                                       "\"_user_specified_name\"",
                                       "resource_arg_unique_id",
                                       "gradient_func",
                                       "control_output: \"c\"",
                                       "is_stateful: true"};
    for (size_t i = 0; i < TN_COUNT(kept); i++)
        if (!strstr(b.data, kept[i])) fail_msg("%s is lost in:\n%s", kept[i], b.data);
    assert_null(strstr(b.data, TN_OUTPUT_NAMES));
    check_round_trip(g);
    assert_ok(tn_graphdef_import(def, "again", g, &err), &err); /* the same function once more */
    def->library->function.items[0].signature->is_stateful = false;
    assert_code(tn_graphdef_import(def, "third", g, &err), TN_ALREADY_EXISTS); /* another of its name */
    tn_buf_free(&b);
    tn_arena_free(a);
    tn_graph_free(g);
}

/* Called before it is defined; calling itself. */
static void test_functions_in_any_order(void **state)
{
    (void)state;
    tn_graph *g = parsed("library { function { signature { name: 'outer' input_arg { name: 'a' type: "
                         "DT_FLOAT } output_arg { name: "
                         "'r' type: DT_FLOAT } } node_def { name: 'c' op: 'PartitionedCall' input: 'a' attr "
                         "{ key: 'f' value { func { name: "
                         "'inner' } } } attr { key: 'Tin' value { list { type: DT_FLOAT } } } attr { key: "
                         "'Tout' value { list { type: DT_FLOAT "
                         "} } } } ret { key: 'r' value: 'c:output:0' } } function { signature { name: "
                         "'inner' input_arg { name: 'a' type: "
                         "DT_FLOAT } output_arg { name: 'r' type: DT_FLOAT } } node_def { name: 'c' op: "
                         "'NoSuchOp' attr { key: 'f' value { func "
                         "{ name: 'inner' } } } } ret { key: 'r' value: 'a' } } }");
    assert_string_equal(tn_graph_function_at(g, 0)->name, "inner");
    assert_int_equal(tn_graph_function_count(g), 2);
    check_round_trip(g);
    tn_graph_free(g);
}

static void test_built_graph(void **state)
{
    tn_error err;
    tn_graph *g = tn_graph_new(), *again;
    tn_builder *b = tn_builder_new(g), *body = tn_builder_new(tn_graph_new_body(g)),
               *cond = tn_builder_new(tn_graph_new_body(g));
    tn_node i = tn_function_arg(body, "i", TN_FLOAT, TN_SHAPE());
    tn_node r = tn_op(body, "Mul", TN_INPUTS(i, tn_scalar(body, TN_FLOAT, 2)), TN_NO_ATTRS);
    tn_function_define(b, "double", body, &r, 1);
    tn_node c =
        tn_op(cond, "Less",
              TN_INPUTS(tn_function_arg(cond, "i", TN_FLOAT, TN_SHAPE()), tn_scalar(cond, TN_FLOAT, 100)),
              TN_NO_ATTRS);
    tn_function_define(b, "small", cond, &c, 1);
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE());
    tn_while(b, "small", "double", &x, 1);
    assert_ok(tn_builder_check(b, &err), &err);
    check_round_trip(g);
    static const char *const files[] = {"g.pb", "g.pbtxt"};
    for (int k = 0; k < 2; k++) {
        tn_buf a = encoded(g), z;
        assert_ok(tn_graphdef_save(g, in(state, files[k]), &err), &err);
        assert_ok(tn_graphdef_load(in(state, files[k]), &again, &err), &err);
        z = encoded(again);
        assert_int_equal(a.n, z.n);
        assert_memory_equal(a.data, z.data, a.n);
        tn_buf_free(&a);
        tn_buf_free(&z);
        tn_graph_free(again);
    }
    tn_builder_free(b);
    tn_builder_free(body);
    tn_builder_free(cond);
    tn_graph_free(g);
}

static void test_tensorflows(void **state)
{
    static const char *const files[] = {"models/gru_recommender_cf1/saver/m.meta",
                                        "models/train_conv_adam/saver/model.ckpt.meta"};
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        tn_metagraph *m;
        tn_error err;
        assert_ok(tn_metagraph_load(golden(state, files[i]), &m, &err), &err);
        assert_true(tn_graph_count(m->graph) > 500 && tn_graph_variable_count(m->graph) > 30);
        assert_true(tn_collection_count(m->graph, TN_TRAINABLE_VARIABLES) >= 4);
        check_round_trip(m->graph);
        tn_metagraph_free(m);
    }
}

/* ---- what is refused ---- */

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"node { name: 'y' op: 'Identity' input: 'x' " T_FLOAT "}", "'x'"},
        {PLACEHOLDER("x") PLACEHOLDER("x"), "two nodes 'x'"},
        {"node { name: '' op: 'NoOp' }", "the name ''"},
        {"node { name: '^a' op: 'NoOp' }", "^a"},
        {"node { name: 'a' op: 'NoOp' input: '^b' } node { name: 'b' op: 'NoOp' input: '^a' }", "cycle"},
        {PLACEHOLDER("x") "node { name: 'y' op: 'Identity' input: 'x:1' " T_FLOAT "}", "no output"},
        {PLACEHOLDER("x") "node { name: 'y' op: 'Identity' input: 'x:99999999' " T_FLOAT "}", "malformed"},
        {PLACEHOLDER("x") "node { name: 'y' op: 'Identity' input: 'x:' " T_FLOAT "}", "malformed"},
        {PLACEHOLDER("x") "node { name: 'y' op: 'NoSuchOp' input: '^x' input: 'x' }", "follows a control input"},
        {"node { name: 'y' op: 'NoSuchOp' attr { key: 'k' value { list { i: 1 f: 2 } } } }", "mixed"},
        {"node { name: 'y' op: 'NoSuchOp' attr { key: 'k' value { shape { dim { size: -2 } } } } }", "-2"},
        {"library { function { } }", "no name"},
        {"library { function { signature { name: 'f' } } function { signature { name: 'f' } } }", "two functions 'f'"},
        {"library { function { signature { name: 'f' output_arg { name: 'r' type: DT_FLOAT } } } }", "result 'r'"},
        {"library { function { signature { name: 'f' } control_ret { key: 'c' value: 'n' } } }", "'n'"},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        tn_graph *g;
        assert_code(parse(cases[i].text, &g, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, cases[i].says);
        assert_code(parse(cases[i].text, &g, NULL) == TN_OK, false);
    }
    tn_error err;
    tn_graph *g;
    assert_code(parse("versions { min_consumer: 99999 }", &g, &err), TN_UNIMPLEMENTED);
    assert_code(
        parse("library { function { signature { name: 'f' input_arg { name: 'a' type_attr: 'T' } } } }", &g,
              &err),
        TN_UNIMPLEMENTED);
    assert_code(
        parse("node { name: 'y' op: 'NoSuchOp' attr { key: 'k' value { placeholder: 'T' } } }", &g, &err),
        TN_UNIMPLEMENTED);
    assert_code(tn_graphdef_load("/nonexistent.pb", &g, &err), TN_NOT_FOUND);
}

static void test_no_memory(void **state)
{
    (void)state;
    const char *text = FUNCTION PLACEHOLDER(
        "x") "node { name: 'call' op: 'f' input: 'x' attr { key: 'l' value { func { name: "
             "'f' attr { key: 'a' value { tensor { dtype: DT_INT32 int_val: 1 } } } } } } attr { key: 'm' "
             "value { "
             "list { tensor { dtype: DT_STRING string_val: 'abc' } tensor { dtype: DT_INT32 int_val: 1 } } } "
             "} }";
    tn_graph *g;
    for (int n = 1;; n++) {
        tn_malloc_fail_at(n);
        tn_code code = parse(text, &g, NULL);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_true(code == TN_RESOURCE_EXHAUSTED || code == TN_UNKNOWN);
    }
    tn_graph_free(g);
}

/* ---- constants ---- */

static tn_code constant(const char *text, size_t limit, tn_tensor **out, tn_error *err)
{
    tn_TensorProto *p;
    tn_arena *a = tn_arena_new(0);
    tn_code code = TN_PARSE(TensorProto, tn_view_of(text), a, &p, err);
    if (code == TN_OK) code = tn_tensor_from_proto(p, limit, out, err);
    tn_arena_free(a);
    return code;
}

static void test_constants(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n;
        double first, last;
    } cases[] = {
        {"dtype: DT_FLOAT float_val: 1.5", 1, 1.5, 1.5},
        {"dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: 1 float_val: 2", 3, 1,
         2}, /* the last repeats */
        {"dtype: DT_FLOAT tensor_shape { dim { size: 3 } }", 3, 0, 0},
        {"dtype: DT_INT32 tensor_shape { dim { size: 2 } } tensor_content: "
         "'\\001\\000\\000\\000\\002\\000\\000\\000'",
         2, 1, 2},
        {"dtype: DT_HALF tensor_shape { dim { size: 2 } } half_val: 15360 half_val: 16384", 2, 1, 2},
        {"dtype: DT_BFLOAT16 half_val: 16256", 1, 1, 1},
        {"dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: 7 int_val: 255", 2, 7, 255},
        {"dtype: DT_INT8 int_val: -3", 1, -3, -3},
        {"dtype: DT_INT16 int_val: -300", 1, -300, -300},
        {"dtype: DT_INT64 int64_val: -5", 1, -5, -5},
        {"dtype: DT_UINT32 uint32_val: 5", 1, 5, 5},
        {"dtype: DT_UINT64 uint64_val: 6", 1, 6, 6},
        {"dtype: DT_DOUBLE double_val: 0.25", 1, .25, .25},
        {"dtype: DT_BOOL tensor_shape { dim { size: 2 } } tensor_content: '\\000\\007'", 2, 0, 1},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_tensor *t;
        tn_error err;
        assert_ok(constant(cases[i].text, 0, &t, &err), &err);
        assert_int_equal(tn_tensor_count(t), cases[i].n);
        assert_true(tn_tensor_number(t, 0) == cases[i].first &&
                    tn_tensor_number(t, cases[i].n - 1) == cases[i].last);
        tn_tensor_unref(t);
    }
    static const struct {
        const char *text;
        uint8_t bytes[2];
    } small[] = { /* of a byte that holds four bits there is one form */
        {"dtype: DT_INT4 tensor_shape { dim { size: 2 } } tensor_content: '\\017\\021'", {255, 1}},
        {"dtype: DT_INT4 tensor_shape { dim { size: 2 } } int_val: 15 int_val: -8", {255, 248}},
        {"dtype: DT_UINT4 tensor_shape { dim { size: 2 } } int_val: -1 int_val: 3", {15, 3}},
    };
    for (size_t i = 0; i < TN_COUNT(small); i++) {
        tn_tensor *t;
        tn_error err;
        assert_ok(constant(small[i].text, 0, &t, &err), &err);
        assert_memory_equal(t->data, small[i].bytes, 2);
        tn_tensor_unref(t);
    }
    tn_tensor *t;
    tn_error err;
    assert_ok(constant("dtype: DT_COMPLEX64 scomplex_val: 1 scomplex_val: -2", 0, &t, &err), &err);
    assert_true(TN_FLOATS(t)[1] == -2);
    tn_tensor_unref(t);
    assert_ok(constant("dtype: DT_STRING tensor_shape { dim { size: 3 } } string_val: 'a' string_val: 'bc'",
                       0, &t, &err),
              &err);
    assert_int_equal(TN_STRINGS(t)[2].n, 2);
    tn_tensor_unref(t);
    assert_ok(constant("dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\002xyz'", 0,
                       &t, &err),
              &err);
    assert_memory_equal(TN_STRINGS(t)[1].p, "yz", 2);
    tn_tensor_unref(t);
}

static void test_bad_constants(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tn_code code;
    } cases[] = {
        {"dtype: DT_FLOAT tensor_content: 'abc'", TN_INVALID_ARGUMENT},
        {"dtype: DT_FLOAT tensor_shape { dim { size: -1 } }", TN_INVALID_ARGUMENT},
        {"dtype: DT_FLOAT tensor_shape { unknown_rank: true }", TN_INVALID_ARGUMENT},
        {"dtype: DT_FLOAT tensor_shape { dim { size: 9223372036854775807 } dim { size: 4 } }", TN_INVALID_ARGUMENT},
        {"dtype: DT_FLOAT tensor_shape { dim { size: 1000000000000 } } float_val: 1", TN_RESOURCE_EXHAUSTED},
        {"dtype: DT_STRING tensor_shape { dim { size: 1000000000000 } } string_val: 'a'", TN_RESOURCE_EXHAUSTED},
        {"dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\005xyz'", TN_INVALID_ARGUMENT},
        {"dtype: DT_STRING tensor_shape { dim { size: 9 } } tensor_content: '\\001x'", TN_INVALID_ARGUMENT},
        {"dtype: DT_RESOURCE", TN_UNIMPLEMENTED},
        {"float_val: 1", TN_UNIMPLEMENTED},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_tensor *t;
        assert_code(constant(cases[i].text, 0, &t, NULL), cases[i].code);
    }
    tn_tensor *t;
    assert_code(constant("dtype: DT_FLOAT tensor_shape { dim { size: 100 } } float_val: 1", 399, &t, NULL),
                TN_RESOURCE_EXHAUSTED);
}

/* ---- functions that nothing calls ---- */

#define MEMBER(name, node) "function { signature { name: '" name "' } " node " }"
#define CALLS(name) "node_def { name: 'c' op: 'PartitionedCall' attr { key: 'f' value { func { name: '" name "' } } } }"
#define CASE_OF(a, b) "node_def { name: 'c' op: 'Case' attr { key: 'branches' value { list { func { name: '" a "' } " \
                    "func { name: '" b "' } } } } }"

static void test_keep_called(void **state)
{
    (void)state;
    static const char text[] =
        "node { name: 'n' op: 'PartitionedCall' attr { key: 'f' value { func { name: 'a' } } } } "
        "node { name: 'm' op: 'byname' } library { " MEMBER("unused", CALLS("a")) MEMBER("a", CASE_OF("b", "c"))
        MEMBER("itself", CALLS("itself")) MEMBER("b", CALLS("a")) MEMBER("c", CALLS("elsewhere"))
        MEMBER("byname", "") MEMBER("also", CALLS("unused"))
        "gradient { function_name: 'a' gradient_func: 'b' } gradient { function_name: 'a' gradient_func: 'unused' } "
        "gradient { function_name: 'also' gradient_func: 'a' } }";
    static const char *const kept[] = {"a", "b", "c", "byname"};
    tn_error err;
    tn_GraphDef *def, none = {0};
    tn_arena *a = tn_arena_new(0);
    assert_ok(TN_PARSE(GraphDef, tn_view_of(text), a, &def, &err), &err);
    assert_ok(tn_library_keep_called(def, &err), &err);
    assert_int_equal(def->library->function.n, TN_COUNT(kept));
    for (uint32_t i = 0; i < TN_COUNT(kept); i++)
        assert_true(tn_view_is(def->library->function.items[i].signature->name, kept[i]));
    assert_int_equal(def->library->gradient.n, 1);
    assert_true(tn_view_is(def->library->gradient.items[0].gradient_func, "b"));
    assert_ok(tn_library_keep_called(&none, &err), &err);
    tn_arena_free(a);
}

/* ---- functions that implement the same ---- */

#define IMPLEMENTS(what, device)                         \
    "attr { key: 'api_implements' value { s: '" what "' } } " \
    "attr { key: 'api_preferred_device' value { s: '" device "' } } "
#define GIVES(name, type, attrs)                                                                                  \
    "function { signature { name: '" name "' output_arg { name: 'r' type: " type " } } node_def { name: 'c' op: " \
    "'Placeholder' attr { key: 'dtype' value { type: " type " } } } ret { key: 'r' value: 'c:output:0' } " attrs "} "

static void test_implementations(void **state)
{
    (void)state;
    static const char text[] =
        "node { name: 'n' op: 'PartitionedCall' " IMPLEMENTS("x", "GPU") "attr { key: 'f' value { func { name: 'a' } } } "
        "attr { key: 'Tin' value { list { } } } attr { key: 'Tout' value { list { type: DT_FLOAT } } } } library { "
        GIVES("a", "DT_FLOAT", IMPLEMENTS("x", "")) GIVES("gpu", "DT_FLOAT", IMPLEMENTS("x", "GPU"))
        GIVES("cpu", "DT_FLOAT", IMPLEMENTS("x", "CPU")) GIVES("other", "DT_FLOAT", IMPLEMENTS("y", "CPU"))
        GIVES("int", "DT_INT32", IMPLEMENTS("y", "GPU")) GIVES("plain", "DT_FLOAT", "")
        GIVES("half", "DT_FLOAT", IMPLEMENTS("x", "") "attr { key: 'forward_function_name' value { s: 'a' } } ")
        GIVES("forward", "DT_FLOAT", IMPLEMENTS("x", "CPU") "attr { key: 'backward_function_name' value { s: 'half' } } ") "} ";
    static const char *const runs[][2] = {{"a", "cpu"}, {"gpu", "cpu"}, {"cpu", "cpu"}, {"other", "other"}, {"int", "int"},
                                          {"plain", "plain"}, {"half", "half"}, {"absent", "absent"}};
    tn_error err;
    tn_GraphDef *def;
    tn_graph *g = parsed(text);
    for (size_t i = 0; i < TN_COUNT(runs); i++) assert_string_equal(tn_graph_implementation(g, runs[i][0]), runs[i][1]);
    tn_map *kept = tn_map_new();
    assert_true(tn_map_put(kept, "a", g));
    tn_graph_keep_functions(g, kept);
    assert_string_equal(tn_graph_implementation(g, "a"), "a");
    tn_map_free(kept);
    tn_graph_free(g);

    tn_arena *a = tn_arena_new(0);
    assert_ok(TN_PARSE(GraphDef, tn_view_of(text), a, &def, &err), &err);
    assert_ok(tn_library_keep_called(def, &err), &err);
    assert_int_equal(def->library->function.n, 2);
    assert_true(tn_view_is(def->library->function.items[1].signature->name, "cpu"));
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keep_called),       TEST(test_implementations),
        TEST(test_any_order),         TEST(test_loop),        TEST(test_prefix), TEST(test_polymorphic), TEST(test_polymorphic_without_end),
        TEST(test_unknown_operators), TEST(test_function),    TEST(test_functions_in_any_order),
        TEST(test_built_graph),       TEST(test_tensorflows), TEST(test_refuses),
        TEST(test_no_memory),         TEST(test_constants),   TEST(test_bad_constants),
    };
    return cmocka_run_group_tests_name("graphdef", tests, NULL, NULL);
}
