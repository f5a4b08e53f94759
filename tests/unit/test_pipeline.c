/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pipeline.c - data sets and the batches made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "train/shuffle.h"
#include "train/train.h"

static tn_data *numbers(int64_t n)
{
    tn_data *d;
    assert_int_equal(tn_data_open(".", NULL, &d, NULL), TN_OK);
    int32_t *x = tn_data_new(d, TN_FEATURE, "x", TN_INT32, n, TN_SHAPE());
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, n, TN_SHAPE(2));
    for (int32_t i = 0; i < n; i++) {
        x[i] = i;
        y[2 * i] = (float)i;
        y[2 * i + 1] = (float)-i;
    }
    assert_int_equal(tn_data_check(d, "train", NULL), TN_OK);
    return d;
}

/* The next `count` batches' x, joined; -1 between batches. Returns how many numbers. */
static int take(tn_pipeline *p, int count, int32_t *out)
{
    int n = 0;
    for (int k = 0; k < count; k++) {
        const tn_batch *b = tn_pipeline_next(p);
        if (!b) return n;
        assert_int_equal(b->feeds[0]->shape.dim[0], b->examples);
        for (int64_t i = 0; i < b->examples; i++) {
            out[n++] = TN_INT32S(b->feeds[0])[i];
            assert_float_equal(TN_FLOATS(b->feeds[1])[2 * i + 1], -(float)out[n - 1], 0);
        }
        out[n++] = -1;
    }
    return n;
}

static int first_of(const tn_pipeline_options *o, int64_t examples, int count, int32_t *out)
{
    tn_data *d = numbers(examples);
    tn_pipeline *p;
    assert_int_equal(tn_pipeline_new(d, o, &p, NULL), TN_OK);
    int n = take(p, count, out);
    tn_pipeline_free(p);
    tn_data_close(d);
    return n;
}

static void the_last_batch_is_smaller(void **state)
{
    (void)state;
    int32_t got[64], want[] = {0, 1, 2, 3, -1, 4, 5, 6, 7, -1, 8, 9, -1};
    assert_int_equal(first_of(&(tn_pipeline_options){.batch = 4}, 10, 9, got), 13);
    assert_memory_equal(got, want, sizeof want);
}

static void or_it_is_dropped(void **state)
{
    (void)state;
    int32_t got[64], want[] = {0, 1, 2, 3, -1, 4, 5, 6, 7, -1, 0, 1, 2, 3, -1};
    assert_int_equal(
        first_of(&(tn_pipeline_options){.batch = 4, .repeat = true, .last = TN_LAST_DROP}, 10, 3, got), 15);
    assert_memory_equal(got, want, sizeof want);
}

static void or_filled_from_the_next_epoch(void **state)
{
    (void)state;
    int32_t got[64], want[] = {0, 1, 2, 3, -1, 4, 0, 1, 2, -1, 3, 4, 0, 1, -1};
    assert_int_equal(
        first_of(&(tn_pipeline_options){.batch = 4, .repeat = true, .last = TN_LAST_WRAP}, 5, 3, got), 15);
    assert_memory_equal(got, want, sizeof want);
}

static void a_batch_may_be_larger_than_the_data(void **state)
{
    (void)state;
    int32_t got[64];
    assert_int_equal(first_of(&(tn_pipeline_options){.batch = 100}, 3, 5, got), 4);
    assert_int_equal(
        first_of(&(tn_pipeline_options){.batch = 7, .repeat = true, .last = TN_LAST_WRAP}, 3, 1, got), 8);
    tn_data *d = numbers(3);
    tn_pipeline *p;
    tn_error err;
    assert_int_equal(tn_pipeline_new(d, &(tn_pipeline_options){.batch = 4, .last = TN_LAST_DROP}, &p, &err),
                     TN_INVALID_ARGUMENT);
    tn_data_close(d);
}

