/* SPDX-License-Identifier: Apache-2.0
 *
 * ask.c - a trained run asked about one sample after another: the client's own, numbers that were typed, or
 * examples of the test data.
 */
#include "train.h"

enum { MOST_VALUES = 2 * TN_MAX_COLUMNS };
struct tn_asker {
    tn_serving *serving;
    tn_session *session;
    const tn_client *client;
    void *client_state;
    bool client_ready;
    tn_data *data; /* where samples by index come from, without a client's */
};

void tn_asker_free(struct tn_asker *a)
{
    if (!a) return;
    if (a->client_ready && a->client->finalize) a->client->finalize(a->client_state);
    tn_data_close(a->data);
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
    tn_code code = tn_job_serving(j, &a->serving, err);
    if (code == TN_OK) code = tn_restored_session(j, run, a->serving->graph, &a->session, NULL, err);
    a->client = c;
    if (code == TN_OK && c && c->init) {
        a->client_state = c->init(tn_job_settings(j), false, &why);
        code = why.code;
        if (code != TN_OK && err) *err = why;
    }
    a->client_ready = code == TN_OK && c;
    if (code == TN_OK)
        j->asker = a;
    else
        tn_asker_free(a);
    return code;
}

/* Numbers, separated by spaces or commas, as one example of the only input. */
static tn_code parse_numbers(const tn_signature *sig, const char *line, tn_data *d, tn_error *err)
{
    const tn_tensor_info *in = &sig->in[0];
    tn_shape shape = in->shape;
    tn_tensor *t;
    if (sig->n_in != 1)
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "the model has %d inputs: its client must say what a line means", sig->n_in);
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
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld numbers were given, an input has %lld", (long long)n,
                       (long long)want);
    }
    tn_data_add(d, TN_FEATURE, in->key, t);
    return TN_OK;
}

/* One example of every column, labels too. */
static tn_code copy_example(const tn_data *from, int64_t index, tn_data *d, tn_error *err)
{
    for (int i = 0; i < from->n; i++) {
        const tn_tensor *all = from->v[i].values;
        tn_shape shape = all->shape;
        size_t row = tn_tensor_bytes(all) / (size_t)shape.dim[0];
        tn_tensor *one;
        shape.dim[0] = 1;
        TN_TRY(tn_tensor_on(all->dtype, &shape, all->buffer, (char *)all->data + (size_t)index * row, &one,
                            err));
        tn_data_add(d, from->v[i].role, from->v[i].name, one);
    }
    return TN_OK;
}

static tn_code example_of_data(tn_job *j, int64_t index, tn_data *d, tn_error *err)
{
    const tn_experiment *e = j->experiment.experiment;
    struct tn_asker *a = j->asker;
    if (!a->data)
        TN_TRY(tn_job_data(j, e->test ? "test" : e->validate ? "validate" : "train", &a->data, err));
    if (index < 0 || index >= a->data->count)
        return tn_fail(err, TN_OUT_OF_RANGE, "there is no sample %lld; there are %lld", (long long)index,
                       (long long)a->data->count);
    return copy_example(a->data, index, d, err);
}

static tn_code make_sample(tn_job *j, int64_t index, const char *line, tn_data *d, tn_error *err)
{
    const tn_client *c = j->experiment.experiment->client;
    const tn_settings *s = tn_job_settings(j);
    if (line && (!c || !c->parse))
        TN_TRY(parse_numbers(&j->asker->serving->signatures[0], line, d, err));
    else if (line)
        c->parse(j->asker->client_state, s, line, d);
    else if (c && c->input)
        c->input(j->asker->client_state, s, index, d);
    else
        return example_of_data(j, index, d, err);
    if (!d->error.code) return TN_OK;
    if (err) *err = d->error;
    return d->error.code;
}

static void plain_value(const char *name, const tn_tensor *t, const char *note, tn_buf *out)
{
    char *text = tn_tensor_text(t, 20);
    tn_buf_printf(out, "%s%s = %s%s", out->n ? "\n" : "", name, text ? text : "", note);
    tn_text_free(text);
}

/* Inputs that are images are drawn; then the outputs, and labels, when the data had some. */
static void plain_answer(const tn_feed *values, int n, int n_in, const tn_data *d, tn_buf *out)
{
    for (int i = 0; i < n_in; i++) {
        char *drawn = tn_image_text(values[i].value, 0);
        if (drawn) tn_buf_printf(out, "%s%s", out->n ? "\n" : "", drawn);
        tn_text_free(drawn);
    }
    for (int i = n_in; i < n; i++) plain_value(values[i].name, values[i].value, "", out);
    for (int i = 0; i < d->n; i++)
        if (d->v[i].role == TN_LABEL) plain_value(d->v[i].name, d->v[i].values, " (the truth)", out);
}

static tn_code decode(tn_job *j, const tn_data *d, const tn_feed *values, int n, int n_in, char **answer,
                      tn_error *err)
{
    const tn_client *c = j->experiment.experiment->client;
    tn_buf out = {0};
    enum { SIZE = 1 << 16 };
    if (c && c->decode) {
        if (tn_buf_reserve(&out, SIZE)) {
            out.data[0] = 0;
            c->decode(j->asker->client_state, tn_job_settings(j), values, n, out.data, SIZE);
            out.data[SIZE - 1] = 0;
            out.n = strlen(out.data);
        }
    } else {
        plain_answer(values, n, n_in, d, &out);
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
    if (sig->n_in > TN_MAX_COLUMNS || sig->n_out > TN_MAX_COLUMNS)
        return tn_fail(err, TN_UNIMPLEMENTED, "too many values");
    for (int i = 0; i < sig->n_in; i++) {
        const tn_tensor *t = tn_data_column(d, sig->in[i].key);
        if (!t) return tn_fail(err, TN_INVALID_ARGUMENT, "the client gave no '%s'", sig->in[i].key);
        feeds[i] = (tn_feed){sig->in[i].name, t};
        values[i] = (tn_feed){sig->in[i].key, t};
    }
    for (int i = 0; i < sig->n_out; i++) fetches[i] = sig->out[i].name;
    TN_TRY(tn_session_run(j->asker->session, feeds, sig->n_in, fetches, sig->n_out, out, NULL, 0, err));
    for (int i = 0; i < sig->n_out; i++) values[sig->n_in + i] = (tn_feed){sig->out[i].key, out[i]};
    tn_code code = decode(j, d, values, sig->n_in + sig->n_out, sig->n_in, answer, err);
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
