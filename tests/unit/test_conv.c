/* SPDX-License-Identifier: Apache-2.0
 *
 * test_conv.c - convolutions: the plain loops against a written-out definition, oneDNN against the plain
 * loops, in all three directions, with strides, dilations, padding, groups, 1 to 3 dimensions; with a pool after.
 */
#include <pthread.h>

#include "kernel_test.h"

typedef struct arrays {
    float *in, *filter, *bias, *out;
    int64_t n_in, n_filter, n_out;
} arrays;

static arrays arrays_of(const tn_conv_desc *d)
{
    arrays a = {
        .n_in = d->batch * d->in_c, .n_filter = d->in_c / d->groups * d->out_c, .n_out = d->batch * d->out_c};
    for (int i = 0; i < d->spatial; i++) a.n_in *= d->in[i], a.n_filter *= d->filter[i], a.n_out *= d->out[i];
    a.in = new_floats(a.n_in), a.filter = new_floats(a.n_filter), a.bias = new_floats(d->out_c),
    a.out = new_floats(a.n_out);
    numbers r = {(uint64_t)(a.n_in + a.n_out)};
    fill_floats(&r, a.in, a.n_in, -1, 1), fill_floats(&r, a.filter, a.n_filter, -1, 1);
    fill_floats(&r, a.bias, d->out_c, -1, 1), fill_floats(&r, a.out, a.n_out, -1, 1);
    return a;
}
static void arrays_free(arrays *a)
{
    tn_free(a->in), tn_free(a->filter), tn_free(a->bias), tn_free(a->out);
}

/* What a packed filter has is the filter, bit for bit; and who packs without the kernel packs the same. */
static void check_packed(const tn_conv *c, const tn_conv_desc *d, const void *filter, const void *packed)
{
    tn_filter_form form;
    const size_t n = (size_t)(d->in_c / d->groups * d->out_c) * (size_t)(d->filter[0] * (d->spatial > 1 ? d->filter[1] : 1) *
                                                                        (d->spatial > 2 ? d->filter[2] : 1));
    if (d->dtype == TN_FLOAT && tn_conv_form(c, &form)) {
        float *again = tn_calloc(n, sizeof *again);
        tn_filter_unpack(&form, packed, again);
        assert_memory_equal(again, filter, n * sizeof *again);
        tn_free(again);
    }
    if (d->dtype == TN_FLOAT && tn_conv_reads_both(c)) {
        char *again = tn_aligned_alloc(tn_conv_packed(c));
        tn_conv_pack_alone(d, filter, again);
        assert_memory_equal(again, packed, tn_conv_packed(c));
        tn_free(again);
    }
}

static void run(const tn_conv_desc *d, arrays *a, bool pack)
{
    tn_conv *c;
    tn_error err = {0};
    if (tn_conv_new(d, &c, &err) != TN_OK) fail_msg("%s", err.message);
    void *scratch = tn_aligned_alloc(tn_conv_scratch(c) + 64), *packed = NULL;
    if (pack && tn_conv_packed(c) && d->kind != TN_CONV_BACKWARD_FILTER) {
        packed = tn_aligned_alloc(tn_conv_packed(c));
        assert_int_equal(tn_conv_pack(c, a->filter, packed, scratch, NULL), TN_OK);
        check_packed(c, d, a->filter, packed);
    }
    const tn_conv_args args = {.in = a->in,
                               .filter = a->filter,
                               .bias = a->bias,
                               .out = a->out,
                               .packed = packed,
                               .scratch = scratch};
    if (tn_conv_run(c, &args, &err) != TN_OK) fail_msg("%s", err.message);
    assert_int_equal(tn_conv_run(c, &args, &err), TN_OK);
    tn_conv_free(c);
    tn_free(scratch), tn_free(packed);
}

