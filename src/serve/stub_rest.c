/* SPDX-License-Identifier: Apache-2.0
 *
 * stub_rest.c - a client of a model server over REST: questions and answers as JSON in columnar form.
 *
 * JSON does not tell dtypes: an answer is read by the signature that the server describes, which is asked for once
 * for each model and again when an answer does not fit it any more (another version is served).
 */
#include "stub.h"

#include "rest.h"

#include <ctype.h>

/* ==== exchanges ==== */

/* A connection that is idle, or a new one. */
static tn_code take_client(tn_stub *c, double seconds, tn_http_client **out, tn_error *err)
{
    pthread_mutex_lock(&c->lock);
    tn_http_client *h = c->n_idle ? c->idle[--c->n_idle] : NULL;
    pthread_mutex_unlock(&c->lock);
    if (!h) TN_TRY(tn_http_client_new(&c->http, &h, err));
    tn_http_client_limit(h, seconds);
    *out = h;
    return TN_OK;
}

static void give_client(tn_stub *c, tn_http_client *h)
{
    pthread_mutex_lock(&c->lock);
    bool room = c->n_idle < (int)TN_COUNT(c->idle);
    if (room) c->idle[c->n_idle++] = h;
    pthread_mutex_unlock(&c->lock);
    if (!room) tn_http_client_free(h);
}

static const struct {
    int status;
    tn_code code;
} codes[] = {
    {400, TN_INVALID_ARGUMENT},   {401, TN_UNAUTHENTICATED}, {403, TN_PERMISSION_DENIED}, {404, TN_NOT_FOUND},
    {409, TN_ABORTED},            {429, TN_RESOURCE_EXHAUSTED}, {499, TN_CANCELLED},      {501, TN_UNIMPLEMENTED},
    {500, TN_INTERNAL},           {503, TN_UNAVAILABLE},     {504, TN_DEADLINE_EXCEEDED}, {413, TN_RESOURCE_EXHAUSTED},
};

/* The server's words: {"error": "..."}, or a page of somebody in between. */
static tn_code refused(int status, const tn_buf *body, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_json *j;
    tn_code code = TN_UNKNOWN;
    tn_view text = {body->n ? body->data : "", body->n};
    for (size_t i = 0; i < TN_COUNT(codes); i++)
        if (codes[i].status == status) code = codes[i].code;
    const tn_json *said = a && tn_json_parse(text, a, &j, NULL) == TN_OK ? tn_json_find(j, "error") : NULL;
    if (said && said->kind == TN_JSON_STRING)
        tn_fail(err, code, "%.*s", (int)TN_MIN(said->text.n, 4096), said->text.p);
    else
        tn_fail(err, code, "HTTP status %d: %.*s", status, (int)TN_MIN(text.n, 200), text.p);
    tn_arena_free(a);
    return code;
}

static void add_escaped(tn_buf *b, const char *s)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
            tn_buf_char(b, *s);
        else
            tn_buf_printf(b, "%%%02X", (unsigned char)*s);
}

/* "http://HOST:PORT/v1/models/NAME/versions/3" + end */
static char *address(const tn_stub *c, const tn_question *q, const char *end)
{
    tn_buf b = {0};
    tn_buf_printf(&b, "%s/v1/models/", c->url);
    add_escaped(&b, q->model ? q->model : "");
    if (q->version > 0)
        tn_buf_printf(&b, "/versions/%lld", (long long)q->version);
    else if (q->label)
        tn_buf_str(&b, "/labels/"), add_escaped(&b, q->label);
    tn_buf_str(&b, end);
    return tn_buf_take(&b, NULL);
}

