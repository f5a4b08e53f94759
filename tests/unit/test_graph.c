/* SPDX-License-Identifier: Apache-2.0
 *
 * test_graph.c - graphs below the builder: adding, completing attributes, refusing, collections, functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "graph/op.h"

static tn_operation *add(tn_graph *g, const char *type, const char *name, const tn_node *in, int n_in,
                         const tn_attr *attrs, int n_attrs)
{
    tn_operation_spec spec = {
        .type = type, .name = name, .in = in, .n_in = n_in, .attrs = attrs, .n_attrs = n_attrs};
    tn_operation *op = NULL;
    tn_error err;
    if (tn_graph_add(g, &spec, &op, &err)) fail_msg("%s", err.message);
    return op;
}

static tn_code refused(tn_graph *g, const char *type, const char *name, const tn_node *in, int n_in,
                       const tn_attr *attrs, int n_attrs, const char *word)
{
    tn_operation_spec spec = {
        .type = type, .name = name, .in = in, .n_in = n_in, .attrs = attrs, .n_attrs = n_attrs};
    tn_error err = {TN_OK, ""};
    int count = tn_graph_count(g);
    tn_code code = tn_graph_add(g, &spec, NULL, &err);
    if (!strstr(err.message, word)) fail_msg("\"%s\" lacks \"%s\"", err.message, word);
    assert_int_equal(tn_graph_count(g), count);
    return code;
}

static tn_operation *placeholder(tn_graph *g, const char *name, tn_dtype t, tn_shape shape)
{
    return add(g, "Placeholder", name, TN_NO_INPUTS,
               TN_ATTRS(tn_attr_type("dtype", t), tn_attr_shape("shape", shape)));
}

static void attributes_follow_from_inputs(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(-1, 3)), 0},
            y = {placeholder(g, "y", TN_INT32, TN_SHAPE()), 0};
    tn_operation *i = add(g, "Identity", "i", TN_INPUTS(x), TN_NO_ATTRS);
    assert_int_equal(tn_attr_t(&i->attrs, "T"), TN_FLOAT);
    assert_int_equal(tn_node_dtype(tn_output_of(i, 0)), TN_FLOAT);
    tn_shape s = tn_node_shape(tn_output_of(i, 0));
    assert_int_equal(s.rank, 2);
    assert_int_equal(s.dim[1], 3);
    tn_operation *n = add(g, "IdentityN", "n", TN_INPUTS(x, y, x), TN_NO_ATTRS);
    assert_int_equal(tn_operation_outputs(n), 3);
    assert_int_equal(tn_node_dtype(tn_output_of(n, 1)), TN_INT32);
    assert_int_equal(tn_attr_find(&n->attrs, "T")->n, 3);
    tn_operation *m = add(g, "Merge", "m", TN_INPUTS(x, x), TN_NO_ATTRS);
    assert_int_equal(tn_attr_i(&m->attrs, "N"), 2);
    assert_int_equal(tn_node_dtype(tn_output_of(m, 1)), TN_INT32);
    tn_operation *e = add(g, "Enter", "e", TN_INPUTS(x), TN_ATTRS(tn_attr_str("frame_name", "f")));
    assert_int_equal(tn_attr_i(&e->attrs, "parallel_iterations"), 10); /* the default */
    assert_false(tn_attr_b(&e->attrs, "is_constant"));
    tn_graph_free(g);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new(), *other = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(2)), 0},
            far = {placeholder(other, "x", TN_FLOAT, TN_SHAPE(2)), 0};
    assert_int_equal(refused(g, "Identity", "x", TN_INPUTS(x), TN_NO_ATTRS, "'x' already"),
                     TN_ALREADY_EXISTS);
    refused(g, "Identity", "i", TN_NO_INPUTS, TN_NO_ATTRS, "0 inputs");
    refused(g, "Identity", "i", TN_INPUTS(x, x), TN_NO_ATTRS, "2 inputs");
    refused(g, "Identity", "i", TN_INPUTS(far), TN_NO_ATTRS, "another graph");
    refused(g, "Identity", "i", TN_INPUTS(tn_output_of(x.op, 1)), TN_NO_ATTRS, "output 1 of 'x'");
    refused(g, "Identity", "i", TN_INPUTS(tn_output_of(x.op, -1)), TN_NO_ATTRS, "output -1");
    refused(g, "Identity", "i", TN_INPUTS(tn_output_of(NULL, 0)), TN_NO_ATTRS, "no value");
    refused(g, "Identity", "i", TN_INPUTS(x), TN_ATTRS(tn_attr_type("T", TN_INT32)),
            "expected type of int32");
    refused(g, "Identity", "i", TN_INPUTS(x), TN_ATTRS(tn_attr_int("T", 1)), "type 'int' when 'type'");
    refused(g, "Identity", "i", TN_INPUTS(x), TN_ATTRS(tn_attr_int("extra", 1)), "attr 'extra'");
    refused(g, "Placeholder", "p", TN_NO_INPUTS, TN_NO_ATTRS, "missing attr 'dtype'");
    refused(g, "Placeholder", "p", TN_NO_INPUTS, TN_ATTRS(tn_attr_type("dtype", (tn_dtype)77)),
            "allowed values");
    refused(g, "LoopCond", "l", TN_INPUTS(x), TN_NO_ATTRS, "expected type of bool");
    refused(g, "RefEnter", "r", TN_INPUTS(x), TN_ATTRS(tn_attr_str("frame_name", "f")), "reference");
    refused(g, "_Arg", "a", TN_NO_INPUTS, TN_ATTRS(tn_attr_type("T", TN_FLOAT), tn_attr_int("index", -1)),
            "minimum 0");
    refused(g, "IdentityN", "n", TN_NO_INPUTS, TN_NO_ATTRS, "at least minimum 1");
    refused(g, "Merge", "m", TN_INPUTS(x), TN_ATTRS(tn_attr_int("N", 1000000)), "1 inputs");
    refused(g, "Merge", "m", TN_INPUTS(x), TN_ATTRS(tn_attr_int("N", -3)), "minimum");
    refused(g, "", "t", TN_NO_INPUTS, TN_NO_ATTRS, "no type");
    refused(g, "NoOp", "", TN_NO_INPUTS, TN_NO_ATTRS, "without a name");
    tn_graph_free(g);
    tn_graph_free(other);
}

