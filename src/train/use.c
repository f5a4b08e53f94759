/* SPDX-License-Identifier: Apache-2.0
 *
 * use.c - a trained run put to use: metrics on a data set, an export, one sample after another.
 */
#include "train.h"

/* ==== metrics ==== */

static tn_code restored_session(const tn_job *j, const char *run, tn_graph *g, tn_session **out, int64_t *step, tn_error *err)
{
    const char *prefix;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_session *s = NULL;
    tn_code code = tn_run_latest(run, a, &prefix, err);
    if (code == TN_OK) code = tn_job_session(j, g, &s, err);
    if (code == TN_OK) code = tn_checkpoint_restore(prefix, g, NULL, s, NULL, err);
    if (code == TN_OK && step) *step = tn_checkpoint_step(prefix);
    tn_arena_free(a);
    if (code == TN_OK) *out = s;
    else tn_session_free(s);
    return code;
}

static tn_code tell_metrics(tn_job *j, const tn_network *n, tn_session *s, const tn_data *d, const char *run, int64_t step, tn_error *err)
{
    tn_evaluator *e;
    const tn_evaluation *r;
    const tn_run_settings *settings = &j->settings.run;
    int64_t begin = tn_now_us(), batch = settings->eval_batch_size > 0 ? settings->eval_batch_size : settings->batch_size;
    TN_TRY(tn_evaluator_new(n, s, d, batch, &e, err));
    tn_code code = tn_evaluator_run(e, NULL, &r, err);
    if (code == TN_OK) {
        tn_news news = {.kind = TN_NEWS_VALIDATION, .step = step, .run = run, .names = r->names, .values = r->values, .n_metrics = r->n,
                        .loss = r->values[0], .seconds = (double)(tn_now_us() - begin) / 1e6};
        tn_job_news(j, &news);
    }
    tn_evaluator_free(e);
    return code;
}

tn_code tn_job_test(tn_job *j, const char *run, const char *set, tn_error *err)
{
    tn_data *d = NULL;
    tn_network *n = NULL;
    tn_session *s = NULL;
    int64_t step = 0;
    TN_TRY(tn_job_data(j, set, &d, err));
    tn_code code = tn_network_new(j, d, &n, err);
    if (code == TN_OK) code = restored_session(j, run, n->graph, &s, &step, err);
    if (code == TN_OK) code = tell_metrics(j, n, s, d, run, step, err);
    tn_session_free(s);
    tn_network_free(n);
    tn_data_close(d);
    return code;
}

/* ==== export ==== */

/* The training data only where the experiment does not say what it serves. */
static tn_code make_serving(const tn_job *j, tn_serving **out, tn_error *err)
{
    tn_data *d = NULL;
    if (!j->experiment.experiment->serving) TN_TRY(tn_job_data(j, "train", &d, err));
    tn_code code = tn_serving_new(j, d, out, err);
    tn_data_close(d);
    return code;
}

tn_code tn_job_export(tn_job *j, const char *run, const char *base, char **path, tn_error *err)
{
    tn_serving *serving = NULL;
    tn_session *s = NULL;
    tn_buf text = {0};
    int64_t step = 0;
    TN_TRY(make_serving(j, &serving, err));
    tn_code code = restored_session(j, run, serving->graph, &s, &step, err);
    if (base) tn_buf_str(&text, base);
    else tn_buf_printf(&text, "%s/exports", run);
    if (code == TN_OK) code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_export_step(serving, s, text.data, step, NULL, err);
    tn_buf_printf(&text, "/%lld", (long long)step);
    if (code == TN_OK && !(*path = tn_buf_take(&text, NULL))) code = tn_no_memory(err, 0);
    tn_buf_free(&text);
    tn_session_free(s);
    tn_serving_free(serving);
    return code;
}

/* ==== one sample after another ==== */

enum { MOST_VALUES = 2 * TN_MAX_COLUMNS };
struct tn_asker {
    tn_serving *serving;
    tn_session *session;
    void *client;
    bool client_ready;
};

void tn_asker_free(struct tn_asker *a)
{
    if (!a) return;
    tn_session_free(a->session);
    tn_serving_free(a->serving);
    tn_free(a);
}

static tn_code asker_of(tn_job *j, const char *run, tn_error *err)
{
    const tn_client *c = j->experiment.experiment->client;
    if (j->asker) return TN_OK;
    struct tn_asker *a = tn_calloc(1, sizeof *a);
    if (!a) return tn_no_memory(err, sizeof *a);
    tn_error why = {TN_OK, ""};
    tn_code code = make_serving(j, &a->serving, err);
    if (code == TN_OK) code = restored_session(j, run, a->serving->graph, &a->session, NULL, err);
    if (code == TN_OK && c && c->init) {
        a->client = c->init(tn_job_settings(j), false, &why);
        code = why.code;
        if (code != TN_OK && err) *err = why;
    }
    if (code == TN_OK) j->asker = a;
    else tn_asker_free(a);
    return code;
}

