/* SPDX-License-Identifier: Apache-2.0
 *
 * test_gemm.c - matrix products against three plain loops: shapes around the tiles' edges, all transposes,
 * bias, activation, accumulation, batches, packed operands, every level of instructions, 1 and 2 threads.
 */
#include <complex.h>

#include "kernel_test.h"

typedef struct job {
    tn_gemm_desc d;
    float *a, *b, *bias, *c, *want;
} job;

static void plain(const job *j)
{
    const tn_gemm_desc *d = &j->d;
    for (int64_t i = 0; i < d->m; i++)
        for (int64_t n = 0; n < d->n; n++) {
            double sum = d->bias ? (double)j->bias[i * d->bias_row + n] : 0;
            for (int64_t p = 0; p < d->k; p++)
                sum += (double)(d->ta ? j->a[p * d->m + i] : j->a[i * d->k + p]) *
                       (double)(d->tb ? j->b[n * d->k + p] : j->b[p * d->n + n]);
            if (d->accumulate) sum += (double)j->c[i * d->n + n];
            if (d->act == TN_ACT_RELU) sum = sum < 0 ? 0 : sum;
            if (d->act == TN_ACT_TANH) sum = tanh(sum);
            j->want[i * d->n + n] = (float)sum;
        }
}

static void try_gemm(tn_gemm_desc d)
{
    numbers r = {(uint64_t)(d.m * 31 + d.n * 7 + d.k)};
    d.dtype = TN_FLOAT;
    job j = {d,
             new_floats(d.m * d.k),
             new_floats(d.n * d.k),
             new_floats(d.n + d.m * d.bias_row),
             new_floats(d.m * d.n),
             new_floats(d.m * d.n)};
    fill_floats(&r, j.a, d.m * d.k, -1, 1);
    fill_floats(&r, j.b, d.n * d.k, -1, 1);
    fill_floats(&r, j.bias, d.n + d.m * d.bias_row, -1, 1);
    fill_floats(&r, j.c, d.m * d.n, -1, 1);
    plain(&j);
    tn_gemm_plan p;
    tn_error err;
    assert_int_equal(tn_gemm_prepare(&d, &p, &err), TN_OK);
    void *scratch = tn_aligned_alloc(p.scratch + 64), *packed = tn_aligned_alloc(p.packed + 64);
    if (p.packed && !d.accumulate) {
        tn_gemm_pack_b(&p, j.b, packed);
        tn_gemm_run_packed(&p, j.a, packed, d.bias ? j.bias : NULL, j.c, scratch, false);
        assert_int_equal(first_far(j.c, j.want, d.m * d.n, 1e-5, 1e-6 * (double)(d.k + 4)), -1);
    }
    if (!p.packed || !d.packs) tn_gemm_run(&p, j.a, j.b, d.bias ? j.bias : NULL, j.c, scratch);
    int64_t bad = first_far(j.c, j.want, d.m * d.n, 1e-5, 1e-6 * (double)(d.k + 4));
    if (bad >= 0)
        print_message("m %lld n %lld k %lld ta %d tb %d path %d isa %d\n", (long long)d.m, (long long)d.n,
                      (long long)d.k, d.ta, d.tb, p.path, p.isa);
    assert_int_equal(bad, -1);
    tn_free(scratch), tn_free(packed), tn_free(j.a), tn_free(j.b), tn_free(j.bias), tn_free(j.c),
        tn_free(j.want);
}

