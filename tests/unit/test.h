/* SPDX-License-Identifier: Apache-2.0
 *
 * test.h - what every unit test includes: cmocka, and assertions on codes and messages.
 */
#ifndef TN_TEST_H
#define TN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/* The expression succeeds; otherwise the test fails with the error's words. */
#define assert_ok(expr, err)                                                                      \
    do {                                                                                          \
        tn_code got_ = (expr);                                                                    \
        if (got_ != TN_OK) fail_msg("%s: %s: %s", #expr, tn_code_name(got_), (err)->message);     \
    } while (0)

#define assert_code(expr, wanted)                                                                 \
    do {                                                                                          \
        tn_code got_ = (expr);                                                                    \
        if (got_ != (wanted))                                                                     \
            fail_msg("%s: %s instead of %s", #expr, tn_code_name(got_), tn_code_name(wanted));    \
    } while (0)

/* The error's message contains the text. */
#define assert_says(err, text)                                                                    \
    do {                                                                                          \
        if (!strstr((err)->message, (text)))                                                      \
            fail_msg("\"%s\" says nothing of \"%s\"", (err)->message, (text));                    \
    } while (0)

#endif
