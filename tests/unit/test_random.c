/* SPDX-License-Identifier: Apache-2.0
 *
 * test_random.c - random numbers against those TensorFlow 2.21 gave for the same seeds (written down here),
 * and: the number of threads, the level and the count asked for change nothing.
 */
#include "kernel_test.h"

static void floats_are(tn_random_kind kind, const tn_philox *p, const float *want, int n)
{
    float got[32];
    FOR_LEVELS(level)
    {
        assert_int_equal(tn_random(kind, TN_FLOAT, p, n, got, 1, NULL), TN_OK);
        assert_int_equal(first_far(got, want, n, kind == TN_RANDOM_UNIFORM ? 0 : 1e-6,
                                   kind == TN_RANDOM_UNIFORM ? 0 : 1e-6),
                         -1);
    }
}

static void seeds_of_stateful_ops(void **state)
{
    static const float uniform[] = {0.023186326026916504f, 0.0994875431060791f,  0.5691264867782593f,
                                    0.5842281579971313f,   0.46582305431365967f, 0.27705931663513184f,
                                    0.9292688369750977f,   0.37444329261779785f, 0.01366734504699707f,
                                    0.35112547874450684f,  0.9701504707336426f,  0.2354903221130371f,
                                    0.6619967222213745f,   0.9995876550674438f,  0.2563742399215698f};
    static const float normal[] = {1.6056036949157715f,     2.22495436668396f,     -0.5360344648361206f,
                                   -0.9164999127388f,       1.2182596921920776f,   -0.20914606750011444f,
                                   0.2717910408973694f,     -0.26989632844924927f, 2.3582630157470703f,
                                   -1.7389904260635376f,    0.2451649308204651f,   0.022413091734051704f,
                                   -0.0023533368948847055f, 0.9082862138748169f,   -1.0631917715072632f};
    static const float truncated[] = {1.6056036949157715f,  -0.5360344648361206f, -0.9164999127388f,
                                      1.2182596921920776f,  1.0531543493270874f,  0.17572587728500366f,
                                      -0.567189633846283f,  -0.432087242603302f,  0.3343633711338043f,
                                      -0.9730216860771179f, -0.8890160322189331f, -0.9687241315841675f,
                                      -0.5235486030578613f, -0.4743289351463318f, -0.16273586452007294f};
    static const int32_t ints[] = {2, -1, 0, 6, 8, 7, 1, -1, 3, 7, 1, 5, 0, 2, 0};
    int32_t got[15];
    tn_philox p;
    tn_error err;
    (void)state;
    tn_philox_init(&p, 7, 11);
    floats_are(TN_RANDOM_UNIFORM, &p, uniform, 15);
    floats_are(TN_RANDOM_NORMAL, &p, normal, 15);
    floats_are(TN_RANDOM_TRUNCATED, &p, truncated, 15);
    assert_int_equal(tn_random_int(TN_INT32, &p, -3, 9, 15, got, 1, NULL), TN_OK);
    assert_memory_equal(got, ints, sizeof(ints));
    assert_int_equal(tn_random_int(TN_INT32, &p, 3, 3, 15, got, 1, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_random(TN_RANDOM_UNIFORM, TN_INT32, &p, 1, got, 1, &err), TN_UNIMPLEMENTED);
}

static void seeds_of_stateless_ops(void **state)
{
    static const float uniform[] = {0.8440604209899902f, 0.19204533100128174f, 0.9962232112884521f,
                                    0.16038739681243896f, 0.27199018001556396f};
    static const float normal[] = {0.544110119342804f,   0.20738030970096588f, 0.0735643208026886f,
                                   0.04643455147743225f, -1.301589846611023f,  -0.9538565278053284f,
                                   0.8417285680770874f,  1.9396867752075195f,  0.6512577533721924f,
                                   1.1048866510391235f};
    static const float truncated[] = {0.544110119342804f,   0.20738030970096588f, 0.0735643208026886f,
                                      0.04643455147743225f, 0.16820591688156128f, -1.6850333213806152f,
                                      0.24202857911586761f, 1.703450322151184f,   1.1060677766799927f,
                                      -1.0725637674331665f};
    static const int64_t bits[] = {-2882898006462487541, 4520458231610095266, -3428664559879909945};
    static const int32_t ints[] = {98, 32, 7};
    int64_t got[3];
    int32_t got32[3];
    tn_philox p;
    (void)state;
    tn_philox_stateless(&p, 1, 2);
    floats_are(TN_RANDOM_UNIFORM, &p, uniform, 5);
    floats_are(TN_RANDOM_NORMAL, &p, normal, 10);
    floats_are(TN_RANDOM_TRUNCATED, &p, truncated, 10);
    tn_philox_stateless(&p, 3, 4);
    assert_int_equal(tn_random_bits(TN_INT64, &p, 3, got, 1, NULL), TN_OK);
    assert_memory_equal(got, bits, sizeof(bits));
    assert_int_equal(tn_random_int(TN_INT32, &p, -5, 100, 3, got32, 1, NULL), TN_OK);
    assert_memory_equal(got32, ints, sizeof(ints));
}

/* Two executions of one op each: the second goes on where the first one's reservation ends. */
static void other_types_and_the_next_run(void **state)
{
    static const double truncated[][5] = {
        {-1.525099055405142, -0.38024962176211136, 0.4185934116676903, 1.1712391327721452,
         -0.2009448520045647},
        {1.0148543970384998, 1.2996496840164045, -1.2046187281579979, 0.6595734222475055, 0.917777299872384}};
    static const double normal[][3] = {{-1.525099055405142, -0.38024962176211136, -0.8465459513598556},
                                       {0.80674400897871, 0.5420534402128251, -0.37488554895068227}};
    static const double uniform[][5] = {
        {0.29075960530571, 0.7111111386072226, 0.6005799690799996, 0.8417687975578143, 0.9203967507709336},
        {0.25678673225463156, 0.10551423916324798, 0.24520986732668892, 0.34445212048124985,
         0.44128824681423806}};
    static const float halves[][5] = {
        {0.7373046875f, 0.75390625f, 0.177734375f, 0.6884765625f, 0.9931640625f},
        {0.94921875f, 0.279296875f, 0.0458984375f, 0.7158203125f, 0.0947265625f}};
    static const float brains[][5] = {{0.8984375f, 0.03125f, 0.421875f, 0.5078125f, 0.9453125f},
                                      {0.59375f, 0.234375f, 0.3671875f, 0.7265625f, 0.7578125f}};
    static const int64_t ints[][5] = {{717675970771, 442053136426, 865541906817, 299405010564, 826475698480},
                                      {453292989813, 948130412235, 916839174377, 961089022650, 112627157591}};
    (void)state;
    for (int run = 0; run < 2; run++) {
        tn_philox p, three;
        double d[5];
        uint16_t h[5];
        int64_t i[5];
        tn_philox_init(&p, 7, 9), tn_philox_init(&three, 7, 9);
        if (run) tn_philox_skip(&p, 5 * 256), tn_philox_skip(&three, 3 * 256);
        assert_int_equal(tn_random(TN_RANDOM_TRUNCATED, TN_DOUBLE, &p, 5, d, 1, NULL), TN_OK);
        for (int k = 0; k < 5; k++) assert_true(fabs(d[k] - truncated[run][k]) < 1e-14);
        assert_int_equal(tn_random(TN_RANDOM_NORMAL, TN_DOUBLE, &three, 3, d, 1, NULL), TN_OK);
        for (int k = 0; k < 3; k++) assert_true(fabs(d[k] - normal[run][k]) < 1e-14);
        assert_int_equal(tn_random(TN_RANDOM_UNIFORM, TN_DOUBLE, &p, 5, d, 1, NULL), TN_OK);
        for (int k = 0; k < 5; k++) assert_true(d[k] == uniform[run][k]);
        assert_int_equal(tn_random(TN_RANDOM_UNIFORM, TN_HALF, &p, 5, h, 1, NULL), TN_OK);
        for (int k = 0; k < 5; k++) assert_true(tn_half_to_float(h[k]) == halves[run][k]);
        assert_int_equal(tn_random(TN_RANDOM_UNIFORM, TN_BFLOAT16, &p, 5, h, 1, NULL), TN_OK);
        for (int k = 0; k < 5; k++) assert_true(tn_bfloat16_to_float(h[k]) == brains[run][k]);
        assert_int_equal(tn_random_int(TN_INT64, &p, -5, 1000000000000, 5, i, 1, NULL), TN_OK);
        assert_memory_equal(i, ints[run], sizeof(i));
    }
}

static void parts_are_the_whole(void **state)
{
    enum { N = 70001 };
    static float one[N], two[N];
    (void)state;
    for (int kind = TN_RANDOM_UNIFORM; kind <= TN_RANDOM_TRUNCATED; kind++) {
        tn_philox p;
        tn_philox_init(&p, 123456789123, UINT64_MAX);
        tn_philox_skip(&p, UINT64_MAX - 5); /* carries through all of the counter */
        assert_int_equal(tn_random(kind, TN_FLOAT, &p, N, one, 1, NULL), TN_OK);
        assert_int_equal(tn_random(kind, TN_FLOAT, &p, N, two, 2, NULL), TN_OK);
        assert_memory_equal(one, two, sizeof(one));
        assert_int_equal(tn_random(kind, TN_FLOAT, &p, 301, two, 1, NULL), TN_OK);
        assert_memory_equal(one, two, 301 * sizeof(float));
        assert_int_equal(tn_random(kind, TN_FLOAT, &p, 0, NULL, 1, NULL), TN_OK);
        double mean = 0, square = 0;
        for (int i = 0; i < N; i++) mean += (double)one[i] / N, square += (double)one[i] * (double)one[i] / N;
        assert_true(fabs(mean - (kind == TN_RANDOM_UNIFORM ? 0.5 : 0)) < 0.02);
        assert_true(fabs(square - mean * mean -
                         (kind == TN_RANDOM_UNIFORM  ? 1.0 / 12
                          : kind == TN_RANDOM_NORMAL ? 1
                                                     : 0.7737)) < 0.02);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_of_stateful_ops), cmocka_unit_test(seeds_of_stateless_ops),
        cmocka_unit_test(other_types_and_the_next_run), cmocka_unit_test(parts_are_the_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
