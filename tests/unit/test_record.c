/* SPDX-License-Identifier: Apache-2.0
 *
 * test_record.c - TFRecord files, plain and compressed, and the tf.Example in them.
 */
#include "golden.h"
#include "wire/proto.h"
#include "wire/wire.h"

/* Reads all records; what ended it is returned. */
static tn_code read_all(tn_view bytes, tn_compression c, size_t limit, size_t *n, tn_error *err)
{
    tn_records *r;
    tn_view record;
    *n = 0;
    TN_TRY(tn_records_open(bytes, c, limit, &r, err));
    tn_code code;
    while ((code = tn_records_next(r, &record, err)) == TN_OK) ++*n;
    tn_records_close(r);
    return code;
}

static void three_forms_hold_the_same(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf plain = golden("wire/data.tfrecord"), gz = golden("wire/data.tfrecord.gz"),
           z = golden("wire/data.tfrecord.zlib");
    tn_records *a, *b, *c;
    assert_ok(tn_records_open(view_of(&plain), TN_PLAIN, 0, &a, &err), &err);
    assert_ok(tn_records_open(view_of(&gz), TN_GZIP, 0, &b, &err), &err);
    assert_ok(tn_records_open(view_of(&z), TN_ZLIB, 0, &c, &err), &err);
    for (int i = 0; i < 26; i++) {
        tn_view x, y, w;
        assert_ok(tn_records_next(a, &x, &err), &err);
        assert_ok(tn_records_next(b, &y, &err), &err);
        assert_ok(tn_records_next(c, &w, &err), &err);
        assert_true(tn_view_eq(x, y) && tn_view_eq(x, w));
        assert_int_equal(x.n == 0, i == 25);
    }
    tn_view end;
    assert_code(tn_records_next(a, &end, &err), TN_OUT_OF_RANGE);
    assert_code(tn_records_next(b, &end, &err), TN_OUT_OF_RANGE);
    assert_code(tn_records_next(b, &end, &err), TN_OUT_OF_RANGE);
    assert_code(tn_records_next(c, &end, &err), TN_OUT_OF_RANGE);
    tn_records_close(a);
    tn_records_close(b);
    tn_records_close(c);
    tn_buf_free(&plain);
    tn_buf_free(&gz);
    tn_buf_free(&z);
}

static void damage_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
        size_t good;
    } cases[] = {
        {"wire/bad_length_crc.tfrecord", "record at byte 0: the length is damaged", 0},
        {"wire/bad_data_crc.tfrecord", "record at byte 0: the data is damaged", 0},
        {"wire/truncated.tfrecord", "the data is cut short", 24},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        tn_buf bytes = golden(cases[i].name);
        size_t n;
        assert_code(read_all(view_of(&bytes), TN_PLAIN, 0, &n, &err), TN_DATA_LOSS);
        assert_says(&err, cases[i].says);
        assert_int_equal(n, cases[i].good);
        tn_buf_free(&bytes);
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf plain = golden("wire/data.tfrecord"), again = {0};
    tn_view in = view_of(&plain), record;
    while (tn_record_next(&in, plain.n - in.n, &record, &err) == TN_OK)
        tn_record_put(&again, record.p, record.n);
    assert_ok(tn_buf_check(&again, &err), &err);
    assert_true(tn_view_eq(view_of(&plain), view_of(&again)));
    for (int c = TN_ZLIB; c <= TN_GZIP; c++) {
        tn_buf packed = {0};
        size_t n;
        assert_ok(tn_deflate(view_of(&plain), (tn_compression)c, -1, &packed, &err), &err);
        assert_code(read_all(view_of(&packed), (tn_compression)c, 0, &n, &err), TN_OUT_OF_RANGE);
        assert_int_equal(n, 26);
        tn_buf_free(&packed);
    }
    tn_buf_free(&plain);
    tn_buf_free(&again);
}

static void a_growing_file_is_tried_again(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = {0};
    tn_record_put(&file, "one", 3);
    tn_record_put(&file, "two", 3);
    for (size_t n = 20; n < file.n; n++) {
        char *cut = exact_copy(file.data, n);
        tn_view in = {cut, n}, record;
        assert_ok(tn_record_next(&in, 0, &record, &err), &err);
        assert_true(tn_view_is(record, "one"));
        assert_code(tn_record_next(&in, 19, &record, &err), TN_DATA_LOSS);
        assert_int_equal(in.n, n - 19);
        free(cut);
    }
    tn_buf_free(&file);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = {0};
    tn_record_put(&file, "some bytes", 10);
    for (size_t i = 0; i < file.n * 8; i++) {
        file.data[i / 8] ^= (char)(1 << i % 8);
        size_t n;
        assert_code(read_all(view_of(&file), TN_PLAIN, 0, &n, &err), TN_DATA_LOSS);
        assert_int_equal(n, 0);
        file.data[i / 8] ^= (char)(1 << i % 8);
    }
    tn_buf_free(&file);
}

