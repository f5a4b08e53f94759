/* SPDX-License-Identifier: Apache-2.0
 *
 * test_import.c - going on from models that are there: parts of them in a graph of one's own, what variables begin
 * with, freezing, slots; and everything that can be wrong with it.
 */
#include <math.h>

#include "nn/nn.h"
#include "small_graph.h"

typedef struct work { /* a graph that something is imported into */
    tn_graph *graph;
    tn_builder *b;
    tn_session *session;
    tn_error err;
} work;

static work begin(void)
{
    work w = {.graph = tn_graph_new()};
    w.b = tn_builder_new(w.graph);
    assert_non_null(w.b);
    return w;
}

static void end(work *w)
{
    tn_session_free(w->session);
    tn_builder_free(w->b);
    tn_graph_free(w->graph);
}

static tn_code start(work *w)
{
    return start_graph(w->graph, w->b, &w->session, &w->err);
}

static tn_tensor *fetch(work *w, tn_node value, const char *feed, const tn_tensor *x)
{
    char name[300];
    const char *names[] = {name};
    tn_tensor *out;
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(value.op), value.index);
    assert_ok(tn_session_run(w->session, &(tn_feed){feed, x}, feed ? 1 : 0, names, 1, &out, NULL, 0, &w->err), &w->err);
    return out;
}

/* y = x w + b of small_graph.h, saved with its .meta: m, w[0][0] = w0. */
static const char *saved(void **state, float w0)
{
    tn_error err;
    tn_saver *saver;
    small_graph g = small_graph_new(w0);
    const char *prefix = in(state, "m");
    assert_ok(tn_saver_new(prefix, NULL, &saver, &err), &err);
    assert_ok(small_graph_save(&g, saver, -1, &err), &err);
    tn_saver_free(saver);
    small_graph_free(&g);
    return prefix;
}

static const tn_tensor *ones(void)
{
    static tn_tensor *t;
    if (!t) t = floats(&TN_SHAPE(1, 2), (float[]){1, 1});
    return t;
}

static tn_node feed(work *w)
{
    return tn_placeholder(w->b, "in", TN_FLOAT, TN_SHAPE(-1, 2));
}

/* ---- what is there ---- */

static void test_meta_graph(void **state)
{
    work w = begin();
    tn_node y;
    saved(state, 5);
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", feed(&w)}), TN_WANTED("y:0"), &y, NULL);
    assert_int_equal(tn_collection_count(w.graph, TN_GLOBAL_VARIABLES), 2); /* not the step, nor the local one */
    assert_int_equal(tn_collection_count(w.graph, TN_TRAINABLE_VARIABLES), 2);
    assert_string_equal(tn_operation_name(y.op), "base/y");
    assert_string_equal(tn_operation_type(tn_graph_operation(w.graph, "base/layer/b")), "VariableV2");
    assert_ok(start(&w), &w.err);
    tn_tensor *out = fetch(&w, y, "in:0", ones());
    assert_true(TN_FLOATS(out)[0] == 8.5f && TN_FLOATS(out)[1] == 6.5f);
    assert_true(variable(w.session, "base/layer/w") == 5);
    tn_tensor_unref(out);
    end(&w);
}

/* Any value can be exchanged, and without a prefix names stay. */
static void test_inner_value(void **state)
{
    work w = begin();
    tn_node y, x = feed(&w);
    saved(state, 5);
    tn_import(w.b, NULL, in(state, "m.meta"), TN_GIVEN({"MatMul:0", x}), TN_WANTED("y"), &y, NULL);
    assert_int_equal(tn_collection_count(w.graph, TN_GLOBAL_VARIABLES), 1);
    assert_non_null(tn_graph_operation(w.graph, "layer/b"));
    assert_null(tn_graph_operation(w.graph, "MatMul"));
    assert_ok(start(&w), &w.err);
    tn_tensor *out = fetch(&w, y, "in:0", ones());
    assert_true(TN_FLOATS(out)[0] == 1.5f);
    tn_tensor_unref(out);
    end(&w);
}

