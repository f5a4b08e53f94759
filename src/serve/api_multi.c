/* SPDX-License-Identifier: Apache-2.0
 *
 * api_multi.c - MultiInference: several signatures of one model on the same examples, computed at once.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "api.h"
#include "asking.h"

enum { MOST_TASKS = 256 };

typedef struct part { /* a task */
    const tn_InferenceTask *task;
    const tn_asker *asker;
    bool classifies;
    int wanted[2], n;
    tn_tensor *out[2];
} part;

typedef struct job {
    tn_turn *turn;
    part *parts;
    int n;
    tn_tensor *examples;
} job;

/* ==== checks ==== */

static tn_view signature_of(const tn_InferenceTask *task)
{
    tn_view name = task->model_spec ? task->model_spec->signature_name : (tn_view){0};
    return name.n ? name : TN_VIEW(TN_DEFAULT_SIGNATURE);
}

static tn_code check_spec(const job *j, int i, tn_error *err)
{
    const tn_ModelSpec *spec = j->parts[i].task->model_spec, *first = j->parts[0].task->model_spec;
    tn_view signature = signature_of(j->parts[i].task);
    if (!spec || !spec->name.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Found ModelSpec with an empty model name.");
    if (!tn_view_eq(spec->name, first->name))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "All ModelSpecs in a MultiInferenceRequest must access the same model name.");
    for (int k = 0; k < i; k++)
        if (tn_view_eq(signature, signature_of(j->parts[k].task)))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Duplicate evaluation of signature: %.*s",
                           (int)TN_MIN(signature.n, 1100), signature.p);
    return TN_OK;
}

static tn_code take_part(job *j, int i, tn_error *err)
{
    part *p = &j->parts[i];
    tn_view signature = signature_of(p->task), method = p->task->method_name;
    TN_TRY(check_spec(j, i, err));
    p->asker = tn_askers_named(j->turn->servable->askers, signature);
    if (!p->asker)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Requested signature not found in model graph: %.*s",
                       (int)TN_MIN(signature.n, 1100), signature.p);
    p->classifies = tn_view_is(method, TN_CLASSIFY_METHOD);
    if (p->classifies) TN_TRY(tn_classify_outputs(j->turn, p->asker, p->wanted, &p->n, err));
    else if (tn_view_is(method, TN_REGRESS_METHOD))
        TN_TRY(tn_regress_outputs(j->turn, p->asker, p->wanted, &p->n, err));
    else
        return tn_fail(err, TN_UNIMPLEMENTED, "Unsupported signature method_name: %.*s", (int)TN_MIN(method.n, 1100),
                       method.p);
    const char *name = p->asker->signature->in[0].name, *first = j->parts[0].asker->signature->in[0].name;
    if (name && first && !strcmp(name, first)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Input tensor must be the same for all Signatures.");
}

/* ==== running ==== */

/* Each part's own question, one after another. */
static tn_code run_apart(job *j, tn_error *err)
{
    tn_turn *t = j->turn;
    for (int i = 0; i < j->n; i++) {
        part *p = &j->parts[i];
        const tn_tensor *fed[] = {j->examples};
        tn_ask a = {.servable = t->servable, .asker = p->asker, .in = fed, .wanted = p->wanted, .n_wanted = p->n,
                    .deadline = t->deadline, .cancel = t->cancel, .out = p->out};
        TN_TRY(tn_ask_run(&a, err));
        t->facts.run_us += a.ran_us;
    }
    return TN_OK;
}

/* All outputs with one plan. */
static tn_code run_together(job *j, tn_choice *c, tn_error *err)
{
    tn_turn *t = j->turn;
    tn_tensor **out = TN_ARRAY(t->arena, c->n + 1, tn_tensor *);
    const tn_tensor *in[] = {j->examples};
    if (!out) return tn_no_memory(err, 0);
    tn_choice_run r = {.in = in, .out = out, .n_in = 1, .deadline = t->deadline, .cancel = t->cancel};
    TN_TRY(tn_choice_compute(c, &r, &t->facts.run_us, err));
    for (int i = 0; i < j->n; i++)
        for (int k = 0; k < j->parts[i].n; k++) j->parts[i].out[k] = *out++;
    return TN_OK;
}

