/* SPDX-License-Identifier: Apache-2.0
 *
 * place.h - a folder of its own for each test of files, removed after it; golden files; tensors in a line.
 */
#ifndef TN_TEST_PLACE_H
#define TN_TEST_PLACE_H

#include <stdlib.h>
#include <unistd.h>

#include "tensor/tensor.h"
#include "test.h"

typedef struct place {
    char folder[64];
    tn_arena *arena;
} place;

static inline int enter(void **state)
{
    place *p = calloc(1, sizeof *p);
    if (!p) return -1;
    snprintf(p->folder, sizeof p->folder, "/tmp/tn_test_XXXXXX");
    p->arena = tn_arena_new(0);
    *state = p;
    return p->arena && mkdtemp(p->folder) ? 0 : -1;
}

static inline int leave(void **state)
{
    place *p = *state;
    tn_file_fail_at(0, 0);
    tn_malloc_fail_at(0);
    tn_code code = tn_remove_tree(p->folder, NULL);
    tn_arena_free(p->arena);
    free(p);
    return code;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)

static inline tn_arena *arena_of(void **state)
{
    return ((place *)*state)->arena;
}

static inline const char *in(void **state, const char *name)
{
    place *p = *state;
    return tn_path_join(p->arena, p->folder, name);
}

/* A file of tests/golden. */
static inline const char *golden(void **state, const char *name)
{
    return tn_arena_printf(arena_of(state), "%s/tests/golden/%s", getenv("TN_SOURCE"), name);
}

static inline tn_view content(void **state, const char *path)
{
    tn_buf b = {0};
    tn_error err;
    assert_ok(tn_file_read(path, 0, &b, &err), &err);
    char *copy = tn_arena_strndup(arena_of(state), b.n ? b.data : "", b.n);
    size_t n = b.n;
    tn_buf_free(&b);
    return (tn_view){copy, n};
}

static inline void write_file(const char *path, tn_view bytes)
{
    tn_error err;
    assert_ok(tn_file_write(path, bytes.p, bytes.n, &err), &err);
}

static inline void same_files(void **state, const char *a, const char *b)
{
    tn_view x = content(state, a), y = content(state, b);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
}

static inline tn_tensor *floats(const tn_shape *shape, const float *v)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_of(TN_FLOAT, shape, v, &t, &err), &err);
    return t;
}

static inline tn_tensor *strings(const tn_shape *shape, const char *const *v)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_new(TN_STRING, shape, &t, &err), &err);
    for (int64_t i = 0; i < tn_tensor_count(t); i++)
        assert_ok(tn_string_set(t, i, v[i], strlen(v[i]), &err), &err);
    return t;
}

#endif