/* A second import in a scope that reuses shares the variables. */
static void test_reuse(void **state)
{
    work w = begin();
    tn_node y[2], x = feed(&w);
    saved(state, 5);
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", x}), TN_WANTED("y"), &y[0], NULL);
    tn_name_scope(w.b, "validation");
    tn_builder_set_reuse(w.b, TN_REUSE);
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", tn_scale(w.b, x, 2)}), TN_WANTED("y"), &y[1], NULL);
    tn_name_scope_end(w.b);
    assert_int_equal(tn_collection_count(w.graph, TN_GLOBAL_VARIABLES), 2);
    assert_ok(start(&w), &w.err);
    tn_tensor *out = fetch(&w, y[1], "in:0", ones());
    assert_true(TN_FLOATS(out)[0] == 16.5f);
    tn_tensor_unref(out);
    end(&w);
}

static const char *keras(void)
{
    static char path[1024];
    const char *source = getenv("TN_SOURCE");
    snprintf(path, sizeof path, "%s/examples/finetune/pretrained", source ? source : ".");
    return path;
}

static tn_tensor *image(void)
{
    tn_error err;
    tn_tensor *t;
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(1, 28, 28, 1), &t, &err), &err);
    for (int i = 0; i < 784; i++) TN_FLOATS(t)[i] = (float)((i * 37) % 101) / 101;
    return t;
}

/* A SavedModel of Keras 3: two sets of variables, functions, objects; answers as when it is run by itself. */
static void test_keras(void **state)
{
    (void)state;
    work w = begin();
    tn_node y[2];
    tn_predictor *p;
    const tn_tensor *want;
    tn_tensor *x = image();
    tn_node node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("output_0", "features_1/Relu"), y, NULL);
    assert_ok(start(&w), &w.err);
    assert_int_equal(tn_collection_count(w.graph, TN_GLOBAL_VARIABLES), 12);
    assert_int_equal(tn_collection_count(w.graph, TN_TRAINABLE_VARIABLES), 10); /* moving averages are not */
    assert_ok(tn_predictor_open(keras(), NULL, NULL, &p, &w.err), &w.err);
    assert_ok(tn_predictor_run(p, (const tn_tensor *[]){x}, &want, &w.err), &w.err);
    tn_tensor *out = fetch(&w, y[0], "in:0", x);
    assert_int_equal(tn_tensor_count(out), 5);
    for (int i = 0; i < 5; i++) assert_true(fabsf(TN_FLOATS(out)[i] - TN_FLOATS(want)[i]) < 1e-6f);
    tn_tensor_unref(out);
    out = fetch(&w, y[1], "in:0", x);
    assert_int_equal(tn_tensor_count(out), 32);
    for (int i = 0; i < tn_graph_function_count(w.graph); i++) fail_msg("a function that nobody calls was imported");
    tn_tensor_unref(out);
    tn_tensor_unref(x);
    tn_predictor_close(p);
    end(&w);
}

static double total(work *w, const char *name)
{
    tn_tensor *t;
    double sum = 0;
    assert_ok(tn_session_get(w->session, name, &t, &w->err), &w->err);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) sum += tn_tensor_number(t, i);
    tn_tensor_unref(t);
    return sum;
}

/* What is cut off leaves nothing; a frozen part has no gradient and no slots; the rest learns. */
static void test_frozen(void **state)
{
    (void)state;
    work w = begin();
    tn_node seen;
    tn_tensor *x = image();
    tn_node node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("flatten_1/Reshape"), &seen, NULL);
    assert_int_equal(tn_collection_count(w.graph, TN_GLOBAL_VARIABLES), 8);
    tn_freeze(w.b, "k/conv1/");
    tn_freeze(w.b, "k/norm/gamma_1");
    tn_node loss = tn_reduce_mean(w.b, tn_square(w.b, tn_dense(w.b, "head", seen, 1, TN_LINEAR)), NULL, 0, false);
    tn_operation *train = tn_minimize(w.b, tn_adam(tn_constant_rate(w.b, 0.01)), loss, TN_NONE);
    const char *step = train ? tn_operation_name(train) : "";
    assert_ok(start(&w), &w.err);
    assert_int_equal(tn_collection_count(w.graph, TN_TRAINABLE_VARIABLES), 3 + 2);
    assert_null(tn_graph_operation(w.graph, "k/conv1/kernel_1/Adam"));
    assert_null(tn_graph_operation(w.graph, "k/norm/gamma_1/Adam"));
    assert_non_null(tn_graph_operation(w.graph, "k/conv2/kernel_1/Adam"));
    double conv1 = total(&w, "k/conv1/kernel_1"), conv2 = total(&w, "k/conv2/kernel_1");
    for (int i = 0; i < 3; i++)
        assert_ok(tn_session_run(w.session, &(tn_feed){"in:0", x}, 1, NULL, 0, NULL, &step, 1, &w.err), &w.err);
    assert_true(total(&w, "k/conv1/kernel_1") == conv1);
    assert_true(total(&w, "k/conv2/kernel_1") != conv2);
    tn_tensor_unref(x);
    end(&w);
}

