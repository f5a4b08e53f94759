/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grad_flow.c - gradients through calls, branches and loops: against finite differences, with all
 * passes on and all off.
 */
#include "test.h"

#include <math.h>

#include "graph/op.h"

enum { MOST = 4 };

typedef struct fixture {
    tn_graph *g;
    tn_builder *b;
    tn_session *s;
    tn_error err;
    tn_node x[MOST];        /* placeholders, double */
    tn_tensor *v[MOST + 1]; /* what is fed */
    const char *names[MOST + 1];
    int n, n_feeds;
} fixture;

static void start(fixture *f)
{
    *f = (fixture){0};
    f->g = tn_graph_new();
    f->b = tn_builder_new(f->g);
}

static void finish(fixture *f)
{
    tn_session_free(f->s);
    tn_builder_free(f->b);
    tn_graph_free(f->g);
    for (int i = 0; i < f->n_feeds; i++) tn_tensor_unref(f->v[i]);
}

/* An input to differentiate by, and what is fed to it. */
static tn_node input(fixture *f, const char *name, int n, const double *values)
{
    tn_shape shape = TN_SHAPE(n);
    assert_ok(tn_tensor_of(TN_DOUBLE, &shape, values, &f->v[f->n_feeds], &f->err), &f->err);
    f->names[f->n_feeds++] = name;
    return f->x[f->n++] = tn_placeholder(f->b, name, TN_DOUBLE, TN_SHAPE(-1));
}

/* One more, of an integer or a bool, after the others. */
static tn_node other_input(fixture *f, const char *name, tn_dtype t, double value)
{
    assert_ok(tn_tensor_scalar(t, value, &f->v[f->n_feeds], &f->err), &f->err);
    f->names[f->n_feeds++] = name;
    return tn_placeholder(f->b, name, t, TN_SHAPE());
}

static tn_tensor *run(fixture *f, const char *fetch)
{
    tn_feed feeds[MOST + 1];
    tn_tensor *out = NULL;
    for (int i = 0; i < f->n_feeds; i++) feeds[i] = (tn_feed){f->names[i], f->v[i]};
    assert_ok(tn_session_run(f->s, feeds, f->n_feeds, &fetch, 1, &out, NULL, 0, &f->err), &f->err);
    return out;
}

static double value(fixture *f, const char *name)
{
    tn_tensor *t = run(f, name);
    double sum = 0;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) sum += tn_tensor_number(t, i);
    tn_tensor_unref(t);
    return sum;
}

static double difference(fixture *f, const char *y, double *at)
{
    const double h = 1e-5, was = *at;
    *at = was + h;
    double up = value(f, y);
    *at = was - h;
    double down = value(f, y);
    *at = was;
    return (up - down) / (2 * h);
}

static void check_input(fixture *f, const char *y, const char *dx, int i)
{
    tn_tensor *got = run(f, dx);
    assert_int_equal(tn_tensor_count(got), tn_tensor_count(f->v[i]));
    for (int64_t k = 0; k < tn_tensor_count(got); k++) {
        double wanted = difference(f, y, &((double *)f->v[i]->data)[k]), is = tn_tensor_number(got, k);
        if (fabs(wanted - is) > 1e-6 * (1 + fabs(wanted)))
            fail_msg("input %d, element %d: %g, not %g", i, (int)k, is, wanted);
    }
    tn_tensor_unref(got);
}

