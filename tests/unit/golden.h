/* SPDX-License-Identifier: Apache-2.0
 *
 * golden.h - the files of tests/golden, for unit tests.
 */
#ifndef TN_TEST_GOLDEN_H
#define TN_TEST_GOLDEN_H

#include "test.h"

/* The bytes of tests/golden/<name>; tn_buf_free them. */
static inline tn_buf golden(const char *name)
{
    char path[1024];
    const char *source = getenv("TN_SOURCE");
    tn_error err = {0};
    tn_buf bytes = {0};
    snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
    assert_ok(tn_file_read(path, 0, &bytes, &err), &err);
    return bytes;
}

static inline tn_view view_of(const tn_buf *b)
{
    return (tn_view){b->data, b->n};
}

/* A copy in a block of exactly its size, so that a sanitizer sees every byte read too far; free() it. */
static inline char *exact_copy(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n) memcpy(copy, p, n);
    return copy;
}

#endif