/* The version 1 loop of frames keeps its back edges; of a model that comes twice each has its own, and gradients go
 * through both. */
static void test_frames(void **state)
{
    work w = begin();
    tn_node y, z, dx;
    tn_input_map given[] = {{"data", tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 6, 8))}};
    const char *meta = golden(state, "models/gru_recommender_cf1/saver/m.meta");
    tn_import(w.b, "r", meta, given, TN_COUNT(given), TN_WANTED("rnn_layers/rnn/while/Exit_2"), &y, NULL);
    tn_import(w.b, "s", meta, given, TN_COUNT(given), TN_WANTED("rnn_layers/rnn/while/Exit_2"), &z, NULL);
    tn_node both[] = {y, tn_reshape(w.b, z, TN_SHAPE(-1))};
    tn_gradients(w.b, both, 2, &given[0].value, 1, NULL, &dx);
    tn_gradients(w.b, &y, 1, &given[0].value, 1, NULL, &dx);
    assert_non_null(dx.op);
    assert_ok(start(&w), &w.err);
    int loops = 0;
    for (int i = 0; i < tn_graph_count(w.graph); i++)
        loops += !strcmp(tn_operation_type(tn_graph_at(w.graph, i)), "NextIteration");
    assert_true(loops > 0);
    tn_tensor *x, *out;
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(2, 6, 8), &x, &w.err), &w.err);
    out = fetch(&w, dx, "in:0", x);
    tn_tensor_unref(out);
    out = fetch(&w, y, "in:0", x);
    tn_tensor_unref(x);
    tn_tensor_unref(out);
    end(&w);
}

/* ---- what variables begin with ---- */

static void test_own_initial_values(void **state)
{
    work w = begin();
    tn_node y;
    saved(state, 5);
    const tn_import_options o = {.checkpoint = "", .flags = TN_FROZEN};
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", feed(&w)}), TN_WANTED("y"), &y, &o);
    assert_int_equal(tn_collection_count(w.graph, TN_TRAINABLE_VARIABLES), 0);
    assert_ok(start(&w), &w.err);
    assert_true(variable(w.session, "base/layer/w") == 5);
    assert_non_null(tn_graph_operation(w.graph, "base/w0"));
    end(&w);
    w = begin();
    tn_node node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("output_0"), &y, &o);
    assert_code(tn_builder_check(w.b, &w.err), TN_INVALID_ARGUMENT);
    assert_says(&w.err, "neither a checkpoint nor an initial value");
    assert_says(&w.err, "more");
    end(&w);
}

static tn_node new_variable(work *w, const char *name, tn_shape shape)
{
    return tn_get_variable(w->b, name, TN_FLOAT, shape, (tn_initializer){.kind = TN_INIT_ONES}, 0);
}

static void test_rules(void **state)
{
    work w = begin();
    const char *m = saved(state, 5);
    new_variable(&w, "mine/w", TN_SHAPE(2, 2));
    new_variable(&w, "mine/b", TN_SHAPE());
    new_variable(&w, "other", TN_SHAPE(2, 2));
    tn_init_from_checkpoint(w.b, m, TN_RULES({"layer/", "mine/"}, {"layer/w", "other"}), 0);
    assert_ok(start(&w), &w.err);
    assert_true(variable(w.session, "mine/w") == 5 && variable(w.session, "mine/b") == 0.5);
    assert_true(variable(w.session, "other") == 5);
    end(&w);
}

