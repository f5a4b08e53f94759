/* SPDX-License-Identifier: Apache-2.0
 *
 * rest.c - the HTTP side: TensorFlow Serving's REST API, its metrics page, and (not under its name) lists of
 * models, probes, bodies that are no JSON, and bearer tokens.
 *
 * A request is answered in the thread that received it while that is short; a large body is read, and what
 * computes for longer is run, in the pool.
 *
 * Invariant: every request is answered exactly once, after its turn has ended.
 */
#include "rest.h"

#include "rest_text.h"

enum { LARGE_BODY = 512 << 10 };

#define JSON_TYPE "application/json"
#define HTML_TYPE "text/html"

static int http_status(tn_code code)
{
    switch (code) {
    case TN_OK: return 200;
    case TN_INVALID_ARGUMENT:
    case TN_FAILED_PRECONDITION:
    case TN_OUT_OF_RANGE: return 400;
    case TN_UNAUTHENTICATED: return 401;
    case TN_PERMISSION_DENIED: return 403;
    case TN_NOT_FOUND: return 404;
    case TN_ALREADY_EXISTS:
    case TN_ABORTED: return 409;
    case TN_RESOURCE_EXHAUSTED: return 429;
    case TN_CANCELLED: return 499;
    case TN_UNIMPLEMENTED: return 501;
    case TN_UNAVAILABLE: return 503;
    case TN_DEADLINE_EXCEEDED: return 504;
    default: return 500;
    }
}

/* ==== answers ==== */

static void put_cors(const tn_rest *rest, tn_http_request *r)
{
    if (!rest->options.cors) return;
    tn_http_reply_header(r, "Access-Control-Allow-Origin", "*");
    tn_http_reply_header(r, "Access-Control-Allow-Methods", "POST, GET");
    tn_http_reply_header(r, "Access-Control-Allow-Headers", "Content-Type");
}

static void reply(const tn_rest *rest, tn_http_request *r, tn_code code, const char *message,
                  const char *type, tn_buf *body)
{
    if (code != TN_OK) {
        tn_buf_free(body);
        *body = (tn_buf){0};
        tn_rest_put_error(message, body);
    }
    if (code == TN_UNAUTHENTICATED) tn_http_reply_header(r, "WWW-Authenticate", "Bearer");
    put_cors(rest, r);
    tn_http_reply(r, http_status(code), code == TN_OK ? type : JSON_TYPE, body);
}

static void reply_text(tn_http_request *r, int status, const char *type, const char *text)
{
    tn_buf body = {0};
    tn_buf_str(&body, text);
    tn_http_reply(r, status, type, &body);
}

/* The turn ends, then the request does. */
static void answer(tn_rest_trip *t, tn_code code, const char *message, tn_buf *body)
{
    char kept[sizeof((tn_error *)0)->message]; /* it may be a piece of what ends with the turn */
    const char *type = t->content_type ? t->content_type : JSON_TYPE;
    if (code == TN_OK && body->failed) {
        code = body->failed;
        message = "out of memory";
    }
    snprintf(kept, sizeof kept, "%s", code == TN_OK ? "" : message);
    t->turn.facts.bytes_out = code == TN_OK ? (int64_t)body->n : 0;
    tn_rest_inputs_drop(&t->in); /* whose signature is the servable's, which the turn gives back */
    tn_turn_end(&t->turn, code, kept);
    reply(t->rest, t->r, code, kept, type, body);
}

/* ==== questions to models ==== */

static void asked(tn_ask *a, tn_code code, tn_error *err)
{
    tn_rest_trip *t = a->payload;
    tn_buf body = {0};
    int64_t before = tn_now_us();
    if (code == TN_OK) code = tn_rest_finish(t, &body, err);
    t->turn.facts.encode_us = tn_now_us() - before;
    if (code == TN_OK) tn_rest_log(t, &body);
    answer(t, code, err->message, &body);
}