/* Forward, two dimensions, written out. */
static void definition(const tn_conv_desc *d, const arrays *a, float *out)
{
    const int64_t gi = d->in_c / d->groups, go = d->out_c / d->groups;
    for (int64_t b = 0; b < d->batch; b++)
        for (int64_t oy = 0; oy < d->out[0]; oy++)
            for (int64_t ox = 0; ox < d->out[1]; ox++)
                for (int64_t o = 0; o < d->out_c; o++) {
                    double sum = d->bias ? (double)a->bias[o] : 0;
                    for (int64_t ky = 0; ky < d->filter[0]; ky++)
                        for (int64_t kx = 0; kx < d->filter[1]; kx++)
                            for (int64_t i = 0; i < gi; i++) {
                                int64_t y = oy * d->stride[0] - d->pad_lo[0] + ky * d->dilation[0],
                                        x = ox * d->stride[1] - d->pad_lo[1] + kx * d->dilation[1];
                                if (y < 0 || x < 0 || y >= d->in[0] || x >= d->in[1]) continue;
                                sum += (double)a->in[((b * d->in[0] + y) * d->in[1] + x) * d->in_c +
                                                     o / go * gi + i] *
                                       (double)a->filter[((ky * d->filter[1] + kx) * gi + i) * d->out_c + o];
                            }
                    out[((b * d->out[0] + oy) * d->out[1] + ox) * d->out_c + o] = (float)sum;
                }
}

static tn_conv_desc desc(int spatial, int64_t batch, int64_t in_c, int64_t out_c, int64_t groups,
                         int64_t size, int64_t filter, int64_t stride, int64_t dilation, bool same)
{
    tn_conv_desc d = {.dtype = TN_FLOAT,
                      .spatial = spatial,
                      .batch = batch,
                      .in_c = in_c,
                      .out_c = out_c,
                      .groups = groups,
                      .threads = 2,
                      .bias = true};
    for (int i = 0; i < spatial; i++) {
        d.in[i] = size + i, d.filter[i] = filter, d.stride[i] = stride, d.dilation[i] = dilation;
        tn_window_size(d.in[i], filter, stride, dilation, same, &d.out[i], &d.pad_lo[i], &d.pad_hi[i]);
    }
    return d;
}

/* 3 x 3: whole and cut tiles, more than a panel, one vector beyond a panel, borders of all widths. */
static tn_conv_desc winograd_case(int i)
{
    switch (i) {
    case 0: return desc(2, 2, 16, 32, 1, 15, 3, 1, 1, true);
    case 1: return desc(2, 3, 32, 48, 1, 13, 3, 1, 1, false);
    case 2: {
        tn_conv_desc d = desc(2, 1, 48, 16, 1, 17, 3, 1, 1, false);
        for (int k = 0; k < 2; k++) d.pad_lo[k] = 2, d.pad_hi[k] = k, d.out[k] += 2 + k;
        return d;
    }
    case 3: {
        tn_conv_desc d = desc(2, 5, 16, 64, 1, 6, 3, 1, 1, true);
        d.pad_hi[0] = 4, d.out[0] += 3;
        return d;
    }
    case 4: return desc(2, 6, 16, 64, 1, 15, 3, 1, 1, true); /* tiles for gradients by the filter */
    default: return desc(2, 7, 32, 16, 1, 16, 3, 1, 1, false);
    }
}
enum { WINOGRAD_CASES = 6 };

static tn_conv_desc cases(int i)
{
    switch (i) {
    case 0: return desc(2, 3, 1, 8, 1, 9, 3, 1, 1, false);
    case 1: return desc(2, 2, 16, 32, 1, 12, 5, 1, 1, true);
    case 2: return desc(2, 2, 3, 16, 1, 11, 5, 2, 1, true);
    case 3: return desc(2, 1, 8, 4, 1, 10, 1, 1, 1, false);
    case 4: return desc(2, 2, 12, 12, 12, 9, 3, 1, 1, true); /* depthwise */
    case 5: return desc(2, 2, 6, 12, 6, 9, 3, 2, 1, true);   /* depthwise, two filters each */
    case 6: return desc(2, 2, 8, 12, 4, 7, 3, 1, 1, true);   /* groups */
    case 7: return desc(2, 1, 5, 7, 1, 13, 3, 1, 2, true);   /* dilated */
    case 8: return desc(1, 4, 12, 32, 1, 40, 5, 2, 1, true);
    case 9: return desc(3, 1, 2, 5, 1, 6, 3, 1, 1, true);
    case 10: return desc(2, 1, 4, 4, 1, 8, 2, 3, 1, false); /* leaves a border over */
    case 11: { /* more padding than filter, and different on both sides */
        tn_conv_desc d = desc(2, 1, 3, 16, 1, 6, 2, 1, 1, false);
        for (int k = 0; k < 2; k++) d.pad_lo[k] = 4, d.pad_hi[k] = 1, d.out[k] += 5;
        return d;
    }
    case 12: return desc(2, 2, 16, 16, 16, 20, 5, 2, 1, true);
    case 13: return desc(2, 3, 2, 53, 1, 21, 5, 2, 1, true); /* few channels in, a border, several panels */
    case 14: return desc(1, 2, 1, 19, 1, 30, 4, 3, 1, true);
    case 15: { /* few channels, a border on one side only */
        tn_conv_desc d = desc(2, 2, 1, 16, 1, 40, 3, 1, 1, false);
        d.pad_hi[0] = 2, d.out[0] += 2;
        return d;
    }
    case 16: return desc(2, 2, 3, 3, 1, 5, 5, 5, 1, false);
    case 17: { /* a plane in a volume, of which one of two windows sees nothing but the border */
        tn_conv_desc d = desc(3, 1, 32, 32, 1, 17, 3, 1, 1, true);
        d.in[0] = d.filter[0] = 1, d.pad_lo[0] = 1, d.pad_hi[0] = 0, d.stride[0] = 2, d.out[0] = 1;
        return d;
    }
    default: return winograd_case(i - 18);
    }
}
enum { CASES = 18 + WINOGRAD_CASES };