static void test_rules_that_are_wrong(void **state)
{
    static const struct {
        tn_assignment rule;
        tn_code code;
        const char *says;
    } cases[] = {{{"layer/", "none/"}, TN_NOT_FOUND, "no variables under 'none/'"},
                 {{"layer/w", "mine/x"}, TN_NOT_FOUND, "did you mean 'mine/w'"},
                 {{"layer/w", "mine/"}, TN_INVALID_ARGUMENT, "only one of them is a scope"},
                 {{"layer/v", "mine/w"}, TN_INVALID_ARGUMENT, "no tensor 'layer/v' for the variable 'mine/w'"},
                 {{"layer/b", "mine/w"}, TN_INVALID_ARGUMENT, "'mine/w' is float [2,3], the tensor 'layer/b' is float []"},
                 {{"global_step", "mine/w"}, TN_INVALID_ARGUMENT, "is int64 []"},
                 {{"", "mine/"}, TN_INVALID_ARGUMENT, "'w'"},
                 {{NULL, "mine/"}, TN_INVALID_ARGUMENT, "without a name"}};
    const char *m = saved(state, 5);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        work w = begin();
        new_variable(&w, "mine/w", TN_SHAPE(2, 3));
        tn_init_from_checkpoint(w.b, m, &cases[i].rule, 1, 0);
        assert_code(tn_builder_check(w.b, &w.err), cases[i].code);
        assert_says(&w.err, cases[i].says);
        assert_says(&w.err, m);
        end(&w);
    }
    work w = begin();
    new_variable(&w, "a", TN_SHAPE());
    tn_init_from_checkpoint(w.b, in(state, "nothing"), NULL, 0, 0);
    assert_code(tn_builder_check(w.b, &w.err), TN_NOT_FOUND);
    end(&w);
}

/* All problems are in one message; with leave, such variables begin as they would. */
static void test_partial(void **state)
{
    work w = begin();
    const char *m = saved(state, 5);
    for (int pass = 0; pass < 2; pass++) {
        if (pass) end(&w), w = begin();
        new_variable(&w, "layer/w", TN_SHAPE(2, 3));
        new_variable(&w, "layer/b", TN_SHAPE());
        new_variable(&w, "layer/c", TN_SHAPE());
        tn_init_from_checkpoint(w.b, m, NULL, 0, pass ? TN_PARTIAL : 0);
        if (pass) break;
        assert_code(tn_builder_check(w.b, &w.err), TN_INVALID_ARGUMENT);
        assert_says(&w.err, "no tensor 'layer/c'");
        assert_says(&w.err, "'layer/w' is float [2,3]");
    }
    assert_ok(start(&w), &w.err);
    assert_true(variable(w.session, "layer/w") == 1 && variable(w.session, "layer/b") == 0.5);
    end(&w);
}

/* The checkpoint has other names than the model. */
static void test_import_by_rules(void **state)
{
    static const struct {
        tn_assignment rule;
        tn_code code;
        const char *says;
    } cases[] = {{{"old/", "layer/"}, TN_OK, ""},
                 {{"old/w", "layer/w"}, TN_INVALID_ARGUMENT, "no tensor 'layer/b'"},
                 {{"odl/", "layer/"}, TN_INVALID_ARGUMENT, "no tensor 'odl/w' for the variable 'layer/w'"},
                 {{"old/", "lyaer/"}, TN_INVALID_ARGUMENT, "the rule 'old/' -> 'lyaer/' names no variable"},
                 {{"old", "layer/"}, TN_INVALID_ARGUMENT, "only one of them is a scope"}};
    tn_error err;
    tn_bundle_writer *writer;
    saved(state, 5);
    tn_tensor *w0 = floats(&TN_SHAPE(2, 2), (float[]){9, 9, 9, 9}), *b0 = floats(&TN_SHAPE(), (float[]){4});
    assert_ok(tn_bundle_writer_open(in(state, "old"), &writer, &err), &err);
    assert_ok(tn_bundle_add(writer, "old/b", b0, &err), &err);
    assert_ok(tn_bundle_add(writer, "old/w", w0, &err), &err);
    assert_ok(tn_bundle_commit(writer, &err), &err);
    tn_tensor_unref(w0);
    tn_tensor_unref(b0);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        work w = begin();
        tn_node y;
        tn_import_options o = {.checkpoint = in(state, "old"), .rules = &cases[i].rule, .n_rules = 1};
        tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", feed(&w)}), TN_WANTED("y"), &y, &o);
        if (cases[i].code == TN_OK) {
            assert_ok(start(&w), &w.err);
            assert_true(variable(w.session, "base/layer/w") == 9 && variable(w.session, "base/layer/b") == 4);
        } else {
            assert_code(tn_builder_check(w.b, &w.err), cases[i].code);
            assert_says(&w.err, cases[i].says);
        }
        end(&w);
    }
}

