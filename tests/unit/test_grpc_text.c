/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_text.c - gRPC's texts and messages without a connection: timeouts, status messages, binary values, codings, prefixes; and the
 * event loop's timers and jobs.
 */
#include "net/event_loop.h"
#include "net/grpc_text.h"

#include "test.h"

static void test_timeouts(void **state)
{
    static const struct {
        const char *text;
        int64_t us; /* -1: none */
    } rows[] = {
        {"1H", 3600000000}, {"2M", 120000000}, {"3S", 3000000}, {"4m", 4000}, {"5u", 5}, {"1n", 1}, {"2001n", 3}, {"0S", 0},
        {"99999999H", INT64_C(359999996400000000)}, {"100000000S", -1}, {"", -1}, {"S", -1}, {"1", -1}, {"1s", -1}, {"-1S", -1}, {" 1S", -1},
        {"1.5S", -1},
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int64_t us = -1;
        assert_int_equal(tn_grpc_timeout_parse(tn_view_of(rows[i].text), &us), rows[i].us >= 0);
        assert_int_equal(us, rows[i].us);
    }
    for (int64_t us = 0; us < INT64_C(1) << 58; us = us * 3 + 1) { /* what is written is never less than what was meant */
        char text[16];
        int64_t back = -1;
        assert_true(tn_grpc_timeout_text(text, us) < 16);
        assert_true(tn_grpc_timeout_parse(tn_view_of(text), &back));
        assert_true(back >= us && back - us <= TN_MAX(us / 100, 3600000000));
    }
    char text[16];
    tn_grpc_timeout_text(text, -5);
    assert_string_equal(text, "0u");
}

static void test_messages(void **state)
{
    static const struct {
        const char *plain, *coded;
    } rows[] = {{"", ""}, {"plain ~text", "plain ~text"}, {"50%", "50%25"}, {"a\n\x7f\xc3\xa9", "a%0A%7F%C3%A9"},
                {"set: ", "set:%20"}, {"  in the middle ", "%20%20in the middle%20"}, {"   ", "%20%20%20"}};
    tn_buf b = {0}, back = {0};
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_buf_clear(&b);
        tn_buf_clear(&back);
        tn_grpc_message_encode(rows[i].plain, &b);
        assert_int_equal(b.n, strlen(rows[i].coded));
        if (b.n) assert_string_equal(b.data, rows[i].coded);
        tn_grpc_message_decode((tn_view){b.data, b.n}, &back);
        if (b.n) assert_string_equal(back.data, rows[i].plain);
    }
    tn_buf_clear(&back);
    tn_grpc_message_decode(TN_VIEW("%"), &back); /* what is no code stays */
    tn_grpc_message_decode(TN_VIEW("%4"), &back);
    tn_grpc_message_decode(TN_VIEW("%zz%41%c3"), &back);
    assert_string_equal(back.data, "%%4%zzA\xc3");
    tn_buf_free(&b);
    tn_buf_free(&back);
}

static void test_codings(void **state)
{
    (void)state;
    assert_int_equal(tn_grpc_coding_of(TN_VIEW("gzip")), TN_GRPC_GZIP);
    assert_int_equal(tn_grpc_coding_of(TN_VIEW("deflate")), TN_GRPC_DEFLATE);
    assert_int_equal(tn_grpc_coding_of(TN_VIEW("identity")), TN_GRPC_IDENTITY);
    assert_int_equal(tn_grpc_coding_of(TN_VIEW("br")), TN_GRPC_UNKNOWN);
    assert_true(tn_grpc_coding_in(TN_VIEW(" identity , gzip"), TN_GRPC_GZIP));
    assert_false(tn_grpc_coding_in(TN_VIEW("identity,gzipped"), TN_GRPC_GZIP));
    assert_false(tn_grpc_coding_in(TN_VIEW(""), TN_GRPC_GZIP));
    assert_false(tn_grpc_coding_in(TN_VIEW(",, ,"), TN_GRPC_GZIP));
    assert_int_equal(tn_grpc_code_of_http(503), TN_UNAVAILABLE);
    assert_int_equal(tn_grpc_code_of_http(404), TN_UNIMPLEMENTED);
    assert_int_equal(tn_grpc_code_of_http(302), TN_UNKNOWN);
}

static void test_binary(void **state)
{
    tn_buf b = {0}, back = {0};
    (void)state;
    assert_true(tn_grpc_is_bin(TN_VIEW("x-bin")));
    assert_false(tn_grpc_is_bin(TN_VIEW("-bin")));
    assert_false(tn_grpc_is_bin(TN_VIEW("x-bins")));
    for (size_t n = 0; n < 5; n++) {
        tn_buf_clear(&b);
        tn_buf_clear(&back);
        tn_grpc_bin_encode((tn_view){"\xff\0\x80z", n}, &b);
        assert_null(b.n ? memchr(b.data, '=', b.n) : NULL);
        assert_true(tn_grpc_bin_decode((tn_view){b.n ? b.data : "", b.n}, &back));
        assert_int_equal(back.n, n);
        if (n) assert_memory_equal(back.data, "\xff\0\x80z", n);
    }
    tn_buf_clear(&back);
    assert_true(tn_grpc_bin_decode(TN_VIEW("YQ==,YmM"), &back));
    assert_string_equal(back.data, "abc");
    assert_false(tn_grpc_bin_decode(TN_VIEW("Y"), &back));
    assert_false(tn_grpc_bin_decode(TN_VIEW("Y*=="), &back));
    tn_buf_free(&b);
    tn_buf_free(&back);
}

