/* SPDX-License-Identifier: Apache-2.0
 *
 * test_variable.c - variables: TensorFlow's names, collections, scopes and reuse; seeds of random operators.
 */
#include "graph_fixture.h"

static tn_node zero(fixture *f)
{
    return tn_scalar(f->b, TN_FLOAT, 0);
}

static void assert_fine(fixture *f)
{
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
}

static void resource_variables(void **state)
{
    fixture *f = *state;
    tn_name_scope(f->b, "outer"); /* names of variables do not see it */
    tn_variable_scope(f->b, "layer", TN_REUSE_INHERIT);
    tn_node w = tn_variable(f->b, "w", zero(f), 0);
    tn_variable_scope_end(f->b);
    tn_name_scope_end(f->b);
    assert_fine(f);
    assert_string_equal(w.op->name, "layer/w/Read/ReadVariableOp");
    tn_operation *handle = tn_graph_operation(f->g, "layer/w");
    assert_string_equal(handle->type, "VarHandleOp");
    assert_true(tn_attr_is(&handle->attrs, "shared_name", "layer/w"));
    assert_string_equal(tn_graph_operation(f->g, "layer/w/Assign")->type, "AssignVariableOp");
    assert_non_null(tn_graph_operation(f->g, "layer/w/IsInitialized/VarIsInitializedOp"));
    assert_non_null(tn_graph_operation(f->g, "outer/layer/Const")); /* the initial value */
    assert_ptr_equal(tn_variable_of(f->b, w), handle);
    const tn_variable_info *v = tn_graph_variable(f->g, "layer/w");
    assert_ptr_equal(v->op, handle);
    assert_string_equal(v->initializer_name, "layer/w/Assign");
    assert_string_equal(v->snapshot_name, "layer/w/Read/ReadVariableOp:0");
    assert_string_equal(v->initial_value_name, "outer/layer/Const:0");
    assert_true(v->is_resource && v->trainable && !v->local);
    assert_string_equal(tn_collection_at(f->g, TN_GLOBAL_VARIABLES, 0), "layer/w:0");
    assert_string_equal(tn_collection_at(f->g, TN_TRAINABLE_VARIABLES, 0), "layer/w:0");
}

static void reference_variables(void **state)
{
    fixture *f = *state;
    tn_node w = tn_variable(f->b, "w", zero(f), TN_VAR_REF | TN_VAR_NOT_TRAINABLE);
    tn_node l = tn_variable(f->b, "l", zero(f), TN_VAR_REF | TN_VAR_LOCAL);
    assert_fine(f);
    assert_string_equal(w.op->name, "w/read");
    assert_string_equal(tn_graph_operation(f->g, "w")->type, "VariableV2");
    assert_int_equal(tn_node_dtype(tn_output_of(tn_graph_operation(f->g, "w"), 0)), TN_FLOAT + TN_REF);
    assert_string_equal(tn_graph_operation(f->g, "w/Assign")->type, "Assign");
    assert_ptr_equal(tn_variable_of(f->b, l), tn_graph_operation(f->g, "l"));
    assert_int_equal(tn_collection_count(f->g, TN_TRAINABLE_VARIABLES), 0);
    assert_int_equal(tn_collection_count(f->g, TN_GLOBAL_VARIABLES), 1);
    assert_string_equal(tn_collection_at(f->g, "local_variables", 0), "l:0");
    tn_operation *init = tn_global_variables_initializer(f->b);
    assert_string_equal(init->name, "init");
    assert_int_equal(init->n_control, 1);
    tn_operation *assign = tn_assign(f->b, tn_variable_of(f->b, w), zero(f));
    assert_string_equal(assign->type, "Assign");
    assert_null(tn_variable_of(f->b, zero(f)));
    assert_code(tn_builder_check(f->b, &f->err), TN_INVALID_ARGUMENT);
}