/* What is imported with a checkpoint of another model: its own initial values where that has none. */
static void test_other_checkpoint(void **state)
{
    tn_error err;
    tn_bundle_writer *writer;
    const char *other = in(state, "other");
    saved(state, 5);
    tn_tensor *t = floats(&TN_SHAPE(2, 2), (float[]){9, 9, 9, 9});
    assert_ok(tn_bundle_writer_open(other, &writer, &err), &err);
    assert_ok(tn_bundle_add(writer, "layer/b", t, &err), &err); /* of another shape */
    assert_ok(tn_bundle_add(writer, "layer/w", t, &err), &err);
    assert_ok(tn_bundle_commit(writer, &err), &err);
    tn_tensor_unref(t);
    for (int partial = 0; partial < 2; partial++) {
        work w = begin();
        tn_node y;
        tn_import_options o = {.checkpoint = other, .flags = partial ? TN_PARTIAL : 0};
        tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", feed(&w)}), TN_WANTED("y"), &y, &o);
        if (!partial) {
            assert_code(tn_builder_check(w.b, &w.err), TN_INVALID_ARGUMENT);
            assert_says(&w.err, "'layer/b' is float [], the tensor 'layer/b' is float [2,2]");
        } else {
            assert_ok(start(&w), &w.err);
            assert_true(variable(w.session, "base/layer/w") == 9 && variable(w.session, "base/layer/b") == 0.5);
        }
        end(&w);
    }
}

/* Slots of the same optimizer go on; of another they are missed. */
static void test_slots(void **state)
{
    const char *meta = golden(state, "models/train_mlp_adagrad/saver/model.ckpt.meta");
    for (int same = 0; same < 2; same++) {
        work w = begin();
        tn_node y, x = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 7));
        const tn_import_options o = {.flags = TN_SLOTS};
        tn_import(w.b, "net", meta, TN_GIVEN({"features", x}), TN_WANTED("head/BiasAdd"), &y, &o);
        tn_node loss = tn_reduce_mean(w.b, tn_square(w.b, y), NULL, 0, false), rate = tn_constant_rate(w.b, 0.1);
        tn_minimize(w.b, same ? tn_adagrad(rate) : tn_adam(rate), loss, TN_NONE);
        if (same) {
            tn_bundle *b;
            tn_tensor *t;
            assert_ok(start(&w), &w.err);
            assert_ok(tn_bundle_open(golden(state, "models/train_mlp_adagrad/saver/model.ckpt"), &b, &w.err), &w.err);
            assert_ok(tn_bundle_read(b, "l0/kernel/Adagrad", &t, &w.err), &w.err);
            assert_true(variable(w.session, "net/l0/kernel/Adagrad") == tn_tensor_number(t, 0));
            tn_tensor_unref(t);
            tn_bundle_close(b);
        } else {
            assert_code(start(&w), TN_INVALID_ARGUMENT);
            assert_says(&w.err, "slots");
        }
        end(&w);
    }
}

static tn_tensor *fed(void **state, const char *name)
{
    tn_tensor *t;
    tn_error err;
    char path[200];
    snprintf(path, sizeof path, "models/train_mlp_adagrad/train/%s.npy", name);
    assert_ok(tn_tensor_load(golden(state, path), &t, &err), &err);
    return t;
}

/* The loss of a training graph, with gradients and updates of ours and the slots that were there: the losses that
 * TensorFlow had. */