static void ask(tn_rest_trip *t)
{
    tn_error err = {0};
    tn_buf none = {0};
    int64_t before = tn_now_us();
    tn_code code = tn_rest_begin(t, &err);
    t->turn.facts.decode_us = tn_now_us() - before;
    if (code != TN_OK) {
        answer(t, code, err.message, &none);
        return;
    }
    t->turn.ask.done = asked;
    t->turn.ask.payload = t;
    tn_ask_start(&t->turn.ask, t->turn.service->pool);
}

static void ask_in_pool(tn_task *task)
{
    ask((tn_rest_trip *)((char *)task - offsetof(tn_rest_trip, task)));
}

/* ==== questions about models ==== */

static tn_code tell_status(tn_rest_trip *t, tn_buf *body, tn_error *err)
{
    const tn_GetModelStatusRequest in = {.model_spec = &t->spec};
    tn_GetModelStatusResponse *out;
    t->turn.facts.api = TN_API_STATUS;
    if (t->path.model.n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Missing model name in request.");
    TN_TRY(tn_status_request(&t->turn, &in, &out, err));
    return tn_rest_write_status(out, body, err);
}

static tn_code tell_metadata(tn_rest_trip *t, tn_buf *body, tn_error *err)
{
    tn_view field = TN_VIEW("signature_def");
    const tn_GetModelMetadataRequest in = {.model_spec = &t->spec, .metadata_field = {&field, 1, 0}};
    tn_GetModelMetadataResponse *out;
    t->turn.facts.api = TN_API_METADATA;
    if (t->path.model.n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Missing model name in request.");
    TN_TRY(tn_metadata_request(&t->turn, &in, &out, err));
    return tn_rest_write_metadata(out, t->turn.arena, body, err);
}

static void put_model(tn_rest_writer *w, const tn_model_status *m)
{
    char number[24];
    tn_rest_open(w, '{');
    tn_rest_key(w, TN_VIEW("name"));
    tn_rest_string(w, tn_view_of(m->model));
    tn_rest_key(w, TN_VIEW("versions"));
    tn_rest_open(w, '[');
    for (int i = 0; i < m->n_versions; i++) {
        const tn_version_status *v = &m->versions[i];
        const char *state = tn_proto_value_name(&tn_proto_enum_ModelVersionStatus_State, v->state);
        tn_rest_open(w, '{');
        tn_rest_key(w, TN_VIEW("version"));
        tn_rest_raw(w, number, (size_t)snprintf(number, sizeof number, "\"%lld\"", (long long)v->version));
        tn_rest_key(w, TN_VIEW("state"));
        tn_rest_string(w, tn_view_of(state ? state : "UNKNOWN"));
        tn_rest_key(w, TN_VIEW("bytes"));
        tn_rest_raw(w, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)v->bytes));
        if (v->code != TN_OK) {
            tn_rest_key(w, TN_VIEW("error"));
            tn_rest_string(w, tn_view_of(v->message ? v->message : ""));
        }
        tn_rest_close(w);
    }
    tn_rest_close(w);
    tn_rest_key(w, TN_VIEW("labels"));
    tn_rest_open(w, '{');
    for (int i = 0; i < m->n_labels; i++) {
        tn_rest_key(w, tn_view_of(m->labels[i].label));
        tn_rest_raw(w, number,
                    (size_t)snprintf(number, sizeof number, "\"%lld\"", (long long)m->labels[i].version));
    }
    tn_rest_close(w);
    tn_rest_close(w);
}

/* All models that the token is for. */
static tn_code tell_models(tn_rest_trip *t, tn_buf *body, tn_error *err)
{
    const tn_tokens *tokens = t->turn.service->tokens;
    const char *authorization = tn_http_header(t->r, "Authorization");
    tn_rest_writer w = {.out = body};
    tn_model_status *m = NULL;
    int n = 0;
    t->turn.facts.api = TN_API_STATUS;
    TN_TRY(tn_manager_status(t->turn.service->manager, NULL, t->turn.arena, &m, &n, err));
    tn_rest_open(&w, '{');
    tn_rest_key(&w, TN_VIEW("models"));
    tn_rest_open(&w, '[');
    for (int i = 0; i < n; i++)
        if (!tokens || tn_tokens_check(tokens, authorization, tn_view_of(m[i].model), NULL) == TN_OK)
            put_model(&w, &m[i]);
    tn_rest_close(&w);
    tn_rest_close(&w);
    return tn_buf_check(body, err);
}

