/* SPDX-License-Identifier: Apache-2.0
 *
 * test_npy.c - .npy files written and read: every dtype, both orders, hostile headers.
 */
#include "test.h"

#include "tensor/tensor.h"

/* A file of version major with this dictionary and these bytes of data. */
static tn_buf file_of(int major, const char *header, const void *data, size_t n)
{
    tn_buf b = {0};
    size_t length = strlen(header);
    tn_buf_add(&b, "\x93NUMPY", 6);
    tn_buf_add(&b, (char[]){(char)major, 0, (char)(length & 0xFF), (char)(length >> 8), 0, 0},
               major == 1 ? 4 : 6);
    tn_buf_str(&b, header);
    tn_buf_add(&b, data, n);
    return b;
}

static tn_tensor *read_file(int major, const char *header, const void *data, size_t n)
{
    tn_error err;
    tn_tensor *x = NULL;
    tn_buf b = file_of(major, header, data, n);
    assert_ok(tn_npy_decode((tn_view){b.data, b.n}, &x, &err), &err);
    tn_buf_free(&b);
    return x;
}

static tn_dtype stored_as(tn_dtype t)
{
    switch (t) {
    case TN_BFLOAT16:
    case TN_QUINT16: return TN_UINT16;
    case TN_QINT8: return TN_INT8;
    case TN_QUINT8: return TN_UINT8;
    case TN_QINT16: return TN_INT16;
    case TN_QINT32: return TN_INT32;
    case TN_INT4: return TN_INT8;
    case TN_FLOAT8_E5M2:
    case TN_FLOAT8_E4M3FN:
    case TN_FLOAT8_E4M3FNUZ:
    case TN_FLOAT8_E4M3B11FNUZ:
    case TN_FLOAT8_E5M2FNUZ:
    case TN_UINT4: return TN_UINT8;
    default: return t;
    }
}

static void every_dtype_goes_both_ways(void **state)
{
    (void)state;
    tn_shape shape = TN_SHAPE(2, 3);
    tn_error err;
    for (int t = 1; t < TN_DTYPE_COUNT; t++) {
        tn_tensor *x, *back = NULL;
        tn_buf b = {0};
        assert_ok(tn_tensor_new((tn_dtype)t, &shape, &x, &err), &err);
        if (!tn_dtype_is_pod((tn_dtype)t)) {
            assert_code(tn_npy_encode(x, &b, &err), TN_INVALID_ARGUMENT);
            assert_says(&err, tn_dtype_name((tn_dtype)t));
            tn_tensor_unref(x);
            continue;
        }
        for (int i = 0; i < 6; i++) tn_tensor_set_number(x, i, i);
        assert_ok(tn_npy_encode(x, &b, &err), &err);
        assert_int_equal((b.n - tn_tensor_bytes(x)) % 64, 0);
        assert_ok(tn_npy_decode((tn_view){b.data, b.n}, &back, &err), &err);
        assert_int_equal(back->dtype, stored_as((tn_dtype)t));
        assert_true(tn_shape_equal(&back->shape, &shape));
        assert_memory_equal(back->data, x->data, tn_tensor_bytes(x));
        tn_buf_free(&b);
        tn_tensor_unref(x);
        tn_tensor_unref(back);
    }
}

static void headers_are_numpys_own(void **state)
{
    (void)state;
    static const struct {
        int rank;
        const char *header;
    } rows[] = {
        {0, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"},
        {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2), }"},
    };
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_shape shape = {.rank = rows[i].rank, .dim = {2, 2, 2}};
        tn_tensor *x;
        tn_buf b = {0};
        assert_ok(tn_tensor_new(TN_FLOAT, &shape, &x, &err), &err);
        assert_ok(tn_npy_encode(x, &b, &err), &err);
        assert_memory_equal(b.data, "\x93NUMPY\x01\0\x76\0", 10);
        assert_memory_equal(b.data + 10, rows[i].header, strlen(rows[i].header));
        assert_int_equal(b.data[126], ' ');
        assert_int_equal(b.data[127], '\n');
        tn_buf_free(&b);
        tn_tensor_unref(x);
    }
}