/* body: NULL for GET. */
static tn_code exchange(tn_stub *c, const tn_question *q, const char *end, const tn_buf *body, tn_buf *answer,
                        tn_error *err)
{
    static const char *const json[] = {"Content-Type: application/json", NULL};
    int status;
    tn_http_client *h;
    char *url = address(c, q, end);
    if (!url) return tn_no_memory(err, 0);
    tn_code code = take_client(c, q->seconds, &h, err);
    if (code == TN_OK) {
        tn_view bytes = {body ? body->data : "", body ? body->n : 0};
        code = tn_http_exchange(h, body ? "POST" : "GET", url, body ? json : NULL, bytes, &status, answer, err);
        if (code == TN_OK)
            give_client(c, h);
        else
            tn_http_client_free(h);
    }
    tn_free(url);
    if (code == TN_OK && status != 200) code = refused(status, answer, err);
    return code;
}

/* ==== signatures ==== */

static tn_code bad_metadata(const char *what, tn_error *err)
{
    return tn_fail(err, TN_INTERNAL, "the server's metadata: %s", what);
}

/* 64-bit integers are strings in protobuf's JSON. */
static bool whole_number(const tn_json *j, int64_t *out)
{
    if (!j) return false;
    if (j->kind == TN_JSON_STRING) return tn_parse_int(j->text, out);
    *out = j->integer;
    return j->kind == TN_JSON_NUMBER && j->is_int;
}

static tn_code read_shape(const tn_json *j, tn_shape *out, tn_error *err)
{
    const tn_json *unknown = tn_json_find(j, "unknown_rank"), *dim = tn_json_find(j, "dim");
    *out = (tn_shape){.rank = 0};
    if (!j || (unknown && unknown->boolean)) {
        out->rank = -1;
        return TN_OK;
    }
    for (const tn_json *d = dim ? dim->child : NULL; d; d = d->next) {
        if (out->rank == TN_MAX_RANK) return bad_metadata("a shape has too many dimensions", err);
        if (!whole_number(tn_json_find(d, "size"), &out->dim[out->rank++]))
            return bad_metadata("a dimension has no size", err);
    }
    return TN_OK;
}

static tn_code read_value(const tn_json *j, tn_arena *a, tn_loaded_value *v, tn_error *err)
{
    const tn_json *type = tn_json_find(j, "dtype"), *name = tn_json_find(j, "name");
    int32_t number;
    v->key = tn_arena_strndup(a, j->key.p, j->key.n);
    bool named = name && name->kind == TN_JSON_STRING;
    if (named) v->name = tn_arena_strndup(a, name->text.p, name->text.n);
    if (!v->key || (named && !v->name)) return tn_no_memory(err, j->key.n);
    if (!type || type->kind != TN_JSON_STRING ||
        !tn_proto_value_named(&tn_proto_enum_DataType, type->text, &number))
        return bad_metadata("a value has no dtype", err);
    v->dtype = (tn_dtype)number;
    return read_shape(tn_json_find(j, "tensor_shape"), &v->shape, err);
}

static tn_code read_values(const tn_json *j, tn_arena *a, const tn_loaded_value **out, int *n, tn_error *err)
{
    int count = 0;
    for (const tn_json *m = j ? j->child : NULL; m; m = m->next) count++;
    tn_loaded_value *v = TN_ARRAY(a, count + 1, tn_loaded_value);
    if (!v) return tn_no_memory(err, 0);
    *out = v;
    *n = count;
    for (const tn_json *m = j ? j->child : NULL; m; m = m->next) TN_TRY(read_value(m, a, v++, err));
    return TN_OK;
}

static tn_code no_such_signature(const char *name, const tn_json *all, tn_error *err)
{
    tn_code code = tn_no_signature(name, err);
    int n = 0;
    for (const tn_json *m = all->child; m && n++ < TN_SIGNATURES_NAMED; m = m->next)
        tn_note(err, "%.*s", (int)m->key.n, m->key.p);
    return code;
}