static void constants_know_their_value(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_tensor *t = NULL;
    assert_int_equal(tn_tensor_int64s(TN_INT32, (int64_t[]){2, -1}, 2, &t, NULL), TN_OK);
    tn_operation *c = add(g, "Const", "c", TN_NO_INPUTS,
                          TN_ATTRS(tn_attr_tensor("value", t), tn_attr_type("dtype", TN_INT32)));
    refused(g, "Const", "d", TN_NO_INPUTS,
            TN_ATTRS(tn_attr_tensor("value", t), tn_attr_type("dtype", TN_FLOAT)), "mismatch");
    refused(g, "Const", "d", TN_NO_INPUTS,
            TN_ATTRS(tn_attr_tensor("value", NULL), tn_attr_type("dtype", TN_FLOAT)), "tensor");
    tn_tensor_unref(t);
    tn_operation *i = add(g, "Identity", "i", TN_INPUTS(tn_output_of(c, 0)), TN_NO_ATTRS);
    assert_non_null(i->out[0].value);
    tn_infer look = {.n_in = 1, .in = (const tn_info *const[]){&i->out[0]}};
    tn_shape ints;
    assert_true(tn_infer_ints(&look, 0, &ints));
    assert_int_equal(ints.rank, 2);
    assert_int_equal(ints.dim[0], 2);
    assert_int_equal(ints.dim[1], -1);
    tn_graph_free(g);
}

