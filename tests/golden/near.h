/* SPDX-License-Identifier: Apache-2.0
 *
 * near.h - whether a tensor is what TensorFlow gave, within a golden's tolerance; its file's own json.
 */
#ifndef TN_TEST_NEAR_H
#define TN_TEST_NEAR_H

#include "format/format.h"

#include <math.h>
#include <stdio.h>

typedef struct tolerance {
    double relative, absolute;
} tolerance;

static inline bool is_near(double got, double want, tolerance t)
{
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= t.absolute + t.relative * fabs(want);
}

static inline double number_part(const tn_tensor *t, int64_t i, int imag)
{
    if (t->dtype == TN_COMPLEX64) return ((const float *)t->data)[2 * i + imag];
    if (t->dtype == TN_COMPLEX128) return ((const double *)t->data)[2 * i + imag];
    return imag ? 0 : tn_tensor_number(t, i);
}

/* NULL, or how got differs, in why. Numbers that are no floating-point ones are exact. */
static inline const char *differs(const tn_tensor *got, const tn_tensor *want, tolerance t, char *why, size_t n)
{
    char a[128], b[128];
    if (!tn_shape_equal(&got->shape, &want->shape)) {
        snprintf(why, n, "shape %s, expected %s", tn_shape_text(&got->shape, a, sizeof a),
                 tn_shape_text(&want->shape, b, sizeof b));
        return why;
    }
    bool bits = want->dtype == TN_UINT16 && got->dtype == TN_BFLOAT16; /* stored as bit patterns */
    if (got->dtype != want->dtype && !bits) {
        snprintf(why, n, "dtype %s, expected %s", tn_dtype_name(got->dtype), tn_dtype_name(want->dtype));
        return why;
    }
    if (!tn_dtype_is_float(got->dtype) && !tn_dtype_is_complex(got->dtype))
        return tn_tensor_equal(got, want) ? NULL : "values differ";
    for (int64_t i = 0; i < tn_tensor_count(got); i++) {
        double w = bits ? tn_bfloat16_to_float(((const uint16_t *)want->data)[i]) : number_part(want, i, 0);
        if (is_near(number_part(got, i, 0), w, t) &&
            is_near(number_part(got, i, 1), bits ? 0 : number_part(want, i, 1), t))
            continue;
        snprintf(why, n, "element %lld is %g, expected %g", (long long)i, number_part(got, i, 0), w);
        return why;
    }
    return NULL;
}

/* A JSON file of ours; the tree is in the arena. */
static inline tn_code load_json(tn_arena *a, const char *path, tn_json **out, tn_error *err)
{
    tn_buf text = {0};
    TN_TRY(tn_file_read(path, 1 << 22, &text, err));
    tn_code code = tn_json_parse((tn_view){text.data, text.n}, a, out, err);
    tn_buf_free(&text);
    return code;
}

static inline double number_or(const tn_json *object, const char *key, double otherwise)
{
    const tn_json *v = tn_json_find(object, key);
    return v ? v->number : otherwise;
}

#endif