static void plain_is_the_definition(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        tn_conv_desc d = cases(i);
        if (d.spatial != 2) continue;
        arrays a = arrays_of(&d);
        float *want = new_floats(a.n_out);
        definition(&d, &a, want);
        d.portable = true;
        run(&d, &a, false);
        assert_int_equal(first_far(a.out, want, a.n_out, 1e-4, 1e-5), -1);
        arrays_free(&a), tn_free(want);
    }
}

/* Backward's plain loops are the transposes of forward: <out, conv(in)> = <in, back(out)> = <filter, ...>. */
static void plain_backward_is_the_transpose(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        tn_conv_desc d = cases(i);
        d.portable = true;
        d.bias = false;
        arrays a = arrays_of(&d), f = arrays_of(&d), b = arrays_of(&d), w = arrays_of(&d);
        run(&d, &f, false);
        d.kind = TN_CONV_BACKWARD_DATA;
        run(&d, &b, false);
        d.kind = TN_CONV_BACKWARD_FILTER;
        run(&d, &w, false);
        double forward = 0, data = 0, filter = 0;
        for (int64_t k = 0; k < a.n_out; k++) forward += (double)f.out[k] * (double)a.out[k];
        for (int64_t k = 0; k < a.n_in; k++) data += (double)b.in[k] * (double)a.in[k];
        for (int64_t k = 0; k < a.n_filter; k++) filter += (double)w.filter[k] * (double)a.filter[k];
        assert_true(fabs(forward - data) < 1e-3 * (1 + fabs(forward)));
        assert_true(fabs(forward - filter) < 1e-3 * (1 + fabs(forward)));
        arrays_free(&a), arrays_free(&f), arrays_free(&b), arrays_free(&w);
    }
}

static void fast_is_plain(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        for (int kind = TN_CONV_FORWARD; kind <= TN_CONV_BACKWARD_FILTER; kind++)
            for (int variant = 0; variant < 4; variant++) {
                tn_conv_desc d = cases(i);
                d.kind = kind;
                d.bias = variant != 1 && (kind != TN_CONV_BACKWARD_FILTER || variant != 2);
                d.threads = 1 + (variant & 1);
                if (kind == TN_CONV_FORWARD)
                    d.act = variant == 2 ? TN_ACT_RELU : variant == 3 ? TN_ACT_TANH : TN_ACT_NONE;
                arrays fast = arrays_of(&d), slow = arrays_of(&d);
                run(&d, &fast, variant >= 2);
                d.portable = true;
                run(&d, &slow, false);
                assert_int_equal(first_far(fast.in, slow.in, fast.n_in, 1e-4, 1e-4), -1);
                assert_int_equal(first_far(fast.filter, slow.filter, fast.n_filter, 1e-4, 1e-3), -1);
                assert_int_equal(first_far(fast.bias, slow.bias, d.out_c, 1e-4, 1e-3), -1);
                assert_int_equal(first_far(fast.out, slow.out, fast.n_out, 1e-4, 1e-4), -1);
                arrays_free(&fast), arrays_free(&slow);
            }
}