/* The gradient of sum(y) by every input, in both modes. */
static void check(fixture *f, tn_node y)
{
    tn_node dx[MOST];
    char name[MOST][300], out[300];
    tn_gradients(f->b, &y, 1, f->x, f->n, NULL, dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    snprintf(out, sizeof out, "%s:%d", y.op->name, y.index);
    for (int i = 0; i < f->n; i++) {
        assert_non_null(dx[i].op);
        snprintf(name[i], sizeof name[i], "%s:%d", dx[i].op->name, dx[i].index);
    }
    for (int mode = 0; mode < 2; mode++) {
        tn_session_options o = {.threads = 1, .passes_off = mode ? TN_ALL_PASSES : 0};
        tn_session_free(f->s);
        assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
        for (int i = 0; i < f->n; i++) check_input(f, out, name[i], i);
    }
}

#define OP(b, type, ...) tn_op(b, type, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

static const double A[] = {0.3, -0.7, 1.1}, B[] = {0.9, 0.4, -0.6};

/* ==== calls ==== */

/* (a, b) -> (tanh(a * b), b) */
static void define_product(fixture *f, const char *name)
{
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, tn_shape_unknown()),
            b = tn_function_arg(fb, "b", TN_DOUBLE, tn_shape_unknown());
    tn_node y = OP(fb, "Tanh", OP(fb, "Mul", a, b));
    tn_function_define(f->b, name, fb, (tn_node[]){y, b}, 2);
    tn_builder_free(fb);
}

static void a_call(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    define_product(&f, "product");
    tn_node x = input(&f, "x", 3, A), y = input(&f, "y", 3, B);
    tn_operation *call = tn_call(f.b, "product", (tn_node[]){x, y}, 2);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    check(&f, OP(f.b, "Mul", tn_output_of(call, 0), tn_output_of(call, 1)));
    assert_string_equal(tn_attr_get_func(&call->attrs, "f")->name, "__forward_product_0");
    assert_non_null(tn_graph_function(f.g, "product")); /* as it was */
    assert_int_equal(tn_graph_function(f.g, "product")->n_rets, 2);
    assert_true(call->n_out > 2);
    finish(&f);
}

static void nested_calls(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    define_product(&f, "product");
    tn_builder *fb = tn_builder_new(tn_function_graph(f.g));
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, tn_shape_unknown());
    tn_node one = tn_output_of(tn_call(fb, "product", (tn_node[]){a, OP(fb, "Sin", a)}, 2), 0);
    tn_node two = tn_output_of(tn_call(fb, "product", (tn_node[]){one, a}, 2), 0);
    tn_function_define(f.b, "outer", fb, &two, 1);
    tn_builder_free(fb);
    tn_node x = input(&f, "x", 3, A);
    tn_operation *call = tn_call(f.b, "outer", &x, 1);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    check(&f, tn_output_of(call, 0));
    finish(&f);
}

static void second_derivative(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    define_product(&f, "product");
    tn_node x = input(&f, "x", 3, A), y = input(&f, "y", 3, B);
    tn_node z = tn_output_of(tn_call(f.b, "product", (tn_node[]){x, y}, 2), 0), dz;
    tn_gradients(f.b, &z, 1, &x, 1, NULL, &dz);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    check(&f, dz);
    finish(&f);
}

static void a_function_with_its_own_gradient(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    tn_builder *fb = tn_builder_new(tn_function_graph(f.g));
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, TN_SHAPE(-1)), y = OP(fb, "Square", a);
    tn_function_define(f.b, "square", fb, &y, 1);
    tn_builder_free(fb);
    fb = tn_builder_new(tn_function_graph(f.g));
    a = tn_function_arg(fb, "a", TN_DOUBLE, TN_SHAPE(-1));
    tn_node dy = tn_function_arg(fb, "dy", TN_DOUBLE, TN_SHAPE(-1));
    y = OP(fb, "Mul", OP(fb, "Add", a, a), dy);
    tn_function_define(f.b, "square_grad", fb, &y, 1);
    tn_builder_free(fb);
    tn_graph_function(f.g, "square")->grad = "square_grad";
    tn_node x = input(&f, "x", 3, A);
    tn_operation *call = tn_call(f.b, "square", &x, 1);
    check(&f, tn_output_of(call, 0));
    assert_int_equal(call->n_out, 1); /* no residuals */
    finish(&f);
}

/* ==== branches ==== */

static void define_branch(fixture *f, const char *name, bool first)
{
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, tn_shape_unknown()),
            b = tn_function_arg(fb, "b", TN_DOUBLE, tn_shape_unknown());
    tn_node y = first ? OP(fb, "Mul", OP(fb, "Exp", a), OP(fb, "Sin", b)) : OP(fb, "Tanh", a);
    tn_function_define(f->b, name, fb, &y, 1);
    tn_builder_free(fb);
}

