/* SPDX-License-Identifier: Apache-2.0
 *
 * test_slots.c - what optimizers of TensorFlow 2 and Keras kept, in checkpoints of objects (golden/slots/make.py): training
 * goes on as it would have gone on there.
 *
 * usage: test_slots [FOLDER]     (FOLDER: of others that make.py has written)
 */
#include <math.h>

#include "nn/nn.h"
#include "small_graph.h"

typedef struct work {
    tn_graph *graph;
    tn_builder *b;
    tn_session *session;
    tn_operation *train;
    tn_node w;
    tn_error err;
} work;

typedef struct kind {
    const char *file;
    tn_solver_kind solver;
    bool centered;
} kind;

static tn_solver solver_of(const kind *k, tn_builder *b)
{
    tn_node rate = tn_constant_rate(b, k->solver == TN_ADADELTA ? 1 : 0.1);
    tn_solver o = k->solver == TN_MOMENTUM   ? tn_momentum(rate, 0.9)
                  : k->solver == TN_ADAM     ? tn_adam(rate)
                  : k->solver == TN_ADAGRAD  ? tn_adagrad(rate)
                  : k->solver == TN_ADADELTA ? tn_adadelta(rate)
                  : k->solver == TN_FTRL     ? tn_ftrl(rate)
                                             : tn_rmsprop(rate, 0.9, 0.5);
    o.centered = k->centered;
    if (k->solver == TN_RMSPROP || k->solver == TN_ADADELTA) o.epsilon = 0.001;
    if (k->solver == TN_ADAM) o.epsilon = strncmp(k->file, "train", 5) ? 1e-7 : 1e-8;
    if (k->solver == TN_ADADELTA) o.rho = 0.9;
    return o;
}

/* The loss is sum(c * (w - 1)^2). */
static void build(work *w, const kind *k, const char *from, tn_assignment rule)
{
    const tn_shape shape = TN_SHAPE(2, 3);
    tn_tensor *c = floats(&shape, (float[]){.5, 1, 1.5, 2, 2.5, 3});
    memset(w, 0, sizeof *w);
    w->graph = tn_graph_new();
    w->b = tn_builder_new(w->graph);
    w->w = tn_get_variable(w->b, "mine/w", TN_FLOAT, shape, (tn_initializer){.kind = TN_INIT_ZEROS}, 0);
    tn_init_from_checkpoint(w->b, from, &rule, 1, TN_SLOTS);
    tn_node d = tn_sub(w->b, w->w, tn_scalar(w->b, TN_FLOAT, 1));
    tn_node loss = tn_reduce_sum(w->b, tn_mul(w->b, tn_constant(w->b, "c", c), tn_square(w->b, d)), NULL, 0, false);
    tn_tensor_unref(c);
    w->train = tn_minimize(w->b, solver_of(k, w->b), loss, TN_NONE);
}

static tn_code start(work *w)
{
    return start_graph(w->graph, w->b, &w->session, &w->err);
}

static void end(work *w)
{
    tn_session_free(w->session);
    tn_builder_free(w->b);
    tn_graph_free(w->graph);
}

static const char *folder; /* NULL: tests/golden/slots */

static const char *file_of(void **state, const kind *k, const char *ending)
{
    const char *name = tn_arena_printf(arena_of(state), "%s%s%s", folder ? "" : "slots/", k->file, ending);
    return folder ? tn_path_join(arena_of(state), folder, name) : golden(state, name);
}

static void goes_on(void **state, const kind *k, tn_assignment rule)
{
    work w = {.graph = NULL};
    tn_tensor *want, *got;
    const char *step;
    assert_ok(tn_tensor_load(file_of(state, k, ".npy"), &want, &w.err), &w.err);
    build(&w, k, file_of(state, k, ""), rule);
    assert_ok(start(&w), &w.err);
    step = tn_operation_name(w.train);
    for (int i = 0; i < 2; i++)
        assert_ok(tn_session_run(w.session, NULL, 0, NULL, 0, NULL, &step, 1, &w.err), &w.err);
    assert_ok(tn_session_get(w.session, "mine/w", &got, &w.err), &w.err);
    for (int i = 0; i < 6; i++)
        if (fabsf(TN_FLOATS(got)[i] - TN_FLOATS(want)[i]) > 2e-6f)
            fail_msg("%s: w[%d] is %.9g, not %.9g", k->file, i, (double)TN_FLOATS(got)[i], (double)TN_FLOATS(want)[i]);
    tn_tensor_unref(got);
    tn_tensor_unref(want);
    end(&w);
}

