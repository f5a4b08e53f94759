/* SPDX-License-Identifier: Apache-2.0
 *
 * turnery.h - the public interface of libturnery: define, train, watch, test, export and run models in
 * TensorFlow's own formats.
 *
 * Conventions. A function that can fail returns a tn_code (TensorFlow's = gRPC's 17) and takes a
 * caller-owned tn_error last, which may be NULL; results are written only on success. Returned pointers
 * are borrowed; out-parameters belong to the caller, who releases them with the matching free. Every
 * free accepts NULL. The library never prints and never exits. Types and constants carry TensorFlow's
 * names and numbers.
 *
 * Chapters: 1 status, 2 options, 3 tensors, 4 graphs, 5 sessions, 6 layers and losses, 7 optimizers,
 * 8 data, 9 the experiment, 10 files.
 */
#ifndef TURNERY_H
#define TURNERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_VERSION "0.1.0"
#define TN_ABI 1 /* raised when a record or a function of this header changes incompatibly */

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#else
#define TN_API
#endif

/* ==== 1 Status ============================================================================== */

/* Each row: name, number (= gRPC's), exit status of the command, text. */
#define TN_CODES(X)                                                                               \
    X(OK, 0, 0, "OK")                                                                             \
    X(CANCELLED, 1, 130, "CANCELLED")                                                             \
    X(UNKNOWN, 2, 1, "UNKNOWN")                                                                   \
    X(INVALID_ARGUMENT, 3, 2, "INVALID_ARGUMENT")                                                 \
    X(DEADLINE_EXCEEDED, 4, 1, "DEADLINE_EXCEEDED")                                               \
    X(NOT_FOUND, 5, 3, "NOT_FOUND")                                                               \
    X(ALREADY_EXISTS, 6, 4, "ALREADY_EXISTS")                                                     \
    X(PERMISSION_DENIED, 7, 5, "PERMISSION_DENIED")                                               \
    X(RESOURCE_EXHAUSTED, 8, 6, "RESOURCE_EXHAUSTED")                                             \
    X(FAILED_PRECONDITION, 9, 7, "FAILED_PRECONDITION")                                           \
    X(ABORTED, 10, 1, "ABORTED")                                                                  \
    X(OUT_OF_RANGE, 11, 8, "OUT_OF_RANGE")                                                        \
    X(UNIMPLEMENTED, 12, 9, "UNIMPLEMENTED")                                                      \
    X(INTERNAL, 13, 10, "INTERNAL")                                                               \
    X(UNAVAILABLE, 14, 1, "UNAVAILABLE")                                                          \
    X(DATA_LOSS, 15, 11, "DATA_LOSS")                                                             \
    X(UNAUTHENTICATED, 16, 5, "UNAUTHENTICATED")

typedef enum tn_code {
#define TN_CODE_ROW(name, number, exit, text) TN_##name = number,
    TN_CODES(TN_CODE_ROW)
#undef TN_CODE_ROW
} tn_code;

/* What went wrong, where and with which value. Fixed size, so that reporting never allocates. */
typedef struct tn_error {
    tn_code code;
    char message[1020];
} tn_error;

TN_API const char *tn_code_name(tn_code code); /* "INVALID_ARGUMENT" */
TN_API int tn_code_exit(tn_code code);         /* the command's exit status for it */
TN_API const char *tn_version(void);

/* ==== 2 Options ============================================================================= */

/* One row gives a command-line flag, a settings key, its range, default and help, and a line in the
 * saved settings of a run. The field's type is taken from the struct, so row and field cannot
 * disagree: int64_t, int32_t, double, float, bool, or const char * (a string the rows own). */
typedef enum tn_option_type {
    TN_OPTION_INT64, TN_OPTION_INT32, TN_OPTION_DOUBLE, TN_OPTION_FLOAT, TN_OPTION_BOOL, TN_OPTION_STRING
} tn_option_type;

typedef struct tn_option {
    const char *name; /* NULL ends the rows */
    tn_option_type type;
    size_t offset, size;
    const char *def;     /* the default, as it would be typed */
    double min, max;     /* numbers: inclusive range; both 0: no limit */
    const char *choices; /* strings: "a|b|c", or NULL for any */
    const char *unit;
    const char *help;
} tn_option;

#ifndef __cplusplus
#define TN_OPTION_TYPE(T, field)                                                                  \
    _Generic(((T *)0)->field, int64_t: TN_OPTION_INT64, int32_t: TN_OPTION_INT32,                 \
             double: TN_OPTION_DOUBLE, float: TN_OPTION_FLOAT, bool: TN_OPTION_BOOL,              \
             char *: TN_OPTION_STRING, const char *: TN_OPTION_STRING)
#define TN_OPTION(T, field, ...)                                                                  \
    {.name = #field, .type = TN_OPTION_TYPE(T, field), .offset = offsetof(T, field),              \
     .size = sizeof(((T *)0)->field), __VA_ARGS__}
#endif
#define TN_OPTIONS_END {.name = NULL}

/* ==== 3 Tensors ============================================================================= */

/* TensorFlow's DataType numbers. Rows: constant, number, bytes per element, name in attributes,
 * name in numpy (NULL: none of its own). */