static void column_major_files_are_transposed(void **state)
{
    (void)state;
    /* numpy.arange(12).reshape(2, 3, 2), column by column. */
    const int8_t data[] = {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11};
    tn_tensor *x = read_file(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3, 2)}", data, 12);
    for (int i = 0; i < 12; i++) assert_int_equal(tn_tensor_int(x, i), i);
    tn_tensor_unref(x);
    x = read_file(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (0, 3)}", data, 0);
    tn_tensor_unref(x);
    x = read_file(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2,)}", "\1\0\2\0", 4);
    assert_int_equal(tn_tensor_int(x, 1), 2);
    tn_tensor_unref(x);
}

static void big_endian_files_are_turned(void **state)
{
    (void)state;
    tn_tensor *x = read_file(1, "{'descr': '>i4', 'fortran_order': False, 'shape': (2,)}",
                             "\0\0\1\2\xFF\xFF\xFF\xFE", 8);
    assert_int_equal(tn_tensor_int(x, 0), 258);
    assert_int_equal(tn_tensor_int(x, 1), -2);
    tn_tensor_unref(x);
    x = read_file(1, "{'descr': '>c8', 'fortran_order': False, 'shape': ()}", "\x3F\x80\0\0\x40\0\0\0", 8);
    assert_true(TN_FLOATS(x)[0] == 1 && TN_FLOATS(x)[1] == 2);
    tn_tensor_unref(x);
    x = read_file(1, "{'descr': '>i2', 'fortran_order': True, 'shape': (1, 2)}", "\0\1\0\2", 4);
    assert_true(tn_tensor_int(x, 0) == 1 && tn_tensor_int(x, 1) == 2);
    tn_tensor_unref(x);
}

static void versions_and_spacing_vary(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }   \n",
        "{'descr':'u1','fortran_order':False,'shape':(2,1)}",
        " { \"shape\" : ( 2 , 1 , ) , \"fortran_order\" : False , \"descr\" : \"<u1\" , } ",
        "{'shape': (2L, 1L), 'fortran_order': False, 'descr': '=u1'}",
    };
    for (int major = 1; major <= 3; major++)
        for (size_t i = 0; i < TN_COUNT(headers); i++) {
            tn_tensor *x = read_file(major, headers[i], "\7\x09", 2);
            assert_int_equal(x->shape.rank, 2);
            assert_int_equal(tn_tensor_int(x, 1), 9);
            tn_tensor_unref(x);
        }
    tn_tensor *x = read_file(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\0\1\x80", 3);
    assert_memory_equal(x->data, "\0\1\1", 3);
    tn_tensor_unref(x);
}

