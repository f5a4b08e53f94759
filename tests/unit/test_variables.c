/* SPDX-License-Identifier: Apache-2.0
 * Variables, as resources and as TensorFlow 1's references: what a read sees before and after a write of the same
 * run, chains of assignments, what is not initialised, and values that callers hold while variables change. */
#include "plan_test.h"

static tn_node add(tn_builder *b, tn_node x, tn_node y)
{
    return tn_op(b, "AddV2", TN_INPUTS(x, y), TN_NO_ATTRS);
}

static tn_node vector_of(fixture *f, float x, float y)
{
    return constant_floats(f->b, TN_SHAPE(2), (float[]){x, y});
}

static tn_node handle_of(fixture *f, tn_node v)
{
    return tn_output_of(tn_variable_of(f->b, v), 0);
}

static tn_node read_after(fixture *f, tn_node handle, tn_operation *before)
{
    tn_control_dependencies(f->b, 1, &before);
    tn_node r = tn_op(f->b, "ReadVariableOp", TN_INPUTS(handle), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_control_dependencies_end(f->b);
    return r;
}

/* Fetches by node: values into v[i] (first elements). */
static void run_many(fixture *f, const tn_node *nodes, int n, double *v)
{
    char text[8][200];
    const char *names[8];
    tn_tensor *out[8];
    assert_true(n <= 8);
    for (int i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%s:%d", tn_operation_name(nodes[i].op), nodes[i].index);
        names[i] = text[i];
    }
    assert_ok(tn_session_run(f->s, NULL, 0, names, n, out, NULL, 0, &f->err), &f->err);
    for (int i = 0; i < n; i++) {
        v[i] = tn_tensor_number(out[i], 0);
        tn_tensor_unref(out[i]);
    }
}

#define EVERY_MODE(f) for (int mode_ = 0; mode_ < PLAN_MODES && (fixture_session((f), plan_mode(mode_)), 1); mode_++)

/* ==== resources ==== */

static void test_reads_around_a_write(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", vector_of(&f, 1, 2), 0), handle = handle_of(&f, v);
    tn_node before = tn_op(f.b, "Identity", TN_INPUTS(v), TN_NO_ATTRS);
    tn_operation *write = tn_assign(f.b, tn_variable_of(f.b, v), add(f.b, v, v));
    tn_node after = read_after(&f, handle, write);
    tn_operation *again = tn_add_operation(f.b, "AssignAddVariableOp", NULL, TN_INPUTS(handle, after), TN_NO_ATTRS);
    tn_node last = read_after(&f, handle, again);
    tn_node nodes[] = {before, after, last, add(f.b, before, last)};
    tn_operation *init = tn_global_variables_initializer(f.b);
    EVERY_MODE(&f) {
        double x[4], start = 1;
        run_operation(&f, init);
        for (int k = 0; k < 3; k++, start *= 4) {
            run_many(&f, nodes, 4, x);
            assert_float_equal(x[0], start, 0); /* a snapshot, though the variable is written later */
            assert_float_equal(x[1], 2 * start, 0);
            assert_float_equal(x[2], 4 * start, 0);
            assert_float_equal(x[3], 5 * start, 0);
        }
    }
    fixture_close(&f);
}

static void test_uninitialised(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "scope/v", vector_of(&f, 1, 2), 0);
    tn_node r = tn_variable(f.b, "r", vector_of(&f, 3, 4), TN_VAR_REF);
    tn_node there = tn_op(f.b, "VarIsInitializedOp", TN_INPUTS(handle_of(&f, v)), TN_NO_ATTRS);
    tn_node refs = tn_op(f.b, "IsVariableInitialized", TN_INPUTS(handle_of(&f, r)), TN_NO_ATTRS);
    give_name(f.b, "a", v);
    give_name(f.b, "b", r);
    tn_operation *init = tn_global_variables_initializer(f.b);
    EVERY_MODE(&f) {
        tn_tensor *out;
        const char *a = "a:0", *b = "b:0";
        assert_code(tn_session_run(f.s, NULL, 0, &a, 1, &out, NULL, 0, &f.err), TN_FAILED_PRECONDITION);
        assert_says(&f.err, "scope/v");
        assert_code(tn_session_run(f.s, NULL, 0, &b, 1, &out, NULL, 0, &f.err), TN_FAILED_PRECONDITION);
        assert_says(&f.err, "uninitialized value r");
        assert_code(tn_session_get(f.s, "r", &out, &f.err), TN_FAILED_PRECONDITION);
        assert_code(tn_session_get(f.s, "nobody", &out, &f.err), TN_NOT_FOUND);
        assert_float_equal(run_number(&f, there) + run_number(&f, refs), 0, 0);
        run_operation(&f, init);
        assert_float_equal(run_number(&f, there) + run_number(&f, refs), 2, 0);
        assert_float_equal(run_number(&f, r), 3, 0);
    }
    fixture_close(&f);
}

