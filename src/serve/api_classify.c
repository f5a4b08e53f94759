/* SPDX-License-Identifier: Apache-2.0
 *
 * api_classify.c - Classify and Regress: examples, serialized, are the one input; rows of classes and scores, or of
 * numbers, come out.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "api.h"

#define CLASSIFY TN_CLASSIFY_METHOD
#define REGRESS TN_REGRESS_METHOD

/* ==== signatures ==== */

/* "... in SignatureDef: " and the text of it. */
static tn_code fail_def(const tn_asker *a, const char *what, const char *end, tn_error *err)
{
    tn_buf text = {0};
    const tn_SignatureDef *def = tn_asker_def(a);
    if (def) TN_PRINT(SignatureDef, def, &text, NULL);
    tn_code code = tn_fail(err, TN_FAILED_PRECONDITION, "%s%s%s", what, text.data ? text.data : "", end);
    tn_buf_free(&text);
    return code;
}

static int place_of(const tn_loaded_value *v, int n, const char *key)
{
    int i = 0;
    while (i < n && strcmp(v[i].key, key) != 0) i++;
    return i < n ? i : -1;
}

static tn_code check_method(const tn_turn *t, const tn_asker *a, const char *wanted, const char *kind, tn_error *err)
{
    if (!t->service->check_method_name || !strcmp(a->signature->method, wanted)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %s signature method_name to be %s. Was: %s", kind, wanted,
                   a->signature->method);
}

