/* SPDX-License-Identifier: Apache-2.0
 * What is behind handles, as plans know it: values taken from a stack have the shape of what was put there, or are the
 * constant that was; where shapes differ, come later, or go through hands that tell nothing, nothing is known, and the
 * numbers are right all the same, with each pass switched off. And sums of loops, made in their own place. */
#include "plan_test.h"

#define OP(b, op, ...) tn_op(b, op, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

enum { TIMES = 3 };

typedef enum kind {
    SAME,      /* the elements are of one shape */
    GROWING,   /* each is longer than the one before */
    LATE,      /* the loop takes one before it puts a longer one */
    CONSTANTS, /* all are one constant */
    DIFFERENT, /* constants of one shape */
    HANDED_ON, /* a longer one comes by another name of the handle */
    KINDS
} kind;

static tn_node vector(tn_builder *b, int n, double first)
{
    float v[8];
    for (int i = 0; i < n; i++) v[i] = (float)(first + i);
    return constant_floats(b, TN_SHAPE(n), v);
}

static tn_operation *push(tn_builder *b, tn_node h, tn_node x)
{
    return tn_add_operation(b, "StackPushV2", NULL, TN_INPUTS(h, x), TN_NO_ATTRS);
}

static tn_node pop(tn_builder *b, tn_node h)
{
    return tn_op(b, "StackPopV2", TN_INPUTS(h), TN_ATTRS(tn_attr_type("elem_type", TN_FLOAT)));
}

static tn_node longer(tn_builder *b, tn_node x)
{
    return OP(b, "ConcatV2", x, vector(b, 1, 7), tn_scalar(b, TN_INT32, 0));
}

/* What comes next is done after this. */
static void then(tn_builder *b, tn_operation *op)
{
    tn_control_dependencies(b, 1, &op);
}

static tn_node next_of(tn_builder *b, tn_node i)
{
    return OP(b, "AddV2", i, tn_scalar(b, TN_INT32, 1));
}

typedef struct arguments {
    tn_node i, h, x;
} arguments;

static arguments begin(tn_builder *b)
{
    return (arguments){tn_function_arg(b, NULL, TN_INT32, TN_SHAPE()), tn_function_arg(b, NULL, TN_RESOURCE, TN_SHAPE()),
                       tn_function_arg(b, NULL, TN_FLOAT, tn_shape_unknown())};
}

static void end(fixture *f, const char *name, tn_builder *b, tn_node i, tn_node h, tn_node x)
{
    const tn_node rets[] = {i, h, x};
    tn_function_define(f->b, name, b, rets, 3);
    tn_builder_free(b);
}

static void define_limit(fixture *f)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    arguments a = begin(b);
    tn_function_define(f->b, "limit", b, (const tn_node[]){OP(b, "Less", a.i, tn_scalar(b, TN_INT32, TIMES))}, 1);
    tn_builder_free(b);
}

/* Puts something on the stack h; x is what it put, or hands on. */
static void define_fill(fixture *f, kind how)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    arguments a = begin(b);
    tn_node x = a.x;
    if (how == SAME || how == HANDED_ON) x = OP(b, "Square", x);
    if (how == GROWING) x = longer(b, x);
    if (how == LATE) {
        x = pop(b, a.h);
        then(b, x.op);
        x = longer(b, x);
    }
    tn_node constant = vector(b, 2, 5);
    if (how == DIFFERENT) { /* of one shape, by turns */
        tn_node odd = OP(b, "Equal", a.i, tn_scalar(b, TN_INT32, 1));
        push(b, a.h, OP(b, "SelectV2", odd, vector(b, 2, 9), constant));
    } else {
        push(b, a.h, how == CONSTANTS ? constant : x);
    }
    if (how == LATE) tn_control_dependencies_end(b);
    end(f, "fill", b, next_of(b, a.i), a.h, how == LATE ? a.x : x); /* so that inference goes through it but once */
}

/* x' = x + sum of one element * how many it has */
static void define_drain(fixture *f)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    arguments a = begin(b);
    tn_node v = OP(b, "Tanh", pop(b, a.h)), axis = tn_ints(b, (int64_t[]){0}, 1);
    tn_node sum = tn_op(b, "Sum", TN_INPUTS(v, axis), TN_NO_ATTRS);
    tn_node size = tn_op(b, "Cast", TN_INPUTS(OP(b, "Size", v)), TN_ATTRS(tn_attr_type("DstT", TN_FLOAT)));
    end(f, "drain", b, next_of(b, a.i), a.h, OP(b, "AddV2", a.x, OP(b, "Mul", sum, size)));
}

static tn_operation *loop(fixture *f, const char *body, tn_node h, tn_node x)
{
    tn_node in[] = {tn_scalar(f->b, TN_INT32, 0), h, x};
    return tn_while(f->b, "limit", body, in, 3);
}

static void build(fixture *f, kind how)
{
    fixture_open(f);
    define_limit(f);
    define_fill(f, how);
    define_drain(f);
    tn_node h = tn_op(f->b, "StackV2", TN_INPUTS(tn_scalar(f->b, TN_INT32, -1)), TN_ATTRS(tn_attr_type("elem_type", TN_FLOAT)));
    for (int i = 0; i < TIMES && how == LATE; i++) then(f->b, push(f->b, h, vector(f->b, 2, 1)));
    tn_operation *fill = loop(f, "fill", h, tn_placeholder(f->b, "x", TN_FLOAT, tn_shape_vector(2)));
    then(f->b, fill);
    if (how == HANDED_ON) then(f->b, push(f->b, OP(f->b, "Identity", h), vector(f->b, 4, 1)));
    tn_operation *drain = loop(f, "drain", h, tn_scalar(f->b, TN_FLOAT, 0));
    for (int i = 0; i < 1 + (how == HANDED_ON) + (how == LATE ? TIMES : 0); i++) tn_control_dependencies_end(f->b);
    give_name(f->b, "y", tn_output_of(drain, 2));
}