static void values_by_name(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_error err;
    tn_node n = {NULL, 0};
    placeholder(g, "scope/input", TN_FLOAT, tn_shape_unknown());
    assert_int_equal(tn_graph_value(g, "scope/input:0", &n, &err), TN_OK);
    assert_string_equal(n.op->name, "scope/input");
    assert_int_equal(tn_graph_value(g, "scope/input", &n, &err), TN_OK);
    assert_int_equal(tn_graph_value(g, "scope/inptu", &n, &err), TN_NOT_FOUND);
    assert_non_null(strstr(err.message, "scope/input"));
    assert_int_equal(tn_graph_value(g, "scope/input:1", &n, &err), TN_OUT_OF_RANGE);
    assert_int_equal(tn_graph_value(g, "scope/input:", &n, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_graph_value(g, "scope/input:99999999999999999999", &n, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_graph_value(g, "", &n, &err), TN_NOT_FOUND);
    tn_graph_free(g);
}

static void unknown_operators_are_kept(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(2)), 0};
    tn_shape noted[] = {TN_SHAPE(4)};
    tn_attr attrs[] = {
        tn_attr_int("k", 3),
        {.name = "_output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = 1, .shapes = noted}};
    tn_operation_spec spec = {.type = "Unheard",
                              .name = "u",
                              .in = &x,
                              .n_in = 1,
                              .attrs = attrs,
                              .n_attrs = 2,
                              .n_out = 2,
                              .out_types = (tn_dtype[]){TN_INT64, TN_BOOL},
                              .device = "/gpu:0"};
    tn_operation *op = NULL;
    assert_int_equal(tn_graph_add(g, &spec, &op, NULL), TN_OK);
    assert_null(op->def);
    assert_int_equal(op->n_out, 2);
    assert_int_equal(tn_node_dtype(tn_output_of(op, 1)), TN_BOOL);
    assert_int_equal(tn_node_shape(tn_output_of(op, 0)).dim[0], 4);
    assert_int_equal(tn_node_shape(tn_output_of(op, 1)).rank, -1);
    assert_string_equal(op->device, "/gpu:0");
    spec.name = "v";
    spec.n_out = 1 << 30;
    assert_int_equal(tn_graph_add(g, &spec, &op, NULL), TN_INVALID_ARGUMENT);
    tn_graph_free(g);
}

static void back_edges(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(2)), 0},
            k = {placeholder(g, "k", TN_INT32, TN_SHAPE()), 0};
    tn_operation *m = add(g, "Merge", "m", TN_INPUTS(x, tn_output_of(NULL, 0)), TN_NO_ATTRS);
    assert_int_equal(tn_node_shape(tn_output_of(m, 0)).rank, -1);
    tn_operation *n = add(g, "NextIteration", "n", TN_INPUTS(tn_output_of(m, 0)), TN_NO_ATTRS);
    assert_int_equal(tn_operation_set_input(m, 1, k, NULL), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_operation_set_input(m, 1, tn_output_of(n, 0), NULL), TN_OK);
    assert_ptr_equal(m->in[1].op, n);
    assert_int_equal(tn_operation_set_input(m, 1, tn_output_of(n, 0), NULL),
                     TN_INVALID_ARGUMENT); /* not open any more */
    assert_int_equal(tn_operation_set_input(m, 5, tn_output_of(n, 0), NULL), TN_INVALID_ARGUMENT);
    tn_graph_free(g);
}

static void freezing(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    placeholder(g, "x", TN_FLOAT, TN_SHAPE());
    tn_graph_freeze(g);
    assert_int_equal(refused(g, "NoOp", "n", TN_NO_INPUTS, TN_NO_ATTRS, "frozen"), TN_FAILED_PRECONDITION);
    assert_int_equal(tn_collection_add(g, "c", "x", NULL), TN_FAILED_PRECONDITION);
    tn_graph_free(g);
}

static void collections(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    assert_int_equal(tn_collection_count(g, TN_LOSSES), 0);
    assert_null(tn_collection_at(g, TN_LOSSES, 0));
    for (int i = 0; i < 20; i++)
        assert_int_equal(tn_collection_add(g, TN_LOSSES, i % 2 ? "odd:0" : "even:0", NULL), TN_OK);
    assert_int_equal(tn_collection_count(g, TN_LOSSES), 20);
    assert_string_equal(tn_collection_at(g, TN_LOSSES, 17), "odd:0");
    assert_null(tn_collection_at(g, TN_LOSSES, 20));
    assert_int_equal(tn_collection_add_bytes(g, "savers", (tn_view){"a\0b", 3}, NULL), TN_OK);
    assert_true(tn_collection_is_bytes(g, "savers"));
    assert_false(tn_collection_is_bytes(g, TN_LOSSES));
    assert_int_equal(tn_collection_bytes_at(g, "savers", 0).n, 3);
    assert_null(tn_collection_at(g, "savers", 0));
    assert_int_equal(tn_collection_add(g, "savers", "name", NULL), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_collection_kinds(g), 2);
    assert_string_equal(tn_collection_name(g, 1), "savers");
    tn_graph_free(g);
}

static void appended_outputs_and_inputs(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(2)), 0},
            y = {placeholder(g, "y", TN_BOOL, TN_SHAPE()), 0};
    tn_operation *n = add(g, "IdentityN", "n", TN_INPUTS(x), TN_NO_ATTRS);
    tn_info more = {.dtype = TN_BOOL, .shape = TN_SHAPE(), .bound = -1};
    assert_int_equal(tn_operation_append(n, &more, 1, &y, 1, NULL), TN_OK);
    assert_int_equal(n->n_out, 2);
    assert_int_equal(n->n_in, 2);
    assert_int_equal(tn_node_dtype(tn_output_of(n, 0)), TN_FLOAT);
    assert_int_equal(tn_node_dtype(tn_output_of(n, 1)), TN_BOOL);
    tn_attr types = tn_attr_types("T", (tn_dtype[]){TN_FLOAT, TN_BOOL}, 2), mark = tn_attr_int("_mark", 1);
    assert_int_equal(tn_operation_set_attr(n, &types, NULL), TN_OK);
    assert_int_equal(tn_operation_set_attr(n, &mark, NULL), TN_OK);
    assert_int_equal(tn_attr_find(&n->attrs, "T")->n, 2);
    assert_int_equal(tn_attr_i(&n->attrs, "_mark"), 1);
    tn_graph_free(g);
}

