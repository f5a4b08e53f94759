/* SPDX-License-Identifier: Apache-2.0
 * Operators with state, where they refuse: variables without a value, shapes that differ, indices outside,
 * arrays and stacks used wrongly; and what they leave unchanged then.
 */
#include "graph_fixture.h"

#include <unistd.h>

static tn_node floats(fixture *f, int64_t n, const float *v)
{
    tn_tensor *t;
    tn_shape s = tn_shape_vector(n);
    assert_ok(tn_tensor_of(TN_FLOAT, &s, v, &t, &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static tn_node text(fixture *f, const char *s)
{
    tn_tensor *t;
    assert_ok(tn_tensor_new(TN_STRING, &(tn_shape){.rank = 0}, &t, &f->err), &f->err);
    assert_ok(tn_string_set(t, 0, s, strlen(s), &f->err), &f->err);
    tn_node node = tn_constant(f->b, NULL, t);
    tn_tensor_unref(t);
    return node;
}

static void refused(fixture *f, const char *target, tn_code code, const char *says)
{
    assert_code(fixture_run(f, NULL, target, NULL), code);
    assert_says(&f->err, says);
}

/* A variable of n floats, and what sets it to 1, 2, ...: "init". */
static tn_node variable(fixture *f, int64_t n)
{
    const float v[] = {1, 2, 3, 4};
    tn_node h =
        tn_op_named(f->b, "VarHandleOp", "v", TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_type("dtype", TN_FLOAT), tn_attr_shape("shape", tn_shape_vector(n))));
    tn_add_operation(f->b, "AssignVariableOp", "init", TN_INPUTS(h, floats(f, n, v)), TN_NO_ATTRS);
    tn_op_named(f->b, "ReadVariableOp", "read", TN_INPUTS(h), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    return h;
}

static void unchanged(fixture *f, int64_t n)
{
    tn_tensor *t;
    assert_ok(fixture_run(f, "read:0", NULL, &t), &f->err);
    assert_int_equal(tn_tensor_count(t), n);
    for (int64_t i = 0; i < n; i++) assert_true(TN_FLOATS(t)[i] == (float)(i + 1));
    tn_tensor_unref(t);
}

static void test_uninitialized(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node h = variable(&f, 3);
    tn_add_operation(f.b, "AssignAddVariableOp", "add", TN_INPUTS(h, floats(&f, 3, (float[]){1, 1, 1})),
                     TN_NO_ATTRS);
    tn_op_named(f.b, "VariableShape", "shape", TN_INPUTS(h), TN_NO_ATTRS);
    tn_add_operation(f.b, "DestroyResourceOp", "destroy", TN_INPUTS(h), TN_NO_ATTRS);
    tn_add_operation(f.b, "DisableCopyOnRead", "disable", TN_INPUTS(h), TN_NO_ATTRS);
    assert_int_equal(tn_node_shape(tn_output_of(tn_graph_operation(f.g, "read"), 0)).dim[0], 3);
    refused(&f, "read", TN_FAILED_PRECONDITION, "uninitialized");
    refused(&f, "add", TN_FAILED_PRECONDITION, "uninitialized");
    refused(&f, "destroy", TN_UNIMPLEMENTED, "cannot be destroyed");
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    assert_ok(fixture_run(&f, NULL, "disable", NULL), &f.err);
    unchanged(&f, 3);
    fixture_close(&f);
}

static void test_shapes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node h = variable(&f, 3), two = floats(&f, 2, (float[]){1, 1}), lr = tn_scalar(f.b, TN_FLOAT, 1);
    tn_node indices = tn_ints(f.b, (int64_t[]){0, 7}, 2), one = tn_ints(f.b, (int64_t[]){0}, 1);
    tn_add_operation(f.b, "AssignVariableOp", "assign", TN_INPUTS(h, two), TN_NO_ATTRS);
    tn_add_operation(f.b, "AssignSubVariableOp", "sub", TN_INPUTS(h, two), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceScatterAdd", "scatter", TN_INPUTS(h, indices, two), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceScatterUpdate", "updates", TN_INPUTS(h, one, two), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceApplyGradientDescent", "step", TN_INPUTS(h, lr, two), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceApplyGradientDescent", "rate",
                     TN_INPUTS(h, two, floats(&f, 3, (float[]){1, 1, 1})), TN_NO_ATTRS);
    tn_op_named(f.b, "ResourceGather", "gather", TN_INPUTS(h, indices),
                TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    refused(&f, "assign", TN_INVALID_ARGUMENT, "Expected [3] got [2]");
    refused(&f, "sub", TN_INVALID_ARGUMENT,
            "Cannot update variable with shape [3] using a Tensor with shape [2]");
    refused(&f, "scatter", TN_INVALID_ARGUMENT, "7");
    refused(&f, "updates", TN_INVALID_ARGUMENT, "Must have updates.shape = indices.shape + params.shape[1:]");
    refused(&f, "step", TN_INVALID_ARGUMENT, "[2]");
    refused(&f, "rate", TN_INVALID_ARGUMENT, "is not a scalar");
    refused(&f, "gather", TN_INVALID_ARGUMENT, "indices[1] = 7 is not in [0, 3)");
    unchanged(&f, 3);
    fixture_close(&f);
}

static void test_slots(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node h = variable(&f, 3), lr = tn_scalar(f.b, TN_FLOAT, 1);
    tn_node m =
        tn_op_named(f.b, "VarHandleOp", "m", TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_type("dtype", TN_FLOAT), tn_attr_shape("shape", tn_shape_vector(2))));
    tn_add_operation(f.b, "AssignVariableOp", "init_m", TN_INPUTS(m, floats(&f, 2, (float[]){0, 0})),
                     TN_NO_ATTRS);
    tn_node grad = floats(&f, 3, (float[]){1, 1, 1});
    tn_add_operation(f.b, "ResourceApplyMomentum", "momentum", TN_INPUTS(h, m, lr, grad, lr), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceApplyKerasMomentum", "keras", TN_INPUTS(h, m, lr, grad, lr), TN_NO_ATTRS);
    tn_add_operation(f.b, "ResourceApplyFtrl", "ftrl", TN_INPUTS(h, m, m, grad, lr, lr, lr, lr),
                     TN_ATTRS(tn_attr_bool("multiply_linear_by_lr", true)));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    refused(&f, "momentum", TN_FAILED_PRECONDITION, "uninitialized");
    assert_ok(fixture_run(&f, NULL, "init_m", NULL), &f.err);
    refused(&f, "momentum", TN_INVALID_ARGUMENT, "var and accum do not have the same shape[3] [2]");
    refused(&f, "keras", TN_INVALID_ARGUMENT, "var and accum do not have the same shape");
    refused(&f, "ftrl", TN_INVALID_ARGUMENT, "do not have the same shape");
    unchanged(&f, 3);
    fixture_close(&f);
}

/* Rows of a variable of strings: what a question is answered with, where answers are kept by name. */
static void test_strings(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    const tn_attr type = tn_attr_type("dtype", TN_STRING);
    tn_node h = tn_op_named(f.b, "VarHandleOp", "s", TN_NO_INPUTS, TN_ATTRS(type, tn_attr_shape("shape", tn_shape_vector(3))));
    tn_node names[] = {text(&f, "a"), text(&f, "b"), text(&f, "c")};
    tn_add_operation(f.b, "AssignVariableOp", "init", TN_INPUTS(h, tn_op(f.b, "Pack", names, 3, TN_NO_ATTRS)), TN_NO_ATTRS);
    static const struct {
        const char *op, *name;
        int64_t at[2];
    } rows[] = {{"ResourceGather", "rows", {2, 0}}, {"ResourceGather", "outside", {1, 3}},
                {"ResourceGatherNd", "points", {2, 0}}, {"ResourceGatherNd", "none", {0, -1}}};
    for (int i = 0; i < 4; i++) {
        tn_node at = tn_ints(f.b, rows[i].at, 2), column = tn_op(f.b, "Reshape", TN_INPUTS(at, tn_ints(f.b, (int64_t[]){2, 1}, 2)), TN_NO_ATTRS);
        tn_op_named(f.b, rows[i].op, rows[i].name, TN_INPUTS(h, i < 2 ? at : column), TN_ATTRS(type));
    }
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    for (int i = 0; i < 4; i += 2) {
        tn_tensor *t;
        assert_ok(fixture_run(&f, i ? "points:0" : "rows:0", NULL, &t), &f.err);
        assert_int_equal(tn_tensor_count(t), 2);
        assert_true(tn_view_is((tn_view){TN_STRINGS(t)[0].p, TN_STRINGS(t)[0].n}, "c") && tn_view_is((tn_view){TN_STRINGS(t)[1].p, TN_STRINGS(t)[1].n}, "a"));
        tn_tensor_unref(t);
    }
    refused(&f, "outside", TN_INVALID_ARGUMENT, "indices[1] = 3 is not in [0, 3)");
    refused(&f, "none", TN_INVALID_ARGUMENT, "indices[1] = [-1] does not index into param shape [3]");
    fixture_close(&f);
}

static void test_counting(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node h =
        tn_op_named(f.b, "VarHandleOp", "n", TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_type("dtype", TN_INT64), tn_attr_shape("shape", (tn_shape){.rank = 0})));
    tn_add_operation(f.b, "AssignVariableOp", "init", TN_INPUTS(h, tn_scalar(f.b, TN_INT64, 1)), TN_NO_ATTRS);
    tn_op_named(f.b, "ResourceCountUpTo", "count", TN_INPUTS(h),
                TN_ATTRS(tn_attr_int("limit", 2), tn_attr_type("T", TN_INT64)));
    assert_ok(fixture_run(&f, NULL, "init", NULL), &f.err);
    tn_tensor *t;
    assert_ok(fixture_run(&f, "count:0", NULL, &t), &f.err);
    assert_int_equal(*TN_INT64S(t), 1);
    tn_tensor_unref(t);
    refused(&f, "count", TN_OUT_OF_RANGE, "Reached limit of 2");
    fixture_close(&f);
}

static void test_arrays(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_attr t = tn_attr_type("dtype", TN_FLOAT);
    tn_operation *a =
        tn_add_operation(f.b, "TensorArrayV3", "a", TN_INPUTS(tn_scalar(f.b, TN_INT32, 2)), &t, 1);
    tn_node h = tn_output_of(a, 0), flow = tn_output_of(a, 1), zero = tn_scalar(f.b, TN_INT32, 0),
            five = tn_scalar(f.b, TN_INT32, 5);
    tn_node x = floats(&f, 2, (float[]){1, 2});
    tn_node once = tn_op(f.b, "TensorArrayWriteV3", TN_INPUTS(h, zero, x, flow), TN_NO_ATTRS);
    tn_op_named(f.b, "TensorArrayWriteV3", "twice", TN_INPUTS(h, zero, x, once), TN_NO_ATTRS);
    tn_op_named(f.b, "TensorArrayWriteV3", "far", TN_INPUTS(h, five, x, flow), TN_NO_ATTRS);
    tn_op_named(f.b, "TensorArrayWriteV3", "type", TN_INPUTS(h, zero, zero, flow), TN_NO_ATTRS);
    tn_op_named(f.b, "TensorArrayReadV3", "missing", TN_INPUTS(h, zero, flow), &t, 1);
    tn_op_named(f.b, "TensorArrayReadV3", "beyond", TN_INPUTS(h, five, flow), &t, 1);
    tn_node first = tn_op_named(f.b, "TensorArrayReadV3", "first", TN_INPUTS(h, zero, once), &t, 1);
    tn_operation *after[] = {first.op};
    tn_control_dependencies(f.b, 1, after);
    tn_op_named(f.b, "TensorArrayReadV3", "again", TN_INPUTS(h, zero, once), &t, 1);
    tn_control_dependencies_end(f.b);
    tn_op_named(f.b, "TensorArrayScatterV3", "scatter",
                TN_INPUTS(h, tn_ints(f.b, (int64_t[]){0}, 1), x, flow), TN_NO_ATTRS);
    tn_op_named(
        f.b, "TensorArraySizeV3", "wrong",
        TN_INPUTS(tn_op(f.b, "StackV2", TN_INPUTS(zero), TN_ATTRS(tn_attr_type("elem_type", TN_FLOAT))),
                  flow),
        TN_NO_ATTRS);
    refused(&f, "twice", TN_INVALID_ARGUMENT, "index 0 because it has already been written to.");
    refused(&f, "far", TN_INVALID_ARGUMENT,
            "Tried to write to index 5 but array is not resizeable and size is: 2");
    refused(&f, "type", TN_INVALID_ARGUMENT, "the value dtype is int32 but TensorArray dtype is float.");
    refused(&f, "missing", TN_INVALID_ARGUMENT, "Could not read from TensorArray index 0.");
    refused(&f, "beyond", TN_INVALID_ARGUMENT, "Tried to read from index 5 but array size is: 2");
    refused(&f, "again", TN_INVALID_ARGUMENT,
            "Could not read index 0 twice because it was cleared after a previous read");
    refused(&f, "scatter", TN_INVALID_ARGUMENT, "Expected len(indices) == values.shape[0], but saw: 1 vs. 2");
    refused(&f, "wrong", TN_INVALID_ARGUMENT, "is no handle of the kind");
    fixture_close(&f);
}

/* The gradient array of a shape put in front; a reference variable of the first kind; text that goes nowhere.
 */
static void test_the_rest(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_attr t[] = {tn_attr_type("dtype", TN_FLOAT), tn_attr_shape("element_shape", tn_shape_vector(2))};
    tn_operation *a =
        tn_add_operation(f.b, "TensorArrayV3", "a", TN_INPUTS(tn_scalar(f.b, TN_INT32, 2)), t, 2);
    tn_operation *g =
        tn_add_operation(f.b, "TensorArrayGradWithShape", "g",
                         TN_INPUTS(tn_output_of(a, 0), tn_output_of(a, 1), tn_ints(f.b, (int64_t[]){3}, 1)),
                         TN_ATTRS(tn_attr_str("source", "gradients")));
    tn_op_named(f.b, "TensorArrayReadV3", "zeros",
                TN_INPUTS(tn_output_of(g, 0), tn_scalar(f.b, TN_INT32, 0), tn_output_of(g, 1)), t, 1);
    tn_node v = tn_op_named(f.b, "Variable", "old", TN_NO_INPUTS,
                            TN_ATTRS(t[0], tn_attr_shape("shape", tn_shape_vector(2))));
    tn_add_operation(f.b, "Assign", "set", TN_INPUTS(v, floats(&f, 2, (float[]){5, 6})), TN_NO_ATTRS);
    tn_add_operation(f.b, "PrintV2", "print", TN_INPUTS(text(&f, "nothing")), TN_NO_ATTRS);
    tn_tensor *out;
    assert_ok(fixture_run(&f, "zeros:0", "print", &out), &f.err);
    assert_int_equal(out->shape.rank, 2);
    assert_int_equal(out->shape.dim[0], 3);
    assert_int_equal(tn_tensor_number(out, 5), 0);
    tn_tensor_unref(out);
    assert_code(fixture_run(&f, "old:0", NULL, &out), TN_FAILED_PRECONDITION);
    assert_says(&f.err, "uninitialized");
    assert_ok(fixture_run(&f, NULL, "set", NULL), &f.err);
    assert_ok(fixture_run(&f, "old:0", NULL, &out), &f.err);
    assert_int_equal(tn_tensor_number(out, 1), 6);
    tn_tensor_unref(out);
    fixture_close(&f);
}

static void test_stacks(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_attr t = tn_attr_type("elem_type", TN_FLOAT);
    tn_node h = tn_op_named(f.b, "StackV2", "s", TN_INPUTS(tn_scalar(f.b, TN_INT32, 1)), &t, 1),
            x = floats(&f, 1, (float[]){1});
    tn_op_named(f.b, "StackPopV2", "pop", TN_INPUTS(h), &t, 1);
    tn_operation *push = tn_add_operation(f.b, "StackPushV2", "push", TN_INPUTS(h, x), TN_NO_ATTRS);
    tn_control_dependencies(f.b, 1, &push);
    tn_add_operation(f.b, "StackPushV2", "more", TN_INPUTS(h, x), TN_NO_ATTRS);
    tn_control_dependencies_end(f.b);
    tn_add_operation(f.b, "StackPushV2", "type", TN_INPUTS(h, tn_scalar(f.b, TN_INT32, 1)), TN_NO_ATTRS);
    refused(&f, "pop", TN_INVALID_ARGUMENT, "Stack[s] is empty when calling Pop().");
    refused(&f, "more", TN_INVALID_ARGUMENT, "Stack[s] overflowed its max_size (1)");
    refused(&f, "type", TN_INVALID_ARGUMENT, "Must have type float but got int32");
    fixture_close(&f);
}

static void test_assert(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_tensor *t;
    tn_shape square = {2, {2, 2}};
    assert_ok(tn_tensor_of(TN_FLOAT, &square, (float[]){1, 2.5f, 1e10f, 4}, &t, &f.err), &f.err);
    tn_node m = tn_constant(f.b, NULL, t), no = tn_scalar(f.b, TN_BOOL, 0), yes = tn_scalar(f.b, TN_BOOL, 1);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_new(TN_STRING, &(tn_shape){.rank = 0}, &t, &f.err), &f.err);
    assert_ok(tn_string_set(t, 0, "x must be", 9, &f.err), &f.err);
    tn_node text = tn_constant(f.b, NULL, t), ints = tn_ints(f.b, (int64_t[]){1, 2, 3, 4, 5}, 5);
    tn_tensor_unref(t);
    tn_add_operation(f.b, "Assert", "short", TN_INPUTS(no, text, ints, m, yes), TN_NO_ATTRS);
    tn_add_operation(f.b, "Assert", "long", TN_INPUTS(no, m), TN_ATTRS(tn_attr_int("summarize", -1)));
    tn_add_operation(f.b, "Assert", "fine", TN_INPUTS(yes, m), TN_NO_ATTRS);
    refused(&f, "short", TN_INVALID_ARGUMENT,
            "assertion failed: [x must be] [1 2 3...] [[1 2.5][1e+10...]...] [1]");
    refused(&f, "long", TN_INVALID_ARGUMENT, "assertion failed: [[1 2.5][1e+10 4]]");
    assert_ok(fixture_run(&f, NULL, "fine", NULL), &f.err);
    fixture_close(&f);
}

static void test_files(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_tensor *t;
    tn_shape one = tn_shape_vector(1);
    assert_ok(tn_tensor_new(TN_STRING, &one, &t, &f.err), &f.err);
    tn_node names = tn_constant(f.b, NULL, t);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_new(TN_STRING, &(tn_shape){.rank = 0}, &t, &f.err), &f.err);
    tn_node prefix = tn_constant(f.b, NULL, t);
    tn_tensor_unref(t);
    tn_dtype type = TN_FLOAT;
    tn_attr types = tn_attr_types("dtypes", &type, 1);
    tn_add_operation(f.b, "SaveV2", "save", TN_INPUTS(prefix, names, names, floats(&f, 1, (float[]){1})),
                     &types, 1);
    tn_add_operation(f.b, "RestoreV2", "restore", TN_INPUTS(prefix, names, names), &types, 1);
    tn_add_operation(f.b, "MergeV2Checkpoints", "merge", TN_INPUTS(names, prefix), TN_NO_ATTRS);
    refused(&f, "save", TN_FAILED_PRECONDITION, "a graph has no access to files");
    refused(&f, "restore", TN_FAILED_PRECONDITION, "a graph has no access to files");
    refused(&f, "merge", TN_FAILED_PRECONDITION, "a graph has no access to files");
    fixture_close(&f);
}

