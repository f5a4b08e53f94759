/* SPDX-License-Identifier: Apache-2.0
 *
 * api_predict.c - PredictRequest -> a question -> PredictResponse. Inputs are looked at in the request's bytes, outputs
 * written straight into the answer's.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "../wire/wire.h"
#include "api.h"

#define METHOD(name) "tensorflow/serving/" name
#define FILL_LIMIT ((size_t)1 << 28) /* bytes of an input that is one value, repeated */

/* ==== words ==== */

typedef tn_view (*name_fn)(const void *list, int i);

static tn_view name_of_value(const void *values, int i)
{
    return tn_view_of(((const tn_loaded_value *)values)[i].key);
}

static tn_view name_of_entry(const void *entries, int i)
{
    return ((const tn_TensorEntry *)entries)[i].key;
}

/* Names joined by commas; those that `without` has are left out. Both ascend. */
static const char *join(tn_buf *b, const void *list, int n, name_fn name, const void *without, int n_without,
                        name_fn other)
{
    size_t start = b->n;
    for (int i = 0; i < n; i++) {
        tn_view v = name(list, i);
        bool has = false;
        for (int k = 0; k < n_without && !has; k++) has = tn_view_eq(v, other(without, k));
        if (has || b->n > 4096) continue;
        if (b->n > start) tn_buf_char(b, ',');
        tn_buf_add(b, v.p, v.n);
    }
    tn_buf_char(b, 0);
    return b->failed ? "" : b->data + start;
}

static tn_code fail_count(const tn_PredictRequest *in, const tn_loaded_signature *s, tn_error *err)
{
    tn_buf given = {0}, wanted = {0}, extra = {0}, missing = {0};
    const void *g = in->inputs.items;
    int n = (int)in->inputs.n;
    tn_fail(err, TN_INVALID_ARGUMENT,
            "input size does not match signature: %d!=%d len({%s}) != len({%s}). Sent extra: {%s}. Missing but "
            "required: {%s}.",
            n, s->n_in, join(&given, g, n, name_of_entry, NULL, 0, NULL),
            join(&wanted, s->in, s->n_in, name_of_value, NULL, 0, NULL),
            join(&extra, g, n, name_of_entry, s->in, s->n_in, name_of_value),
            join(&missing, s->in, s->n_in, name_of_value, g, n, name_of_entry));
    tn_buf_free(&given);
    tn_buf_free(&wanted);
    tn_buf_free(&extra);
    tn_buf_free(&missing);
    return TN_INVALID_ARGUMENT;
}

static tn_code fail_missing(const tn_PredictRequest *in, const tn_asker *a, int i, tn_error *err)
{
    tn_buf given = {0}, defaults = {0};
    const tn_SignatureDef *def = tn_asker_def(a);
    const tn_loaded_value *v = &a->signature->in[i];
    tn_fail(err, TN_INVALID_ARGUMENT,
            "Signature input alias: %s(feed name: %s) not found in request and no default value provided. Inputs "
            "expected to be in the request {%s}, or default input alias set: %s",
            v->key, v->name ? v->name : "",
            join(&given, in->inputs.items, (int)in->inputs.n, name_of_entry, NULL, 0, NULL),
            def ? join(&defaults, def->defaults.items, (int)def->defaults.n, name_of_entry, NULL, 0, NULL) : "");
    tn_buf_free(&given);
    tn_buf_free(&defaults);
    return TN_INVALID_ARGUMENT;
}

static tn_code fail_extra(const tn_PredictRequest *in, const tn_loaded_signature *s, tn_error *err)
{
    tn_buf given = {0}, used = {0};
    const void *g = in->inputs.items;
    int n = (int)in->inputs.n;
    for (int i = 0; i < s->n_in; i++) {
        tn_view key = name_of_value(s->in, i);
        for (int k = 0; k < n; k++) {
            if (!tn_view_eq(key, name_of_entry(g, k))) continue;
            if (used.n) tn_buf_char(&used, ',');
            tn_buf_add(&used, key.p, key.n);
        }
    }
    tn_fail(err, TN_INVALID_ARGUMENT, "Inputs contains invalid name. Used request inputs: %s, request input: %s",
            used.data ? used.data : "", join(&given, g, n, name_of_entry, NULL, 0, NULL));
    tn_buf_free(&given);
    tn_buf_free(&used);
    return TN_INVALID_ARGUMENT;
}

static tn_code fail_output(tn_view alias, const tn_loaded_signature *s, tn_error *err)
{
    tn_buf names = {0};
    tn_fail(err, TN_INVALID_ARGUMENT,
            "output tensor alias not found in signature: %.*s Outputs expected to be in the set {%s}.",
            (int)TN_MIN(alias.n, 1100), alias.p, join(&names, s->out, s->n_out, name_of_value, NULL, 0, NULL));
    tn_buf_free(&names);
    return TN_INVALID_ARGUMENT;
}

