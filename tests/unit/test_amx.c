/* SPDX-License-Identifier: Apache-2.0
 *
 * test_amx.c - products and convolutions by tiles of bfloat16: as exact as floats are, whatever the shape, the transposes
 * and the threads; numbers that cannot be split. Nothing to test where the processor has no such tiles.
 */
#include "kernel_test.h"

static bool has_tiles(void)
{
    if (tn_isa_best() >= TN_ISA_AMX) return true;
    print_message("# this processor has no tiles of bfloat16\n");
    return false;
}

/* ==== products ==== */

typedef struct product {
    tn_gemm_desc d;
    float *a, *b, *bias, *c;
} product;

static product product_of(int64_t m, int64_t n, int64_t k, int variant)
{
    product p = {.d = {.dtype = TN_FLOAT, .m = m, .n = n, .k = k, .ta = variant & 1, .tb = variant >> 1 & 1,
                       .packs = variant >> 2 & 1, .bias = variant >> 3 & 1, .accumulate = variant == 1, .threads = 1}};
    numbers r = {(uint64_t)(m * 31 + n * 7 + k)};
    p.d.act = p.d.bias ? TN_ACT_RELU : TN_ACT_NONE;
    p.a = new_floats(m * k), p.b = new_floats(n * k), p.bias = new_floats(n), p.c = new_floats(m * n);
    fill_floats(&r, p.a, m * k, -1, 1), fill_floats(&r, p.b, n * k, -1, 1), fill_floats(&r, p.bias, n, -1, 1);
    fill_floats(&r, p.c, m * n, -1, 1);
    return p;
}

static void product_free(product *p)
{
    tn_free(p->a), tn_free(p->b), tn_free(p->bias), tn_free(p->c);
}

static void multiply(product *p, float *c)
{
    tn_gemm_plan plan;
    tn_error err;
    p->d.splits = tn_gemm_splits(p->b, p->d.n * p->d.k);
    assert_int_equal(tn_gemm_prepare(&p->d, &plan, &err), TN_OK);
    assert_int_equal(plan.isa, TN_ISA_AMX);
    void *scratch = tn_aligned_alloc(plan.scratch + 64), *packed = tn_aligned_alloc(plan.packed + 64);
    const float *bias = p->d.bias ? p->bias : NULL;
    memcpy(c, p->c, (size_t)(p->d.m * p->d.n) * sizeof *c);
    if (p->d.packs && plan.packed) {
        tn_gemm_pack_b(&plan, p->b, packed);
        tn_gemm_run_packed(&plan, p->a, packed, bias, c, scratch, false);
    } else {
        tn_gemm_run(&plan, p->a, p->b, bias, c, scratch);
    }
    tn_free(scratch), tn_free(packed);
}

static float a_at(const product *p, int64_t i, int64_t k)
{
    return p->d.ta ? p->a[k * p->d.m + i] : p->a[i * p->d.k + k];
}

static float b_at(const product *p, int64_t k, int64_t j)
{
    return p->d.tb ? p->b[j * p->d.k + k] : p->b[k * p->d.n + j];
}

/* What an element should be; *scale: the sum of what is added up, without signs. */
static double element(const product *p, int64_t i, int64_t j, double *scale)
{
    double sum = p->d.bias ? (double)p->bias[j] : 0;
    if (p->d.accumulate) sum += (double)p->c[i * p->d.n + j];
    *scale = fabs(sum);
    for (int64_t k = 0; k < p->d.k; k++) {
        double x = (double)a_at(p, i, k) * (double)b_at(p, k, j);
        sum += x;
        *scale += fabs(x);
    }
    return p->d.act == TN_ACT_RELU && sum < 0 ? 0 : sum;
}

static void check_product(const product *p, const float *c)
{
    for (int64_t i = 0; i < p->d.m; i++)
        for (int64_t j = 0; j < p->d.n; j++) {
            double scale, want = element(p, i, j, &scale), got = (double)c[i * p->d.n + j];
            if (isnan(want) || isinf(want)) assert_true(isnan(want) ? isnan(got) : got == want);
            else assert_true(fabs(got - want) <= 3e-7 * scale);
        }
}

static const int64_t products[][3] = {{128, 128, 64}, {100, 130, 97}, {131, 65, 800}, {300, 70, 50}, {96, 257, 33}, {40, 300, 90}};

