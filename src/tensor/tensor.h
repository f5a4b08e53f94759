/* SPDX-License-Identifier: Apache-2.0
 *
 * tensor.h - dtype, shape, counted buffer, tensor. What a value is; not what is done with it.
 *
 * A tensor is {dtype, shape, data, buffer}. As an object of its own (tn_tensor_new) it is counted and
 * holds a reference on its buffer. Embedded by value (a plan's values, a reader's views) it is a view:
 * refs is 0 and buffer may be NULL, when somebody else owns the bytes.
 *
 * Invariants: data is aligned to 64 bytes when the library allocated it; element i of a string tensor
 * is a tn_string whose bytes the buffer owns; a buffer with more than one reference is read-only.
 */
#ifndef TN_TENSOR_H
#define TN_TENSOR_H

#include <stdatomic.h>

#include "../base/base.h"

typedef struct tn_buffer {
    atomic_int refs;
    void *data;
    size_t size;                             /* bytes */
    void (*release)(struct tn_buffer *self); /* frees data and what elements own; not the buffer struct */
    void *owner;                             /* for release: a mapping, a pool, ... */
    tn_charge charge;                        /* with the strings of its elements */
    bool of_file; /* nobody writes into it, and its pages are a file's: they may go at any time, and come again */
} tn_buffer;

struct tn_tensor {
    tn_dtype dtype;
    tn_shape shape;
    void *data;
    tn_buffer *buffer; /* NULL: borrowed bytes */
    atomic_int refs;   /* 0: embedded in something else */
};

/* Resource handles and variants are elements of 8 bytes: pointers, each to a counted object which begins with the
 * header below. A tensor of them owns a reference on each. */
typedef struct tn_resource {
    unsigned kind; /* tn_resource_kind */
    const char *name;
    atomic_int refs;
    void (*release)(struct tn_resource *self);
} tn_resource;
tn_resource *tn_resource_ref(tn_resource *r);
void tn_resource_unref(tn_resource *r);

typedef struct tn_variant {
    atomic_int refs;
    void (*release)(struct tn_variant *self); /* frees the whole object */
    int depth; /* of variants in variants: 1 where it holds none */
} tn_variant;
tn_variant *tn_variant_ref(tn_variant *v);
void tn_variant_unref(tn_variant *v);