static void write_lines(const char *path, const char *lines)
{
    tn_error err;
    assert_ok(tn_file_write(path, lines, strlen(lines), &err), &err);
}

/* An operation of that name initializes a table whose values have the type. */
static void from_file(fixture *f, const char *name, tn_dtype value, const char *path)
{
    char table[32];
    snprintf(table, sizeof table, "%s_table", name);
    tn_attr types[] = {tn_attr_type("key_dtype", TN_STRING), tn_attr_type("value_dtype", value)};
    tn_attr columns[] = {tn_attr_int("key_index", 1), tn_attr_int("value_index", 0)};
    tn_node t = tn_op_named(f->b, "HashTableV2", table, TN_NO_INPUTS, types, 2);
    tn_add_operation(f->b, "InitializeTableFromTextFileV2", name, TN_INPUTS(t, text(f, path)), columns, 2);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void test_tables(void **state)
{
    (void)state;
    fixture f;
    char path[] = "/tmp/turnery_table_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    fixture_open(&f);
    tn_attr types[] = {tn_attr_type("key_dtype", TN_STRING), tn_attr_type("value_dtype", TN_INT64)};
    tn_node h = tn_op_named(f.b, "HashTableV2", "t", TN_NO_INPUTS, types, 2), a = text(&f, "a"),
            none = tn_scalar(f.b, TN_INT64, -1);
    tn_op_named(f.b, "LookupTableFindV2", "find", TN_INPUTS(h, a, none), TN_NO_ATTRS);
    tn_op_named(f.b, "LookupTableFindV2", "types", TN_INPUTS(h, none, none), TN_NO_ATTRS);
    tn_add_operation(f.b, "InitializeTableV2", "set", TN_INPUTS(h, a, tn_scalar(f.b, TN_INT64, 1)),
                     TN_NO_ATTRS);
    tn_add_operation(f.b, "InitializeTableV2", "other", TN_INPUTS(h, a, tn_scalar(f.b, TN_INT64, 2)),
                     TN_NO_ATTRS);
    tn_add_operation(f.b, "LookupTableInsertV2", "insert", TN_INPUTS(h, a, none), TN_NO_ATTRS);
    tn_node u = tn_op_named(f.b, "HashTableV2", "u", TN_NO_INPUTS, types, 2);
    tn_attr columns[] = {tn_attr_int("key_index", 1), tn_attr_int("value_index", 0)};
    tn_add_operation(f.b, "InitializeTableFromTextFileV2", "file", TN_INPUTS(u, text(&f, path)), columns, 2);
    tn_op_named(f.b, "LookupTableFindV2", "found", TN_INPUTS(u, a, none), TN_NO_ATTRS);
    from_file(&f, "short", TN_INT32, path);
    from_file(&f, "real", TN_FLOAT, path);
    refused(&f, "find", TN_FAILED_PRECONDITION, "Table not initialized.");
    refused(&f, "types", TN_INVALID_ARGUMENT, "Table 't' is from string to int64, not from int64 to int64");
    assert_ok(fixture_run(&f, NULL, "set", NULL), &f.err);
    assert_ok(fixture_run(&f, NULL, "set", NULL), &f.err);
    refused(&f, "other", TN_FAILED_PRECONDITION, "Table already initialized.");
    refused(&f, "insert", TN_UNIMPLEMENTED, "Insert not supported");
    write_lines(path, "7\tb\nx\ta\n");
    refused(&f, "file", TN_INVALID_ARGUMENT, "Field x in line 1 is not a valid int64.");
    write_lines(path, "7\n");
    refused(&f, "file", TN_INVALID_ARGUMENT, "Invalid number of columns in line 0");
    write_lines(path, "7\tb\n9223372036854775808\ta\n");
    refused(&f, "file", TN_INVALID_ARGUMENT, "Field 9223372036854775808 in line 1 is not a valid int64.");
    write_lines(path, "7\tb\n\n8\ta\n");
    refused(&f, "file", TN_INVALID_ARGUMENT, ": empty line found at position 5.");
    write_lines(path, "2147483648\ta\n");
    refused(&f, "short", TN_INVALID_ARGUMENT, "Field 2147483648 in line 0 is not a valid int32.");
    write_lines(path, "x\ta\n");
    refused(&f, "real", TN_INVALID_ARGUMENT, "Field x in line 0 is not a valid float.");
    write_lines(path, "7\tb\r\n " ZEROS "8 \ta");
    assert_ok(fixture_run(&f, NULL, "file", NULL), &f.err);
    tn_tensor *t;
    assert_ok(fixture_run(&f, "found:0", NULL, &t), &f.err);
    assert_int_equal(*TN_INT64S(t), 8);
    tn_tensor_unref(t);
    fixture_close(&f);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uninitialized), cmocka_unit_test(test_shapes), cmocka_unit_test(test_slots),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_counting),      cmocka_unit_test(test_arrays), cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_assert),        cmocka_unit_test(test_files),  cmocka_unit_test(test_tables),
        cmocka_unit_test(test_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