/* What follows case i: the pool's sizes of a convolution d. */
static void add_pool(tn_conv_desc *d, tn_pool_kind kind, int64_t window, int64_t stride, bool same)
{
    d->pools = true;
    d->pool = (tn_pool_desc){.kind = kind, .dtype = TN_FLOAT, .batch = d->batch, .channels = d->out_c, .threads = d->threads};
    for (int k = 0; k < 2; k++) {
        int64_t high;
        d->pool.in[k] = d->out[k], d->pool.window[k] = window, d->pool.stride[k] = stride;
        tn_window_size(d->out[k], window, stride, 1, same, &d->pool.out[k], &d->pool.pad_lo[k], &high);
    }
}

static tn_conv_desc pooled_case(int i)
{
    tn_conv_desc d;
    switch (i) {
    case 0: d = desc(2, 3, 16, 64, 1, 26, 3, 1, 1, false), add_pool(&d, TN_POOL_MAX, 2, 2, false); break;
    case 1: d = desc(2, 2, 17, 19, 1, 24, 3, 1, 1, true), add_pool(&d, TN_POOL_AVG, 3, 3, false); break;
    case 2: d = desc(2, 1, 16, 33, 1, 23, 5, 2, 1, true), add_pool(&d, TN_POOL_MAX, 2, 2, true); break; /* cut windows */
    case 3: d = desc(2, 2, 24, 8, 1, 33, 3, 1, 2, true), add_pool(&d, TN_POOL_AVG, 1, 2, false); break;
    case 4: d = desc(2, 4, 1, 32, 1, 28, 3, 1, 1, true), add_pool(&d, TN_POOL_MAX, 2, 3, false); break;
    case 5: d = desc(2, 2, 4, 6, 1, 9, 3, 1, 1, true), add_pool(&d, TN_POOL_MAX, 2, 2, false); break; /* the library's */
    case 6: d = desc(2, 2, 6, 12, 6, 12, 3, 1, 1, true), add_pool(&d, TN_POOL_AVG, 2, 2, false); break;
    case 7: d = desc(2, 1, 16, 64, 1, 26, 5, 1, 1, false), add_pool(&d, TN_POOL_MAX, 2, 2, false); break;
    case 8: d = desc(2, 2, 32, 48, 1, 13, 3, 1, 1, true), add_pool(&d, TN_POOL_MAX, 2, 2, false); break; /* leaves one over */
    case 9: d = desc(2, 2, 16, 32, 1, 13, 3, 1, 1, true), add_pool(&d, TN_POOL_AVG, 2, 2, false); break;
    case 10: d = desc(2, 2, 16, 32, 1, 16, 3, 1, 1, true), add_pool(&d, TN_POOL_AVG, 2, 2, false); break;
    default: d = desc(2, 2, 16, 32, 1, 13, 3, 1, 1, true), add_pool(&d, TN_POOL_MAX, 2, 2, true); break; /* cut windows */
    }
    d.act = i % 4 == 0 ? TN_ACT_RELU : i % 4 == 1 ? TN_ACT_RELU6 : i % 4 == 2 ? TN_ACT_TANH : TN_ACT_NONE;
    return d;
}
enum { POOLED_CASES = 12 };

static int64_t pooled_count(const tn_conv_desc *d)
{
    return d->batch * d->pool.out[0] * d->pool.out[1] * d->out_c;
}

static void pooled_is_plain(void **state)
{
    (void)state;
    for (int i = 0; i < POOLED_CASES; i++) {
        tn_conv_desc d = pooled_case(i), plain = d;
        plain.portable = true;
        plain.pools = false;
        arrays a = arrays_of(&d), b = arrays_of(&d);
        run(&plain, &a, false);
        float *want = new_floats(a.n_out);
        tn_pool_forward(&d.pool, a.out, want);
        for (int packed = 0; packed < 2; packed++)
            FOR_LEVELS(level) {
                run(&d, &b, packed);
                assert_int_equal(first_far(b.out, want, pooled_count(&d), 1e-4, 1e-4), -1);
            }
        arrays_free(&a), arrays_free(&b), tn_free(want);
    }
}

/* As of plain loops: finite or not, and as near as what is multiplied lets them be. */
static void check_alike(const float *x, const float *y, int64_t n, float largest)
{
    for (int64_t i = 0; i < n; i++) {
        const bool alike = isnan(x[i]) == isnan(y[i]) && isinf(x[i]) == isinf(y[i]);
        if (!alike || (isfinite(x[i]) && fabsf(x[i] - y[i]) > 1e-4F * (1 + fabsf(y[i])) + 1e-6F * largest))
            fail_msg("%lld: %g, expected %g", (long long)i, (double)x[i], (double)y[i]);
    }
}