tn_code tn_classify_outputs(const tn_turn *t, const tn_asker *a, int *wanted, int *n, tn_error *err)
{
    const tn_loaded_signature *s = a->signature;
    TN_TRY(check_method(t, a, CLASSIFY, "classification", err));
    if (s->n_in != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected one input Tensor.");
    if (s->n_out != 1 && s->n_out != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected one or two output Tensors, found %d", s->n_out);
    if (strcmp(s->in[0].key, "inputs") != 0)
        return fail_def(a, "No classification inputs found in SignatureDef: ", "", err);
    int classes = place_of(s->out, s->n_out, "classes"), scores = place_of(s->out, s->n_out, "scores");
    if (classes < 0 && scores < 0)
        return fail_def(a, "Expected classification signature outputs to contain at least one of \"classes\" or "
                        "\"scores\". Signature was: ", "", err);
    *n = 0; /* ascending, as the signature's outputs are */
    if (classes >= 0) wanted[(*n)++] = classes;
    if (scores >= 0) wanted[(*n)++] = scores;
    return TN_OK;
}

tn_code tn_regress_outputs(const tn_turn *t, const tn_asker *a, int *wanted, int *n, tn_error *err)
{
    const tn_loaded_signature *s = a->signature;
    TN_TRY(check_method(t, a, REGRESS, "regression", err));
    if (s->n_in != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected one input Tensor.");
    if (s->n_out != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected one output Tensor.");
    if (strcmp(s->in[0].key, "inputs") != 0)
        return fail_def(a, "No regression inputs found in SignatureDef: ", "", err);
    if (strcmp(s->out[0].key, "outputs") != 0)
        return fail_def(a, "No regression outputs found in SignatureDef: ", "", err);
    wanted[0] = 0;
    *n = 1;
    return TN_OK;
}

/* ==== input ==== */

static tn_code with_context(tn_turn *t, tn_string *s, tn_view context, const tn_view_list *examples, tn_error *err)
{
    for (uint32_t i = 0; i < examples->n; i++) {
        tn_view e = examples->items[i];
        size_t n = context.n + e.n;
        char *both = n > context.n ? tn_arena_alloc(t->arena, n) : (char *)context.p;
        if (!both) return tn_no_memory(err, n);
        if (n > context.n) {
            if (context.n) memcpy(both, context.p, context.n);
            memcpy(both + context.n, e.p, e.n);
        }
        s[i] = (tn_string){both, n};
    }
    return TN_OK;
}

tn_code tn_examples_of(tn_turn *t, const tn_SerializedInput *in, tn_tensor **out, tn_error *err)
{
    static const tn_view_list none;
    const tn_view_list *examples = &none;
    tn_view context = {0};
    bool has_context = in && in->kind_case == TN_SerializedInput_example_list_with_context;
    if (in && in->kind_case == TN_SerializedInput_example_list) examples = &in->example_list->examples;
    if (has_context) examples = &in->example_list_with_context->examples;
    if (has_context) context = in->example_list_with_context->context;
    if (!examples->n) return tn_fail(err, TN_INVALID_ARGUMENT, "Input is empty.");
    tn_string *s = TN_ARRAY(t->arena, examples->n, tn_string);
    tn_tensor *v = TN_NEW(t->arena, tn_tensor);
    if (!s || !v) return tn_no_memory(err, examples->n * sizeof *s);
    for (uint32_t i = 0; !context.n && i < examples->n; i++)
        s[i] = (tn_string){(char *)examples->items[i].p, examples->items[i].n};
    if (context.n) TN_TRY(with_context(t, s, context, examples, err));
    *v = tn_tensor_view(TN_STRING, &TN_SHAPE(examples->n), s);
    t->facts.examples = examples->n;
    *out = v;
    return TN_OK;
}

/* ==== answers ==== */

static tn_code check_rows(const tn_tensor *v, tn_dtype dtype, const char *what, int64_t n, tn_error *err)
{
    char text[256];
    if (v->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected Tensor shape: [batch_size num_classes] but got %s",
                       tn_shape_text(&v->shape, text, sizeof text));
    if (v->dtype != dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %s Tensor of %s. Got: %s", what, tn_data_type_name(dtype),
                       tn_data_type_name(v->dtype));
    if (v->shape.dim[0] == n) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %s output batch size of %lld. Got: %lld", what, (long long)n,
                   (long long)v->shape.dim[0]);
}

static tn_code add_row(tn_turn *t, tn_Classifications *row, const tn_tensor *classes, const tn_tensor *scores,
                       int64_t i, int64_t width, tn_error *err)
{
    tn_Class *c = TN_ARRAY(t->arena, width + 1, tn_Class);
    if (!c) return tn_no_memory(err, (size_t)width * sizeof *c);
    for (int64_t k = 0; k < width; k++) {
        const tn_string *label = classes ? &TN_STRINGS(classes)[i * width + k] : NULL;
        if (label) c[k].label = (tn_view){label->p, label->n};
        if (scores) c[k].score = TN_FLOATS(scores)[i * width + k];
    }
    row->classes.items = c;
    row->classes.n = (uint32_t)width;
    return TN_OK;
}

tn_code tn_classify_result(tn_turn *t, const tn_tensor *classes, const tn_tensor *scores, tn_ClassificationResult **out,
                           tn_error *err)
{
    int64_t n = t->facts.examples;
    if (classes) TN_TRY(check_rows(classes, TN_STRING, "classes", n, err));
    if (scores) TN_TRY(check_rows(scores, TN_FLOAT, "scores", n, err));
    if (classes && scores && classes->shape.dim[1] != scores->shape.dim[1])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Tensors class and score should match in dim_size(1). Got %lld vs. %lld",
                       (long long)classes->shape.dim[1], (long long)scores->shape.dim[1]);
    int64_t width = (classes ? classes : scores)->shape.dim[1];
    tn_ClassificationResult *r = TN_NEW(t->arena, tn_ClassificationResult);
    tn_Classifications *rows = TN_ARRAY(t->arena, n + 1, tn_Classifications);
    if (!r || !rows || width > UINT32_MAX) return tn_no_memory(err, (size_t)n * sizeof *rows);
    for (int64_t i = 0; i < n; i++) TN_TRY(add_row(t, &rows[i], classes, scores, i, width, err));
    r->classifications.items = rows;
    r->classifications.n = (uint32_t)n;
    *out = r;
    return TN_OK;
}

static tn_code check_regressed(const tn_tensor *v, int64_t n, tn_error *err)
{
    char text[256];
    if (v->shape.rank != 1 && !(v->shape.rank == 2 && v->shape.dim[1] == 1))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got %s",
                       tn_shape_text(&v->shape, text, sizeof text));
    if (v->shape.dim[0] != n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input batch size did not match output batch size: %lld vs. %lld",
                       (long long)n, (long long)v->shape.dim[0]);
    if (v->dtype == TN_FLOAT) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected output Tensor of DT_FLOAT.  Got: %s",
                   tn_data_type_name(v->dtype));
}

tn_code tn_regress_result(tn_turn *t, const tn_tensor *v, tn_RegressionResult **out, tn_error *err)
{
    int64_t n = t->facts.examples;
    TN_TRY(check_regressed(v, n, err));
    tn_RegressionResult *r = TN_NEW(t->arena, tn_RegressionResult);
    tn_Regression *items = TN_ARRAY(t->arena, n + 1, tn_Regression);
    if (!r || !items) return tn_no_memory(err, (size_t)n * sizeof *items);
    for (int64_t i = 0; i < n; i++) items[i].value = TN_FLOATS(v)[i];
    r->regressions.items = items;
    r->regressions.n = (uint32_t)n;
    *out = r;
    return TN_OK;
}

/* ==== the two halves of each ==== */

typedef tn_code (*outputs_fn)(const tn_turn *t, const tn_asker *a, int *wanted, int *n, tn_error *err);

