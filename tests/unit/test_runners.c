/* SPDX-License-Identifier: Apache-2.0
 * Queue runners beside a session: what they start and initialise, how they end; queues that several runs use at once;
 * the first version's readers.
 */
#include "test.h"

#include "format/format.h"
#include "plan/session.h"
#include "wire/proto.h"

#define NODE(name, op, rest) "node{name:\"" name "\" op:\"" op "\" " rest "}"
#define IN(x) "input:\"" x "\" "
#define ATTR(key, value) "attr{key:\"" key "\" value{" value "}} "
#define INT64 "type:DT_INT64"
#define OF(key) ATTR(key, "list{type:DT_INT64}")
#define QUEUE(name, capacity)                                             \
    NODE(name, "FIFOQueueV2",                                             \
         OF("component_types") ATTR("shapes", "list{shape{}}") ATTR("capacity", "i:" capacity))
#define PUT(name, queue, what) NODE(name, "QueueEnqueueV2", IN(queue) IN(what) OF("Tcomponents"))
#define GET(name, queue) NODE(name, "QueueDequeueV2", IN(queue) OF("component_types"))
#define GET_MANY(name, queue, n) NODE(name, "QueueDequeueManyV2", IN(queue) IN(n) OF("component_types"))
#define CLOSE(name, queue, cancel) \
    NODE(name, "QueueCloseV2", IN(queue) ATTR("cancel_pending_enqueues", "b:" cancel))
#define CONST(name, type, value) \
    NODE(name, "Const", ATTR("dtype", "type:DT_" type) ATTR("value", "tensor{dtype:DT_" type " tensor_shape{} " value "}"))

/* What counts from 0 to 4 fills q, which fills r, twice the size of which is taken at once. */
static const char counting[] =
    CONST("zero", "INT64", "int64_val:0")
    NODE("v", "VariableV2", ATTR("dtype", INT64) ATTR("shape", "shape{}"))
    NODE("v/Assign", "Assign", IN("v") IN("zero") ATTR("T", INT64))
    NODE("count", "CountUpTo", IN("v") ATTR("limit", "i:5") ATTR("T", INT64))
    QUEUE("q", "2") PUT("put", "q", "count") CLOSE("close", "q", "false") CLOSE("cancel", "q", "true") GET("get", "q")
    QUEUE("r", "2") PUT("put_r", "r", "get") CLOSE("close_r", "r", "false") CLOSE("cancel_r", "r", "true")
    GET("get_r", "r") CONST("four", "INT32", "int_val:4") GET_MANY("four_of_r", "r", "four")
    QUEUE("other", "3") PUT("put_other", "other", "zero") GET("get_other", "other")
    CLOSE("close_other", "other", "false") CLOSE("cancel_other", "other", "true")
    QUEUE("dry", "3") GET("get_dry", "dry") QUEUE("wet", "3") PUT("put_wet", "wet", "get_dry") GET("get_wet", "wet");

typedef struct fixture {
    tn_arena *arena;
    tn_graph *g;
    tn_session *s;
    tn_runners *runners;
    tn_error err;
} fixture;

static void begin(fixture *f, const char *text)
{
    tn_GraphDef *def;
    memset(f, 0, sizeof *f);
    f->arena = tn_arena_new(0);
    f->g = tn_graph_new();
    assert_ok(TN_PARSE(GraphDef, tn_view_of(text), f->arena, &def, &f->err), &f->err);
    assert_ok(tn_graphdef_import(def, NULL, f->g, &f->err), &f->err);
}

static void add_local_variable(fixture *f)
{
    tn_variable_info v = {.name = "v",
                          .initializer_name = "v/Assign",
                          .snapshot_name = "v:0",
                          .initial_value_name = "zero:0",
                          .local = true};
    assert_ok(tn_graph_add_variable(f->g, &v, &f->err), &f->err);
}

static void add_runner(fixture *f, const char *queue, const char *enqueue, int n, const char *close, const char *cancel)
{
    tn_buf bytes = {0};
    tn_view names[8];
    for (int i = 0; i < n; i++) names[i] = tn_view_of(enqueue);
    tn_QueueRunnerDef d = {.queue_name = tn_view_of(queue),
                           .enqueue_op_name = {.items = names, .n = (uint32_t)n},
                           .close_op_name = tn_view_of(close),
                           .cancel_op_name = tn_view_of(cancel)};
    assert_ok(TN_ENCODE(QueueRunnerDef, &d, &bytes, &f->err), &f->err);
    assert_ok(tn_collection_add_bytes(f->g, "queue_runners", (tn_view){bytes.data, bytes.n}, &f->err), &f->err);
    tn_buf_free(&bytes);
}