static void products_are_exact(void **state)
{
    (void)state;
    for (size_t s = 0; has_tiles() && s < TN_COUNT(products); s++)
        for (int variant = 0; variant < 16; variant++) {
            product p = product_of(products[s][0], products[s][1], products[s][2], variant);
            float *one = new_floats(p.d.m * p.d.n), *two = new_floats(p.d.m * p.d.n);
            multiply(&p, one);
            check_product(&p, one);
            p.d.threads = 2;
            multiply(&p, two);
            assert_memory_equal(one, two, (size_t)(p.d.m * p.d.n) * sizeof *one);
            tn_free(one), tn_free(two);
            product_free(&p);
        }
}

/* In a, in b, and both signs of infinity. */
static void products_of_odd_numbers(void **state)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 3.4e38f, 1.8e38f, 1e-30f, 0};
    (void)state;
    for (size_t s = 0; has_tiles() && s < TN_COUNT(odd); s++)
        for (int variant = 0; variant < 8; variant++) {
            product p = product_of(128, 128, 96, variant);
            float *c = new_floats(p.d.m * p.d.n);
            p.d.accumulate = false;
            p.a[5] = odd[s];
            multiply(&p, c);
            check_product(&p, c);
            p.a[5] = 0.5f;
            p.b[77] = odd[s];
            multiply(&p, c);
            check_product(&p, c);
            tn_free(c);
            product_free(&p);
        }
}

static void batches(void **state)
{
    (void)state;
    if (!has_tiles()) return;
    product p = product_of(128, 128, 64, 0);
    float *a = new_floats(3 * 128 * 64), *c = new_floats(3 * 128 * 128);
    for (int i = 0; i < 3; i++)
        for (int64_t k = 0; k < 128 * 64; k++) a[i * 128 * 64 + k] = p.a[k] * (float)(i + 1);
    tn_gemm_desc d = p.d;
    tn_gemm_plan plan;
    d.batch_rank = 1, d.batch_dim[0] = 3, d.batch_a[0] = 128 * 64, d.threads = 2;
    assert_int_equal(tn_gemm_prepare(&d, &plan, NULL), TN_OK);
    void *scratch = tn_aligned_alloc(plan.scratch + 64);
    tn_gemm_run(&plan, a, p.b, NULL, c, scratch);
    for (int i = 0; i < 3; i++) {
        product one = p;
        one.a = a + i * 128 * 64;
        check_product(&one, c + i * 128 * 128);
    }
    tn_free(scratch), tn_free(a), tn_free(c);
    product_free(&p);
}

/* ==== convolutions ==== */

typedef struct conv {
    tn_conv_desc d;
    float *in, *filter, *bias, *out;
    int64_t n_in, n_filter, n_out;
} conv;

static conv conv_of(int64_t batch, int64_t h, int64_t w, int64_t in_c, int64_t out_c, int64_t fh, int64_t fw, int64_t dilation,
                    bool same, tn_conv_kind kind)
{
    conv c = {.d = {.kind = kind, .dtype = TN_FLOAT, .spatial = 2, .batch = batch, .in_c = in_c, .out_c = out_c, .groups = 1,
                    .in = {h, w}, .filter = {fh, fw}, .stride = {1, 1}, .dilation = {dilation, dilation}, .threads = 1}};
    for (int i = 0; i < 2; i++)
        tn_window_size(c.d.in[i], c.d.filter[i], 1, dilation, same, &c.d.out[i], &c.d.pad_lo[i], &c.d.pad_hi[i]);
    c.n_in = batch * h * w * in_c, c.n_filter = fh * fw * in_c * out_c, c.n_out = batch * c.d.out[0] * c.d.out[1] * out_c;
    c.in = new_floats(c.n_in), c.filter = new_floats(c.n_filter), c.bias = new_floats(out_c), c.out = new_floats(c.n_out);
    numbers r = {(uint64_t)(c.n_in + c.n_out)};
    fill_floats(&r, c.in, c.n_in, -1, 1), fill_floats(&r, c.filter, c.n_filter, -1, 1);
    fill_floats(&r, c.bias, out_c, -1, 1), fill_floats(&r, c.out, c.n_out, -1, 1);
    return c;
}

static void conv_free(conv *c)
{
    tn_free(c->in), tn_free(c->filter), tn_free(c->bias), tn_free(c->out);
}