static tn_code read_metadata(const tn_json *j, const char *name, tn_arena *a, tn_described_signature *out,
                             tn_error *err)
{
    const tn_json *all = tn_json_find(tn_json_find(tn_json_find(j, "metadata"), "signature_def"), "signature_def");
    if (!all || all->kind != TN_JSON_OBJECT) return bad_metadata("it has no signature_def", err);
    const tn_json *s = tn_json_find(all, name);
    if (!s) return no_such_signature(name, all, err);
    const tn_json *method = tn_json_find(s, "method_name");
    tn_loaded_signature *to = &out->signature;
    to->name = tn_arena_strdup(a, name);
    to->method = method && method->kind == TN_JSON_STRING ? tn_arena_strndup(a, method->text.p, method->text.n) : "";
    if (!to->name || !to->method) return tn_no_memory(err, 0);
    whole_number(tn_json_find(tn_json_find(j, "model_spec"), "version"), &out->version);
    TN_TRY(read_values(tn_json_find(s, "inputs"), a, &to->in, &to->n_in, err));
    return read_values(tn_json_find(s, "outputs"), a, &to->out, &to->n_out, err);
}

tn_code tn_rest_describe(tn_stub *c, const tn_question *q, const char *name, tn_arena *a,
                         tn_described_signature *out, tn_error *err)
{
    tn_buf answer = {0};
    tn_json *j;
    tn_code code = exchange(c, q, "/metadata", NULL, &answer, err);
    if (code == TN_OK) code = tn_json_parse((tn_view){answer.n ? answer.data : "", answer.n}, a, &j, err);
    if (code == TN_OK) code = read_metadata(j, name, a, out, err);
    tn_buf_free(&answer);
    return code;
}

/* ==== what is known of signatures ==== */

static char *key_of(const tn_question *q, const char *name)
{
    tn_buf b = {0};
    tn_buf_printf(&b, "%s\n%lld\n%s\n%s", q->model ? q->model : "", (long long)q->version, q->label ? q->label : "",
                  name);
    return tn_buf_take(&b, NULL);
}

void tn_known_drop(tn_known *k)
{
    if (!k || atomic_fetch_sub(&k->refs, 1) != 1) return;
    tn_described_signature_free(&k->described);
    tn_free(k->key);
    tn_free(k);
}

static tn_known *find_known(tn_stub *c, const char *key)
{
    pthread_mutex_lock(&c->lock);
    tn_known *k = c->known && strcmp(c->known->key, key) == 0 ? c->known : NULL;
    if (k) atomic_fetch_add(&k->refs, 1);
    pthread_mutex_unlock(&c->lock);
    return k;
}

static tn_code ask_known(tn_stub *c, const tn_question *q, const char *key, tn_known **out, tn_error *err)
{
    tn_known *k = tn_calloc(1, sizeof *k);
    if (!k || !(k->key = tn_strdup(key))) {
        tn_free(k);
        return tn_no_memory(err, sizeof *k);
    }
    atomic_init(&k->refs, 1);
    tn_code code = tn_stub_describe(c, q, &k->described, err);
    if (code != TN_OK) {
        tn_known_drop(k);
        return code;
    }
    atomic_fetch_add(&k->refs, 1);
    pthread_mutex_lock(&c->lock);
    tn_known *before = c->known;
    c->known = k;
    pthread_mutex_unlock(&c->lock);
    tn_known_drop(before);
    *out = k;
    return TN_OK;
}

/* ==== questions ==== */

static const char *signature_of(const tn_question *q)
{
    return q->signature && *q->signature ? q->signature : TN_DEFAULT_SIGNATURE;
}

static tn_code find_outputs(void *payload, tn_view name, const tn_loaded_signature **out, tn_error *err)
{
    (void)name, (void)err;
    *out = payload;
    return TN_OK;
}

static bool is_wanted(const tn_question *q, const char *name)
{
    bool found = q->n_outputs == 0;
    for (int i = 0; i < q->n_outputs && !found; i++) found = strcmp(q->outputs[i], name) == 0;
    return found;
}