static void an_epoch_is_a_permutation(void **state)
{
    (void)state;
    int32_t got[256];
    int seen[100] = {0}, moved = 0;
    tn_pipeline_options o = {.batch = 8, .shuffle = true, .seed = 5};
    int n = first_of(&o, 100, 13, got), k = 0;
    for (int i = 0; i < n; i++) {
        if (got[i] < 0) continue;
        seen[got[i]]++;
        moved += got[i] != k++;
    }
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 80);
}

static void epochs_and_seeds_differ(void **state)
{
    (void)state;
    int64_t a[50], b[50], c[50], again[50];
    tn_permute(1, 0, 50, a);
    tn_permute(1, 1, 50, b);
    tn_permute(2, 0, 50, c);
    tn_permute(1, 0, 50, again);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    assert_memory_equal(a, again, sizeof a);
}

/* From any position on the batches are those of the pipeline that began at 0. */
static void a_position_is_all_there_is_to_remember(void **state)
{
    (void)state;
    static const tn_last_batch kinds[] = {TN_LAST_KEEP, TN_LAST_DROP, TN_LAST_WRAP};
    int32_t all[2048], part[2048];
    for (size_t kind = 0; kind < TN_COUNT(kinds); kind++) {
        tn_pipeline_options o = {
            .batch = 7, .shuffle = true, .repeat = true, .seed = 3, .last = kinds[kind], .block = 3};
        int n = first_of(&o, 40, 60, all), at = 0, batches = 0;
        for (; batches < 23; at++) batches += all[at] < 0;
        o.position = 23;
        o.block = 5;
        int m = first_of(&o, 40, 60 - 23, part);
        assert_int_equal(m, n - at);
        assert_memory_equal(part, all + at, (size_t)m * sizeof *part);
    }
}

static void double_it(const tn_settings *s, const char *column, void *example, uint64_t random)
{
    (void)s;
    if (!strcmp(column, "x"))
        *(int32_t *)example = (int32_t)(random % 1000);
    else
        ((float *)example)[1] = -(float)(random % 1000);
}

static void a_map_depends_on_epoch_and_example_only(void **state)
{
    (void)state;
    int32_t a[64], b[64];
    tn_data *d = numbers(10);
    tn_pipeline *p, *q;
    tn_data_map(d, double_it);
    tn_pipeline_options o = {.batch = 5, .repeat = true, .seed = 9};
    assert_int_equal(tn_pipeline_new(d, &o, &p, NULL), TN_OK);
    o.position = 2;
    assert_int_equal(tn_pipeline_new(d, &o, &q, NULL), TN_OK);
    assert_int_equal(take(p, 4, a), 24);
    assert_int_equal(take(q, 2, b), 12);
    assert_memory_equal(a + 12, b, 12 * sizeof *b);
    assert_memory_not_equal(a, b, 12 * sizeof *b);
    tn_pipeline_free(p);
    tn_pipeline_free(q);
    tn_data_close(d);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    tn_data *d = numbers(20);
    tn_pipeline *p;
    tn_error err;
    for (int64_t k = 1; k < 40; k++) {
        tn_malloc_fail_at(k);
        tn_code code = tn_pipeline_new(d, &(tn_pipeline_options){.batch = 4, .shuffle = true}, &p, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) {
            tn_pipeline_free(p);
            break;
        }
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
        assert_true(k < 39);
    }
    tn_data_close(d);
}

/* ==== data ==== */

static void columns_must_agree(void **state)
{
    (void)state;
    tn_data *d;
    tn_error err;
    assert_int_equal(tn_data_open(".", NULL, &d, NULL), TN_OK);
    tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, 4, TN_SHAPE());
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, 5, TN_SHAPE());
    assert_non_null(y); /* may be written to all the same */
    y[4] = 1;
    assert_int_equal(tn_data_check(d, "train", &err), TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, ".train: column 'y': it has 5 examples, column 'x' has 4");
    assert_null(tn_data_column(d, "x"));
    tn_data_close(d);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    tn_data *d;
    tn_error err;
    assert_int_equal(tn_data_open("/nowhere", NULL, &d, NULL), TN_OK);
    tn_data_idx(d, TN_FEATURE, "image", "digits.gz");
    tn_data_csv(d, TN_LABEL, "y", "other.csv", "a,b");
    assert_int_equal(tn_data_check(d, "test", &err), TN_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/digits.gz"));
    tn_data_close(d);
}