static void the_initializer_waits_for_nothing(void **state)
{
    fixture *f = *state;
    tn_node value = zero(f);
    tn_operation *first = tn_add_operation(f->b, "NoOp", "first", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_control_dependencies(f->b, 1, &first);
    tn_node w = tn_variable(f->b, "w", value, 0);
    assert_int_equal(w.op->n_control, 0);
    assert_int_equal(tn_op(f->b, "Identity", TN_INPUTS(w), TN_NO_ATTRS).op->n_control, 1);
    tn_control_dependencies_end(f->b);
    assert_fine(f);
}

static void scopes_and_reuse(void **state)
{
    fixture *f = *state;
    tn_variable_scope(f->b, "a", TN_REUSE_INHERIT);
    tn_node w = tn_variable(f->b, "w", zero(f), 0);
    assert_null(tn_variable_reused(f->b, "w", TN_FLOAT, TN_SHAPE()).op); /* may not be */
    tn_variable_scope_end(f->b);
    tn_variable_scope(f->b, "a", TN_REUSE);
    assert_ptr_equal(tn_variable(f->b, "w", zero(f), 0).op, w.op);
    assert_ptr_equal(tn_variable(f->b, "w", tn_output_of(NULL, 0), 0).op, w.op);
    assert_ptr_equal(tn_variable_reused(f->b, "w", TN_FLOAT, TN_SHAPE()).op, w.op);
    assert_null(tn_variable_reused(f->b, "v", TN_FLOAT, TN_SHAPE()).op);
    assert_non_null(tn_graph_operation(f->g, "a_1/Const")); /* operations' scope is unique */
    tn_variable_scope_end(f->b);
    tn_variable_scope(f->b, "a", TN_REUSE_AUTO);
    tn_variable_scope(f->b, "b", TN_REUSE_INHERIT);
    tn_node inner = tn_variable(f->b, "w", zero(f), 0);
    assert_string_equal(tn_variable_of(f->b, inner)->name, "a/b/w");
    assert_ptr_equal(tn_variable(f->b, "w", zero(f), 0).op, inner.op);
    assert_string_equal(tn_builder_variable_name(f->b, "x"), "a/b/x");
    tn_variable_scope_end(f->b);
    tn_variable_scope_end(f->b);
    assert_fine(f);
    assert_int_equal(tn_graph_variable_count(f->g), 2);
}

/* Each of these must end in an error with the word. */
static void refused(void (*what)(fixture *f), tn_code code, const char *word)
{
    fixture *f = NULL;
    assert_int_equal(fixture_set_up((void **)&f), 0);
    tn_variable_scope(f->b, "a", TN_REUSE_INHERIT);
    tn_variable(f->b, "w", zero(f), 0);
    tn_variable_scope_end(f->b);
    assert_fine(f);
    what(f);
    assert_code(tn_builder_check(f->b, &f->err), code);
    assert_says(&f->err, word);
    fixture_tear_down((void **)&f);
}

static void again(fixture *f)
{
    tn_variable_scope(f->b, "a", TN_REUSE_INHERIT);
    tn_variable(f->b, "w", zero(f), 0);
}

static void missing(fixture *f)
{
    tn_variable_scope(f->b, "a", TN_REUSE);
    tn_variable(f->b, "v", zero(f), 0);
}

static void other_shape(fixture *f)
{
    tn_variable_scope(f->b, "a", TN_REUSE_AUTO);
    tn_variable(f->b, "w", tn_placeholder(f->b, "p", TN_FLOAT, TN_SHAPE(2)), 0);
}

static void other_dtype(fixture *f)
{
    tn_variable_scope(f->b, "a", TN_REUSE);
    tn_variable(f->b, "w", tn_scalar(f->b, TN_INT32, 1), 0);
}

static void no_value(fixture *f)
{
    tn_variable(f->b, "v", tn_output_of(NULL, 0), 0);
}

static void unbalanced(fixture *f)
{
    tn_variable_scope_end(f->b);
}

static void errors(void **state)
{
    (void)state;
    refused(again, TN_ALREADY_EXISTS, "a/w already exists");
    refused(missing, TN_NOT_FOUND, "a/v does not exist");
    refused(other_shape, TN_INVALID_ARGUMENT, "shape [2]");
    refused(other_dtype, TN_INVALID_ARGUMENT, "dtype int32");
    refused(no_value, TN_INVALID_ARGUMENT, "no initial value");
    refused(unbalanced, TN_INVALID_ARGUMENT, "tn_variable_scope_end");
}

static void registering(void **state)
{
    fixture *f = *state;
    tn_variable_info v = {.name = "w",
                          .initializer_name = "w/Assign",
                          .snapshot_name = "w/read:0",
                          .trainable = true,
                          .def = TN_VIEW("bytes")};
    assert_code(tn_graph_add_variable(f->g, &v, &f->err), TN_NOT_FOUND);
    tn_placeholder(f->b, "w", TN_FLOAT, TN_SHAPE());
    assert_ok(tn_graph_add_variable(f->g, &v, &f->err), &f->err);
    assert_code(tn_graph_add_variable(f->g, &v, &f->err), TN_ALREADY_EXISTS);
    assert_int_equal(tn_graph_variable(f->g, "w")->def.n, 5);
    assert_string_equal(tn_graph_variable(f->g, "w")->initial_value_name, "");
    assert_null(tn_graph_variable_at(f->g, 1));
    assert_null(tn_graph_variable(f->g, "v"));
}

/* ==== seeds ==== */

static void seeds_are(fixture *f, const tn_attr *attrs, int n, int64_t seed, int64_t seed2)
{
    tn_attr all[4] = {tn_attr_type("dtype", TN_FLOAT)};
    if (n) memcpy(all + 1, attrs, (size_t)n * sizeof *attrs);
    tn_operation *op = tn_add_operation(f->b, "RandomUniform", NULL,
                                        TN_INPUTS(tn_ints(f->b, (int64_t[]){2}, 1)), all, n + 1);
    assert_fine(f);
    assert_int_equal(tn_attr_i(&op->attrs, "seed"), seed);
    assert_int_equal(tn_attr_i(&op->attrs, "seed2"), seed2);
}

static void random_seeds(void **state)
{
    fixture *f = *state;
    tn_attr own[] = {tn_attr_int("seed", 5), tn_attr_int("seed2", 6)};
    seeds_are(f, NULL, 0, 0, 0);
    seeds_are(f, own, 1, 87654321, 5);
    seeds_are(f, own, 2, 5, 6);
    tn_set_random_seed(f->b, 42);
    seeds_are(f, NULL, 0, 42, tn_graph_count(f->g) + 1); /* behind the constant of its shape */
    seeds_are(f, own, 1, 42, 5);
    seeds_are(f, own, 2, 5, 6);
    tn_set_random_seed(f->b, 0);
    own[0].i = 0;
    seeds_are(f, own, 1, 0, INT32_MAX); /* 0, 0 would be no seed */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(resource_variables), TEST(reference_variables), TEST(the_initializer_waits_for_nothing),
        TEST(scopes_and_reuse),   cmocka_unit_test(errors),  TEST(registering),
        TEST(random_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