static void branches(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) {
        fixture f;
        start(&f);
        define_branch(&f, "one", true);
        define_branch(&f, "two", false); /* does not look at b */
        tn_node x = input(&f, "x", 3, A), y = input(&f, "y", 3, B), c = other_input(&f, "c", TN_BOOL, taken);
        tn_operation *op = tn_if(f.b, c, "one", "two", (tn_node[]){x, y}, 2);
        assert_ok(tn_builder_check(f.b, &f.err), &f.err);
        check(&f, OP(f.b, "Square", tn_output_of(op, 0)));
        finish(&f);
    }
}

static void cases(void **state)
{
    (void)state;
    for (int taken = 0; taken < 3; taken++) {
        fixture f;
        start(&f);
        define_branch(&f, "one", true);
        define_branch(&f, "two", false);
        tn_node x = input(&f, "x", 3, A), y = input(&f, "y", 3, B), c = other_input(&f, "c", TN_INT32, taken);
        tn_func_attr list[] = {{.name = "two"}, {.name = "one"}, {.name = "two"}};
        tn_attr attr = {.name = "branches", .kind = TN_ATTR_FUNC, .is_list = true, .n = 3, .funcs = list};
        tn_node z = tn_op(f.b, "StatelessCase", TN_INPUTS(c, x, y),
                          TN_ATTRS(tn_attr_types("Tout", (tn_dtype[]){TN_DOUBLE}, 1), attr));
        assert_ok(tn_builder_check(f.b, &f.err), &f.err);
        check(&f, z);
        finish(&f);
    }
}

/* ==== loops ==== */

/* i < n */
static void define_below(fixture *f, int n_values)
{
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(fb, "i", TN_INT32, TN_SHAPE()),
            n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
    for (int k = 0; k < n_values; k++) tn_function_arg(fb, "v", TN_DOUBLE, tn_shape_unknown());
    tn_node more = OP(fb, "Less", i, n);
    tn_function_define(f->b, "below", fb, &more, 1);
    tn_builder_free(fb);
}

typedef enum { REPEAT, GROW } manner;

/* (i, n, a, w) -> (i + 1, n, tanh(a * w) + w or [a, a * w], w) */
static void define_step(fixture *f, manner how)
{
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(fb, "i", TN_INT32, TN_SHAPE()),
            n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, tn_shape_unknown()),
            w = tn_function_arg(fb, "w", TN_DOUBLE, tn_shape_unknown());
    tn_node next = OP(fb, "AddV2", OP(fb, "Tanh", OP(fb, "Mul", a, w)), w);
    if (how == GROW) {
        tn_node mean = tn_op(fb, "Mean", TN_INPUTS(w, tn_ints(fb, (int64_t[]){0}, 1)), TN_NO_ATTRS);
        next = OP(fb, "ConcatV2", a, OP(fb, "Tanh", OP(fb, "Mul", a, mean)), tn_scalar(fb, TN_INT32, 0));
    }
    tn_node up = OP(fb, "AddV2", i, tn_scalar(fb, TN_INT32, 1));
    tn_function_define(f->b, "step", fb, (tn_node[]){up, n, next, w}, 4);
    tn_builder_free(fb);
}

static void loop_of(manner how, int times)
{
    fixture f;
    start(&f);
    define_below(&f, 2);
    define_step(&f, how);
    tn_node x = input(&f, "x", 3, A), w = input(&f, "w", 3, B), n = other_input(&f, "n", TN_INT32, times);
    tn_operation *loop = tn_while(f.b, "below", "step", (tn_node[]){tn_scalar(f.b, TN_INT32, 0), n, x, w}, 4);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    tn_node y = OP(f.b, "Mul", OP(f.b, "Sin", tn_output_of(loop, 2)), tn_scalar(f.b, TN_DOUBLE, 2));
    tn_node both = OP(f.b, "ConcatV2", y, tn_output_of(loop, 3), tn_scalar(f.b, TN_INT32, 0));
    check(&f, both);
    assert_int_equal(loop->n_in, loop->n_out);
    assert_int_equal(tn_attr_find(&loop->attrs, "T")->n, loop->n_in);
    finish(&f);
}