/* ==== the signature ==== */

tn_code tn_predict_check(const tn_turn *t, const tn_asker *a, tn_error *err)
{
    static const char *const allowed[] = {METHOD("predict"), METHOD("classify"), METHOD("regress")};
    const tn_loaded_signature *s = a->signature;
    if (!t->service->check_method_name) return TN_OK;
    for (size_t i = 0; i < TN_COUNT(allowed); i++)
        if (!strcmp(s->method, allowed[i])) return TN_OK;
    return tn_fail(err, TN_INTERNAL, "Expected prediction signature method_name to be one of {%s, %s, %s}. Was: %s",
                   allowed[0], allowed[1], allowed[2], s->method);
}

static tn_code find_signature(tn_turn *t, const tn_asker **out, tn_error *err)
{
    *out = tn_askers_named(t->servable->askers, t->signature);
    if (!*out)
        return tn_fail(err, TN_FAILED_PRECONDITION, "Serving signature key \"%.*s\" not found.",
                       (int)TN_MIN(t->signature.n, 1100), t->signature.p);
    t->facts.signature = (*out)->signature->name;
    return tn_predict_check(t, *out, err);
}

/* ==== inputs ==== */

static tn_code take_input(tn_turn *t, const tn_TensorEntry *e, int i, tn_error *err)
{
    tn_tensor *v = TN_NEW(t->arena, tn_tensor);
    if (!v) return tn_no_memory(err, sizeof *v);
    tn_code code = tn_tensor_view_of_proto(e->value, t->arena, FILL_LIMIT, v, err);
    t->ask.in[i] = v;
    if (code == TN_OK || code == TN_RESOURCE_EXHAUSTED) return code;
    return tn_fail(err, TN_INVALID_ARGUMENT, "tensor parsing error: %.*s", (int)TN_MIN(e->key.n, 1100), e->key.p);
}