static void training_goes_on(void **state)
{
    static const kind kinds[] = {
        {"train_momentum", TN_MOMENTUM, false},  {"train_adam", TN_ADAM, false},
        {"train_rmsprop", TN_RMSPROP, false},    {"keras2_momentum", TN_MOMENTUM, false},
        {"keras2_adam", TN_ADAM, false},         {"keras2_rmsprop", TN_RMSPROP, true},
        {"keras2_adagrad", TN_ADAGRAD, false},   {"keras2_adadelta", TN_ADADELTA, false},
        {"keras2_ftrl", TN_FTRL, false},         {"keras3_momentum", TN_MOMENTUM, false},
        {"keras3_adam", TN_ADAM, false},         {"keras3_rmsprop", TN_RMSPROP, false},
        {"keras3_adagrad", TN_ADAGRAD, false},   {"keras3_rmsprop_centered", TN_RMSPROP, true},
        {"keras3_adadelta", TN_ADADELTA, false}, {"keras3_ftrl", TN_FTRL, false},
        {"keras215_momentum", TN_MOMENTUM, false}, {"keras215_adam", TN_ADAM, false},
        {"keras215_rmsprop", TN_RMSPROP, false}, {"keras215_rmsprop_centered", TN_RMSPROP, true},
        {"keras215_adagrad", TN_ADAGRAD, false}, {"keras215_adadelta", TN_ADADELTA, false},
        {"keras215_ftrl", TN_FTRL, false},
    };
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        /* made anew by who may lack the package that has these */
        if (folder && !strncmp(kinds[i].file, "keras215", 8) && !tn_file_exists(file_of(state, &kinds[i], ".index"))) continue;
        goes_on(state, &kinds[i], (tn_assignment){"w", "mine/w"});       /* the name that the variable had */
        goes_on(state, &kinds[i], (tn_assignment){"layer/", "mine/"});   /* the path to the object */
    }
}

/* Slots of another optimizer are missed, not made up. */
static void another_optimizer(void **state)
{
    static const kind adam = {"train_momentum", TN_ADAM, false}, ftrl = {"keras3_adam", TN_FTRL, false};
    work w;
    build(&w, &ftrl, golden(state, "slots/keras3_adam"), (tn_assignment){"w", "mine/w"});
    assert_code(start(&w), TN_INVALID_ARGUMENT);
    assert_says(&w.err, "slots");
    end(&w);
    build(&w, &adam, golden(state, "slots/train_momentum"), (tn_assignment){"w", "mine/w"});
    assert_code(start(&w), TN_INVALID_ARGUMENT);
    end(&w);
}

/* The checkpoint tells what each tensor was. */
static void names(void **state)
{
    tn_bundle *b;
    tn_error err;
    int seen = 0;
    assert_ok(tn_bundle_open(golden(state, "slots/keras3_adam"), &b, &err), &err);
    for (int i = 0; i < tn_bundle_count(b); i++) {
        const char *name = tn_bundle_info_at(b, i).name, *variable = tn_bundle_variable(b, i);
        if (!strcmp(name, "layer/w/.ATTRIBUTES/VARIABLE_VALUE")) assert_string_equal(variable, "w"), seen++;
        if (!strcmp(name, "_CHECKPOINTABLE_OBJECT_GRAPH")) assert_null(variable), seen++;
        if (variable && !strcmp(variable, "adam/w_velocity")) seen++;
    }
    assert_int_equal(seen, 3);
    tn_bundle_close(b);
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {TEST(training_goes_on), TEST(another_optimizer), TEST(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
