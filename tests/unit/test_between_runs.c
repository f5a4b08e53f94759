/* SPDX-License-Identifier: Apache-2.0
 * What the runs of a session hand each other: kept tensors, mutexes that are given back, tuples whose parts come in
 * several runs, staging areas with keys that are full.
 */
#include "test.h"

#include "format/format.h"
#include "plan/session.h"
#include "wire/proto.h"

#define NODE(name, op, rest) "node{name:\"" name "\" op:\"" op "\" " rest "}"
#define IN(x) "input:\"" x "\" "
#define ATTR(key, value) "attr{key:\"" key "\" value{" value "}} "
#define TYPE(key, type) ATTR(key, "type:DT_" type)
#define FLOATS(key) ATTR(key, "list{type:DT_FLOAT}")
#define CONST(name, type, shape, value) \
    NODE(name, "Const", TYPE("dtype", type) ATTR("value", "tensor{dtype:DT_" type " tensor_shape{" shape "} " value "}"))
#define KEYED(name, op, in, more) NODE(name, op, in ATTR("shared_name", "s:\"area\"") ATTR("capacity", "i:1") more)

static const char graph[] =
    CONST("x", "FLOAT", "", "float_val:2.5") CONST("one", "FLOAT", "dim{size:1}", "float_val:1.5")
    NODE("keep", "GetSessionHandle", IN("x") TYPE("T", "FLOAT"))
    NODE("h", "Placeholder", TYPE("dtype", "STRING"))
    NODE("get", "GetSessionTensor", IN("h") TYPE("dtype", "FLOAT"))
    NODE("get_int", "GetSessionTensor", IN("h") TYPE("dtype", "INT32"))
    NODE("forget", "DeleteSessionTensor", IN("h"))
    NODE("m", "MutexV2", ATTR("shared_name", "s:\"m\""))
    NODE("a", "MutexLock", IN("m")) NODE("a/done", "ConsumeMutexLock", IN("a"))
    NODE("b", "MutexLock", IN("m") IN("^a/done")) NODE("b/done", "ConsumeMutexLock", IN("b"))
    NODE("c", "MutexLock", IN("m")) NODE("d", "MutexLock", IN("m") IN("^c"))
    NODE("c/done", "ConsumeMutexLock", IN("c") IN("^d"))
    NODE("bar", "Barrier", ATTR("component_types", "list{type:DT_FLOAT type:DT_FLOAT}") ATTR("shapes", "list{shape{} shape{}}"))
    CONST("key", "STRING", "dim{size:1}", "string_val:\"k\"") CONST("n", "INT32", "", "int_val:1")
    NODE("first", "BarrierInsertMany", IN("bar") IN("key") IN("one") TYPE("T", "FLOAT") ATTR("component_index", "i:0"))
    NODE("second", "BarrierInsertMany", IN("bar") IN("key") IN("one") TYPE("T", "FLOAT") ATTR("component_index", "i:1"))
    NODE("take", "BarrierTakeMany", IN("bar") IN("n") ATTR("component_types", "list{type:DT_FLOAT type:DT_FLOAT}"))
    CONST("k", "INT64", "", "int64_val:7") CONST("at", "INT32", "dim{size:1}", "int_val:0") CONST("k2", "INT64", "", "int64_val:8")
    KEYED("put", "MapStage", IN("k") IN("at") IN("x"), FLOATS("dtypes") FLOATS("fake_dtypes"))
    KEYED("put2", "MapStage", IN("k2") IN("at") IN("x"), FLOATS("dtypes") FLOATS("fake_dtypes"))
    KEYED("pop", "MapUnstage", IN("k") IN("at"), FLOATS("dtypes")) KEYED("pop2", "MapUnstage", IN("k2") IN("at"), FLOATS("dtypes"));

typedef struct fixture {
    tn_arena *arena;
    tn_graph *g;
    tn_session *s;
    tn_error err;
} fixture;