static void shapes(void **state)
{
    static const int64_t sizes[][3] = {
        {1, 1, 1},    {64, 64, 64},   {64, 64, 1},    {64, 1, 64},   {1, 64, 64},
        {1, 1, 300},  {7, 5, 3},      {8, 48, 16},    {9, 49, 17},   {33, 10, 70},
        {2, 100, 31}, {3, 3, 257},    {17, 16, 400},  {5, 33, 0},    {0, 4, 4},
        {4, 0, 4},    {130, 47, 9},   {12, 96, 33},   {31, 600, 40}, {1, 600, 90},
        {300, 4, 20}, {40, 130, 300}, {70, 200, 120}, {16, 17, 18},  {100, 110, 120}};
    (void)state;
    FOR_LEVELS(level)
    {
        for (size_t i = 0; i < TN_COUNT(sizes); i++)
            for (int t = 0; t < 4; t++)
                for (int e = 0; e < 6; e++)
                    try_gemm((tn_gemm_desc){.m = sizes[i][0],
                                            .n = sizes[i][1],
                                            .k = sizes[i][2],
                                            .ta = t & 1,
                                            .tb = t >> 1,
                                            .accumulate = e == 1,
                                            .bias = e >= 2,
                                            .bias_row = e >= 4 ? sizes[i][1] + 3 : 0,
                                            .packs = e == 5,
                                            .threads = 2,
                                            .act = e == 2   ? TN_ACT_RELU
                                                   : e == 3 ? TN_ACT_TANH
                                                            : TN_ACT_NONE});
    }
}

/* Below the size from which the library does it, threads change nothing. */
static void threads_agree(void **state)
{
    const tn_gemm_desc d = {.dtype = TN_FLOAT, .m = 99, .n = 90, .k = 100, .tb = true};
    numbers r = {3};
    float *a = new_floats(d.m * d.k), *b = new_floats(d.n * d.k), *c[2];
    (void)state;
    fill_floats(&r, a, d.m * d.k, -1, 1);
    fill_floats(&r, b, d.n * d.k, -1, 1);
    for (int t = 0; t < 2; t++) {
        tn_gemm_desc e = d;
        tn_gemm_plan p;
        e.threads = t + 1;
        assert_int_equal(tn_gemm_prepare(&e, &p, NULL), TN_OK);
        assert_int_equal(p.threads, t + 1);
        void *scratch = tn_aligned_alloc(p.scratch + 64);
        c[t] = new_floats(d.m * d.n);
        tn_gemm_run(&p, a, b, NULL, c[t], scratch);
        tn_free(scratch);
    }
    assert_memory_equal(c[0], c[1], (size_t)(d.m * d.n) * sizeof(float));
    tn_free(a), tn_free(b), tn_free(c[0]), tn_free(c[1]);
}

/* Whatever the direction, the threads and the panels that are taken together: the same bits. */
static void try_packed(int64_t m, int64_t n, int64_t k)
{
    numbers r = {(uint64_t)(m * 17 + n * 5 + k)};
    float *a = new_floats(m * k), *b = new_floats(n * k), *bias = new_floats(n), *c[4], *want = new_floats(m * n);
    fill_floats(&r, a, m * k, -1, 1);
    fill_floats(&r, b, n * k, -1, 1);
    fill_floats(&r, bias, n, -1, 1);
    plain(&(job){.d = {.m = m, .n = n, .k = k, .bias = true}, .a = a, .b = b, .bias = bias, .want = want});
    for (int i = 0; i < 4; i++) {
        const tn_gemm_desc d = {.dtype = TN_FLOAT, .m = m, .n = n, .k = k, .bias = true, .packs = true,
                                .threads = 1 + i / 2};
        tn_gemm_plan p;
        c[i] = new_floats(m * n);
        assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
        assert_true(p.packed > 0);
        void *packed = tn_aligned_alloc(p.packed), *scratch = tn_aligned_alloc(p.scratch + 64);
        tn_gemm_pack_b(&p, b, packed);
        tn_gemm_run_packed(&p, a, packed, bias, c[i], scratch, i & 1);
        assert_memory_equal(c[i], c[0], (size_t)(m * n) * sizeof(float));
        tn_free(packed), tn_free(scratch);
    }
    assert_int_equal(first_far(c[0], want, m * n, 1e-5, 1e-6 * (double)(k + 4)), -1);
    for (int i = 0; i < 4; i++) tn_free(c[i]);
    tn_free(a), tn_free(b), tn_free(bias), tn_free(want);
}