static void open(fixture *f)
{
    tn_session_options o = {.threads = 1};
    assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
}

static void end(fixture *f)
{
    tn_session_free(f->s);
    tn_graph_free(f->g);
    tn_arena_free(f->arena);
}

static void start(fixture *f, const char *name)
{
    assert_ok(tn_runners_start(f->s, &name, 1, &f->runners, &f->err), &f->err);
}

static tn_code target(fixture *f, const char *name, tn_error *err)
{
    return tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &name, 1, err);
}

/* The sum of what a fetch gives. */
static tn_code fetch(fixture *f, const char *name, int64_t *sum)
{
    tn_tensor *t;
    tn_code code = tn_session_run(f->s, NULL, 0, &name, 1, &t, NULL, 0, &f->err);
    if (code != TN_OK) return code;
    *sum = 0;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) *sum += tn_tensor_int(t, i);
    tn_tensor_unref(t);
    return TN_OK;
}

static void begin_counting(fixture *f, int threads)
{
    begin(f, counting);
    add_local_variable(f);
    add_runner(f, "q", "put", threads, "close", "cancel");
    add_runner(f, "r", "put_r", threads, "close_r", "cancel_r");
    add_runner(f, "other", "put_other", 1, "close_other", "cancel_other");
    open(f);
}

static void they_fill_and_end(void **state)
{
    fixture f;
    int64_t sum;
    (void)state;
    begin_counting(&f, 1);
    start(&f, "get_r:0");
    assert_int_equal(tn_runners_count(f.runners), 2);
    for (int64_t i = 0; i < 5; i++) {
        assert_ok(fetch(&f, "get_r:0", &sum), &f.err);
        assert_int_equal(sum, i);
    }
    assert_code(fetch(&f, "get_r:0", &sum), TN_OUT_OF_RANGE);
    assert_says(&f.err, "FIFOQueue 'r' is closed and has insufficient elements (requested 1, current size 0)");
    assert_ok(tn_runners_check(f.runners, &f.err), &f.err);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    assert_code(target(&f, "put_r", &f.err), TN_OUT_OF_RANGE);
    end(&f);
}

static void several_threads_each(void **state)
{
    fixture f;
    int64_t sum, all = 0;
    (void)state;
    begin_counting(&f, 4);
    start(&f, "four_of_r");
    assert_int_equal(tn_runners_count(f.runners), 8);
    assert_ok(fetch(&f, "four_of_r:0", &sum), &f.err); /* more than fit into the queue */
    all += sum;
    assert_ok(fetch(&f, "get_r:0", &sum), &f.err);
    assert_int_equal(all + sum, 0 + 1 + 2 + 3 + 4);
    assert_code(fetch(&f, "get_r:0", &sum), TN_OUT_OF_RANGE);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    end(&f);
}

static void only_what_is_needed(void **state)
{
    fixture f;
    (void)state;
    begin_counting(&f, 1);
    start(&f, "zero");
    assert_int_equal(tn_runners_count(f.runners), 0);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    start(&f, "get");
    assert_int_equal(tn_runners_count(f.runners), 1);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    assert_ok(tn_runners_start(f.s, NULL, 0, &f.runners, &f.err), &f.err);
    assert_int_equal(tn_runners_count(f.runners), 3);
    tn_runners_stop(f.runners, &f.err);
    assert_ok(tn_runners_stop(NULL, &f.err), &f.err);
    end(&f);
}

static void stopped_while_full(void **state)
{
    fixture f;
    int64_t sum;
    (void)state;
    begin_counting(&f, 1);
    start(&f, "get_other");
    for (int i = 0; i < 20; i++) assert_ok(fetch(&f, "get_other:0", &sum), &f.err);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    assert_code(target(&f, "put_other", &f.err), TN_CANCELLED);
    assert_says(&f.err, "is closed");
    end(&f);
}