static tn_code run(job *j, tn_error *err)
{
    int n = 0, *keys = TN_ARRAY(j->turn->arena, 2 * j->n, int);
    tn_choice *c;
    if (!keys) return tn_no_memory(err, 0);
    const tn_asker *first = j->parts[0].asker;
    if (j->examples->dtype != first->fed[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expects arg[0] to be %s but string is provided",
                       tn_dtype_name(first->fed[0]));
    for (int i = 0; i < j->n; i++)
        for (int k = 0; k < j->parts[i].n; k++)
            keys[n++] = tn_choice_key(j->parts[i].asker->index, j->parts[i].wanted[k]);
    TN_TRY(tn_choice_get(first, keys, n, &c, err));
    return c ? run_together(j, c, err) : run_apart(j, err);
}

/* ==== answers ==== */

static tn_code add_result(job *j, part *p, tn_InferenceResult *r, tn_error *err)
{
    tn_turn *t = j->turn;
    const tn_tensor *classes = NULL, *scores = NULL;
    t->spec = p->task->model_spec;
    TN_TRY(tn_turn_spec(t, signature_of(p->task), &r->model_spec, err));
    if (!p->classifies) {
        r->result_case = TN_InferenceResult_regression_result;
        return tn_regress_result(t, p->out[0], &r->regression_result, err);
    }
    for (int i = 0; i < p->n; i++) {
        bool is_classes = !strcmp(p->asker->signature->out[p->wanted[i]].key, "classes");
        *(is_classes ? &classes : &scores) = p->out[i];
    }
    r->result_case = TN_InferenceResult_classification_result;
    return tn_classify_result(t, classes, scores, &r->classification_result, err);
}

static tn_code answer(job *j, tn_MultiInferenceResponse **out, tn_error *err)
{
    tn_MultiInferenceResponse *r = TN_NEW(j->turn->arena, tn_MultiInferenceResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    for (int i = 0; i < j->n; i++) {
        tn_InferenceResult *one = TN_PUSH(j->turn->arena, &r->results);
        if (!one) return tn_no_memory(err, sizeof *one);
        TN_TRY(add_result(j, &j->parts[i], one, err));
    }
    *out = r;
    return TN_OK;
}

/* The turn keeps the tensors, which the answer looks at, as its question's. */
static tn_code keep_tensors(job *j, tn_error *err)
{
    int n = 0;
    tn_turn *t = j->turn;
    t->ask.out = TN_ARRAY(t->arena, 2 * j->n + 1, tn_tensor *);
    if (!t->ask.out) return tn_no_memory(err, 0);
    t->ask.n_wanted = 2 * j->n;
    tn_code code = run(j, err);
    for (int i = 0; i < j->n; i++)
        for (int k = 0; k < 2; k++) t->ask.out[n++] = j->parts[i].out[k];
    return code;
}

tn_code tn_multi_serialized(tn_turn *t, const tn_SerializedMultiRequest *in, tn_MultiInferenceResponse **out,
                            tn_error *err)
{
    static const tn_ModelSpec nothing;
    job j = {.turn = t, .n = (int)TN_MIN(in->tasks.n, MOST_TASKS + 1)};
    t->facts.api = TN_API_MULTI_INFERENCE;
    bool has_spec = in->tasks.n && in->tasks.items[0].model_spec;
    TN_TRY(tn_turn_servable(t, has_spec ? in->tasks.items[0].model_spec : &nothing, err));
    if (j.n > MOST_TASKS) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "more than %d tasks in a request", MOST_TASKS);
    if (!(j.parts = TN_ARRAY(t->arena, j.n + 1, part))) return tn_no_memory(err, 0);
    for (int i = 0; i < j.n; i++) j.parts[i].task = &in->tasks.items[i];
    for (int i = 0; i < j.n; i++) TN_TRY(take_part(&j, i, err));
    TN_TRY(tn_examples_of(t, in->input, &j.examples, err));
    if (j.n) TN_TRY(keep_tensors(&j, err));
    return answer(&j, out, err);
}

tn_code tn_multi_request(tn_turn *t, const tn_MultiInferenceRequest *in, tn_MultiInferenceResponse **out, tn_error *err)
{
    tn_SerializedMultiRequest raw = {.tasks = in->tasks};
    TN_TRY(tn_serialize_input(t, in->input, &raw.input, err));
    return tn_multi_serialized(t, &raw, out, err);
}