static void a_huge_length_takes_no_memory(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = {0}, packed = {0};
    uint8_t header[12];
    size_t n;
    tn_record_header(header, (uint64_t)1 << 62);
    tn_buf_add(&file, header, sizeof header);
    tn_buf_str(&file, "not so much");
    assert_code(read_all(view_of(&file), TN_PLAIN, 0, &n, &err), TN_DATA_LOSS);
    assert_ok(tn_deflate(view_of(&file), TN_GZIP, -1, &packed, &err), &err);
    assert_code(read_all(view_of(&packed), TN_GZIP, 0, &n, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "over the limit");
    tn_buf_clear(&file);
    tn_buf_clear(&packed);
    tn_record_header(header, (uint64_t)1 << 30);
    tn_buf_add(&file, header, sizeof header);
    assert_ok(tn_deflate(view_of(&file), TN_GZIP, -1, &packed, &err), &err);
    assert_code(read_all(view_of(&packed), TN_GZIP, 0, &n, &err), TN_DATA_LOSS);
    tn_buf_clear(&file);
    tn_record_put(&file, "four", 4);
    assert_code(read_all(view_of(&file), TN_PLAIN, 3, &n, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_free(&file);
    tn_buf_free(&packed);
}

static void failing_memory_is_told(void **state)
{
    (void)state;
    tn_buf gz = golden("wire/data.tfrecord.gz");
    for (int64_t k = 1;; k++) {
        tn_error err = {0};
        size_t n;
        tn_malloc_fail_at(k);
        tn_code code = read_all(view_of(&gz), TN_GZIP, 0, &n, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OUT_OF_RANGE) {
            assert_true(k > 2);
            break;
        }
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
    tn_buf_free(&gz);
}

/* ==== tf.Example ==== */

static void the_first_example(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf plain = golden("wire/data.tfrecord");
    tn_view in = view_of(&plain), record;
    tn_arena *a = tn_arena_new(0);
    tn_Example *e;
    assert_ok(tn_record_next(&in, 0, &record, &err), &err);
    assert_ok(TN_DECODE(Example, record, a, &e, &err), &err);
    const tn_Feature *ids = tn_example_feature(e, "ids"), *name = tn_example_feature(e, "name"),
                     *weights = tn_example_feature(e, "weights");
    assert_null(tn_example_feature(e, "nothing"));
    assert_int_equal(ids->kind_case, TN_Feature_int64_list);
    assert_int_equal(ids->int64_list->value.n, 1);
    assert_true(ids->int64_list->value.items[0] == 78418041229247092);
    assert_int_equal(name->bytes_list->value.n, 2);
    assert_true(tn_view_is(name->bytes_list->value.items[0], "row 0"));
    assert_int_equal(weights->float_list->value.n, 4);
    assert_true(weights->float_list->value.items[0] == -1.0017807483673096f);
    tn_arena_free(a);
    tn_buf_free(&plain);
}

static void an_example_is_built(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_Example e = {0}, *back;
    static const float floats[] = {1.5f, -2};
    static const int64_t ints[] = {INT64_MIN, 0, 7};
    const tn_view words[] = {TN_VIEW("a"), TN_VIEW("\0b")};
    assert_ok(tn_example_int64s(&e, a, "z", ints, 3, &err), &err);
    assert_ok(tn_example_floats(&e, a, "x", floats, 2, &err), &err);
    assert_ok(tn_example_bytes(&e, a, "y", words, 2, &err), &err);
    assert_ok(tn_example_floats(&e, a, "z", floats, 0, &err), &err); /* replaced */
    tn_buf bytes = {0};
    assert_ok(TN_ENCODE(Example, &e, &bytes, &err), &err);
    assert_ok(TN_DECODE(Example, view_of(&bytes), a, &back, &err), &err);
    assert_int_equal(back->features->feature.n, 3);
    assert_true(tn_view_is(back->features->feature.items[0].key, "x"));
    assert_true(tn_example_feature(back, "x")->float_list->value.items[1] == -2);
    assert_int_equal(tn_example_feature(back, "y")->bytes_list->value.items[1].n, 2);
    assert_int_equal(tn_example_feature(back, "z")->kind_case, TN_Feature_float_list);
    assert_int_equal(tn_example_feature(back, "z")->float_list->value.n, 0);
    tn_buf_free(&bytes);
    tn_arena_free(a);
}

static void an_event_file_is_read(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = golden("wire/events.v2");
    tn_arena *a = tn_arena_new(0);
    tn_view in = view_of(&file), record;
    tn_Event *event;
    tn_code code;
    int summaries = 0;
    for (int i = 0; (code = tn_record_next(&in, file.n - in.n, &record, &err)) == TN_OK; i++) {
        assert_ok(TN_DECODE(Event, record, a, &event, &err), &err);
        assert_int_equal(event->what_case == TN_Event_file_version, i == 0);
        if (i == 0) assert_true(tn_view_is(event->file_version, "brain.Event:2"));
        if (event->what_case != TN_Event_summary) continue;
        assert_true(event->summary->value.n > 0);
        assert_true(event->summary->value.items[0].tag.n > 0);
        summaries++;
    }
    assert_code(code, TN_OUT_OF_RANGE);
    assert_true(summaries > 3);
    tn_buf_free(&file);
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_forms_hold_the_same),  cmocka_unit_test(damage_is_told),
        cmocka_unit_test(what_is_written_is_read),    cmocka_unit_test(a_growing_file_is_tried_again),
        cmocka_unit_test(every_flipped_bit_is_found), cmocka_unit_test(a_huge_length_takes_no_memory),
        cmocka_unit_test(failing_memory_is_told),     cmocka_unit_test(the_first_example),
        cmocka_unit_test(an_example_is_built),        cmocka_unit_test(an_event_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