static tn_code check_wanted(const tn_question *q, const tn_loaded_signature *s, tn_error *err)
{
    for (int i = 0; i < q->n_outputs; i++) {
        bool found = false;
        for (int k = 0; k < s->n_out && !found; k++) found = strcmp(q->outputs[i], s->out[k].key) == 0;
        if (!found)
            return tn_fail(err, TN_INVALID_ARGUMENT, "signature '%s' has no output '%s'", s->name, q->outputs[i]);
    }
    return TN_OK;
}

/* Those wanted, ascending by name as the signature may not be. */
static tn_code pick(const tn_question *q, tn_rest_inputs *read, tn_answer *out, tn_error *err)
{
    const tn_loaded_signature *s = read->signature;
    TN_TRY(tn_answer_new(s->n_in, out, err));
    tn_answer_memory *m = out->memory;
    const char **names = (const char **)(uintptr_t)out->names;
    out->n = 0;
    for (int i = 0; i < s->n_in; i++) {
        if (!is_wanted(q, s->in[i].key)) continue;
        char *name = tn_arena_strdup(m->arena, s->in[i].key);
        if (!name) return tn_no_memory(err, 0);
        int at = out->n++;
        for (; at > 0 && strcmp(names[at - 1], name) > 0; at--) {
            names[at] = names[at - 1];
            m->values[at] = m->values[at - 1];
        }
        names[at] = name;
        m->values[at] = read->in[i];
        read->in[i] = NULL;
    }
    return TN_OK;
}

static tn_code read_answer(const tn_question *q, const tn_buf *json, const tn_known *k, tn_answer *out, tn_error *err)
{
    const tn_loaded_signature *s = &k->described.signature;
    tn_loaded_signature outputs = {.name = s->name, .in = s->out, .n_in = s->n_out};
    const tn_rest_reading how = {.find = find_outputs, .payload = &outputs, .more_types = true, .answer = true};
    tn_rest_inputs read = {0};
    tn_answer answer = {0};
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? tn_rest_read_predict((tn_view){json->data, json->n}, &how, a, &read, err)
                     : tn_no_memory(err, 0);
    if (code != TN_OK) tn_wrap(err, "the server's answer");
    if (code == TN_OK) code = pick(q, &read, &answer, err);
    if (read.in) tn_rest_inputs_drop(&read);
    tn_arena_free(a);
    if (code == TN_OK)
        *out = answer;
    else
        tn_answer_free(&answer);
    return code;
}

/* Fresh knowledge is asked for where the old does not fit the answer. */
static tn_code understand(tn_stub *c, const tn_question *q, const char *key, tn_known *k, bool fresh,
                          const tn_buf *json, tn_answer *out, tn_error *err)
{
    tn_known *newer;
    tn_code code = read_answer(q, json, k, out, err);
    if (code == TN_OK || fresh || ask_known(c, q, key, &newer, NULL) != TN_OK) return code;
    code = read_answer(q, json, newer, out, err);
    tn_known_drop(newer);
    return code;
}

static tn_code ask(tn_stub *c, const tn_question *q, const char *key, tn_answer *out, tn_error *err)
{
    tn_buf request = {0}, answer = {0};
    tn_known *k = find_known(c, key);
    bool fresh = !k;
    if (!k) TN_TRY(ask_known(c, q, key, &k, err));
    tn_code code = check_wanted(q, &k->described.signature, err);
    if (code == TN_OK) code = tn_rest_write_request(signature_of(q), q->inputs, q->n_inputs, &request, err);
    if (code == TN_OK) code = exchange(c, q, ":predict", &request, &answer, err);
    if (code == TN_OK) code = understand(c, q, key, k, fresh, &answer, out, err);
    tn_known_drop(k);
    tn_buf_free(&request);
    tn_buf_free(&answer);
    return code;
}

tn_code tn_rest_predict(tn_stub *c, const tn_question *q, tn_answer *out, tn_error *err)
{
    char *key = key_of(q, signature_of(q));
    if (!key) return tn_no_memory(err, 0);
    tn_code code = ask(c, q, key, out, err);
    tn_free(key);
    return code;
}