/* Element i of the k-th value that comes off the stack. */
static double value_of(kind how, int k, int i)
{
    const double x = i == 0 ? 0.9 : i == 1 ? 0.5 : 7;
    switch (how) {
    case SAME: return pow(x, pow(2, TIMES - k));
    case HANDED_ON: return k == 0 ? i + 1 : pow(x, pow(2, TIMES - k + 1));
    case LATE: return i < 2 ? i + 1 : 7;
    case CONSTANTS: return 5 + i;
    case DIFFERENT: return (k == 1 ? 9 : 5) + i;
    default: return x;
    }
}

static double want_of(kind how)
{
    double sum = 0;
    for (int k = 0; k < TIMES; k++) {
        const int n = how == GROWING ? 5 - k : how == LATE && k == 0 ? 2 + TIMES : how == HANDED_ON && k == 0 ? 4 : 2;
        for (int i = 0; i < n; i++) sum += n * tanh(value_of(how, k, i));
    }
    return sum;
}

static void test_stack(void **state)
{
    (void)state;
    for (kind how = 0; how < KINDS; how++) {
        fixture f;
        build(&f, how);
        tn_tensor *x = floats(TN_SHAPE(2), (float[]){0.9f, 0.5f});
        for (int mode = 0; mode < PLAN_MODES; mode++) {
            fixture_session(&f, plan_mode(mode));
            tn_tensor *y = run_fed(&f, &(tn_feed){"x", x}, 1, "y");
            assert_float_equal(tn_tensor_number(y, 0), want_of(how), 1e-4);
            tn_tensor_unref(y);
        }
        fixture_session(&f, 0);
        char *text = plan_of(&f, x, (const char *[]){"y"}, 1);
        const bool known = how == SAME || how == CONSTANTS || how == DIFFERENT;
        assert_int_equal(!strstr(text, "[?") && !strstr(text, "<unknown>"), known);
        assert_int_equal(strstr(text, "  Sum  ") || strstr(text, "Tanh"), how != CONSTANTS); /* which is computed ahead */
        tn_text_free(text);
        tn_tensor_unref(x);
        fixture_close(&f);
    }
}

/* ==== sums of loops ==== */

typedef enum looks { ONCE, TWICE, AFTERWARDS } looks; /* how the body looks at the sum so far */

/* sum' = sum + x, x' = 2 x; AFTERWARDS: x' = x + sum, of the sum before */
static void define_sum(fixture *f, looks how)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE());
    tn_node sum = tn_function_arg(b, NULL, TN_FLOAT, tn_shape_vector(2)), x = tn_function_arg(b, NULL, TN_FLOAT, tn_shape_vector(2));
    tn_node next = OP(b, "AddV2", sum, how == TWICE ? sum : x), more = next;
    if (how == AFTERWARDS) then(b, next.op);
    more = OP(b, "AddV2", x, how == AFTERWARDS ? sum : x);
    if (how == AFTERWARDS) tn_control_dependencies_end(b);
    tn_function_define(f->b, "body", b, (const tn_node[]){next_of(b, i), next, more}, 3);
    tn_builder_free(b);
    b = tn_builder_new(tn_function_graph(f->g));
    i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE());
    for (int k = 0; k < 2; k++) tn_function_arg(b, NULL, TN_FLOAT, tn_shape_vector(2));
    tn_function_define(f->b, "cond", b, (const tn_node[]){OP(b, "Less", i, tn_scalar(b, TN_INT32, TIMES))}, 1);
    tn_builder_free(b);
}

static void test_sums(void **state)
{
    (void)state;
    static const double want[][2] = {{8, 15}, {8, 9}, {8, 0}};
    for (looks how = ONCE; how <= AFTERWARDS; how++) {
        fixture f;
        fixture_open(&f);
        define_sum(&f, how);
        tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, tn_shape_vector(2)), one = vector(f.b, 2, 1);
        tn_operation *loop = tn_while(f.b, "cond", "body", (tn_node[]){tn_scalar(f.b, TN_INT32, 0), one, x}, 3);
        give_name(f.b, "y", tn_output_of(loop, 1));
        give_name(f.b, "first", OP(f.b, "AddV2", one, tn_output_of(loop, 1))); /* what the sum began with is as it was */
        tn_tensor *fed = floats(TN_SHAPE(2), (float[]){1, 13.0f / 7});
        for (int mode = 0; mode < PLAN_MODES; mode++) {
            fixture_session(&f, plan_mode(mode));
            for (int again = 0; again < 2; again++) {
                tn_tensor *y = run_fed(&f, &(tn_feed){"x", fed}, 1, "y"), *z = run_fed(&f, &(tn_feed){"x", fed}, 1, "first");
                assert_float_equal(tn_tensor_number(y, 0), want[how][0], 1e-5);
                if (how == ONCE) assert_float_equal(tn_tensor_number(y, 1), want[how][1], 1e-5);
                assert_float_equal(tn_tensor_number(z, 0), want[how][0] + 1, 1e-5);
                tn_tensor_unref(y);
                tn_tensor_unref(z);
            }
        }
        tn_tensor_unref(fed);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
