/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_compare.c - a recorded answer and the one given now: equal, within the tolerance, or different, and where.
 */
#include "replay.h"

#include <math.h>

static void differ(tn_comparison *c, const char *fmt, ...) TN_PRINTF(2, 3);
static void differ(tn_comparison *c, const char *fmt, ...)
{
    va_list ap;
    c->verdict = TN_REPLAY_DIFFERENT;
    if (c->different++) return;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
}

static void compare_number(tn_comparison *c, const char *name, int64_t i, double was, double is)
{
    if (was == is || (isnan(was) && isnan(is))) return;
    if (fabs(is - was) <= c->tolerance * fmax(1, fabs(was))) {
        if (c->verdict == TN_REPLAY_EQUAL) c->verdict = TN_REPLAY_NEAR;
        return;
    }
    differ(c, "%s[%lld] was %.9g, is %.9g", name, (long long)i, was, is);
}

/* ==== tensors ==== */

static void compare_strings(tn_comparison *c, const char *name, const tn_tensor *was, const tn_tensor *is)
{
    for (int64_t i = 0; i < tn_tensor_count(was); i++) {
        const tn_string *a = &TN_STRINGS(was)[i], *b = &TN_STRINGS(is)[i];
        if (a->n == b->n && (!a->n || memcmp(a->p, b->p, a->n) == 0)) continue;
        differ(c, "%s[%lld] was '%.*s', is '%.*s'", name, (long long)i, (int)TN_MIN(a->n, (size_t)80), a->n ? a->p : "",
               (int)TN_MIN(b->n, (size_t)80), b->n ? b->p : "");
    }
}

static void compare_complex(tn_comparison *c, const char *name, const tn_tensor *was, const tn_tensor *is)
{
    for (int64_t i = 0; i < 2 * tn_tensor_count(was); i++) {
        bool wide = was->dtype == TN_COMPLEX128;
        double a = wide ? ((const double *)was->data)[i] : (double)((const float *)was->data)[i];
        double b = wide ? ((const double *)is->data)[i] : (double)((const float *)is->data)[i];
        compare_number(c, name, i / 2, a, b);
    }
}

static void compare_integers(tn_comparison *c, const char *name, const tn_tensor *was, const tn_tensor *is)
{
    for (int64_t i = 0; i < tn_tensor_count(was); i++) {
        int64_t a = tn_tensor_int(was, i), b = tn_tensor_int(is, i);
        if (a != b) compare_number(c, name, i, (double)a, (double)b);
    }
}

static void compare_tensors(tn_comparison *c, const char *name, const tn_tensor *was, const tn_tensor *is)
{
    char a[160], b[160];
    if (was->dtype != is->dtype) {
        differ(c, "%s was of %s, is of %s", name, tn_dtype_name(was->dtype), tn_dtype_name(is->dtype));
    } else if (!tn_shape_equal(&was->shape, &is->shape)) {
        differ(c, "%s was of shape %s, is of %s", name, tn_shape_text(&was->shape, a, sizeof a),
               tn_shape_text(&is->shape, b, sizeof b));
    } else if (was->dtype == TN_STRING) {
        compare_strings(c, name, was, is);
    } else if (was->dtype == TN_COMPLEX64 || was->dtype == TN_COMPLEX128) {
        compare_complex(c, name, was, is);
    } else if (was->dtype == TN_INT64) {
        compare_integers(c, name, was, is);
    } else {
        for (int64_t i = 0; i < tn_tensor_count(was); i++)
            compare_number(c, name, i, tn_tensor_number(was, i), tn_tensor_number(is, i));
    }
}

static void compare_output(tn_comparison *c, const tn_TensorEntry *was, const tn_TensorEntry *is)
{
    char name[128];
    tn_tensor *a = NULL, *b = NULL;
    tn_error err;
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(was->key.n, sizeof name - 1), was->key.p);
    tn_code code = tn_tensor_from_proto(was->value, 0, &a, &err);
    if (code == TN_OK) code = tn_tensor_from_proto(is->value, 0, &b, &err);
    if (code == TN_OK) compare_tensors(c, name, a, b);
    else differ(c, "%s: %.300s", name, err.message);
    if (code == TN_RESOURCE_EXHAUSTED) c->failed = code; /* that says nothing of the answers */
    tn_tensor_unref(a);
    tn_tensor_unref(b);
}