/* A value that the caller got stays what it was, whatever the variable becomes. */
static void test_fetched_value_is_kept(void **state)
{
    (void)state;
    static const unsigned kinds[] = {0, TN_VAR_REF};
    for (int k = 0; k < 2; k++) {
        fixture f;
        fixture_open(&f);
        tn_node v = tn_variable(f.b, "v", vector_of(&f, 1, 2), kinds[k]), handle = handle_of(&f, v);
        give_name(f.b, "y", v);
        tn_operation *step = tn_add_operation(f.b, k ? "AssignAdd" : "AssignAddVariableOp", "step",
                                              TN_INPUTS(handle, vector_of(&f, 10, 20)), TN_NO_ATTRS);
        tn_operation *init = tn_global_variables_initializer(f.b);
        EVERY_MODE(&f) {
            tn_tensor *kept[4], *got;
            run_operation(&f, init);
            for (int i = 0; i < 4; i++) {
                kept[i] = run_fed(&f, NULL, 0, i % 2 ? "y:0" : tn_operation_name(v.op));
                run_operation(&f, step);
            }
            for (int i = 0; i < 4; i++) {
                assert_float_equal(TN_FLOATS(kept[i])[0], 1 + 10 * i, 0);
                assert_float_equal(TN_FLOATS(kept[i])[1], 2 + 20 * i, 0);
                tn_tensor_unref(kept[i]);
            }
            assert_ok(tn_session_get(f.s, "v", &got, &f.err), &f.err);
            run_operation(&f, step);
            assert_float_equal(TN_FLOATS(got)[0], 41, 0);
            assert_ok(tn_session_set(f.s, "v", got, &f.err), &f.err);
            tn_tensor_unref(got);
            run_operation(&f, step);
            assert_float_equal(run_number(&f, v), 51, 0);
        }
        fixture_close(&f);
    }
}

/* Assigning a variable's own value, or another's, copies: neither follows the other later. */
static void test_variables_do_not_share(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", vector_of(&f, 1, 2), 0), w = tn_variable(f.b, "w", v, 0);
    tn_operation *copy = tn_assign(f.b, tn_variable_of(f.b, w), v), *self = tn_assign(f.b, tn_variable_of(f.b, v), v);
    tn_operation *step = tn_add_operation(f.b, "AssignAddVariableOp", "step", TN_INPUTS(handle_of(&f, v), vector_of(&f, 1, 1)), TN_NO_ATTRS);
    tn_tensor *init = floats(TN_SHAPE(2), (float[]){5, 6});
    EVERY_MODE(&f) {
        assert_ok(tn_session_set(f.s, "v", init, &f.err), &f.err);
        run_operation(&f, copy);
        run_operation(&f, self);
        run_operation(&f, step);
        assert_float_equal(run_number(&f, v), 6, 0);
        assert_float_equal(run_number(&f, w), 5, 0);
        run_operation(&f, copy);
        assert_float_equal(run_number(&f, w), 6, 0);
        assert_float_equal(TN_FLOATS(init)[0], 5, 0);
    }
    tn_tensor_unref(init);
    fixture_close(&f);
}

/* ==== references ==== */

static tn_node chained(fixture *f, const char *op, tn_node ref, double by)
{
    return tn_op(f->b, op, TN_INPUTS(ref, vector_of(f, (float)by, (float)by)), TN_NO_ATTRS);
}

static void test_chains_of_references(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", vector_of(&f, 0, 0), TN_VAR_REF), ref = handle_of(&f, v);
    tn_node set = chained(&f, "Assign", ref, 3), plus = chained(&f, "AssignAdd", set, 4), minus = chained(&f, "AssignSub", plus, 1);
    tn_node sum = add(f.b, minus, minus);
    EVERY_MODE(&f) {
        for (int k = 0; k < 2; k++) assert_float_equal(run_number(&f, sum), 12, 0);
        assert_float_equal(run_number(&f, minus), 6, 0);
        assert_float_equal(run_number(&f, ref), 6, 0);
    }
    fixture_close(&f);
}

/* A reference is read when its reader runs, so after the reader's own control inputs. */
static void test_reference_read_after_control(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", vector_of(&f, 1, 1), TN_VAR_REF), ref = handle_of(&f, v);
    tn_operation *step = tn_add_operation(f.b, "AssignAdd", "step", TN_INPUTS(ref, vector_of(&f, 5, 5)), TN_NO_ATTRS);
    tn_control_dependencies(f.b, 1, &step);
    tn_node after = tn_op(f.b, "Square", TN_INPUTS(ref), TN_NO_ATTRS);
    tn_control_dependencies_end(f.b);
    tn_operation *init = tn_global_variables_initializer(f.b);
    EVERY_MODE(&f) {
        run_operation(&f, init);
        assert_float_equal(run_number(&f, after), 36, 0);
        assert_float_equal(run_number(&f, after), 121, 0);
    }
    fixture_close(&f);
}

static void test_wrong_shapes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", vector_of(&f, 1, 1), 0);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, tn_shape_unknown());
    tn_operation *write = tn_assign(f.b, tn_variable_of(f.b, v), x);
    tn_operation *init = tn_global_variables_initializer(f.b);
    tn_tensor *three = floats(TN_SHAPE(3), (float[]){1, 2, 3}), *two = floats(TN_SHAPE(2), (float[]){8, 9});
    EVERY_MODE(&f) {
        const char *target = tn_operation_name(write);
        run_operation(&f, init);
        assert_code(tn_session_run(f.s, &(tn_feed){"x", three}, 1, NULL, 0, NULL, &target, 1, &f.err), TN_INVALID_ARGUMENT);
        assert_code(tn_session_set(f.s, "v", three, &f.err), TN_INVALID_ARGUMENT);
        assert_float_equal(run_number(&f, v), 1, 0);
        assert_ok(tn_session_run(f.s, &(tn_feed){"x", two}, 1, NULL, 0, NULL, &target, 1, &f.err), &f.err);
        assert_float_equal(run_number(&f, v), 8, 0);
    }
    tn_tensor_unref(two);
    tn_tensor_unref(three);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_around_a_write),
        cmocka_unit_test(test_uninitialised),
        cmocka_unit_test(test_fetched_value_is_kept),
        cmocka_unit_test(test_variables_do_not_share),
        cmocka_unit_test(test_chains_of_references),
        cmocka_unit_test(test_reference_read_after_control),
        cmocka_unit_test(test_wrong_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