static tn_code begin(tn_turn *t, const tn_SerializedRequest *in, outputs_fn outputs, tn_error *err)
{
    int n, *wanted = TN_ARRAY(t->arena, 2, int);
    tn_tensor *examples;
    TN_TRY(tn_turn_servable(t, in->model_spec, err));
    const tn_asker *a = tn_askers_named(t->servable->askers, t->signature);
    if (!a)
        return tn_fail(err, TN_INVALID_ARGUMENT, "No signature was found with the name: %.*s",
                       (int)TN_MIN(t->signature.n, 1100), t->signature.p);
    t->facts.signature = a->signature->name;
    if (!wanted) return tn_no_memory(err, 0);
    TN_TRY(outputs(t, a, wanted, &n, err));
    TN_TRY(tn_examples_of(t, in->input, &examples, err));
    TN_TRY(tn_turn_ask(t, a, wanted, n, err));
    t->ask.in[0] = examples;
    return TN_OK;
}

tn_code tn_classify_begin(tn_turn *t, const tn_SerializedRequest *in, tn_error *err)
{
    t->facts.api = TN_API_CLASSIFY;
    return begin(t, in, tn_classify_outputs, err);
}

tn_code tn_regress_begin(tn_turn *t, const tn_SerializedRequest *in, tn_error *err)
{
    t->facts.api = TN_API_REGRESS;
    return begin(t, in, tn_regress_outputs, err);
}

/* The answer's spec has the signature's name as the request has it. */
tn_code tn_classified(tn_turn *t, tn_ClassificationResponse **out, tn_error *err)
{
    const tn_tensor *classes = NULL, *scores = NULL;
    for (int i = 0; i < t->ask.n_wanted; i++) {
        bool is_classes = !strcmp(t->ask.asker->signature->out[t->ask.wanted[i]].key, "classes");
        *(is_classes ? &classes : &scores) = t->ask.out[i];
    }
    tn_ClassificationResponse *r = TN_NEW(t->arena, tn_ClassificationResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    TN_TRY(tn_classify_result(t, classes, scores, &r->result, err));
    TN_TRY(tn_turn_spec(t, t->spec->signature_name, &r->model_spec, err));
    *out = r;
    return TN_OK;
}

tn_code tn_regressed(tn_turn *t, tn_RegressionResponse **out, tn_error *err)
{
    tn_RegressionResponse *r = TN_NEW(t->arena, tn_RegressionResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    TN_TRY(tn_regress_result(t, t->ask.out[0], &r->result, err));
    TN_TRY(tn_turn_spec(t, t->spec->signature_name, &r->model_spec, err));
    *out = r;
    return TN_OK;
}

tn_code tn_classify_finish(tn_turn *t, tn_buf *out, tn_error *err)
{
    tn_ClassificationResponse *r;
    TN_TRY(tn_classified(t, &r, err));
    return TN_ENCODE(ClassificationResponse, r, out, err);
}

tn_code tn_regress_finish(tn_turn *t, tn_buf *out, tn_error *err)
{
    tn_RegressionResponse *r;
    TN_TRY(tn_regressed(t, &r, err));
    return TN_ENCODE(RegressionResponse, r, out, err);
}

/* ==== all at once ==== */

tn_code tn_serialize_input(tn_turn *t, const tn_Input *in, tn_SerializedInput **out, tn_error *err)
{
    tn_buf bytes = {0};
    if (!in) {
        *out = NULL;
        return TN_OK;
    }
    tn_code code = TN_ENCODE(Input, in, &bytes, err);
    char *copy = code == TN_OK ? tn_arena_strndup(t->arena, bytes.data ? bytes.data : "", bytes.n) : NULL;
    size_t n = bytes.n;
    tn_buf_free(&bytes);
    if (code != TN_OK) return code;
    return copy ? TN_DECODE(SerializedInput, ((tn_view){copy, n}), t->arena, out, err) : tn_no_memory(err, n);
}

tn_code tn_classify_request(tn_turn *t, const tn_ClassificationRequest *in, tn_ClassificationResponse **out,
                            tn_error *err)
{
    tn_SerializedRequest raw = {.model_spec = in->model_spec};
    TN_TRY(tn_serialize_input(t, in->input, &raw.input, err));
    TN_TRY(tn_classify_begin(t, &raw, err));
    TN_TRY(tn_ask_run(&t->ask, err));
    return tn_classified(t, out, err);
}

tn_code tn_regress_request(tn_turn *t, const tn_RegressionRequest *in, tn_RegressionResponse **out, tn_error *err)
{
    tn_SerializedRequest raw = {.model_spec = in->model_spec};
    TN_TRY(tn_serialize_input(t, in->input, &raw.input, err));
    TN_TRY(tn_regress_begin(t, &raw, err));
    TN_TRY(tn_ask_run(&t->ask, err));
    return tn_regressed(t, out, err);
}