static void begin(fixture *f)
{
    tn_GraphDef *def;
    tn_session_options o = {.threads = 1};
    memset(f, 0, sizeof *f);
    f->arena = tn_arena_new(0);
    f->g = tn_graph_new();
    assert_ok(TN_PARSE(GraphDef, tn_view_of(graph), f->arena, &def, &f->err), &f->err);
    assert_ok(tn_graphdef_import(def, NULL, f->g, &f->err), &f->err);
    assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
}

static void end(fixture *f)
{
    tn_session_free(f->s);
    tn_graph_free(f->g);
    tn_arena_free(f->arena);
}

/* With h fed, if it is there. */
static tn_code run(fixture *f, const tn_tensor *h, const char *fetch, const char *target, tn_tensor **out)
{
    tn_feed feed = {"h:0", h};
    return tn_session_run(f->s, &feed, h != NULL, &fetch, fetch != NULL, out, &target, target != NULL, &f->err);
}

static void tensors_are_kept(void **state)
{
    fixture f;
    tn_tensor *first, *second, *got;
    (void)state;
    begin(&f);
    assert_ok(run(&f, NULL, "keep:0", NULL, &first), &f.err);
    assert_ok(run(&f, NULL, "keep:0", NULL, &second), &f.err);
    assert_false(tn_tensor_equal(first, second));
    assert_ok(run(&f, first, "get:0", NULL, &got), &f.err);
    assert_true(TN_FLOATS(got)[0] == 2.5f);
    tn_tensor_unref(got);
    assert_code(run(&f, first, "get_int:0", NULL, &got), TN_INVALID_ARGUMENT);
    assert_ok(run(&f, first, NULL, "forget", NULL), &f.err);
    assert_code(run(&f, first, "get:0", NULL, &got), TN_INVALID_ARGUMENT);
    assert_says(&f.err, "The tensor with handle 'keep;0;/job:localhost/replica:0/task:0/device:CPU:0' is not in the");
    assert_ok(run(&f, second, "get:0", NULL, &got), &f.err);
    tn_tensor_unref(got);
    tn_tensor_unref(first);
    tn_tensor_unref(second);
    end(&f);
}

static void mutexes_are_given_back(void **state)
{
    fixture f;
    (void)state;
    begin(&f);
    for (int i = 0; i < 2; i++) assert_ok(run(&f, NULL, NULL, "b/done", NULL), &f.err);
    assert_code(run(&f, NULL, NULL, "c/done", NULL), TN_DEADLINE_EXCEEDED); /* held by itself */
    assert_ok(run(&f, NULL, NULL, "b/done", NULL), &f.err);
    end(&f);
}

static void parts_come_in_several_runs(void **state)
{
    fixture f;
    tn_tensor *got;
    (void)state;
    begin(&f);
    assert_ok(run(&f, NULL, NULL, "first", NULL), &f.err);
    assert_code(run(&f, NULL, "take:2", NULL, &got), TN_DEADLINE_EXCEEDED);
    assert_code(run(&f, NULL, NULL, "first", NULL), TN_INVALID_ARGUMENT);
    assert_ok(run(&f, NULL, NULL, "second", NULL), &f.err);
    assert_ok(run(&f, NULL, "take:2", NULL, &got), &f.err);
    assert_true(TN_FLOATS(got)[0] == 1.5f);
    tn_tensor_unref(got);
    end(&f);
}

static void areas_are_full(void **state)
{
    fixture f;
    tn_tensor *got;
    (void)state;
    begin(&f);
    assert_ok(run(&f, NULL, NULL, "put", NULL), &f.err);
    assert_code(run(&f, NULL, NULL, "put2", NULL), TN_DEADLINE_EXCEEDED);
    assert_code(run(&f, NULL, "pop2:0", NULL, &got), TN_DEADLINE_EXCEEDED);
    assert_ok(run(&f, NULL, "pop:0", NULL, &got), &f.err);
    tn_tensor_unref(got);
    assert_ok(run(&f, NULL, NULL, "put2", NULL), &f.err);
    assert_ok(run(&f, NULL, "pop2:0", NULL, &got), &f.err);
    tn_tensor_unref(got);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_kept),
        cmocka_unit_test(mutexes_are_given_back),
        cmocka_unit_test(parts_come_in_several_runs),
        cmocka_unit_test(areas_are_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