static void an_error_ends_all(void **state)
{
    fixture f;
    int64_t sum;
    (void)state;
    begin(&f, counting); /* v is no local variable: nobody initialises it */
    add_runner(&f, "q", "put", 1, "close", "cancel");
    add_runner(&f, "r", "put_r", 2, "close_r", "cancel_r");
    open(&f);
    start(&f, "get_r");
    assert_code(fetch(&f, "get_r:0", &sum), TN_OUT_OF_RANGE);
    assert_code(tn_runners_check(f.runners, &f.err), TN_FAILED_PRECONDITION);
    assert_code(tn_runners_stop(f.runners, &f.err), TN_FAILED_PRECONDITION);
    assert_says(&f.err, "uninitialized value v");
    end(&f);
}

static void nobody_fills(void **state)
{
    fixture f;
    int64_t sum;
    (void)state;
    begin(&f, counting);
    add_runner(&f, "wet", "put_wet", 1, "", "");
    open(&f);
    start(&f, "get_wet");
    assert_int_equal(tn_runners_count(f.runners), 1);
    assert_code(fetch(&f, "get_wet:0", &sum), TN_DEADLINE_EXCEEDED);
    assert_says(&f.err, "'wet' is empty (0 elements) and nobody changes that");
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    end(&f);
}

static void wrong_collections(void **state)
{
    fixture f;
    const char *name = "get";
    (void)state;
    begin(&f, counting);
    assert_ok(tn_collection_add_bytes(f.g, "queue_runners", (tn_view){"\x0a\x7f", 2}, &f.err), &f.err);
    open(&f);
    assert_code(tn_runners_start(f.s, &name, 1, &f.runners, &f.err), TN_DATA_LOSS);
    assert_says(&f.err, "queue_runners 0");
    end(&f);
    begin(&f, counting);
    add_runner(&f, "q", "nothing", 1, "close", "cancel");
    open(&f);
    assert_code(tn_runners_start(f.s, &name, 1, &f.runners, &f.err), TN_NOT_FOUND);
    assert_says(&f.err, "nothing");
    end(&f);
}

static void memory_ends(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 400; n += n < 100 ? 3 : 17) {
        fixture f;
        int64_t sum;
        const char *name = "get_r";
        begin_counting(&f, 1);
        tn_malloc_fail_at(n);
        tn_code code = tn_runners_start(f.s, &name, 1, &f.runners, &f.err);
        if (code == TN_OK) code = fetch(&f, "get_r:0", &sum);
        tn_malloc_fail_at(0);
        if (code != TN_OK && code != TN_OUT_OF_RANGE) assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        tn_runners_stop(f.runners, &f.err);
        end(&f);
    }
}

/* ==== queues ==== */

typedef struct run_of {
    fixture *f;
    const char *target;
    tn_code code;
} run_of;

static void *run_target(void *payload)
{
    run_of *r = payload;
    tn_error err;
    r->code = target(r->f, r->target, &err);
    return NULL;
}

static void closing_cancels(void **state)
{
    fixture f;
    pthread_t thread;
    run_of put = {&f, "put_other", TN_OK};
    (void)state;
    begin(&f, counting);
    open(&f);
    for (int i = 0; i < 3; i++) assert_ok(target(&f, "put_other", &f.err), &f.err);
    assert_int_equal(pthread_create(&thread, NULL, run_target, &put), 0);
    assert_ok(target(&f, "cancel_other", &f.err), &f.err); /* before the thread waits, or while it does */
    pthread_join(thread, NULL);
    assert_int_equal(put.code, TN_CANCELLED);
    assert_ok(target(&f, "cancel_other", &f.err), &f.err);
    assert_code(target(&f, "close_other", &f.err), TN_CANCELLED);
    assert_says(&f.err, "already closed");
    end(&f);
}

/* ==== the first version's readers ==== */