/* Numbers that have no differences, or too large ones: no result beside them is another for it. */
static void infinite_numbers(void **state)
{
    const float odd[] = {INFINITY, -INFINITY, NAN, 3e38F, -3e38F, 1e30F};
    enum { ODD = TN_COUNT(odd) };
    (void)state;
    for (int i = 0; i < WINOGRAD_CASES + 2; i++)
        for (int k = 0; k < 2 * ODD; k++) {
            tn_conv_desc d = i < WINOGRAD_CASES ? winograd_case(i) : pooled_case(i - WINOGRAD_CASES + 8);
            const bool in_filter = k >= ODD, data = i < WINOGRAD_CASES && i % 2;
            if (data) d.kind = TN_CONV_BACKWARD_DATA, d.bias = false;
            tn_conv_desc plain = d;
            plain.portable = true, plain.pools = false;
            arrays a = arrays_of(&d), b = arrays_of(&d);
            for (int n = 0; n < 2; n++) {
                const arrays *one = n ? &a : &b;
                float *x = in_filter ? one->filter : data ? one->out : one->in;
                x[97] = odd[k % ODD], x[511] = odd[k * 5 % ODD];
            }
            run(&plain, &a, false);
            float *pooled = new_floats(a.n_out);
            if (d.pools) tn_pool_forward(&d.pool, a.out, pooled);
            FOR_LEVELS(level) {
                run(&d, &b, false);
                if (data) check_alike(b.in, a.in, a.n_in, in_filter ? 3e38F : 0);
                else check_alike(b.out, d.pools ? pooled : a.out, d.pools ? pooled_count(&d) : a.n_out, in_filter ? 3e38F : 0);
            }
            arrays_free(&a), arrays_free(&b), tn_free(pooled);
        }
}

/* The cases are done so: their filters are packed as they are. */
static void winograd_is_chosen(void **state)
{
    (void)state;
    for (int i = 0; i < WINOGRAD_CASES + 4; i++) {
        const tn_conv_desc d = i < WINOGRAD_CASES ? winograd_case(i) : pooled_case(i - WINOGRAD_CASES + 8);
        tn_filter_form form;
        tn_conv *c;
        FOR_LEVELS(level) {
            assert_int_equal(tn_conv_new(&d, &c, NULL), TN_OK);
            if (level < TN_ISA_AMX) assert_true(tn_conv_form(c, &form) && form.n == 1 && form.n_blocks == 0);
            tn_conv_free(c);
        }
    }
}

static void infinite_gradients(void **state)
{
    const float odd[] = {INFINITY, NAN, 3e38F};
    (void)state;
    for (int k = 0; k < 2 * (int)TN_COUNT(odd); k++) {
        tn_conv_desc d = winograd_case(4), plain;
        d.kind = TN_CONV_BACKWARD_FILTER, d.bias = false;
        arrays a = arrays_of(&d), b = arrays_of(&d);
        (k % 2 ? a.in : a.out)[97] = (k % 2 ? b.in : b.out)[97] = odd[k / 2];
        plain = d, plain.portable = true;
        run(&plain, &a, false);
        FOR_LEVELS(level) {
            run(&d, &b, false);
            check_alike(b.filter, a.filter, a.n_filter, 0);
        }
        arrays_free(&a), arrays_free(&b);
    }
}

/* However many share the work. */
static void the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < POOLED_CASES; i++) {
        if (i == 5 || i == 6) continue; /* the library's */
        tn_conv_desc d = pooled_case(i);
        arrays one = arrays_of(&d), more = arrays_of(&d);
        d.threads = 1;
        run(&d, &one, true);
        for (d.threads = 2; d.threads <= 5; d.threads++) {
            run(&d, &more, d.threads & 1);
            assert_memory_equal(one.out, more.out, (size_t)pooled_count(&d) * sizeof(float));
        }
        arrays_free(&one), arrays_free(&more);
    }
}

static void wrong_pools(void **state)
{
    tn_conv *c;
    tn_error err;
    (void)state;
    for (int i = 0; i < 6; i++) {
        tn_conv_desc d = pooled_case(0);
        if (i == 0) d.pool.in[1]++;
        if (i == 1) d.pool.pad_lo[0] = 1;
        if (i == 2) d.pool.window[0] = 3;
        if (i == 3) d.pool.channels--;
        if (i == 4) d.kind = TN_CONV_BACKWARD_DATA;
        if (i == 5) d.pool.out[0] += 20;
        assert_int_equal(tn_conv_new(&d, &c, &err), TN_INVALID_ARGUMENT);
    }
}