#define TN_DTYPES(X)                                                                              \
    X(FLOAT, 1, 4, "float", "float32")                                                            \
    X(DOUBLE, 2, 8, "double", "float64")                                                          \
    X(INT32, 3, 4, "int32", "int32")                                                              \
    X(UINT8, 4, 1, "uint8", "uint8")                                                              \
    X(INT16, 5, 2, "int16", "int16")                                                              \
    X(INT8, 6, 1, "int8", "int8")                                                                 \
    X(STRING, 7, 16, "string", NULL)                                                              \
    X(COMPLEX64, 8, 8, "complex64", "complex64")                                                  \
    X(INT64, 9, 8, "int64", "int64")                                                              \
    X(BOOL, 10, 1, "bool", "bool")                                                                \
    X(QINT8, 11, 1, "qint8", NULL)                                                                \
    X(QUINT8, 12, 1, "quint8", NULL)                                                              \
    X(QINT32, 13, 4, "qint32", NULL)                                                              \
    X(BFLOAT16, 14, 2, "bfloat16", NULL)                                                          \
    X(QINT16, 15, 2, "qint16", NULL)                                                              \
    X(QUINT16, 16, 2, "quint16", NULL)                                                            \
    X(UINT16, 17, 2, "uint16", "uint16")                                                          \
    X(COMPLEX128, 18, 16, "complex128", "complex128")                                             \
    X(HALF, 19, 2, "half", "float16")                                                             \
    X(RESOURCE, 20, 8, "resource", NULL)                                                          \
    X(VARIANT, 21, 8, "variant", NULL)                                                            \
    X(UINT32, 22, 4, "uint32", "uint32")                                                          \
    X(UINT64, 23, 8, "uint64", "uint64")

typedef enum tn_dtype {
    TN_INVALID_DTYPE = 0,
#define TN_DTYPE_ROW(name, number, size, text, numpy) TN_##name = number,
    TN_DTYPES(TN_DTYPE_ROW)
#undef TN_DTYPE_ROW
    TN_DTYPE_COUNT = 24,
    TN_REF = 100 /* added to a dtype: a reference to a variable (TensorFlow 1.x) */
} tn_dtype;

TN_API size_t tn_dtype_size(tn_dtype t);       /* bytes per element; 0: no such dtype */
TN_API const char *tn_dtype_name(tn_dtype t);  /* "float", "int32_ref"; "invalid" */
TN_API tn_dtype tn_dtype_named(const char *s); /* "float" or "float32"; TN_INVALID_DTYPE when unknown */

#define TN_MAX_RANK 10

/* rank -1: unknown; a dimension of -1: unknown. */
typedef struct tn_shape {
    int rank;
    int64_t dim[TN_MAX_RANK];
} tn_shape;

#ifndef __cplusplus
/* TN_SHAPE(): a scalar. TN_SHAPE(-1, 28): [?, 28]. */
#define TN_SHAPE(...)                                                                             \
    ((tn_shape){.rank = (int)(sizeof((int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t)) - 1,       \
                .dim = {__VA_ARGS__}})
#endif
TN_API tn_shape tn_shape_unknown(void);
TN_API int64_t tn_shape_count(const tn_shape *s); /* number of elements; -1: unknown */
TN_API bool tn_shape_equal(const tn_shape *a, const tn_shape *b);
/* "[2,?,3]", "<unknown>"; returns buf. */
TN_API const char *tn_shape_text(const tn_shape *s, char *buf, size_t n);

/* An element of a TN_STRING tensor; the bytes are owned by the tensor. */
typedef struct tn_string {
    char *p;
    size_t n;
} tn_string;

/* A counted n-dimensional array, row-major. A tensor that others may see is never written to. */
typedef struct tn_tensor tn_tensor;

/* Zeroed (strings empty). Fails with RESOURCE_EXHAUSTED or INVALID_ARGUMENT (a negative or
 * overflowing shape). */
TN_API tn_code tn_tensor_new(tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err);
/* Copies count * size bytes from data (not for strings). */
TN_API tn_code tn_tensor_of(tn_dtype t, const tn_shape *shape, const void *data, tn_tensor **out, tn_error *err);
TN_API tn_tensor *tn_tensor_ref(tn_tensor *t);
TN_API void tn_tensor_unref(tn_tensor *t);
TN_API tn_dtype tn_tensor_dtype(const tn_tensor *t);
TN_API const tn_shape *tn_tensor_shape(const tn_tensor *t);
TN_API int64_t tn_tensor_count(const tn_tensor *t);
TN_API size_t tn_tensor_bytes(const tn_tensor *t);
TN_API void *tn_tensor_data(const tn_tensor *t);
TN_API tn_code tn_string_set(tn_tensor *t, int64_t index, const char *p, size_t n, tn_error *err);
/* Element i as a double (numbers and bool; 0 for others). */
TN_API double tn_tensor_number(const tn_tensor *t, int64_t i);
/* "[[1 2 3]\n [4 5 6]]" with at most `most` elements shown (numpy's manner); caller releases with
 * tn_text_free. */
TN_API char *tn_tensor_text(const tn_tensor *t, int64_t most);
TN_API void tn_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
