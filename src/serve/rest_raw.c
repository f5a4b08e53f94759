/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_raw.c - raw bodies (application/octet-stream): the elements of the only input, little-endian and
 * row-major, and the same of one output. What they are is in headers:
 *
 *     request   Tensor-Shape: 32,784     left out: the signature's, one unknown dimension of which follows
 * from the size Tensor-Dtype: float32    checked when given; the signature says it Signature-Name: NAME
 * "serving_default" Output-Name: NAME        needed when there are several answer    Tensor-Name,
 * Tensor-Dtype, Tensor-Shape, Model-Version
 */
#include "api.h"
#include "rest.h"

static tn_code find_signature(tn_rest_trip *t, const tn_loaded_signature **out, const tn_asker **asker,
                              tn_error *err)
{
    const char *name = tn_http_header(t->r, "Signature-Name");
    t->spec.signature_name = tn_view_of(name ? name : "");
    TN_TRY(tn_turn_servable(&t->turn, &t->spec, err));
    *asker = tn_askers_named(t->turn.servable->askers, t->spec.signature_name);
    if (!*asker)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Serving signature name: \"%.*s\" not found in signature def",
                       (int)TN_MIN(t->turn.signature.n, 1100), t->turn.signature.p);
    *out = (*asker)->signature;
    if ((*out)->n_in != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a raw body is for signatures with one input; \"%s\" has %d",
                       (*out)->name, (*out)->n_in);
    return TN_OK;
}

static tn_code check_dtype(const tn_rest_trip *t, tn_dtype dtype, tn_error *err)
{
    const char *given = tn_http_header(t->r, "Tensor-Dtype");
    if (!tn_dtype_is_pod(dtype))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has no raw form", tn_dtype_name(dtype));
    if (given && tn_dtype_named(given) != dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor-Dtype is %.64s, the input's is %s", given,
                       tn_dtype_name(dtype));
    return TN_OK;
}

/* "32,784"; "" is a scalar. */
static tn_code parse_shape(const char *text, tn_shape *out, tn_error *err)
{
    const char *p = text;
    *out = (tn_shape){0};
    while (*p) {
        size_t n = strcspn(p, ",");
        tn_view number = {p + strspn(p, " "), n};
        number.n = TN_MIN(n - (size_t)(number.p - p), n);
        bool good =
            out->rank < TN_MAX_RANK && tn_parse_int(number, &out->dim[out->rank]) && out->dim[out->rank] >= 0;
        if (!good)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor-Shape \"%.128s\" is no list of dimensions",
                           text);
        out->rank++;
        p += n + (p[n] == ',');
    }
    return TN_OK;
}

/* The signature's shape with its one unknown dimension filled in. */
static tn_code guess_shape(const tn_loaded_value *v, size_t bytes, tn_shape *out, tn_error *err)
{
    char text[256];
    uint64_t known = tn_dtype_size(v->dtype);
    int unknown = -1, n_unknown = v->shape.rank < 0;
    *out = v->shape;
    for (int i = 0; i < out->rank; i++) {
        if (out->dim[i] >= 0 && __builtin_mul_overflow(known, (uint64_t)out->dim[i], &known)) n_unknown = 2;
        if (out->dim[i] < 0) n_unknown++, unknown = i;
    }
    if (n_unknown > 1 || out->rank < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor-Shape is needed, since the input's shape is %s",
                       tn_shape_text(&v->shape, text, sizeof text));
    if (unknown >= 0) out->dim[unknown] = known ? (int64_t)(bytes / known) : 0;
    return TN_OK;
}

static tn_code take_body(tn_rest_trip *t, const tn_loaded_value *v, tn_tensor **out, tn_error *err)
{
    tn_view body = tn_http_body(t->r);
    const char *given = tn_http_header(t->r, "Tensor-Shape");
    tn_shape shape;
    char text[256];
    int64_t count;
    TN_TRY(check_dtype(t, v->dtype, err));
    TN_TRY(given ? parse_shape(given, &shape, err) : guess_shape(v, body.n, &shape, err));
    TN_TRY(tn_shape_count_checked(&shape, &count, err));
    if ((uint64_t)count != body.n / tn_dtype_size(v->dtype) || body.n % tn_dtype_size(v->dtype))
        return tn_fail(err, TN_INVALID_ARGUMENT, "the body has %zu bytes, which is no %s of shape %s", body.n,
                       tn_dtype_name(v->dtype), tn_shape_text(&shape, text, sizeof text));
    *out = TN_NEW(t->turn.arena, tn_tensor);
    if (!*out) return tn_no_memory(err, sizeof **out);
    **out = tn_tensor_view(v->dtype, &shape, (void *)(uintptr_t)body.p);
    return TN_OK;
}

static tn_code choose_output(const tn_rest_trip *t, const tn_loaded_signature *s, int *out, tn_error *err)
{
    const char *name = tn_http_header(t->r, "Output-Name");
    *out = 0;
    if (!name && s->n_out == 1) return TN_OK;
    while (name && *out < s->n_out && strcmp(s->out[*out].key, name) != 0) ++*out;
    if (name && *out < s->n_out) return TN_OK;
    if (name)
        return tn_fail(err, TN_INVALID_ARGUMENT, "signature \"%s\" has no output \"%.128s\"", s->name, name);
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "signature \"%s\" has %d outputs: Output-Name says which one is wanted", s->name,
                   s->n_out);
}

tn_code tn_rest_raw_begin(tn_rest_trip *t, tn_error *err)
{
    const tn_loaded_signature *s = NULL;
    const tn_asker *a;
    tn_tensor *in;
    int *wanted = TN_ARRAY(t->turn.arena, 1, int);
    if (!wanted) return tn_no_memory(err, sizeof *wanted);
    t->turn.facts.api = TN_API_PREDICT;
    if (t->path.kind != TN_REST_PREDICT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "examples have no raw form");
    TN_TRY(find_signature(t, &s, &a, err));
    TN_TRY(tn_predict_check(&t->turn, a, err));
    TN_TRY(take_body(t, &s->in[0], &in, err));
    TN_TRY(choose_output(t, s, wanted, err));
    TN_TRY(tn_turn_ask(&t->turn, a, wanted, 1, err));
    t->turn.ask.in[0] = in;
    t->turn.facts.examples = in->shape.rank > 0 ? in->shape.dim[0] : 1;
    return TN_OK;
}

static void put_headers(const tn_rest_trip *t, const tn_tensor *v, const char *name)
{
    tn_buf shape = {0};
    char version[32];
    for (int i = 0; i < v->shape.rank; i++)
        tn_buf_printf(&shape, "%s%lld", i ? "," : "", (long long)v->shape.dim[i]);
    snprintf(version, sizeof version, "%lld", (long long)t->turn.servable->version);
    tn_http_reply_header(t->r, "Tensor-Name", name);
    tn_http_reply_header(t->r, "Tensor-Dtype", tn_dtype_name(v->dtype));
    tn_http_reply_header(t->r, "Tensor-Shape", shape.data ? shape.data : "");
    tn_http_reply_header(t->r, "Model-Version", version);
    tn_buf_free(&shape);
}

tn_code tn_rest_raw_finish(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    const tn_ask *a = &t->turn.ask;
    const tn_tensor *v = a->out[0];
    if (!tn_dtype_is_pod(v->dtype))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has no raw form", tn_dtype_name(v->dtype));
    t->content_type = "application/octet-stream";
    tn_buf_add(out, v->data, (size_t)tn_tensor_count(v) * tn_dtype_size(v->dtype));
    put_headers(t, v, a->asker->signature->out[a->wanted[0]].key);
    return tn_buf_check(out, err);
}