static void loops(void **state)
{
    (void)state;
    for (int times = 0; times < 4; times++) loop_of(REPEAT, times);
}

static void loops_whose_values_grow(void **state)
{
    (void)state;
    for (int times = 0; times < 3; times++) loop_of(GROW, times);
}

static void loop_in_a_function(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    define_below(&f, 2);
    define_step(&f, REPEAT);
    tn_builder *fb = tn_builder_new(tn_function_graph(f.g));
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, TN_SHAPE(-1)),
            w = tn_function_arg(fb, "w", TN_DOUBLE, TN_SHAPE(-1));
    tn_node in[] = {tn_scalar(fb, TN_INT32, 0), tn_scalar(fb, TN_INT32, 3), OP(fb, "Square", a), w};
    tn_operation *loop = tn_while(fb, "below", "step", in, 4);
    tn_node y = OP(fb, "Exp", tn_output_of(loop, 2));
    tn_function_define(f.b, "outer", fb, &y, 1);
    tn_builder_free(fb);
    tn_node x = input(&f, "x", 3, A), v = input(&f, "w", 3, B);
    tn_operation *call = tn_call(f.b, "outer", (tn_node[]){x, v}, 2);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    check(&f, tn_output_of(call, 0));
    finish(&f);
}

/* Rows pushed onto a list in a loop, and stacked behind it. */
static void list_in_a_loop(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    tn_attr t = tn_attr_type("element_dtype", TN_DOUBLE);
    tn_builder *fb = tn_builder_new(tn_function_graph(f.g));
    tn_node i = tn_function_arg(fb, "i", TN_INT32, TN_SHAPE()),
            n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
    tn_function_arg(fb, "a", TN_DOUBLE, tn_shape_unknown());
    tn_function_arg(fb, "l", TN_VARIANT, TN_SHAPE());
    tn_node more = OP(fb, "Less", i, n);
    tn_function_define(f.b, "below", fb, &more, 1);
    tn_builder_free(fb);
    fb = tn_builder_new(tn_function_graph(f.g));
    i = tn_function_arg(fb, "i", TN_INT32, TN_SHAPE());
    n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
    tn_node a = tn_function_arg(fb, "a", TN_DOUBLE, TN_SHAPE(3)),
            l = tn_function_arg(fb, "l", TN_VARIANT, TN_SHAPE());
    tn_node next = OP(fb, "Sin", OP(fb, "Exp", a)), up = OP(fb, "AddV2", i, tn_scalar(fb, TN_INT32, 1));
    tn_node list = tn_op(fb, "TensorListPushBack", TN_INPUTS(l, OP(fb, "Square", next)), TN_ATTRS(t));
    tn_function_define(f.b, "step", fb, (tn_node[]){up, n, next, list}, 4);
    tn_builder_free(fb);
    tn_node x = input(&f, "x", 3, A), shape = tn_ints(f.b, (int64_t[]){3}, 1);
    tn_node empty =
        tn_op(f.b, "EmptyTensorList", TN_INPUTS(shape, tn_scalar(f.b, TN_INT32, -1)), TN_ATTRS(t));
    tn_node count = other_input(&f, "n", TN_INT32, 3);
    tn_operation *loop =
        tn_while(f.b, "below", "step", (tn_node[]){tn_scalar(f.b, TN_INT32, 0), count, x, empty}, 4);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    tn_node y = tn_op(f.b, "TensorListStack", TN_INPUTS(tn_output_of(loop, 3), shape), TN_ATTRS(t));
    check(&f, OP(f.b, "Square", y));
    finish(&f);
}