/* Two messages, one of them compressed, in pieces of every size. */
static void test_reader(void **state)
{
    static char text[600];
    tn_buf wire = {0}, body = {0};
    unsigned char prefix[TN_GRPC_PREFIX];
    tn_error err;
    (void)state;
    memset(text, 'q', sizeof text);
    tn_grpc_prefix(prefix, false, 3);
    tn_buf_add(&wire, prefix, sizeof prefix);
    tn_buf_add(&wire, "abc", 3);
    tn_buf_add(&body, text, sizeof text);
    assert_true(tn_grpc_compress(&body, TN_GRPC_DEFLATE));
    assert_true(body.n < 100);
    tn_grpc_prefix(prefix, true, body.n);
    tn_buf_add(&wire, prefix, sizeof prefix);
    tn_buf_add(&wire, body.data, body.n);
    for (size_t step = 1; step <= wire.n; step++) {
        tn_grpc_reader r = {.limit = 600, .coding = TN_GRPC_DEFLATE};
        int n = 0;
        for (size_t at = 0; at < wire.n; at += step) {
            tn_view in = {wire.data + at, TN_MIN(step, wire.n - at)}, message;
            bool done = true;
            while (in.n) {
                assert_ok(tn_grpc_read(&r, &in, &done, &message, &err), &err);
                if (done) assert_int_equal(message.n, n++ ? sizeof text : 3);
            }
        }
        assert_int_equal(n, 2);
        assert_false(tn_grpc_read_began(&r));
        tn_grpc_reader_free(&r);
    }
    tn_grpc_reader r = {.limit = 599, .coding = TN_GRPC_DEFLATE};
    tn_view in = {wire.data + 8, wire.n - 8}, message;
    bool done;
    assert_code(tn_grpc_read(&r, &in, &done, &message, &err), TN_RESOURCE_EXHAUSTED);
    tn_grpc_reader_free(&r);
    r = (tn_grpc_reader){.limit = 600, .coding = TN_GRPC_GZIP}; /* not what it is */
    in = (tn_view){wire.data + 8, wire.n - 8};
    assert_code(tn_grpc_read(&r, &in, &done, &message, &err), TN_INTERNAL);
    tn_grpc_reader_free(&r);
    r = (tn_grpc_reader){.limit = 600, .coding = TN_GRPC_GZIP};
    in = (tn_view){"\1\0\0\0\0", 5}; /* nothing is nothing's gzip */
    assert_code(tn_grpc_read(&r, &in, &done, &message, &err), TN_INTERNAL);
    tn_grpc_reader_free(&r);
    tn_buf_free(&body);
    tn_buf_add(&body, "few", 3);
    assert_false(tn_grpc_compress(&body, TN_GRPC_GZIP)); /* not worth it */
    assert_string_equal(body.data, "few");
    tn_buf_free(&body);
    tn_buf_free(&wire);
}

/* ---- the event loop ---- */

typedef struct tick {
    tn_timer timer;
    tn_job job;
    int *order, *n;
    int number;
} tick;

static void fired(tn_timer *t)
{
    tick *k = (tick *)t;
    k->order[(*k->n)++] = k->number;
}

static void ran(tn_job *j)
{
    tick *k = (tick *)((char *)j - offsetof(tick, job));
    k->order[(*k->n)++] = k->number;
}

static void test_loop(void **state)
{
    enum { N = 200 };
    static tick ticks[N];
    int order[N], n = 0;
    tn_loop *l;
    tn_error err;
    (void)state;
    assert_ok(tn_loop_new(&l, &err), &err);
    for (int i = 0; i < N; i++) {
        ticks[i] = (tick){.timer.fire = fired, .job.run = ran, .order = order, .n = &n, .number = i * 37 % N};
        assert_true(tn_timer_set(l, &ticks[i].timer, ticks[i].number < N - 1 ? ticks[i].number + 1 : INT64_MAX));
    }
    for (int i = 0; i < N; i++) { /* every other is taken away; a fourth is set again, later and earlier */
        if (ticks[i].number % 2) tn_timer_clear(l, &ticks[i].timer);
        if (ticks[i].number % 4 == 0) tn_timer_set(l, &ticks[i].timer, 100000);
        if (ticks[i].number % 4 == 0) tn_timer_set(l, &ticks[i].timer, ticks[i].number + 1);
    }
    tn_loop_round(l);
    assert_int_equal(n, N / 2);
    for (int i = 0; i < n; i++) assert_int_equal(order[i], 2 * i);
    n = 0;
    for (int i = 0; i < N; i++) tn_loop_post(l, &ticks[i].job);
    tn_loop_round(l);
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++) assert_int_equal(order[i], ticks[i].number); /* in their order */
    n = 0;
    tn_loop_later(l, &ticks[3].job);
    tn_loop_later(l, &ticks[1].job);
    assert_int_equal(n, 0);
    tn_loop_round(l);
    assert_int_equal(n, 2);
    assert_int_equal(order[0], ticks[3].number);
    tn_loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts), cmocka_unit_test(test_messages), cmocka_unit_test(test_codings),
        cmocka_unit_test(test_binary),   cmocka_unit_test(test_reader),   cmocka_unit_test(test_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
