/* SPDX-License-Identifier: Apache-2.0
 *
 * health.c - grpc.health.v1.Health: whether the server serves, asked once or watched.
 *
 * Invariants: a watcher is in the list from its first message until it is answered; who takes it out answers it. The
 * list's lock is held while watchers are told, so that none of them ends meanwhile.
 */
#include "grpc_api.h"

enum { UNKNOWN_SERVICE = 3, SERVING = 1, NOT_SERVING = 2 };

typedef struct watcher { /* in its call's arena */
    struct watcher *next;
    tn_grpc_call *call;
    bool is_known; /* the service it watches */
} watcher;

struct tn_watchers {
    pthread_mutex_t lock;
    watcher *first;
};

/* Those that TensorFlow Serving has, and by their whole names. */
static const char *const services[] = {
    "", "ModelService", "PredictionService", "tensorflow.serving.ModelService", "tensorflow.serving.PredictionService",
};

static bool is_known(tn_view service)
{
    for (size_t i = 0; i < TN_COUNT(services); i++)
        if (tn_view_is(service, services[i])) return true;
    return false;
}

static int32_t status_of(tn_service *s)
{
    return atomic_load(&s->not_serving) ? NOT_SERVING : SERVING;
}

/* ==== asked once ==== */

tn_code tn_health_check(tn_turn *t, const tn_HealthCheckRequest *in, tn_HealthCheckResponse **out, tn_error *err)
{
    if (!is_known(in->service)) return tn_fail(err, TN_NOT_FOUND, "service name unknown");
    tn_HealthCheckResponse *r = TN_NEW(t->arena, tn_HealthCheckResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    r->status = status_of(t->service);
    *out = r;
    return TN_OK;
}

tn_code tn_health_list(tn_turn *t, const tn_HealthListRequest *in, tn_HealthListResponse **out, tn_error *err)
{
    (void)in;
    tn_HealthListResponse *r = TN_NEW(t->arena, tn_HealthListResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    for (size_t i = 0; i < TN_COUNT(services); i++) {
        tn_HealthCheckResponseEntry *e = TN_PUSH(t->arena, &r->statuses);
        if (!e || !(e->value = TN_NEW(t->arena, tn_HealthCheckResponse))) return tn_no_memory(err, sizeof *e);
        e->key = tn_view_of(services[i]);
        e->value->status = status_of(t->service);
    }
    *out = r;
    return TN_OK;
}

/* ==== watched ==== */

tn_code tn_watchers_new(tn_watchers **out, tn_error *err)
{
    tn_watchers *w = tn_calloc(1, sizeof *w);
    if (!w) return tn_no_memory(err, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    *out = w;
    return TN_OK;
}

void tn_watchers_free(tn_watchers *w)
{
    if (!w) return;
    pthread_mutex_destroy(&w->lock);
    tn_free(w);
}

static tn_code tell(tn_grpc_call *call, int32_t status)
{
    tn_buf body = {0};
    tn_HealthCheckResponse r = {.status = status};
    tn_code code = TN_ENCODE(HealthCheckResponse, &r, &body, NULL);
    if (code == TN_OK) code = tn_grpc_send(call, &body, NULL);
    tn_buf_free(&body);
    return code;
}

static void say_goodbye(tn_grpc_call *call, bool is_known_service)
{
    if (is_known_service) tell(call, NOT_SERVING);
    tn_grpc_reply(call, TN_UNAVAILABLE, "the server is shutting down", NULL);
}

/* Called with the lock held. */
static watcher **place_of(tn_watchers *w, const tn_grpc_call *call)
{
    watcher **at = &w->first;
    while (*at && (*at)->call != call) at = &(*at)->next;
    return at;
}

/* The first message: the status now; more follow when it changes. Sent without the lock, since sending may end other
 * calls of the connection, which come here. */
static void watch(tn_service *s, tn_grpc_call *call)
{
    tn_HealthCheckRequest *in;
    tn_error err;
    watcher *mine = TN_NEW(tn_grpc_arena(call), watcher);
    tn_code code = mine ? TN_OK : tn_no_memory(&err, sizeof *mine);
    if (code == TN_OK) code = TN_DECODE(HealthCheckRequest, tn_grpc_message(call), tn_grpc_arena(call), &in, &err);
    if (code != TN_OK) {
        tn_grpc_reply(call, code == TN_DATA_LOSS ? TN_INTERNAL : code, err.message, NULL);
        return;
    }
    *mine = (watcher){.call = call, .is_known = is_known(in->service)};
    tell(call, mine->is_known ? status_of(s) : UNKNOWN_SERVICE);
    pthread_mutex_lock(&s->watchers->lock);
    bool ends = atomic_load(&s->not_serving) != 0;
    if (!ends) {
        mine->next = s->watchers->first;
        s->watchers->first = mine;
        tn_grpc_keep_open(call);
    }
    pthread_mutex_unlock(&s->watchers->lock);
    if (ends) say_goodbye(call, mine->is_known);
}

void tn_health_watch(tn_service *s, tn_grpc_call *call)
{
    bool gone = atomic_load(tn_grpc_cancelled(call)) != 0;
    pthread_mutex_lock(&s->watchers->lock);
    watcher **at = place_of(s->watchers, call);
    bool is_new = !*at && !tn_grpc_is_answered(call), leaves = *at && gone;
    if (leaves) *at = (*at)->next;
    else if (*at) tn_grpc_keep_open(call);
    pthread_mutex_unlock(&s->watchers->lock);
    if (leaves) tn_grpc_reply(call, TN_CANCELLED, "", NULL);
    else if (is_new && tn_grpc_message(call).p) watch(s, call);
    else if (is_new) tn_grpc_reply(call, TN_INTERNAL, "a request is missing", NULL);
}

void tn_service_drain(tn_service *s)
{
    atomic_store(&s->not_serving, 1);
    if (!s->watchers) return;
    pthread_mutex_lock(&s->watchers->lock);
    while (s->watchers->first) {
        watcher *w = s->watchers->first;
        s->watchers->first = w->next;
        say_goodbye(w->call, w->is_known);
    }
    pthread_mutex_unlock(&s->watchers->lock);
}