static void empty_and_wrong(void **state)
{
    tn_conv_desc d = cases(1);
    tn_conv *c;
    tn_error err;
    (void)state;
    d.batch = 0;
    for (int kind = TN_CONV_FORWARD; kind <= TN_CONV_BACKWARD_FILTER; kind++) {
        d.kind = kind;
        arrays a = arrays_of(&d);
        run(&d, &a, false);
        if (kind == TN_CONV_BACKWARD_FILTER) assert_true(a.filter[0] == 0 && a.bias[0] == 0);
        arrays_free(&a);
    }
    d = cases(1);
    d.out[0]++;
    assert_int_equal(tn_conv_new(&d, &c, &err), TN_INVALID_ARGUMENT);
    d = cases(1);
    d.groups = 3;
    assert_int_equal(tn_conv_new(&d, &c, &err), TN_INVALID_ARGUMENT);
    d = cases(1);
    d.batch = INT64_MAX / 2;
    assert_int_equal(tn_conv_new(&d, &c, &err), TN_INVALID_ARGUMENT);
    d = cases(1);
    d.dtype = TN_INT64;
    assert_int_equal(tn_conv_new(&d, &c, &err), TN_UNIMPLEMENTED);
}

static void other_types(void **state)
{
    tn_conv_desc d = desc(2, 1, 2, 3, 1, 4, 3, 1, 1, true);
    arrays a = arrays_of(&d);
    double in[64], filter[64], bias[3], out[64];
    uint16_t h_in[64], h_filter[64], h_bias[3], h_out[64];
    float back[64];
    tn_conv *c;
    (void)state;
    tn_cast(TN_FLOAT, TN_DOUBLE, a.n_in, a.in, in, false, 1, NULL),
        tn_cast(TN_FLOAT, TN_HALF, a.n_in, a.in, h_in, false, 1, NULL);
    tn_cast(TN_FLOAT, TN_DOUBLE, a.n_filter, a.filter, filter, false, 1, NULL),
        tn_cast(TN_FLOAT, TN_HALF, a.n_filter, a.filter, h_filter, false, 1, NULL);
    tn_cast(TN_FLOAT, TN_DOUBLE, 3, a.bias, bias, false, 1, NULL),
        tn_cast(TN_FLOAT, TN_HALF, 3, a.bias, h_bias, false, 1, NULL);
    run(&d, &a, false);
    d.dtype = TN_DOUBLE;
    assert_int_equal(tn_conv_new(&d, &c, NULL), TN_OK);
    assert_int_equal(
        tn_conv_run(c, &(tn_conv_args){.in = in, .filter = filter, .bias = bias, .out = out}, NULL), TN_OK);
    tn_conv_free(c);
    for (int64_t i = 0; i < a.n_out; i++) assert_true(fabs(out[i] - (double)a.out[i]) < 1e-5);
    d.dtype = TN_HALF;
    assert_int_equal(tn_conv_new(&d, &c, NULL), TN_OK);
    void *scratch = tn_aligned_alloc(tn_conv_scratch(c));
    assert_int_equal(
        tn_conv_run(
            c,
            &(tn_conv_args){.in = h_in, .filter = h_filter, .bias = h_bias, .out = h_out, .scratch = scratch},
            NULL),
        TN_OK);
    tn_conv_free(c);
    tn_cast(TN_HALF, TN_FLOAT, a.n_out, h_out, back, false, 1, NULL);
    assert_int_equal(first_far(back, a.out, a.n_out, 1e-2, 1e-2), -1);
    tn_free(scratch), arrays_free(&a);
}

static void no_memory(void **state)
{
    const tn_conv_desc d = cases(1);
    int failures = 0;
    (void)state;
    for (int n = 1; n <= 4; n++) {
        tn_conv *c = NULL;
        tn_error err = {0};
        tn_malloc_fail_at(n);
        tn_code code = tn_conv_new(&d, &c, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) { /* the handles of the first run */
            arrays a = arrays_of(&d);
            void *scratch = tn_aligned_alloc(tn_conv_scratch(c) + 64);
            tn_malloc_fail_at(1);
            code = tn_conv_run(
                c,
                &(tn_conv_args){
                    .in = a.in, .filter = a.filter, .bias = a.bias, .out = a.out, .scratch = scratch},
                &err);
            tn_free(scratch), arrays_free(&a);
        }
        tn_malloc_fail_at(0);
        tn_conv_free(c);
        failures += code == TN_RESOURCE_EXHAUSTED;
        assert_true(code == TN_OK || code == TN_RESOURCE_EXHAUSTED);
    }
    assert_true(failures >= 2);
}