static const tn_TensorEntry *find_output(const tn_PredictResponse *r, tn_view key)
{
    for (uint32_t i = 0; i < r->outputs.n; i++)
        if (tn_view_eq(r->outputs.items[i].key, key)) return &r->outputs.items[i];
    return NULL;
}

void tn_compare_predict(tn_comparison *c, const tn_PredictResponse *was, const tn_PredictResponse *is)
{
    for (uint32_t i = 0; i < was->outputs.n; i++) {
        const tn_TensorEntry *a = &was->outputs.items[i], *b = find_output(is, a->key);
        if (b)
            compare_output(c, a, b);
        else
            differ(c, "%.*s was there, is not", (int)TN_MIN(a->key.n, (size_t)200), a->key.p);
    }
    for (uint32_t i = 0; i < is->outputs.n; i++) {
        tn_view key = is->outputs.items[i].key;
        if (!find_output(was, key)) differ(c, "%.*s is there, was not", (int)TN_MIN(key.n, (size_t)200), key.p);
    }
}

/* ==== results ==== */

static void compare_classes(tn_comparison *c, uint32_t row, const tn_Classifications *was, const tn_Classifications *is)
{
    char name[40];
    snprintf(name, sizeof name, "classes %u", row);
    if (was->classes.n != is->classes.n) {
        differ(c, "%s were %u, are %u", name, was->classes.n, is->classes.n);
        return;
    }
    for (uint32_t i = 0; i < was->classes.n; i++) {
        const tn_Class *a = &was->classes.items[i], *b = &is->classes.items[i];
        if (!tn_view_eq(a->label, b->label))
            differ(c, "%s[%u] was '%.*s', is '%.*s'", name, i, (int)TN_MIN(a->label.n, (size_t)80),
                   a->label.n ? a->label.p : "", (int)TN_MIN(b->label.n, (size_t)80), b->label.n ? b->label.p : "");
        compare_number(c, name, i, (double)a->score, (double)b->score);
    }
}

void tn_compare_classify(tn_comparison *c, const tn_ClassificationResult *was, const tn_ClassificationResult *is)
{
    uint32_t n = was ? was->classifications.n : 0, m = is ? is->classifications.n : 0;
    if (n != m) differ(c, "classifications were %u, are %u", n, m);
    for (uint32_t i = 0; n == m && i < n; i++)
        compare_classes(c, i, &was->classifications.items[i], &is->classifications.items[i]);
}

void tn_compare_regress(tn_comparison *c, const tn_RegressionResult *was, const tn_RegressionResult *is)
{
    uint32_t n = was ? was->regressions.n : 0, m = is ? is->regressions.n : 0;
    if (n != m) differ(c, "regressions were %u, are %u", n, m);
    for (uint32_t i = 0; n == m && i < n; i++)
        compare_number(c, "regressions", i, (double)was->regressions.items[i].value,
                       (double)is->regressions.items[i].value);
}

void tn_compare_multi(tn_comparison *c, const tn_MultiInferenceResponse *was, const tn_MultiInferenceResponse *is)
{
    if (was->results.n != is->results.n) differ(c, "results were %u, are %u", was->results.n, is->results.n);
    for (uint32_t i = 0; was->results.n == is->results.n && i < was->results.n; i++) {
        const tn_InferenceResult *a = &was->results.items[i], *b = &is->results.items[i];
        if (a->result_case != b->result_case)
            differ(c, "result %u is of another kind", i);
        else if (a->result_case == TN_InferenceResult_classification_result)
            tn_compare_classify(c, a->classification_result, b->classification_result);
        else if (a->result_case == TN_InferenceResult_regression_result)
            tn_compare_regress(c, a->regression_result, b->regression_result);
    }
}