/* A variable's handle goes through the loop: its gradients of all iterations add up. */
static void variable_in_a_loop(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    tn_node i, n, a, h;
    for (int k = 0; k < 2; k++) {
        tn_builder *fb = tn_builder_new(tn_function_graph(f.g));
        i = tn_function_arg(fb, "i", TN_INT32, TN_SHAPE());
        n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
        a = tn_function_arg(fb, "a", TN_DOUBLE, TN_SHAPE(3));
        h = tn_function_arg(fb, "h", TN_RESOURCE, TN_SHAPE());
        tn_node w = tn_op(fb, "ReadVariableOp", TN_INPUTS(h), TN_ATTRS(tn_attr_type("dtype", TN_DOUBLE)));
        tn_node up = OP(fb, "AddV2", i, tn_scalar(fb, TN_INT32, 1)), more = OP(fb, "Less", i, n);
        if (k == 0)
            tn_function_define(f.b, "below", fb, &more, 1);
        else
            tn_function_define(f.b, "step", fb, (tn_node[]){up, n, OP(fb, "Sin", OP(fb, "Mul", a, w)), h}, 4);
        tn_builder_free(fb);
    }
    tn_node x = input(&f, "x", 3, A), start_w = input(&f, "w0", 3, B),
            count = other_input(&f, "n", TN_INT32, 3);
    tn_node w = tn_variable(
        f.b, "w",
        tn_op(f.b, "EnsureShape", TN_INPUTS(start_w), TN_ATTRS(tn_attr_shape("shape", TN_SHAPE(3)))), 0);
    tn_operation *assign = tn_graph_operation(f.g, "w/Assign");
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    tn_control_dependencies(f.b, 1, &assign);
    tn_node handle = tn_output_of(tn_variable_of(f.b, w), 0), zero = tn_scalar(f.b, TN_INT32, 0);
    tn_operation *loop = tn_while(f.b, "below", "step", (tn_node[]){zero, count, x, handle}, 4);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    tn_node y = OP(f.b, "Square", tn_output_of(loop, 2)), xs[] = {x, w}, dx[2];
    tn_gradients(f.b, &y, 1, xs, 2, NULL, dx);
    tn_control_dependencies_end(f.b);
    assert_ok(tn_builder_check(f.b, &f.err), &f.err);
    tn_session_options o = {.threads = 1};
    assert_ok(tn_session_new(f.g, &o, &f.s, &f.err), &f.err);
    for (int k = 0; k < 2; k++) {
        char name[300], out[300];
        snprintf(name, sizeof name, "%s:%d", dx[k].op->name, dx[k].index);
        snprintf(out, sizeof out, "%s:%d", y.op->name, y.index);
        check_input(&f, out, name, k);
    }
    finish(&f);
}

/* Whatever allocation fails, there is an error and nothing leaks (the sanitizer looks). */
static void no_memory(void **state)
{
    (void)state;
    bool done = false;
    for (int64_t k = 1; !done; k += 3) {
        fixture f;
        start(&f);
        define_below(&f, 2);
        define_step(&f, REPEAT);
        tn_node x = input(&f, "x", 3, A), w = input(&f, "w", 3, B), n = other_input(&f, "n", TN_INT32, 2);
        tn_node in[] = {tn_scalar(f.b, TN_INT32, 0), n, x, w}, y, dx;
        y = tn_output_of(tn_while(f.b, "below", "step", in, 4), 2);
        tn_malloc_fail_at(k);
        tn_gradients(f.b, &y, 1, &x, 1, NULL, &dx);
        tn_malloc_fail_at(0);
        done = tn_builder_check(f.b, NULL) == TN_OK;
        assert_true(done == (dx.op != NULL));
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call),
        cmocka_unit_test(nested_calls),
        cmocka_unit_test(second_derivative),
        cmocka_unit_test(a_function_with_its_own_gradient),
        cmocka_unit_test(branches),
        cmocka_unit_test(cases),
        cmocka_unit_test(loops),
        cmocka_unit_test(loops_whose_values_grow),
        cmocka_unit_test(loop_in_a_function),
        cmocka_unit_test(list_in_a_loop),
        cmocka_unit_test(variable_in_a_loop),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
