/* SPDX-License-Identifier: Apache-2.0
 * The manager: versions come and go as folders and configurations do, also when they are cut, damaged, replaced or
 * removed; what answers, states, labels, errors. */
#include "serve_test.h"

#include <sys/stat.h>

static tn_manager *start(const tn_manager_options *o)
{
    tn_manager *m;
    tn_error err;
    assert_ok(tn_manager_new(o, &m, &err), &err);
    return m;
}

static const tn_manager_options quick = {.file_system_poll_wait_seconds = 0.02, .max_num_load_retries = 5,
                                         .load_retry_interval_micros = 60000000, .warm_up = true};

static void test_one_model(void **state)
{
    tn_error err;
    tn_servable *s;
    put_version(state, "m", "00123", HALF_PLUS_TWO);
    tn_manager *m = start(&quick);
    assert_false(tn_manager_is_ready(m));
    assert_ok(set_model(state, m, "", &err), &err);
    assert_true(tn_manager_is_ready(m));
    assert_ok(get(m, "m", -1, NULL, &s, &err), &err);
    assert_int_equal(s->version, 123);
    assert_string_equal(s->model, "m");
    assert_true(tn_askers_count(s->askers) > 0);
    assert_true(s->bytes > 0);
    tn_servable_drop(s);
    assert_ok(get(m, "m", 123, NULL, &s, &err), &err);
    tn_servable_drop(s);
    assert_code(get(m, "m", 99, NULL, &s, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Servable not found for request: Specific(m, 99)");
    assert_code(get(m, "other", -1, NULL, &s, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Servable not found for request: Latest(other)");
    assert_code(get(m, "m", -1, "stable", &s, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Unrecognized servable version label: stable");
    assert_code(get(m, "", -1, NULL, &s, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "ModelSpec has no name specified.");
    assert_int_equal(state_of(m, "m", 123), TN_STATE_AVAILABLE);
    tn_manager_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