static void test_goes_on(void **state)
{
    work w = begin();
    tn_tensor *x = fed(state, "feeds/features"), *labels = fed(state, "feeds/labels"), *want = fed(state, "losses"), *out;
    tn_node y[2], in[2] = {tn_placeholder(w.b, "x", TN_FLOAT, TN_SHAPE(-1, 7)),
                           tn_placeholder(w.b, "labels", labels->dtype, labels->shape)};
    tn_import(w.b, "net", golden(state, "models/train_mlp_adagrad/saver/model.ckpt.meta"),
              TN_GIVEN({"features", in[0]}, {"labels", in[1]}), TN_WANTED("loss", "apply/learning_rate"), y,
              &(tn_import_options){.flags = TN_SLOTS});
    tn_solver o = tn_adagrad(y[1]);
    o.clip_global_norm = 0.2;
    tn_operation *train = tn_minimize(w.b, o, y[0], TN_NONE);
    const char *step = train ? tn_operation_name(train) : "", *loss = "net/loss:0";
    const tn_feed feeds[] = {{"x:0", x}, {"labels:0", labels}};
    assert_ok(start(&w), &w.err);
    for (int64_t i = 0; i < tn_tensor_count(want); i++) {
        if (i) assert_ok(tn_session_run(w.session, feeds, 2, NULL, 0, NULL, &step, 1, &w.err), &w.err);
        assert_ok(tn_session_run(w.session, feeds, 2, &loss, 1, &out, NULL, 0, &w.err), &w.err);
        assert_true(fabs(tn_tensor_number(out, 0) - tn_tensor_number(want, i)) < 1e-4);
        tn_tensor_unref(out);
    }
    tn_tensor_unref(x);
    tn_tensor_unref(labels);
    tn_tensor_unref(want);
    end(&w);
}

/* Graphs whose values come from a run's own checkpoint do not look for others. */
static void test_values_come(void **state)
{
    work w = begin();
    tn_node y;
    saved(state, 5);
    tn_builder_set_origin(w.b, in(state, ""), true);
    assert_ok(tn_checkpoint_remove(in(state, "m"), &w.err), &w.err);
    FILE *f = fopen(in(state, "m.meta"), "rb");
    if (f) fclose(f);
    tn_init_from_checkpoint(w.b, "gone", NULL, 0, 0);
    tn_node node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("output_0"), &y, NULL);
    assert_ok(start(&w), &w.err);
    assert_true(variable(w.session, "k/conv1/kernel_1") == 0);
    end(&w);
}

/* ---- what is wrong ---- */

static void test_mistakes(void **state)
{
    static const struct {
        const char *given, *wanted, *from, *signature;
        tn_code code;
        const char *says;
    } cases[] = {{"x", "z", "m.meta", NULL, TN_NOT_FOUND, "no operation 'z'"},
                 {"x", "layer/v", "m.meta", NULL, TN_NOT_FOUND, "did you mean 'layer/w'"},
                 {"x", "y:1", "m.meta", NULL, TN_NOT_FOUND, "has 1 outputs"},
                 {"x", "y:a", "m.meta", NULL, TN_INVALID_ARGUMENT, "not the name of a value"},
                 {"x", NULL, "m.meta", NULL, TN_INVALID_ARGUMENT, "without a name"},
                 {"q", "y", "m.meta", NULL, TN_NOT_FOUND, "no operation 'q'"},
                 {"layer/b", "y", "m.meta", NULL, TN_INVALID_ARGUMENT, "the placeholder 'x' is needed"},
                 {"x", "y", "m.meta", "s", TN_NOT_FOUND, "no signature 's'"},
                 {"x", "y", "none.meta", NULL, TN_NOT_FOUND, "none.meta"},
                 {"x", "y", "none", NULL, TN_NOT_FOUND, "none"},
                 {"x", "y", "", NULL, TN_NOT_FOUND, "saved_model.pb"},
                 {"global_step", "y", "m.meta", NULL, TN_INVALID_ARGUMENT, "it is given float"}};
    saved(state, 5);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        work w = begin();
        tn_node y;
        tn_import_options o = {.signature = cases[i].signature};
        tn_input_map given = {cases[i].given, feed(&w)};
        tn_import(w.b, "base", in(state, cases[i].from), &given, 1, &cases[i].wanted, 1, &y, &o);
        assert_null(y.op);
        assert_code(tn_builder_check(w.b, &w.err), cases[i].code);
        assert_says(&w.err, cases[i].says);
        end(&w);
    }
}