/* What was packed comes back, to the last bit; nothing beside it is written. */
static void try_unpack(tn_dtype t, bool tb, int64_t n, int64_t k)
{
    const size_t bytes = (size_t)(n * k) * tn_dtype_size(t);
    const tn_gemm_desc d = {.dtype = t, .m = 3, .n = n, .k = k, .tb = tb, .packs = true, .threads = 1};
    tn_gemm_plan p;
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
    assert_int_equal(tn_gemm_unpacks(&p), bytes);
    uint8_t *b = tn_malloc(bytes), *again = tn_malloc(bytes + 8);
    void *packed = tn_aligned_alloc(p.packed);
    for (size_t i = 0; i < bytes; i++) b[i] = (uint8_t)(i * 37 + i / 256);
    memset(again, 0xa5, bytes + 8);
    tn_gemm_pack_b(&p, b, packed);
    tn_gemm_unpack_b(&p, packed, again);
    assert_memory_equal(again, b, bytes);
    for (int i = 0; i < 8; i++) assert_int_equal(again[bytes + (size_t)i], 0xa5);
    tn_free(b), tn_free(again), tn_free(packed);
}

static void unpacked_alike(void **state)
{
    static const int64_t sizes[] = {8, 15, 16, 33, 47, 48, 49, 97, 130};
    (void)state;
    for (size_t i = 0; i < TN_COUNT(sizes); i++)
        for (int form = 0; form < 4; form++) {
            try_unpack(form & 1 ? TN_DOUBLE : TN_FLOAT, form & 2, sizes[i], 5);
            try_unpack(form & 1 ? TN_DOUBLE : TN_FLOAT, form & 2, sizes[i], 300);
        }
}

static void packed_alike(void **state)
{
    static const int64_t rows[] = {1, 2, 5, 20, 64}, columns[] = {8, 16, 47, 48, 49, 96, 97, 130, 150, 1000};
    (void)state;
    FOR_LEVELS(level)
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        for (size_t j = 0; j < TN_COUNT(columns); j++) {
            try_packed(rows[i], columns[j], 1);
            try_packed(rows[i], columns[j], 33);
            if (columns[j] == 1000) try_packed(rows[i], columns[j], 700);
            if (rows[i] <= 5 && (columns[j] == 130 || columns[j] == 8)) try_packed(rows[i], columns[j], 9217); /* narrow panels */
            if (rows[i] <= 5 && columns[j] == 130) try_packed(rows[i], columns[j], 5000);
        }
}

static void doubles(void **state)
{
    enum { M = 19, N = 23, K = 29 };
    static double a[M * K], b[N * K], c[M * N];
    numbers r = {5};
    (void)state;
    for (int i = 0; i < M * K; i++) a[i] = (double)number_float(&r, -1, 1);
    for (int i = 0; i < N * K; i++) b[i] = (double)number_float(&r, -1, 1);
    for (int t = 0; t < 4; t++) {
        const bool ta = t & 1, tb = t >> 1;
        const tn_gemm_desc d = {.dtype = TN_DOUBLE, .m = M, .n = N, .k = K, .ta = ta, .tb = tb, .threads = 1};
        tn_gemm_plan p;
        assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
        void *scratch = tn_aligned_alloc(p.scratch + 64);
        tn_gemm_run(&p, a, b, NULL, c, scratch);
        tn_free(scratch);
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < K; k++)
                    sum += (ta ? a[k * M + i] : a[i * K + k]) * (tb ? b[j * K + k] : b[k * N + j]);
                assert_true(fabs(sum - c[i * N + j]) < 1e-13);
            }
    }
}