static int compare(tn_view a, tn_view b)
{
    size_t n = TN_MIN(a.n, b.n);
    int order = n ? memcmp(a.p, b.p, n) : 0; /* a name that is not there has no bytes to point at */
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Both sides ascend by name. */
static tn_code take_inputs(tn_turn *t, const tn_PredictRequest *in, tn_error *err)
{
    const tn_asker *a = t->ask.asker;
    const tn_loaded_signature *s = a->signature;
    uint32_t n = in->inputs.n, next = 0, used = 0;
    if (n > (uint32_t)s->n_in || (n < (uint32_t)s->n_in && !a->n_defaults)) return fail_count(in, s, err);
    for (int i = 0; i < s->n_in; i++) {
        tn_view key = tn_view_of(s->in[i].key);
        while (next < n && compare(in->inputs.items[next].key, key) < 0) next++;
        bool given = next < n && tn_view_eq(in->inputs.items[next].key, key);
        if (!given && !(a->defaults && a->defaults[i])) return fail_missing(in, a, i, err);
        if (!given) continue;
        TN_TRY(take_input(t, &in->inputs.items[next++], i, err));
        used++;
    }
    return used == n ? TN_OK : fail_extra(in, s, err);
}

/* ==== outputs ==== */

static int output_named(const tn_loaded_signature *s, tn_view alias)
{
    int i = 0;
    while (i < s->n_out && !tn_view_is(alias, s->out[i].key)) i++;
    return i < s->n_out ? i : -1;
}

/* The outputs of a filter, ascending. */
static tn_code take_filter(tn_turn *t, const tn_loaded_signature *s, const tn_view_list *filter, int *wanted, int *n,
                           tn_error *err)
{
    uint8_t *seen = TN_ARRAY(t->arena, s->n_out + 1, uint8_t);
    if (!seen) return tn_no_memory(err, 0);
    for (uint32_t i = 0; i < filter->n; i++) {
        tn_view alias = filter->items[i];
        int k = output_named(s, alias);
        if (k < 0) return fail_output(alias, s, err);
        if (seen[k]++)
            return tn_fail(err, TN_INVALID_ARGUMENT, "duplicate output tensor alias: %s", s->out[k].key);
    }
    *n = 0;
    for (int i = 0; i < s->n_out; i++)
        if (seen[i]) wanted[(*n)++] = i;
    return TN_OK;
}

/* ==== the two halves ==== */

tn_code tn_predict_begin(tn_turn *t, const tn_PredictRequest *in, tn_error *err)
{
    const tn_asker *a;
    int *wanted = NULL, n = 0;
    t->facts.api = TN_API_PREDICT;
    TN_TRY(tn_turn_servable(t, in->model_spec, err));
    TN_TRY(find_signature(t, &a, err));
    if (in->output_filter.n && !(wanted = TN_ARRAY(t->arena, a->signature->n_out + 1, int)))
        return tn_no_memory(err, 0);
    /* inputs are looked at before the filter, as their errors come first */
    TN_TRY(tn_turn_ask(t, a, NULL, 0, err));
    TN_TRY(take_inputs(t, in, err));
    if (!wanted) return TN_OK;
    TN_TRY(take_filter(t, a->signature, &in->output_filter, wanted, &n, err));
    t->ask.wanted = wanted;
    t->ask.n_wanted = n;
    return TN_OK;
}

static char *put_field(char *to, uint32_t field, uint64_t n)
{
    *to++ = (char)(field << 3 | 2);
    return to + tn_varint_put(to, n);
}

static uint64_t field_size(uint64_t n)
{
    return 1 + tn_varint_size(n) + n;
}

typedef struct output { /* an entry of the map */
    tn_view key;
    tn_tensor_wire value;
    uint64_t size;
} output;

static tn_code measure(tn_turn *t, output *o, uint64_t *sum, tn_error *err)
{
    const tn_ask *a = &t->ask;
    for (int i = 0; i < a->n_wanted; i++) {
        o[i].key = tn_view_of(a->asker->signature->out[a->wanted ? a->wanted[i] : i].key);
        TN_TRY(tn_tensor_wire_of(a->out[i], t->service->tensor_content, &o[i].value, err));
        o[i].size = field_size(o[i].key.n) + field_size(o[i].value.size);
        *sum += field_size(o[i].size);
    }
    return TN_OK;
}

static char *put_output(const output *o, char *to)
{
    to = put_field(to, TN_PredictResponse_outputs, o->size);
    to = put_field(to, TN_TensorEntry_key, o->key.n);
    memcpy(to, o->key.p, o->key.n);
    to = put_field(to + o->key.n, TN_TensorEntry_value, o->value.size);
    return tn_tensor_wire_put(&o->value, to);
}

/* model_spec: name, version that answers, signature. */
static char *put_spec(const tn_turn *t, uint64_t size, char *to)
{
    uint64_t version = (uint64_t)t->servable->version;
    to = put_field(to, TN_PredictResponse_model_spec, size);
    if (t->spec->name.n) {
        to = put_field(to, TN_ModelSpec_name, t->spec->name.n);
        memcpy(to, t->spec->name.p, t->spec->name.n);
        to += t->spec->name.n;
    }
    to = put_field(to, TN_ModelSpec_version, version ? 1 + tn_varint_size(version) : 0);
    if (version) *to++ = TN_Int64Value_value << 3;
    if (version) to += tn_varint_put(to, version);
    to = put_field(to, TN_ModelSpec_signature_name, t->signature.n);
    memcpy(to, t->signature.p, t->signature.n);
    return to + t->signature.n;
}

static uint64_t spec_size(const tn_turn *t)
{
    uint64_t version = (uint64_t)t->servable->version;
    uint64_t name = t->spec->name.n ? field_size(t->spec->name.n) : 0;
    return name + field_size(version ? 1 + tn_varint_size(version) : 0) + field_size(t->signature.n);
}

tn_code tn_predict_finish(tn_turn *t, tn_buf *out, tn_error *err)
{
    output few[8], *outputs = few;
    int n = t->ask.n_wanted;
    if (n > (int)TN_COUNT(few) && !(outputs = TN_ARRAY(t->arena, n, output))) return tn_no_memory(err, 0);
    uint64_t spec = spec_size(t), sum = field_size(spec);
    TN_TRY(measure(t, outputs, &sum, err));
    if (sum > TN_PROTO_MOST_BYTES)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the answer has %llu bytes; a message may have %d",
                       (unsigned long long)sum, TN_PROTO_MOST_BYTES);
    if (!tn_buf_reserve(out, (size_t)sum)) return tn_buf_check(out, err);
    char *to = out->data + out->n;
    for (int i = 0; i < n; i++) to = put_output(&outputs[i], to);
    to = put_spec(t, spec, to);
    *to = 0;
    out->n += (size_t)sum;
    return TN_OK;
}

tn_code tn_predict_request(tn_turn *t, const tn_PredictRequest *in, tn_PredictResponse **out, tn_error *err)
{
    tn_buf bytes = {0};
    TN_TRY(tn_predict_begin(t, in, err));
    TN_TRY(tn_ask_run(&t->ask, err));
    tn_code code = tn_predict_finish(t, &bytes, err);
    char *copy = code == TN_OK ? tn_arena_strndup(t->arena, bytes.data, bytes.n) : NULL;
    tn_view kept = {copy, bytes.n};
    tn_buf_free(&bytes);
    if (code != TN_OK) return code;
    return copy ? TN_DECODE(PredictResponse, kept, t->arena, out, err) : tn_no_memory(err, kept.n);
}