/* ==== requests of the API ==== */

static bool is_list(const tn_rest_trip *t)
{
    return t->path.kind == TN_REST_STATUS && t->path.model.n == 0 && !t->turn.service->strictly_tensorflow;
}

/* A token for a model must be for it; one that asks for the list, be known. */
static tn_code check_token(const tn_rest_trip *t, tn_error *err)
{
    const tn_tokens *tokens = t->turn.service->tokens;
    const char *authorization = tn_http_header(t->r, "Authorization");
    if (!tokens) return TN_OK;
    tn_code code = tn_tokens_check(tokens, authorization, t->path.model, err);
    return code == TN_PERMISSION_DENIED && is_list(t) ? TN_OK : code;
}

static void fill_spec(tn_rest_trip *t, tn_Int64Value *version)
{
    t->spec.name = t->path.model;
    if (t->path.has_version) {
        version->value = t->path.version;
        TN_SET(&t->spec, ModelSpec, version_choice, version) = version;
    } else if (t->path.label.n) {
        TN_SET(&t->spec, ModelSpec, version_choice, version_label) = t->path.label;
    }
}

static tn_code parse(tn_rest_trip *t, tn_error *err)
{
    tn_arena *a = t->turn.arena;
    const char *path = tn_http_path(t->r), *query = tn_http_query(t->r);
    tn_Int64Value *version = TN_NEW(a, tn_Int64Value);
    if (*query && t->turn.service->strictly_tensorflow) path = tn_arena_printf(a, "%s?%s", path, query);
    if (!version || !path) return tn_no_memory(err, 0);
    TN_TRY(tn_rest_path_parse(tn_http_method(t->r), path, a, &t->path, err));
    t->turn.facts.model = tn_arena_strndup(a, t->path.model.p ? t->path.model.p : "", t->path.model.n);
    if (!t->turn.facts.model) return tn_no_memory(err, 0);
    fill_spec(t, version);
    return check_token(t, err);
}

static tn_rest_trip *new_trip(const tn_rest *rest, tn_http_request *r)
{
    tn_rest_trip *t = TN_NEW(tn_http_arena(r), tn_rest_trip);
    if (!t) return NULL;
    t->rest = rest;
    t->r = r;
    t->turn = (tn_turn){.service = rest->service, .arena = tn_http_arena(r), .cancel = tn_http_cancelled(r)};
    if (rest->options.timeout > 0)
        t->turn.deadline = tn_http_received(r) + (int64_t)(rest->options.timeout * 1e6);
    t->turn.facts = (tn_request_facts){.api = TN_API_OTHER,
                                       .rest = true,
                                       .model = "",
                                       .signature = "",
                                       .peer = tn_http_peer(r),
                                       .path = tn_http_path(r),
                                       .received = tn_http_received(r),
                                       .bytes_in = (int64_t)tn_http_body(r).n};
    return t;
}

/* What a model computes, at once or in the pool. */
static void ask_somewhere(tn_rest_trip *t)
{
    static const tn_api apis[] = {[TN_REST_PREDICT] = TN_API_PREDICT,
                                  [TN_REST_CLASSIFY] = TN_API_CLASSIFY,
                                  [TN_REST_REGRESS] = TN_API_REGRESS};
    t->turn.facts.api = apis[t->path.kind];
    t->task.run = ask_in_pool;
    if (tn_http_body(t->r).n < LARGE_BODY || !t->turn.service->pool ||
        !tn_pool_add(t->turn.service->pool, &t->task))
        ask(t);
}

static void serve_api(const tn_rest *rest, tn_http_request *r)
{
    tn_rest_trip *t = new_trip(rest, r);
    tn_error err = {0};
    tn_buf body = {0};
    if (!t) {
        reply(rest, r, TN_RESOURCE_EXHAUSTED, "out of memory", JSON_TYPE, &body);
        return;
    }
    tn_code code = parse(t, &err);
    if (code == TN_OK && t->path.kind >= TN_REST_PREDICT) {
        ask_somewhere(t);
        return;
    }
    if (code == TN_OK)
        code = (is_list(t)                         ? tell_models
                : t->path.kind == TN_REST_METADATA ? tell_metadata
                                                   : tell_status)(t, &body, &err);
    answer(t, code, err.message, &body);
}