typedef struct at_once {
    tn_conv *c;
    arrays a;
    float *want;
    void *scratch;
    int wrong;
} at_once;
static void *many_runs(void *payload)
{
    at_once *t = payload;
    for (int i = 0; i < 20; i++) {
        memset(t->a.out, 0, (size_t)t->a.n_out * sizeof(float));
        if (tn_conv_run(t->c,
                        &(tn_conv_args){.in = t->a.in,
                                        .filter = t->a.filter,
                                        .bias = t->a.bias,
                                        .out = t->a.out,
                                        .scratch = t->scratch},
                        NULL))
            t->wrong++;
        if (memcmp(t->a.out, t->want, (size_t)t->a.n_out * sizeof(float)) != 0) t->wrong++;
    }
    return NULL;
}
static void several_threads_at_once(void **state)
{
    tn_conv_desc d = cases(1);
    pthread_t thread[3];
    at_once t[3];
    tn_conv *c;
    (void)state;
    d.threads = 1;
    assert_int_equal(tn_conv_new(&d, &c, NULL), TN_OK);
    for (int i = 0; i < 3; i++) {
        t[i] = (at_once){.c = c, .a = arrays_of(&d), .scratch = tn_aligned_alloc(tn_conv_scratch(c) + 64)};
        run(&d, &t[i].a, false);
        t[i].want = new_floats(t[i].a.n_out);
        memcpy(t[i].want, t[i].a.out, (size_t)t[i].a.n_out * sizeof(float));
    }
    for (int i = 0; i < 3; i++) pthread_create(&thread[i], NULL, many_runs, &t[i]);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(t[i].wrong, 0);
        arrays_free(&t[i].a), tn_free(t[i].want), tn_free(t[i].scratch);
    }
    tn_conv_free(c);
}

/* What a kernel at rest makes anew gives the same bits. */
static void rest_leaves_the_kernel(void **state)
{
    (void)state;
    int most = 0;
    for (int i = 0; i < CASES; i++) {
        tn_conv_desc d = cases(i);
        arrays a = arrays_of(&d);
        tn_conv *c;
        assert_int_equal(tn_conv_new(&d, &c, NULL), TN_OK);
        void *scratch = tn_aligned_alloc(tn_conv_scratch(c) + 64);
        const tn_conv_args args = {.in = a.in, .filter = a.filter, .bias = a.bias, .out = a.out, .scratch = scratch};
        float *want = new_floats(a.n_out);
        assert_int_equal(tn_conv_run(c, &args, NULL), TN_OK);
        memcpy(want, a.out, (size_t)a.n_out * sizeof *want);
        tn_malloc_fail_at(0);
        assert_int_equal(tn_conv_run(c, &args, NULL), TN_OK);
        const int64_t usual = tn_malloc_count();
        tn_conv_rest(c);
        tn_conv_rest(c);
        tn_malloc_fail_at(0);
        assert_int_equal(tn_conv_run(c, &args, NULL), TN_OK);
        most = TN_MAX(most, (int)(tn_malloc_count() - usual));
        assert_memory_equal(a.out, want, (size_t)a.n_out * sizeof *want);
        tn_conv_free(c);
        tn_free(want), tn_free(scratch);
        arrays_free(&a);
    }
    tn_conv_rest(NULL);
    assert_int_equal(most, 1); /* some are oneDNN's, which keep something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_is_the_definition),
                                       cmocka_unit_test(plain_backward_is_the_transpose),
                                       cmocka_unit_test(fast_is_plain), cmocka_unit_test(pooled_is_plain),
                                       cmocka_unit_test(winograd_is_chosen), cmocka_unit_test(infinite_numbers), cmocka_unit_test(infinite_gradients),
                                       cmocka_unit_test(the_same_bits),
                                       cmocka_unit_test(wrong_pools),
                                       cmocka_unit_test(empty_and_wrong),
                                       cmocka_unit_test(other_types),
                                       cmocka_unit_test(no_memory),
                                       cmocka_unit_test(several_threads_at_once), cmocka_unit_test(rest_leaves_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