#define NAMES "list{type:DT_STRING}"
static const char old_readers[] =
    NODE("name", "Const", ATTR("dtype", "type:DT_STRING") ATTR("value", "tensor{dtype:DT_STRING tensor_shape{} string_val:\"ab\"}"))
    NODE("q", "FIFOQueue", ATTR("component_types", NAMES) ATTR("shapes", "list{shape{}}"))
    NODE("put", "QueueEnqueue", IN("q") IN("name") ATTR("Tcomponents", NAMES))
    NODE("reader", "IdentityReader", ATTR("shared_name", "s:\"q\"")) NODE("read", "ReaderRead", IN("reader") IN("q"))
    CONST("two", "INT64", "int64_val:2") NODE("read_two", "ReaderReadUpTo", IN("reader") IN("q") IN("two"))
    NODE("produced", "ReaderNumRecordsProduced", IN("reader")) NODE("state", "ReaderSerializeState", IN("reader"))
    NODE("done", "ReaderNumWorkUnitsCompleted", IN("reader")) NODE("restore", "ReaderRestoreState", IN("reader") IN("state"))
    NODE("reset", "ReaderReset", IN("reader")) NODE("lines", "TextLineReader", "") NODE("of_lines", "ReaderRead", IN("lines") IN("q"))
    NODE("no_reader", "ReaderRead", IN("q") IN("q")) NODE("close", "QueueClose", IN("q") ATTR("cancel_pending_enqueues", "b:true"))
    NODE("out", "FIFOQueue", ATTR("component_types", NAMES) ATTR("shapes", "list{shape{}}") ATTR("capacity", "i:3"))
    NODE("put_out", "QueueEnqueue", IN("out") IN("read:1") ATTR("Tcomponents", NAMES))
    NODE("close_out", "QueueClose", IN("out") ATTR("cancel_pending_enqueues", "b:true"))
    NODE("get_out", "QueueDequeue", IN("out") ATTR("component_types", NAMES));

static void expect_text(fixture *f, const char *name, const char *wanted)
{
    tn_tensor *t;
    assert_ok(tn_session_run(f->s, NULL, 0, &name, 1, &t, NULL, 0, &f->err), &f->err);
    const tn_string *s = tn_tensor_data(t);
    assert_int_equal(tn_tensor_count(t), 1);
    assert_int_equal(s->n, strlen(wanted));
    assert_memory_equal(s->p, wanted, s->n);
    tn_tensor_unref(t);
}

static void first_version(void **state)
{
    fixture f;
    int64_t n;
    (void)state;
    begin(&f, old_readers);
    open(&f);
    for (int i = 0; i < 3; i++) assert_ok(target(&f, "put", &f.err), &f.err);
    expect_text(&f, "read:1", "ab");
    expect_text(&f, "read_two:0", "ab");
    assert_ok(fetch(&f, "produced:0", &n), &f.err);
    assert_int_equal(n, 2);
    expect_text(&f, "state:0", "\x08\x02\x10\x02\x18\x02\x22\x02" "ab");
    assert_ok(target(&f, "restore", &f.err), &f.err);
    assert_ok(fetch(&f, "done:0", &n), &f.err);
    assert_int_equal(n, 2);
    assert_ok(target(&f, "reset", &f.err), &f.err);
    assert_ok(fetch(&f, "produced:0", &n), &f.err);
    assert_int_equal(n, 0);
    tn_session_set_outside(f.s, NULL);
    assert_code(target(&f, "of_lines", &f.err), TN_FAILED_PRECONDITION);
    assert_says(&f.err, "no access to files ('ab')");
    assert_code(target(&f, "no_reader", &f.err), TN_INVALID_ARGUMENT);
    assert_code(target(&f, "read", &f.err), TN_DEADLINE_EXCEEDED);
    end(&f);
}

static void one_reader_for_several(void **state)
{
    fixture f;
    int64_t n;
    (void)state;
    begin(&f, old_readers);
    add_runner(&f, "q", "put", 2, "close", "close");
    add_runner(&f, "out", "put_out", 4, "close_out", "close_out");
    open(&f);
    start(&f, "get_out");
    assert_int_equal(tn_runners_count(f.runners), 6);
    for (int i = 0; i < 40; i++) expect_text(&f, "get_out:0", "ab");
    assert_ok(fetch(&f, "produced:0", &n), &f.err);
    assert_true(n >= 40);
    assert_ok(tn_runners_stop(f.runners, &f.err), &f.err);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_fill_and_end),  cmocka_unit_test(several_threads_each),
        cmocka_unit_test(only_what_is_needed), cmocka_unit_test(stopped_while_full),
        cmocka_unit_test(an_error_ends_all),  cmocka_unit_test(nobody_fills),
        cmocka_unit_test(wrong_collections),  cmocka_unit_test(memory_ends),
        cmocka_unit_test(closing_cancels),    cmocka_unit_test(first_version),
        cmocka_unit_test(one_reader_for_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