static void test_shapes(void **state)
{
    work w = begin();
    tn_node y, wide = tn_placeholder(w.b, "wide", TN_FLOAT, TN_SHAPE(-1, 3));
    saved(state, 5);
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", wide}), TN_WANTED("y"), &y, NULL);
    assert_code(tn_builder_check(w.b, &w.err), TN_INVALID_ARGUMENT);
    assert_says(&w.err, "'x' is of shape [?,2], it is given [?,3]");
    end(&w);
    w = begin();
    tn_freeze(w.b, "nobody/");
    assert_code(tn_builder_check(w.b, &w.err), TN_NOT_FOUND);
    assert_says(&w.err, "'nobody/'");
    end(&w);
    w = begin();
    tn_node node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("Relu"), &y, NULL);
    assert_code(tn_builder_check(w.b, &w.err), TN_INVALID_ARGUMENT);
    assert_says(&w.err, "may be");
    end(&w);
    w = begin();
    node = tn_placeholder(w.b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1));
    tn_import(w.b, "k", keras(), TN_GIVEN({"image", node}), TN_WANTED("faltten/Reshape"), &y, NULL);
    assert_code(tn_builder_check(w.b, &w.err), TN_NOT_FOUND);
    assert_says(&w.err, "'output_0'");
    assert_says(&w.err, "'functional_1/flatten_1/Reshape'");
    end(&w);
}

/* A checkpoint that changed, or went, between building and beginning. */
static void test_checkpoint_changes(void **state)
{
    work w = begin();
    tn_node y;
    tn_bundle_writer *writer;
    saved(state, 5);
    tn_import(w.b, "base", in(state, "m.meta"), TN_GIVEN({"x", feed(&w)}), TN_WANTED("y"), &y, NULL);
    tn_tensor *t = floats(&TN_SHAPE(3), (float[]){9, 9, 9});
    assert_ok(tn_bundle_writer_open(in(state, "m"), &writer, &w.err), &w.err);
    assert_ok(tn_bundle_add(writer, "layer/b", t, &w.err), &w.err);
    assert_ok(tn_bundle_add(writer, "layer/w", t, &w.err), &w.err);
    assert_ok(tn_bundle_commit(writer, &w.err), &w.err);
    tn_tensor_unref(t);
    assert_code(start(&w), TN_INVALID_ARGUMENT);
    assert_says(&w.err, "does not fit the variable");
    assert_ok(tn_checkpoint_remove(in(state, "m"), &w.err), &w.err);
    assert_code(tn_start_variables(w.graph, w.session, &w.err), TN_NOT_FOUND);
    end(&w);
}

/* ---- tables ---- */

/* y = numbers of words, by a table that an initialization fills; as a SavedModel, a MetaGraph, a bare graph. */
static void save_words(void **state)
{
    tn_error err;
    tn_session *s;
    work w = begin();
    tn_tensor *words, *numbers;
    static const char *const texts[] = {"one", "two", "three"};
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(3), &words, &err), &err);
    for (int i = 0; i < 3; i++) assert_ok(tn_string_set(words, i, texts[i], strlen(texts[i]), &err), &err);
    assert_ok(tn_tensor_of(TN_INT64, &TN_SHAPE(3), (int64_t[]){1, 2, 3}, &numbers, &err), &err);
    tn_node x = tn_placeholder(w.b, "x", TN_STRING, TN_SHAPE(-1));
    tn_node table = tn_op_named(w.b, "HashTableV2", "words", TN_NO_INPUTS,
                                TN_ATTRS(tn_attr_type("key_dtype", TN_STRING), tn_attr_type("value_dtype", TN_INT64),
                                         tn_attr_str("shared_name", "somebody's")));
    tn_node none = tn_scalar(w.b, TN_INT64, -1);
    tn_op_named(w.b, "LookupTableFindV2", "y", TN_INPUTS(table, x, none), TN_NO_ATTRS);
    tn_operation *fill = tn_add_operation(
        w.b, "LookupTableImportV2", "fill",
        TN_INPUTS(table, tn_constant(w.b, "k", words), tn_constant(w.b, "v", numbers)), TN_NO_ATTRS);
    tn_group(w.b, "init", 1, &fill);
    assert_ok(tn_builder_check(w.b, &err), &err);
    assert_ok(tn_collection_add(w.graph, "table_initializer", "fill", &err), &err);
    assert_ok(tn_session_new(w.graph, NULL, &s, &err), &err);
    tn_export e = {.graph = w.graph, .init_op = "init"};
    assert_ok(tn_savedmodel_save(in(state, "words"), -1, &e, s, NULL, &err), &err);
    assert_ok(tn_metagraph_save(&(tn_export){.graph = w.graph}, in(state, "words.meta"), &err), &err);
    assert_ok(tn_graphdef_save(w.graph, in(state, "words.pb"), &err), &err);
    tn_session_free(s);
    tn_tensor_unref(words);
    tn_tensor_unref(numbers);
    end(&w);
}