static void batches_broadcast(void **state)
{
    /* [2, 1] batches of a against [1, 3] of b. */
    enum { M = 5, N = 6, K = 7 };
    float a[2 * M * K], b[3 * K * N], c[6 * M * N], want[M * N], scratch[4096];
    numbers r = {9};
    (void)state;
    fill_floats(&r, a, 2 * M * K, -1, 1);
    fill_floats(&r, b, 3 * K * N, -1, 1);
    const tn_gemm_desc d = {.dtype = TN_FLOAT,
                            .m = M,
                            .n = N,
                            .k = K,
                            .threads = 2,
                            .batch_rank = 2,
                            .batch_dim = {2, 3},
                            .batch_a = {M * K, 0},
                            .batch_b = {0, K * N}};
    tn_gemm_plan p;
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
    assert_true(p.scratch <= sizeof(scratch));
    tn_gemm_run(&p, a, b, NULL, c, scratch);
    for (int x = 0; x < 6; x++) {
        job j = {.d = {.m = M, .n = N, .k = K}, .a = a + x / 3 * M * K, .b = b + x % 3 * K * N, .want = want};
        plain(&j);
        assert_int_equal(first_far(c + x * M * N, want, M * N, 1e-5, 1e-6), -1);
    }
}

static void other_types(void **state)
{
    const int32_t a[] = {1, 2, 3, INT32_MAX}, b[] = {1, 0, 2, 1};
    int32_t c[4];
    tn_gemm_desc d = {.dtype = TN_INT32, .m = 2, .n = 2, .k = 2, .threads = 1};
    tn_gemm_plan p;
    (void)state;
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
    tn_gemm_run(&p, a, b, NULL, c, NULL);
    assert_int_equal(c[0], 5);
    assert_int_equal(c[2], (int32_t)(3u + 2u * INT32_MAX));
    const float complex x[] = {1 + 2 * I, 3}, y[] = {I, 2 - I};
    float complex z[1];
    d = (tn_gemm_desc){
        .dtype = TN_COMPLEX64, .m = 1, .n = 1, .k = 2, .conj_b = true, .tb = true, .threads = 1};
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
    tn_gemm_run(&p, x, y, NULL, z, NULL);
    assert_true(z[0] == (1 + 2 * I) * -I + 3 * (2 + I));
    uint16_t h[4], g[4], o[4];
    char scratch[2048];
    for (int i = 0; i < 4; i++) h[i] = tn_float_to_half((float)i), g[i] = tn_float_to_half(2);
    d = (tn_gemm_desc){.dtype = TN_HALF, .m = 2, .n = 2, .k = 2, .threads = 1};
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_OK);
    assert_true(p.scratch <= sizeof(scratch));
    tn_gemm_run(&p, h, g, NULL, o, scratch);
    assert_true(tn_half_to_float(o[0]) == 2 && tn_half_to_float(o[3]) == 10);
    d = (tn_gemm_desc){.dtype = TN_BOOL, .m = 1, .n = 1, .k = 1};
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_UNIMPLEMENTED);
    d = (tn_gemm_desc){.dtype = TN_FLOAT, .m = 2, .n = 2, .k = 2, .bias = true, .bias_row = 1};
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_INVALID_ARGUMENT);
    d = (tn_gemm_desc){.dtype = TN_FLOAT, .m = -1, .n = 1, .k = 1};
    assert_int_equal(tn_gemm_prepare(&d, &p, NULL), TN_INVALID_ARGUMENT);
}

/* What is widened in each run cannot be packed once for all: its scratch has room for the panels, too. */
static void widened_is_not_packed(void **state)
{
    (void)state;
    const tn_dtype types[] = {TN_HALF, TN_BFLOAT16};
    for (int i = 0; i < 2; i++) {
        tn_gemm_desc d = {.dtype = types[i], .m = 2, .n = 16, .k = 4, .threads = 1};
        tn_gemm_plan each, once;
        tn_error err;
        assert_int_equal(tn_gemm_prepare(&d, &each, &err), TN_OK);
        d.packs = true;
        assert_int_equal(tn_gemm_prepare(&d, &once, &err), TN_OK);
        assert_int_equal(once.packed, 0);
        assert_int_equal(once.scratch, each.scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes), cmocka_unit_test(threads_agree),
                                       cmocka_unit_test(packed_alike), cmocka_unit_test(unpacked_alike),
                                       cmocka_unit_test(doubles), cmocka_unit_test(batches_broadcast),
                                       cmocka_unit_test(other_types), cmocka_unit_test(widened_is_not_packed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