/* A browser asks whether it may. */
static void serve_options(const tn_rest *rest, tn_http_request *r)
{
    const char *origin = tn_http_header(r, "Origin");
    bool good = origin && (strstr(origin, "http://") || strstr(origin, "https://"));
    put_cors(rest, r);
    tn_http_reply(r, good ? 200 : 400, NULL, NULL);
}

/* ==== what is no API ==== */

static void serve_metrics(const tn_rest *rest, tn_http_request *r)
{
    const char *query = tn_http_query(r);
    tn_buf page = {0};
    tn_error err = {0};
    if (rest->service->tokens) {
        tn_code code = tn_tokens_check(rest->service->tokens, tn_http_header(r, "Authorization"), (tn_view){NULL, 0},
                                       &err);
        if (code != TN_OK) {
            reply(rest, r, code, err.message, JSON_TYPE, &page);
            return;
        }
    }
    if (*query && rest->service->strictly_tensorflow) {
        tn_buf_printf(&page, "Unexpected path: %s?%s. Should be %s", tn_http_path(r), query,
                      rest->options.prometheus_path);
        tn_http_reply(r, 400, "text/plain", &page);
        return;
    }
    tn_code code = tn_metrics_prometheus(rest->service->metrics, &page, &err);
    tn_http_reply(r, http_status(code), "text/plain", &page);
}

static bool serve_probe(const tn_service *s, tn_http_request *r)
{
    const char *path = tn_http_path(r);
    bool live = strcmp(path, "/healthz") == 0, ready = strcmp(path, "/readyz") == 0;
    if (s->strictly_tensorflow || (!live && !ready)) return false;
    if (live || (tn_manager_is_ready(s->manager) && !atomic_load(&s->not_serving)))
        reply_text(r, 200, "text/plain", "ok\n");
    else
        reply_text(r, 503, "text/plain", "not ready\n");
    return true;
}

/* As libevent, which TensorFlow Serving has its HTTP from, says it. */
static void reply_page(tn_http_request *r, int status, const char *reason)
{
    tn_buf page = {0};
    tn_buf_printf(&page, "<HTML><HEAD>\n<TITLE>%d %s</TITLE>\n</HEAD><BODY>\n<H1>%s</H1>\n</BODY></HTML>\n", status,
                  reason, reason);
    tn_http_reply(r, status, HTML_TYPE, &page);
}

/* Has a URI's characters only, with two digits behind each "%". */
static bool is_uri(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        bool plain = letter || (c >= '0' && c <= '9') || strchr("-._~!$&'()*+,;=:@/?#", c);
        if (!plain && !(c == '%' && strspn(s + 1, "0123456789abcdefABCDEF") >= 2)) return false;
    }
    return true;
}

/* What libevent refuses before anybody sees it. */
static bool refuse_early(tn_http_request *r)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"};
    bool known = false, good = is_uri(tn_http_path(r)) && is_uri(tn_http_query(r));
    for (size_t i = 0; i < TN_COUNT(methods); i++) known |= strcmp(tn_http_method(r), methods[i]) == 0;
    if (!known) reply_page(r, 501, "Not Implemented");
    else if (!good) reply_page(r, 400, "Bad Request");
    return !known || !good;
}

void tn_rest_api(void *rest, tn_http_request *r)
{
    const tn_rest *s = rest;
    const char *path = tn_http_path(r);
    if (s->service->strictly_tensorflow && refuse_early(r)) return;
    if (s->options.prometheus_path && strcmp(path, s->options.prometheus_path) == 0)
        serve_metrics(s, r);
    else if (tn_rest_is_api(path) && strcmp(tn_http_method(r), "OPTIONS") == 0)
        serve_options(s, r);
    else if (tn_rest_is_api(path))
        serve_api(s, r);
    else if (!serve_probe(s->service, r))
        reply_page(r, 404, "Not Found");
}