/* ==== dtypes ==== */
static inline tn_dtype tn_dtype_base(tn_dtype t) { return t > TN_REF ? (tn_dtype)(t - TN_REF) : t; }
static inline bool tn_dtype_is_ref(tn_dtype t) { return t > TN_REF; }
bool tn_dtype_is_float(tn_dtype t);   /* half, bfloat16, float, double */
bool tn_dtype_is_complex(tn_dtype t);
bool tn_dtype_is_integer(tn_dtype t); /* signed and unsigned, not quantised, not bool */
bool tn_dtype_is_pod(tn_dtype t);     /* elements are plain bytes: not string, resource, variant */
void tn_swap_bytes(void *p, size_t bytes, size_t part); /* the other byte order, in each whole part */
float tn_half_to_float(uint16_t h);   /* IEEE binary16, subnormals and NaN kept */
uint16_t tn_float_to_half(float f);   /* round to nearest even */
static inline float tn_bfloat16_to_float(uint16_t h) {
    union { uint32_t u; float f; } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t tn_float_to_bfloat16(float f); /* round to nearest even; NaN stays NaN */
/* A double as a float whose further rounding to fewer bits gives what rounding the double would. */
float tn_double_to_odd(double v);
/* Floats of eight bits: what is too large is infinity, or NaN where there is none. */
static inline bool tn_dtype_is_float8(tn_dtype t) { return t >= TN_FLOAT8_E5M2 && t <= TN_FLOAT8_E5M2FNUZ; }
float tn_float8_to_float(tn_dtype t, uint8_t x);
uint8_t tn_float_to_float8(tn_dtype t, float f); /* round to nearest even */
/* Integers of four bits have a byte each, of which only the low bits count. */
static inline bool tn_dtype_is_int4(tn_dtype t) { return t == TN_INT4 || t == TN_UINT4; }
static inline int8_t tn_int4_of(int64_t v) { return (int8_t)((((uint64_t)v & 15) ^ 8) - 8); }

/* ==== shapes ==== */
bool tn_shape_known(const tn_shape *s); /* rank and all dimensions */
/* Number of elements with overflow check: INVALID_ARGUMENT names the shape. */
tn_code tn_shape_count_checked(const tn_shape *s, int64_t *out, tn_error *err);
bool tn_shape_compatible(const tn_shape *a, const tn_shape *b); /* unknowns match anything */
/* The more specific of two compatible shapes. INVALID_ARGUMENT when they are not. */
tn_code tn_shape_merge(const tn_shape *a, const tn_shape *b, tn_shape *out, tn_error *err);
/* NumPy's broadcasting with unknown dimensions. INVALID_ARGUMENT "Incompatible shapes: [2] vs. [3]". */
tn_code tn_shape_broadcast(const tn_shape *a, const tn_shape *b, tn_shape *out, tn_error *err);
tn_shape tn_shape_vector(int64_t n);
/* Row-major strides in elements. */
void tn_shape_strides(const tn_shape *s, int64_t *strides);

/* ==== buffers ==== */
tn_buffer *tn_buffer_new(size_t size, tn_error *err); /* 64-byte aligned, NOT zeroed; NULL on failure */
tn_buffer *tn_buffer_ref(tn_buffer *b);
void tn_buffer_unref(tn_buffer *b);

/* ==== tensors ==== */
/* As tn_tensor_new, but POD data is not zeroed. */
tn_code tn_tensor_alloc(tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err);
/* A counted tensor on somebody's buffer (takes a reference on it); data inside it. */
tn_code tn_tensor_on(tn_dtype t, const tn_shape *shape, tn_buffer *b, void *data, tn_tensor **out,
                     tn_error *err);
/* A deep copy: strings and variants' references too. */
tn_code tn_tensor_copy(const tn_tensor *t, tn_tensor **out, tn_error *err);
/* The same data under another shape of the same count (shares the buffer, or copies borrowed bytes). */
tn_code tn_tensor_reshaped(const tn_tensor *t, const tn_shape *shape, tn_tensor **out, tn_error *err);
/* Makes a counted tensor of a view: shares its buffer when it has one, else copies. */
tn_code tn_tensor_keep(const tn_tensor *view, tn_tensor **out, tn_error *err);
/* Same dtype, shape and bytes; NaN equals itself bitwise. */
bool tn_tensor_equal(const tn_tensor *a, const tn_tensor *b);
/* An empty embedded view. */
tn_tensor tn_tensor_view(tn_dtype t, const tn_shape *shape, void *data);
/* Scalars and vectors, for constants. */
tn_code tn_tensor_scalar(tn_dtype t, double v, tn_tensor **out, tn_error *err); /* converted to t */
tn_code tn_tensor_int64s(tn_dtype t, const int64_t *v, int64_t n, tn_tensor **out,
                         tn_error *err); /* int32/int64 */
/* Element as integer: int8..int64, uint8..uint64, bool; floats cut and clamped; 0 for others. */
int64_t tn_tensor_int(const tn_tensor *t, int64_t i);

#define TN_FLOATS(t) ((float *)(t)->data)
#define TN_INT32S(t) ((int32_t *)(t)->data)
#define TN_INT64S(t) ((int64_t *)(t)->data)
#define TN_STRINGS(t) ((tn_string *)(t)->data)

/* ==== npy (npy.c) ==== NumPy's .npy format, bytes <-> tensor. Reads 1.0 to 3.0 in either byte and element
 * order, writes 1.0. bfloat16 is written as uint16, floats of eight bits as uint8, and the quantised
 * dtypes and integers of four bits as the integers they are stored in; they are read back as those. */
tn_code tn_npy_decode(tn_view bytes, tn_tensor **out, tn_error *err);
tn_code tn_npy_encode(const tn_tensor *t, tn_buf *out, tn_error *err);

#endif