static int64_t number_of(work *w, tn_node y, const char *word)
{
    tn_tensor *x;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(1), &x, &w->err), &w->err);
    assert_ok(tn_string_set(x, 0, word, strlen(word), &w->err), &w->err);
    tn_tensor *out = fetch(w, y, "in:0", x);
    int64_t n = TN_INT64S(out)[0];
    tn_tensor_unref(x);
    tn_tensor_unref(out);
    return n;
}

static void test_tables(void **state)
{
    static const char *const from[] = {"words", "words.meta"};
    save_words(state);
    for (int k = 0; k < 2; k++) {
        work w = begin();
        tn_node y[2], x = tn_placeholder(w.b, "in", TN_STRING, TN_SHAPE(-1));
        tn_import(w.b, "t", in(state, from[k]), TN_GIVEN({"x", x}), TN_WANTED("y"), &y[0], NULL);
        tn_builder_set_reuse(w.b, TN_REUSE);
        tn_import(w.b, "t", in(state, from[k]), TN_GIVEN({"x", x}), TN_WANTED("y"), &y[1], NULL);
        assert_int_equal(tn_collection_count(w.graph, "table_initializer"), 1); /* shared, as variables are */
        assert_ok(start(&w), &w.err);
        assert_int_equal(number_of(&w, y[0], "two"), 2);
        assert_int_equal(number_of(&w, y[1], "three"), 3);
        assert_int_equal(number_of(&w, y[1], "four"), -1);
        end(&w);
    }
    work w = begin();
    tn_node y, x = tn_placeholder(w.b, "in", TN_STRING, TN_SHAPE(-1));
    tn_import(w.b, "t", in(state, "words.pb"), TN_GIVEN({"x", x}), TN_WANTED("y"), &y, NULL);
    assert_code(tn_builder_check(w.b, &w.err), TN_UNIMPLEMENTED);
    assert_says(&w.err, "does not say what fills it");
    end(&w);
}

/* ---- memory that ends ---- */

static tn_code attempt(void **state, const char *m, const char *meta, work *w)
{
    tn_node y;
    w->graph = tn_graph_new();
    w->b = tn_builder_new(w->graph);
    if (!w->b) return TN_RESOURCE_EXHAUSTED;
    tn_node x = tn_placeholder(w->b, "in", TN_FLOAT, TN_SHAPE(-1, 28, 28, 1)), z = feed(w);
    tn_import(w->b, "k", keras(), TN_GIVEN({"image", x}), TN_WANTED("flatten_1/Reshape"), &y, NULL);
    tn_node words = tn_placeholder(w->b, "words", TN_STRING, TN_SHAPE(-1));
    tn_import(w->b, "t", in(state, "words"), TN_GIVEN({"x", words}), TN_WANTED("y"), &y, NULL);
    tn_import(w->b, "base", meta, TN_GIVEN({"x", z}), TN_WANTED("y"), &y, NULL);
    tn_init_from_checkpoint(w->b, m, TN_RULES({"layer/", "base/layer/"}), 0);
    tn_freeze(w->b, "k/");
    return start(w);
}

static void test_no_memory(void **state)
{
    const char *m = saved(state, 5), *meta = in(state, "m.meta");
    tn_code code = TN_RESOURCE_EXHAUSTED;
    int n = 1;
    save_words(state);
    for (; code == TN_RESOURCE_EXHAUSTED && n < 100000; n += n < 2000 ? 1 : 7) {
        work w = {0};
        tn_malloc_fail_at(n);
        code = attempt(state, m, meta, &w);
        tn_malloc_fail_at(0);
        if (code == TN_OK) assert_true(variable(w.session, "base/layer/w") == 5);
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s", n, w.err.message);
        end(&w);
    }
    assert_int_equal(code, TN_OK);
    assert_true(n > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_meta_graph),        TEST(test_inner_value), TEST(test_reuse),
        TEST(test_keras),             TEST(test_frozen),      TEST(test_frames),
        TEST(test_own_initial_values), TEST(test_rules),      TEST(test_rules_that_are_wrong),
        TEST(test_partial),           TEST(test_import_by_rules), TEST(test_other_checkpoint), TEST(test_slots), TEST(test_goes_on),
        TEST(test_values_come),       TEST(test_mistakes),    TEST(test_shapes),
        TEST(test_checkpoint_changes), TEST(test_tables),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