static void wrong_headers_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        tn_code code;
        const char *says;
    } rows[] = {
        {"", TN_INVALID_ARGUMENT, "expected '{'"},
        {"{", TN_INVALID_ARGUMENT, "expected a string in quotes"},
        {"{}", TN_INVALID_ARGUMENT, "no \"descr\""},
        {"{'descr': '<f4', 'shape': ()}", TN_INVALID_ARGUMENT, "no \"fortran_order\""},
        {"{'descr': '<f4', 'fortran_order': False}", TN_INVALID_ARGUMENT, "no \"shape\""},
        {"{'descr': '<f4', 'descr': '<f4'}", TN_INVALID_ARGUMENT, "a second \"descr\""},
        {"{'size': 3}", TN_INVALID_ARGUMENT, "unknown key \"size\""},
        {"{'descr' '<f4'}", TN_INVALID_ARGUMENT, "expected ':'"},
        {"{'descr': '<f4}", TN_INVALID_ARGUMENT, "expected a closed string"},
        {"{'descr': '<f4' 'shape': ()}", TN_INVALID_ARGUMENT, "expected ',' or '}'"},
        {"{'descr': '<f3'}", TN_UNIMPLEMENTED, "\"<f3\""},
        {"{'descr': '|O'}", TN_UNIMPLEMENTED, "\"|O\""},
        {"{'descr': '<U5'}", TN_UNIMPLEMENTED, "\"<U5\""},
        {"{'descr': ''}", TN_UNIMPLEMENTED, "\"\""},
        {"{'descr': [('a', '<i4')]}", TN_UNIMPLEMENTED, "records"},
        {"{'fortran_order': 0}", TN_INVALID_ARGUMENT, "True or False"},
        {"{'shape': 3}", TN_INVALID_ARGUMENT, "expected a tuple"},
        {"{'shape': (3)}", TN_INVALID_ARGUMENT, "',' in a tuple of one"},
        {"{'shape': (3 4)}", TN_INVALID_ARGUMENT, "expected ',' or ')'"},
        {"{'shape': (-3,)}", TN_INVALID_ARGUMENT, "expected a dimension at \"-3,)}\""},
        {"{'shape': (9223372036854775808,)}", TN_INVALID_ARGUMENT, "expected a dimension"},
        {"{'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}", TN_INVALID_ARGUMENT, "above the limit of 16"},
        {"{'shape': (", TN_INVALID_ARGUMENT, "expected a dimension"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", TN_INVALID_ARGUMENT, "nothing more"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2)}", TN_INVALID_ARGUMENT,
         "too many"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807,)}", TN_DATA_LOSS,
         "do not fit"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", TN_DATA_LOSS,
         "4 bytes of data do not fit a float"},
        {"{'descr': '<u1', 'fortran_order': False, 'shape': (3,)}", TN_DATA_LOSS, "shape [3]"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_error err = {0};
        tn_tensor *x = NULL;
        tn_buf b = file_of(1 + (int)(i % 2), rows[i].header, "data", 4);
        assert_code(tn_npy_decode((tn_view){b.data, b.n}, &x, &err), rows[i].code);
        assert_says(&err, rows[i].says);
        assert_null(x);
        tn_buf_free(&b);
    }
}

static void files_cut_short_are_refused(void **state)
{
    (void)state;
    tn_error err;
    tn_tensor *x = NULL;
    tn_buf whole =
        file_of(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "\0\0\0\0\0\0\0\0", 8);
    for (size_t n = 0; n < whole.n; n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole.data, n);
        assert_true(tn_npy_decode((tn_view){exact, n}, &x, &err) != TN_OK);
        free(exact);
    }
    whole.data[6] = 4;
    assert_code(tn_npy_decode((tn_view){whole.data, whole.n}, &x, &err), TN_UNIMPLEMENTED);
    assert_says(&err, "version 4.0");
    whole.data[1] = 'n';
    assert_code(tn_npy_decode((tn_view){whole.data, whole.n}, &x, &err), TN_INVALID_ARGUMENT);
    assert_null(x);
    tn_buf_free(&whole);
}

static void failing_memory_is_reported(void **state)
{
    (void)state;
    tn_error err;
    tn_tensor *x = NULL;
    tn_buf file = file_of(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "\0\0\0\0", 4),
           out = {0};
    for (int64_t n = 1; n <= 2; n++) {
        tn_malloc_fail_at(n);
        assert_code(tn_npy_decode((tn_view){file.data, file.n}, &x, &err), TN_RESOURCE_EXHAUSTED);
        tn_malloc_fail_at(0);
        assert_null(x);
    }
    assert_ok(tn_npy_decode((tn_view){file.data, file.n}, &x, &err), &err);
    tn_malloc_fail_at(1);
    assert_code(tn_npy_encode(x, &out, &err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(0);
    assert_int_equal(out.n, 0);
    tn_tensor_unref(x);
    tn_buf_free(&file);
    tn_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_goes_both_ways),        cmocka_unit_test(headers_are_numpys_own),
        cmocka_unit_test(column_major_files_are_transposed), cmocka_unit_test(big_endian_files_are_turned),
        cmocka_unit_test(versions_and_spacing_vary),         cmocka_unit_test(wrong_headers_are_explained),
        cmocka_unit_test(files_cut_short_are_refused),       cmocka_unit_test(failing_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
