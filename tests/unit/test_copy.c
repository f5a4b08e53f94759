/* SPDX-License-Identifier: Apache-2.0
 *
 * test_copy.c - transpose, slices, reverse, broadcast, tile, concat, split, pad, gather, scatter.
 */
#include "kernel_test.h"

static void coordinates(const tn_shape *s, int64_t i, int64_t *c)
{
    for (int d = s->rank - 1; d >= 0; d--) c[d] = i % s->dim[d], i /= s->dim[d];
}
static int64_t position(const tn_shape *s, const int64_t *c)
{
    int64_t at = 0;
    for (int d = 0; d < s->rank; d++) at = at * s->dim[d] + c[d];
    return at;
}

/* Elements of any size that name their own index. */
static uint8_t *named(int elem, int64_t n)
{
    uint8_t *x = tn_calloc((size_t)(n + 1), (size_t)elem);
    for (int64_t i = 0; i < n; i++) {
        uint64_t v = (uint64_t)(i * 7 + 1);
        memcpy(x + i * elem, &v, (size_t)TN_MIN(elem, 8));
    }
    return x;
}

static void try_transpose(int elem, tn_shape in, const int *perm, int threads)
{
    const int64_t n = tn_shape_count(&in);
    uint8_t *x = named(elem, n), *o = tn_malloc((size_t)((n + 1) * elem));
    tn_shape out = in;
    tn_ncopy p;
    for (int d = 0; d < in.rank; d++) out.dim[d] = in.dim[perm[d]];
    assert_int_equal(tn_transpose_prepare(elem, &in, perm, threads, &p, NULL), TN_OK);
    tn_ncopy_run(&p, x, o);
    for (int64_t i = 0; i < n; i++) {
        int64_t c[TN_MAX_RANK], from[TN_MAX_RANK];
        coordinates(&out, i, c);
        for (int d = 0; d < in.rank; d++) from[perm[d]] = c[d];
        if (memcmp(o + i * elem, x + position(&in, from) * elem, (size_t)elem) != 0)
            fail_msg("element %lld", (long long)i);
    }
    tn_free(x), tn_free(o);
}