static void csv_columns_become_features(void **state)
{
    (void)state;
    tn_data *d;
    tn_error err;
    char dir[] = "/tmp/turnery-test-XXXXXX", path[64];
    static const char text[] = "t,a,b,c\n0,1,2,3\n1,4,5,6\n";
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/d.csv", dir);
    assert_int_equal(tn_file_write(path, text, sizeof text - 1, NULL), TN_OK);
    assert_int_equal(tn_data_open(dir, NULL, &d, NULL), TN_OK);
    tn_data_csv(d, TN_FEATURE, "x", "d.csv", "c,a");
    tn_data_csv(d, TN_LABEL, "y", "d.csv", "b");
    assert_int_equal(tn_data_check(d, "train", &err), TN_OK);
    const tn_tensor *x = tn_data_column(d, "x"), *y = tn_data_column(d, "y");
    assert_true(tn_shape_equal(&x->shape, &TN_SHAPE(2, 2)) && tn_shape_equal(&y->shape, &TN_SHAPE(2)));
    assert_true(TN_FLOATS(x)[0] == 3 && TN_FLOATS(x)[3] == 4 && TN_FLOATS(y)[1] == 5);
    tn_data_csv(d, TN_LABEL, "z", "d.csv", "e");
    assert_int_not_equal(tn_data_check(d, "train", &err), TN_OK);
    assert_non_null(strstr(err.message, "d.csv"));
    tn_data_close(d);
    assert_int_equal(tn_remove_tree(dir, NULL), TN_OK);
}

static void slices_are_checked(void **state)
{
    (void)state;
    tn_data *d = numbers(10);
    tn_error err;
    tn_data_slice(d, 2, 5);
    assert_int_equal(tn_data_count(d), 5);
    assert_int_equal(TN_INT32S(tn_data_column(d, "x"))[0], 2);
    tn_data_slice(d, 4, -1);
    assert_int_equal(tn_data_count(d), 1);
    tn_data_slice(d, 0, 2);
    assert_int_equal(tn_data_check(d, "train", &err), TN_OUT_OF_RANGE);
    tn_data_close(d);
}

static void sets_must_be_alike(void **state)
{
    (void)state;
    tn_data *a = numbers(4), *b, *c = numbers(9);
    tn_error err;
    assert_int_equal(tn_data_open(".", NULL, &b, NULL), TN_OK);
    tn_data_new(b, TN_FEATURE, "x", TN_INT32, 3, TN_SHAPE());
    tn_data_new(b, TN_LABEL, "y", TN_FLOAT, 3, TN_SHAPE(3));
    assert_int_equal(tn_data_alike(a, c, "validate", &err), TN_OK);
    assert_int_equal(tn_data_alike(a, b, "validate", &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "column 'y'"));
    tn_data_close(a);
    tn_data_close(b);
    tn_data_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_batch_is_smaller),
        cmocka_unit_test(or_it_is_dropped),
        cmocka_unit_test(or_filled_from_the_next_epoch),
        cmocka_unit_test(a_batch_may_be_larger_than_the_data),
        cmocka_unit_test(an_epoch_is_a_permutation),
        cmocka_unit_test(epochs_and_seeds_differ),
        cmocka_unit_test(a_position_is_all_there_is_to_remember),
        cmocka_unit_test(a_map_depends_on_epoch_and_example_only),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(columns_must_agree),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(csv_columns_become_features),
        cmocka_unit_test(slices_are_checked),
        cmocka_unit_test(sets_must_be_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
