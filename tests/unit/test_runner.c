/* SPDX-License-Identifier: Apache-2.0
 *
 * test_runner.c - what another thread does and is waited for: done in time, left behind, and given up before it began.
 */
#include "serve/runner.h"
#include "serve_test.h"

#include <sched.h>

typedef struct job {
    atomic_int may_end, runs;
} job;

static void do_job(void *payload)
{
    job *j = payload;
    while (!atomic_load(&j->may_end)) sched_yield();
    atomic_fetch_add(&j->runs, 1);
}

static void test_in_time(void **state)
{
    (void)state;
    tn_error err;
    tn_runner *r;
    job j = {.may_end = 1};
    atomic_int stop = 0;
    assert_ok(tn_runner_new(&r, &err), &err);
    for (int i = 1; i <= 10; i++) {
        assert_true(tn_runner_do(r, do_job, &j, 60, &stop));
        assert_int_equal(j.runs, i);
    }
    tn_runner_free(r);
}

static void test_left_behind(void **state)
{
    (void)state;
    tn_error err;
    tn_runner *r;
    job j = {0};
    atomic_int stop = 0;
    assert_ok(tn_runner_new(&r, &err), &err);
    assert_false(tn_runner_do(r, do_job, &j, 0.001, &stop));
    atomic_store(&j.may_end, 1);
    assert_soon(j.runs == 1);
}

/* What was given holds references that its end lets go: it is done, although nobody waits. */
static void test_given_up_before_it_began(void **state)
{
    (void)state;
    tn_error err;
    tn_runner *r;
    job j = {.may_end = 1};
    atomic_int stop = 1;
    assert_ok(tn_runner_new(&r, &err), &err);
    bool done = tn_runner_do(r, do_job, &j, 60, &stop);
    assert_soon(j.runs == 1);
    if (done) tn_runner_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_time),
        cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_given_up_before_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