/* The result, in memory of its own. */
static float *convolve(const conv *c, bool portable, bool pack, int threads)
{
    tn_conv *k;
    tn_conv_desc d = c->d;
    const bool back = d.kind == TN_CONV_BACKWARD_DATA;
    float *result = new_floats(back ? c->n_in : c->n_out);
    d.portable = portable;
    d.threads = threads;
    assert_int_equal(tn_conv_new(&d, &k, NULL), TN_OK);
    void *scratch = tn_aligned_alloc(tn_conv_scratch(k) + 64), *packed = NULL;
    if (pack && tn_conv_packed(k)) {
        packed = tn_aligned_alloc(tn_conv_packed(k));
        assert_int_equal(tn_conv_pack(k, c->filter, packed, scratch, NULL), TN_OK);
    }
    const tn_conv_args args = {.in = back ? result : c->in, .filter = c->filter, .bias = c->bias,
                               .out = back ? c->out : result, .packed = packed, .scratch = scratch};
    assert_int_equal(tn_conv_run(k, &args, NULL), TN_OK);
    tn_conv_free(k);
    tn_free(scratch), tn_free(packed);
    return result;
}

static void check_conv(const conv *c)
{
    const int64_t n = c->d.kind == TN_CONV_BACKWARD_DATA ? c->n_in : c->n_out;
    float *want = convolve(c, true, false, 1), *one = convolve(c, false, false, 1);
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(want[i])) assert_true(fabsf(one[i] - want[i]) <= 1e-4f * (1 + fabsf(want[i])));
        else assert_true(isnan(want[i]) ? isnan(one[i]) : one[i] == want[i]);
    }
    for (int i = 0; i < 4; i++) {
        float *more = convolve(c, false, i & 1, 1 + i);
        for (int64_t k = 0; k < n; k++) assert_true(more[k] == one[k] || (isnan(more[k]) && isnan(one[k])));
        tn_free(more);
    }
    tn_free(want), tn_free(one);
}

static conv some_conv(int i, tn_conv_kind kind)
{
    switch (i) {
    case 0: return conv_of(1, 26, 26, 32, 64, 3, 3, 1, false, kind);
    case 1: return conv_of(2, 15, 17, 40, 50, 3, 3, 1, true, kind);
    case 2: return conv_of(3, 12, 9, 33, 37, 5, 3, 1, true, kind);
    case 3: return conv_of(1, 30, 21, 64, 30, 3, 3, 2, true, kind);
    case 4: return conv_of(2, 1, 70, 32, 96, 1, 4, 1, false, kind);
    case 5: return conv_of(5, 8, 8, 24, 33, 2, 4, 1, true, kind);
    default: return conv_of(1, 90, 200, 25, 29, 3, 3, 1, true, kind); /* several bands */
    }
}
enum { CONVS = 7 };

static void convolutions_are_exact(void **state)
{
    (void)state;
    for (int i = 0; has_tiles() && i < CONVS; i++)
        for (int kind = TN_CONV_FORWARD; kind <= TN_CONV_BACKWARD_DATA; kind++) {
            conv c = some_conv(i, kind);
            c.d.bias = kind == TN_CONV_FORWARD && i % 3 != 1;
            if (kind == TN_CONV_FORWARD) c.d.act = i % 3 == 0 ? TN_ACT_RELU : i % 3 == 1 ? TN_ACT_NONE : TN_ACT_TANH;
            check_conv(&c);
            conv_free(&c);
        }
}

static void convolutions_of_odd_numbers(void **state)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 2e38f};
    (void)state;
    for (size_t s = 0; has_tiles() && s < TN_COUNT(odd); s++)
        for (int kind = TN_CONV_FORWARD; kind <= TN_CONV_BACKWARD_DATA; kind++) {
            conv c = some_conv(1, kind);
            float *image = kind == TN_CONV_FORWARD ? c.in : c.out;
            image[7] = odd[s];
            check_conv(&c);
            image[7] = 1;
            c.filter[100] = odd[s];
            check_conv(&c);
            conv_free(&c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_exact),     cmocka_unit_test(products_of_odd_numbers),
        cmocka_unit_test(batches),                cmocka_unit_test(convolutions_are_exact),
        cmocka_unit_test(convolutions_of_odd_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
