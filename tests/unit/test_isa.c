/* SPDX-License-Identifier: Apache-2.0
 *
 * test_isa.c - the processor's level of instructions: found out once, by whoever asks first; tests may limit it, never raise it.
 */
#include <pthread.h>

#include "kernel/isa.h"
#include "kernel_test.h"

enum { THREADS = 4, TIMES = 1000 };

static void *ask(void *answer)
{
    int *level = answer;
    *level = (int)tn_isa_best();
    for (int i = 0; i < TIMES; i++)
        if ((int)tn_isa_best() != *level) *level = -1;
    return NULL;
}

/* The first question of this process. */
static void all_who_ask_at_once_hear_the_same(void **state)
{
    pthread_t threads[THREADS];
    int answers[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask, &answers[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(answers[i], (int)tn_isa_best());
    assert_in_range(answers[0], TN_ISA_BASE, TN_ISA_LEVELS - 1);
}

static void a_limit_never_raises_the_level(void **state)
{
    const int best = (int)tn_isa_best();
    (void)state;
    for (int limit = TN_ISA_BASE; limit <= (int)TN_ISA_LEVELS; limit++) {
        tn_isa_limit((tn_isa_level)limit);
        assert_int_equal(tn_isa_level_now(), TN_MIN(best, limit));
        assert_int_equal((int)tn_isa_best(), best);
    }
    assert_int_equal(tn_isa_level_now(), best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_who_ask_at_once_hear_the_same),
        cmocka_unit_test(a_limit_never_raises_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