static void transposes(void **state)
{
    const int elems[] = {1, 2, 4, 8, 16},
              perms3[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    (void)state;
    for (size_t e = 0; e < TN_COUNT(elems); e++) {
        for (size_t i = 0; i < TN_COUNT(perms3); i++) {
            try_transpose(elems[e], TN_SHAPE(5, 18, 23), perms3[i], 1);
            try_transpose(elems[e], TN_SHAPE(1, 4, 7), perms3[i], 1);
            try_transpose(elems[e], TN_SHAPE(0, 4, 7), perms3[i], 1);
            try_transpose(elems[e], TN_SHAPE(60, 50, 90), perms3[i], 2);
        }
        try_transpose(elems[e], TN_SHAPE(300, 517), (int[]){1, 0}, 2);
        try_transpose(elems[e], TN_SHAPE(2, 3, 4, 5), (int[]){3, 1, 0, 2}, 1);
    }
    tn_ncopy p;
    assert_int_equal(tn_transpose_prepare(4, &TN_SHAPE(2, 3), (int[]){0, 0}, 1, &p, NULL),
                     TN_INVALID_ARGUMENT);
}

static void slices(void **state)
{
    const int32_t x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int32_t o[12];
    const tn_shape in = TN_SHAPE(3, 4), out = TN_SHAPE(2, 2);
    tn_ncopy p;
    int64_t offset;
    (void)state;
    memset(o, 0, sizeof(o));
    assert_int_equal(
        tn_unslice_prepare(4, &out, (int64_t[]){0, 1}, (int64_t[]){2, 2}, &in, 1, &p, &offset, NULL), TN_OK);
    tn_ncopy_run(&p, x + 1, o + offset);
    assert_memory_equal(o, ((int32_t[]){0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4}), 48);
    assert_int_equal(tn_unslice_prepare(4, &out, (int64_t[]){2, 3}, NULL, &in, 1, &p, &offset, NULL), TN_INVALID_ARGUMENT);
    memset(o, 0, sizeof(o));
    assert_int_equal(tn_unslice_prepare(4, &out, (int64_t[]){2, 3}, (int64_t[]){-2, -3}, &in, 1, &p, &offset, NULL), TN_OK);
    tn_ncopy_run(&p, x + 1, o + offset);
    assert_memory_equal(o, ((int32_t[]){4, 0, 0, 3, 0, 0, 0, 0, 2, 0, 0, 1}), 48);
}

static void sides(void **state)
{
    const int16_t a[] = {1, 2, 3, 4}, b[] = {5, 6};
    int16_t o[6], c[4], d[2];
    (void)state;
    tn_concat(2, 2, 1, 2, (int64_t[]){2, 1}, (const void *[]){a, b}, o, 1);
    assert_memory_equal(o, ((int16_t[]){1, 2, 5, 3, 4, 6}), 12);
    tn_split(2, 2, 1, 2, (int64_t[]){2, 1}, o, (void *[]){c, d}, 1);
    assert_memory_equal(c, a, 8);
    assert_memory_equal(d, b, 4);
}

static void pads(void **state)
{
    const int32_t x[] = {1, 2, 3, 4, 5, 6}, nine = 9;
    int32_t o[40];
    tn_error err;
    (void)state;
    assert_int_equal(tn_pad(4, TN_PAD_CONSTANT, &TN_SHAPE(2, 3), (int64_t[]){1, 0}, (int64_t[]){0, 1}, &nine,
                            x, o, 1, NULL),
                     TN_OK);
    assert_memory_equal(o, ((int32_t[]){9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9}), 48);
    assert_int_equal(
        tn_pad(4, TN_PAD_REFLECT, &TN_SHAPE(2, 3), (int64_t[]){1, 2}, (int64_t[]){0, 1}, NULL, x, o, 1, NULL),
        TN_OK);
    assert_memory_equal(o, ((int32_t[]){6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}), 72);
    assert_int_equal(tn_pad(4, TN_PAD_SYMMETRIC, &TN_SHAPE(2, 3), (int64_t[]){1, 2}, (int64_t[]){0, 1}, NULL,
                            x, o, 1, NULL),
                     TN_OK);
    assert_memory_equal(o, ((int32_t[]){2, 1, 1, 2, 3, 3, 2, 1, 1, 2, 3, 3, 5, 4, 4, 5, 6, 6}), 72);
    assert_int_equal(
        tn_pad(4, TN_PAD_REFLECT, &TN_SHAPE(2, 3), (int64_t[]){2, 0}, (int64_t[]){0, 0}, NULL, x, o, 1, &err),
        TN_INVALID_ARGUMENT);
}

static void gathers(void **state)
{
    const float x[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int32_t i[] = {3, 0}, bad[] = {0, 4};
    const int64_t pairs[] = {1, 1, 0, 3};
    float o[8];
    tn_error err;
    (void)state;
    assert_int_equal(tn_gather(4, 1, 4, 2, 2, TN_INT32, i, x, o, 1, NULL), TN_OK);
    assert_memory_equal(o, ((float[]){6, 7, 0, 1}), 16);
    assert_int_equal(tn_gather(4, 2, 4, 1, 2, TN_INT32, i, x, o, 1, NULL), TN_OK);
    assert_memory_equal(o, ((float[]){3, 0, 7, 4}), 16);
    assert_int_equal(tn_gather(4, 1, 4, 2, 2, TN_INT32, bad, x, o, 1, &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "indices[1] = 4 is not in [0, 4)");
    assert_int_equal(tn_gather_nd(4, &TN_SHAPE(2, 4), 2, 2, 1, TN_INT64, pairs, x, o, NULL), TN_OK);
    assert_memory_equal(o, ((float[]){5, 3}), 8);
}

static void scatters(void **state)
{
    float x[] = {1, 1, 1, 1, 1, 1};
    const float u[] = {1, 2, 3, 4};
    const int32_t i[] = {2, 2}, bad[] = {0, -1};
    const tn_scatter_op ops[] = {TN_SCATTER_ADD, TN_SCATTER_UPDATE, TN_SCATTER_MUL, TN_SCATTER_MAX};
    const float want[][2] = {{5, 7}, {3, 4}, {9, 32}, {9, 32}};
    tn_scatter_desc d = {.dtype = TN_FLOAT, .index = TN_INT32, .n = 3, .inner = 2, .count = 2};
    tn_error err;
    (void)state;
    for (size_t k = 0; k < TN_COUNT(ops); k++) {
        d.op = ops[k];
        assert_int_equal(tn_scatter(&d, i, u, x, NULL), TN_OK);
        assert_memory_equal(x + 4, want[k], 8);
        assert_true(x[0] == 1 && x[3] == 1);
    }
    assert_int_equal(tn_scatter(&d, bad, u, x, &err), TN_INVALID_ARGUMENT);
    d.op = TN_SCATTER_ADD;
    d.skip_negative = true;
    assert_int_equal(tn_scatter(&d, bad, u, x, NULL), TN_OK);
    assert_true(x[0] == 2 && x[1] == 3);
    d = (tn_scatter_desc){.op = TN_SCATTER_SUB,
                          .dtype = TN_FLOAT,
                          .index = TN_INT32,
                          .inner = 1,
                          .count = 1,
                          .scalar_update = true};
    assert_int_equal(tn_scatter_nd(&d, &TN_SHAPE(3, 2), 2, (int32_t[]){1, 1}, u, x, NULL), TN_OK);
    assert_true(x[3] == 0);
    assert_int_equal(tn_scatter_nd(&d, &TN_SHAPE(3, 2), 2, (int32_t[]){1, 2}, u, x, &err),
                     TN_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transposes), cmocka_unit_test(slices),
                                       cmocka_unit_test(sides),      cmocka_unit_test(pads),
                                       cmocka_unit_test(gathers),    cmocka_unit_test(scatters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