/* Attributes that are alike are there once; an operation that is changed has its own. */
static void attributes_alike_are_shared(void **state)
{
    (void)state;
    tn_graph *g = tn_graph_new();
    tn_node x = {placeholder(g, "x", TN_FLOAT, TN_SHAPE(2)), 0}, z = {placeholder(g, "z", TN_DOUBLE, TN_SHAPE(2)), 0};
    tn_attr mark = tn_attr_int("_mark", 1), list = tn_attr_ints("_l", (int64_t[]){1, 2}, 2);
    tn_operation *a = add(g, "Identity", "a", TN_INPUTS(x), TN_NO_ATTRS);
    tn_operation *b = add(g, "Identity", "b", TN_INPUTS(x), TN_NO_ATTRS);
    tn_operation *c = add(g, "Identity", "c", TN_INPUTS(z), TN_NO_ATTRS);
    tn_operation *d = add(g, "Identity", "d", TN_INPUTS(x), &list, 1), *e = add(g, "Identity", "e", TN_INPUTS(x), &list, 1);
    list.is = (int64_t[]){1, 3};
    tn_operation *f = add(g, "Identity", "f", TN_INPUTS(x), &list, 1);
    assert_ptr_equal(a->attrs.v, b->attrs.v);
    assert_ptr_equal(d->attrs.v, e->attrs.v);
    assert_ptr_not_equal(d->attrs.v, f->attrs.v);
    assert_int_equal(tn_attr_t(&c->attrs, "T"), TN_DOUBLE);
    assert_int_equal(tn_operation_set_attr(a, &mark, NULL), TN_OK);
    mark.i = 2;
    assert_int_equal(tn_operation_set_attr(a, &mark, NULL), TN_OK);
    assert_int_equal(tn_attr_i(&a->attrs, "_mark"), 2);
    assert_null(tn_attr_find(&b->attrs, "_mark"));
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        mark.i = i % 100;
        tn_operation *n = add(g, "Identity", name, TN_INPUTS(x), &mark, 1);
        assert_int_equal(tn_attr_i(&n->attrs, "_mark"), i % 100);
    }
    assert_ptr_equal(tn_graph_operation(g, "n7")->attrs.v, tn_graph_operation(g, "n107")->attrs.v);
    tn_graph_free(g);
}

/* Whatever allocation fails, the graph stays whole and nothing leaks (the sanitizer looks). */
static void every_failing_allocation(void **state)
{
    (void)state;
    for (int64_t k = 1;; k++) {
        tn_graph *g = tn_graph_new();
        tn_tensor *t = NULL;
        tn_tensor_scalar(TN_FLOAT, 1, &t, NULL);
        tn_attr attrs[] = {tn_attr_tensor("value", t), tn_attr_type("dtype", TN_FLOAT)};
        tn_operation_spec spec = {.type = "Const", .name = "c", .attrs = attrs, .n_attrs = 2};
        tn_malloc_fail_at(k);
        tn_code code = tn_graph_add(g, &spec, NULL, NULL);
        tn_malloc_fail_at(0);
        assert_int_equal(tn_graph_count(g), code ? 0 : 1);
        assert_int_equal(atomic_load(&t->refs), code ? 1 : 2);
        tn_graph_free(g);
        tn_tensor_unref(t);
        if (!code) break;
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    }
    for (int64_t k = 1; k < 50; k++) {
        tn_malloc_fail_at(k);
        tn_graph *g = tn_graph_new();
        tn_malloc_fail_at(0);
        tn_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_follow_from_inputs),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(constants_know_their_value),
        cmocka_unit_test(values_by_name),
        cmocka_unit_test(attributes_alike_are_shared),
        cmocka_unit_test(unknown_operators_are_kept),
        cmocka_unit_test(back_edges),
        cmocka_unit_test(freezing),
        cmocka_unit_test(collections),
        cmocka_unit_test(appended_outputs_and_inputs),
        cmocka_unit_test(every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
