/* SPDX-License-Identifier: Apache-2.0
 *
 * test_workers.c - the pool of threads: every task is run once, the limit of those that wait, an end with tasks left.
 */
#include "serve/serve.h"
#include "test.h"

typedef struct job {
    tn_task task;
    atomic_int *count;
    atomic_int runs;
} job;

static void count(tn_task *t)
{
    job *j = (job *)t;
    atomic_fetch_add(&j->runs, 1);
    atomic_fetch_add(j->count, 1);
}

enum { ADDERS = 4, JOBS = 2000 };

typedef struct adder {
    tn_pool *pool;
    job *jobs;
} adder;

static void *add_all(void *arg)
{
    adder *a = arg;
    for (int i = 0; i < JOBS; i++) assert_true(tn_pool_add(a->pool, &a->jobs[i].task));
    return NULL;
}

static void test_every_task_once(void **state)
{
    (void)state;
    tn_pool *pool;
    tn_error err;
    pthread_t threads[ADDERS];
    adder adders[ADDERS];
    atomic_int sum = 0;
    assert_ok(tn_pool_new(3, 0, &pool, &err), &err);
    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (adder){pool, tn_calloc(JOBS, sizeof(job))};
        for (int k = 0; k < JOBS; k++) adders[i].jobs[k] = (job){.task.run = count, .count = &sum};
        pthread_create(&threads[i], NULL, add_all, &adders[i]);
    }
    for (int i = 0; i < ADDERS; i++) pthread_join(threads[i], NULL);
    tn_pool_free(pool); /* tasks left are run */
    assert_int_equal(atomic_load(&sum), ADDERS * JOBS);
    for (int i = 0; i < ADDERS; i++) {
        for (int k = 0; k < JOBS; k++) assert_int_equal(atomic_load(&adders[i].jobs[k].runs), 1);
        tn_free(adders[i].jobs);
    }
}

typedef struct gate {
    tn_task task;
    pthread_mutex_t lock;
    atomic_int entered;
} gate;

static void wait_at(tn_task *t)
{
    gate *g = (gate *)t;
    atomic_store(&g->entered, 1);
    pthread_mutex_lock(&g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void test_limit(void **state)
{
    (void)state;
    tn_pool *pool;
    tn_error err;
    atomic_int sum = 0;
    gate g = {.task.run = wait_at, .lock = PTHREAD_MUTEX_INITIALIZER};
    job jobs[3] = {{{.run = count}, &sum, 0}, {{.run = count}, &sum, 0}, {{.run = count}, &sum, 0}};
    assert_ok(tn_pool_new(1, 2, &pool, &err), &err);
    pthread_mutex_lock(&g.lock);
    assert_true(tn_pool_add(pool, &g.task));
    while (!atomic_load(&g.entered)) sched_yield();
    assert_true(tn_pool_add(pool, &jobs[0].task));
    assert_true(tn_pool_add(pool, &jobs[1].task));
    assert_false(tn_pool_add(pool, &jobs[2].task));
    pthread_mutex_unlock(&g.lock);
    tn_pool_free(pool);
    assert_int_equal(atomic_load(&sum), 2);
}

typedef struct leader {
    tn_task task;
    tn_pool *pool;
    atomic_int most; /* the threads it might have; 0: not run yet */
} leader;

static void lead(tn_task *t)
{
    leader *l = (leader *)t;
    int most = tn_pool_lead(l->pool);
    tn_pool_almost_done(l->pool);
    atomic_store(&l->most, most);
}

static int alone(tn_pool *pool)
{
    leader l = {.task.run = lead, .pool = pool};
    assert_true(tn_pool_add(pool, &l.task));
    while (!atomic_load(&l.most)) sched_yield();
    return atomic_load(&l.most);
}

/* Idle threads are lent to a task while tasks come one at a time, and again some tasks after others came together. */
/* A thread that has done its task may be kept from saying so. */
static void until_free(tn_pool *pool)
{
    int64_t until = tn_now_us() + 60000000;
    while (alone(pool) != 2) {
        assert_true(tn_now_us() < until);
        nanosleep(&(struct timespec){0, 100000}, NULL);
    }
}

static void test_lead(void **state)
{
    (void)state;
    tn_pool *pool;
    tn_error err;
    gate g = {.task.run = wait_at, .lock = PTHREAD_MUTEX_INITIALIZER};
    leader late = {.task.run = lead};
    assert_ok(tn_pool_new(2, 0, &pool, &err), &err);
    late.pool = pool;
    assert_int_equal(tn_pool_lead(pool), 1); /* this is none of its threads */
    until_free(pool); /* the other thread may have come first */
    pthread_mutex_lock(&g.lock);
    assert_true(tn_pool_add(pool, &g.task));
    while (!atomic_load(&g.entered)) sched_yield();
    assert_true(tn_pool_add(pool, &late.task));
    while (!atomic_load(&late.most)) sched_yield();
    assert_int_equal(atomic_load(&late.most), 1);
    pthread_mutex_unlock(&g.lock);
    assert_int_equal(alone(pool), 1);
    until_free(pool);
    tn_pool_free(pool);
}

static void test_arguments(void **state)
{
    (void)state;
    tn_pool *pool = NULL;
    tn_error err;
    assert_code(tn_pool_new(0, 0, &pool, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_pool_new(1 << 20, 0, &pool, &err), TN_INVALID_ARGUMENT);
    tn_malloc_fail_at(1);
    assert_code(tn_pool_new(2, 0, &pool, &err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(0);
    assert_null(pool);
    tn_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_lead),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