/* Numbers, separated by spaces or commas, as one example of the only input. */
static tn_code parse_numbers(const tn_signature *sig, const char *line, tn_data *d, tn_error *err)
{
    const tn_tensor_info *in = &sig->in[0];
    tn_shape shape = in->shape;
    tn_tensor *t;
    if (sig->n_in != 1) return tn_fail(err, TN_FAILED_PRECONDITION, "the model has %d inputs: its client must say what a line means", sig->n_in);
    shape.dim[0] = 1;
    for (int i = 1; i < shape.rank; i++) shape.dim[i] = shape.dim[i] < 0 ? 1 : shape.dim[i];
    TN_TRY(tn_tensor_new(in->dtype, &shape, &t, err));
    int64_t n = 0, want = tn_tensor_count(t);
    const char *p = line + strspn(line, " ,\t\n");
    for (; *p; p += strspn(p, " ,\t\n")) {
        double v;
        size_t len = strcspn(p, " ,\t\n");
        if (!tn_parse_double((tn_view){p, len}, &v)) {
            tn_tensor_unref(t);
            return tn_fail(err, TN_INVALID_ARGUMENT, "'%.*s' is no number", (int)TN_MIN(len, 60), p);
        }
        if (n < want) tn_tensor_set_number(t, n, v);
        n++;
        p += len;
    }
    if (n != want) {
        tn_tensor_unref(t);
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld numbers were given, an input has %lld", (long long)n, (long long)want);
    }
    tn_data_add(d, TN_FEATURE, in->key, t);
    return TN_OK;
}

static tn_code make_sample(tn_job *j, int64_t index, const char *line, tn_data *d, tn_error *err)
{
    const tn_client *c = j->experiment.experiment->client;
    const tn_settings *s = tn_job_settings(j);
    if (line && (!c || !c->parse)) TN_TRY(parse_numbers(&j->asker->serving->signatures[0], line, d, err));
    else if (line) c->parse(j->asker->client, s, line, d);
    else if (c && c->input) c->input(j->asker->client, s, index, d);
    else return tn_fail(err, TN_FAILED_PRECONDITION, "the experiment's client has no samples by index");
    if (!d->error.code) return TN_OK;
    if (err) *err = d->error;
    return d->error.code;
}

/* The outputs' values as text, for want of a client's own words. */
static void plain_answer(const tn_feed *values, int n, int n_in, tn_buf *out)
{
    for (int i = n_in; i < n; i++) {
        char *text = tn_tensor_text(values[i].value, 20);
        tn_buf_printf(out, "%s%s = %s", i > n_in ? "\n" : "", values[i].name, text ? text : "");
        tn_text_free(text);
    }
}

static tn_code decode(tn_job *j, const tn_feed *values, int n, int n_in, char **answer, tn_error *err)
{
    const tn_client *c = j->experiment.experiment->client;
    tn_buf out = {0};
    enum { SIZE = 1 << 16 };
    if (c && c->decode) {
        if (tn_buf_reserve(&out, SIZE)) {
            out.data[0] = 0;
            c->decode(j->asker->client, tn_job_settings(j), values, n, out.data, SIZE);
            out.data[SIZE - 1] = 0;
            out.n = strlen(out.data);
        }
    } else {
        plain_answer(values, n, n_in, &out);
    }
    tn_code code = tn_buf_check(&out, err);
    if (code == TN_OK && !out.n) tn_buf_str(&out, "");
    if (code == TN_OK) *answer = out.n ? tn_buf_take(&out, NULL) : tn_strdup("");
    if (code == TN_OK && !*answer) code = tn_no_memory(err, 0);
    if (code != TN_OK) tn_buf_free(&out);
    return code;
}

static tn_code ask(tn_job *j, const tn_data *d, char **answer, tn_error *err)
{
    const tn_signature *sig = &j->asker->serving->signatures[0];
    tn_feed feeds[TN_MAX_COLUMNS], values[MOST_VALUES];
    const char *fetches[TN_MAX_COLUMNS];
    tn_tensor *out[TN_MAX_COLUMNS];
    if (sig->n_in > TN_MAX_COLUMNS || sig->n_out > TN_MAX_COLUMNS) return tn_fail(err, TN_UNIMPLEMENTED, "too many values");
    for (int i = 0; i < sig->n_in; i++) {
        const tn_tensor *t = tn_data_column(d, sig->in[i].key);
        if (!t) return tn_fail(err, TN_INVALID_ARGUMENT, "the client gave no '%s'", sig->in[i].key);
        feeds[i] = (tn_feed){sig->in[i].name, t};
        values[i] = (tn_feed){sig->in[i].key, t};
    }
    for (int i = 0; i < sig->n_out; i++) fetches[i] = sig->out[i].name;
    TN_TRY(tn_session_run(j->asker->session, feeds, sig->n_in, fetches, sig->n_out, out, NULL, 0, err));
    for (int i = 0; i < sig->n_out; i++) values[sig->n_in + i] = (tn_feed){sig->out[i].key, out[i]};
    tn_code code = decode(j, values, sig->n_in + sig->n_out, sig->n_in, answer, err);
    for (int i = 0; i < sig->n_out; i++) tn_tensor_unref(out[i]);
    return code;
}

tn_code tn_job_ask(tn_job *j, const char *run, int64_t index, const char *line, char **answer, tn_error *err)
{
    tn_data *d;
    TN_TRY(asker_of(j, run, err));
    TN_TRY(tn_data_open(j->folder, tn_job_settings(j), &d, err));
    tn_code code = make_sample(j, index, line, d, err);
    if (code == TN_OK) code = ask(j, d, answer, err);
    tn_data_close(d);
    return code;
}
