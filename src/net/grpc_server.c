/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_server.c - the gRPC server's workers and listeners, its beginning and its end.
 *
 * The first worker's loop accepts connections and gives each to the worker with the fewest. Without a free descriptor,
 * or beyond the limit, a peer is turned away (with the spare descriptor), so that the loop is not woken for it again
 * and again.
 */
#include "grpc_server.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>
#include <fcntl.h>

#define MOST_THREADS 4
#define RESERVE 64        /* descriptors that are not for connections */
#define ACCEPTS 64        /* at once, before others have their turn */
#define COMPLAINT_US 1000000
#define MORE_ADDRESSES 4  /* of one name */
#define REST_US 50000     /* of accepting, when nothing can be done */

typedef struct tn_grpc_listener {
    tn_watch watch;
    tn_grpc_server *server;
    const char *address;
    uint64_t file; /* a UNIX socket's */
    int port;
} listener;

typedef struct arrival { /* a connection on its way to its worker */
    tn_job job;
    tn_grpc_worker *worker;
    int fd;
    char peer[TN_PEER_SIZE];
} arrival;

/* ---- accepting ---- */

static void complain(tn_grpc_server *s, const char *what)
{
    int64_t now = tn_now_us();
    if (now - atomic_load(&s->complained) < COMPLAINT_US) return;
    atomic_store(&s->complained, now);
    tn_logf(s->o.log, TN_WARNING, "gRPC: connections are turned away: %s", what);
}

static int connections(const tn_grpc_server *s)
{
    int sum = 0;
    for (int i = 0; i < s->n_workers; i++) sum += atomic_load_explicit(&s->workers[i].n_conns, memory_order_relaxed);
    return sum;
}

static tn_grpc_worker *least_busy(tn_grpc_server *s)
{
    tn_grpc_worker *best = s->workers;
    for (int i = 1; i < s->n_workers; i++)
        if (atomic_load(&s->workers[i].n_conns) < atomic_load(&best->n_conns)) best = &s->workers[i];
    return best;
}

static void arrive(tn_job *j)
{
    arrival *a = (arrival *)j;
    tn_error err = {.message = "the server ends"};
    bool late = atomic_load(&a->worker->server->ending);
    if (late) close(a->fd);
    if (late || tn_grpc_conn_open(a->worker, a->fd, a->peer, NULL, &err)) {
        atomic_fetch_sub(&a->worker->n_conns, 1);
        complain(a->worker->server, err.message);
        tn_grpc_worker_changed(a->worker);
    }
    tn_free(a);
}

static void hand_over(tn_grpc_server *s, int fd, const struct sockaddr_storage *from)
{
    arrival *a = connections(s) < s->o.max_connections ? tn_malloc(sizeof *a) : NULL;
    if (!a) {
        close(fd);
        complain(s, "there are as many as there may be");
        return;
    }
    *a = (arrival){.job.run = arrive, .worker = least_busy(s), .fd = fd};
    tn_socket_peer(from, a->peer);
    if (from->ss_family != AF_UNIX) tn_socket_prompt(fd);
    atomic_fetch_add(&a->worker->n_conns, 1);
    if (a->worker == s->workers) /* whose loop accepts */
        arrive(&a->job);
    else
        tn_loop_post(a->worker->loop, &a->job);
}

static int spare_descriptor(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listen_for(tn_grpc_server *s, uint32_t events)
{
    for (int i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].watch.fd >= 0) tn_loop_rewatch(s->workers->loop, &s->listeners[i].watch, events);
}

static void accept_again(tn_timer *t)
{
    tn_grpc_server *s = (tn_grpc_server *)((char *)t - offsetof(tn_grpc_server, rest));
    if (s->spare < 0) s->spare = spare_descriptor();
    listen_for(s, EPOLLIN);
}

/* Accepts and closes one connection with the spare descriptor. When another thread was faster and there is none, those
 * who wait have to wait. false: enough for this round. */
static bool turn_away(tn_grpc_server *s, int fd)
{
    complain(s, "no descriptors are left");
    if (s->spare >= 0) close(s->spare);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer >= 0) close(peer);
    s->spare = spare_descriptor();
    if (peer < 0 && tn_timer_set(s->workers->loop, &s->rest, tn_now_us() + REST_US)) listen_for(s, 0);
    return peer >= 0;
}

static void accept_some(tn_watch *w, uint32_t unused)
{
    tn_grpc_server *s = ((listener *)w)->server;
    (void)unused;
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int fd = accept4(w->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over(s, fd, &from);
        else if (errno == EMFILE || errno == ENFILE ? !turn_away(s, w->fd) : errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* ---- workers ---- */

void tn_grpc_worker_changed(tn_grpc_worker *w)
{
    tn_grpc_server *s = w->server;
    if (!atomic_load_explicit(&s->ending, memory_order_relaxed)) return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void sweep(tn_timer *t)
{
    tn_grpc_worker *w = (tn_grpc_worker *)((char *)t - offsetof(tn_grpc_worker, sweep));
    int64_t now = tn_now_us();
    for (tn_grpc_conn *c = w->conns; c; c = c->next) tn_grpc_conn_sweep(c, now);
    if (w->conns) tn_timer_set(w->loop, t, now + w->server->sweep_every);
}

/* No more connections are accepted. In the first worker's thread. */
static void stop_listening(tn_grpc_server *s)
{
    for (int i = 0; i < s->n_listeners; i++) {
        listener *l = &s->listeners[i];
        if (l->watch.fd < 0) continue;
        tn_loop_unwatch(s->workers->loop, &l->watch);
        if (l->address) tn_socket_unlink(l->address, l->file); /* while it is open no other file can have its number */
        close(l->watch.fd);
        l->watch.fd = -1;
    }
}

static void drain_worker(tn_job *j)
{
    tn_grpc_worker *w = (tn_grpc_worker *)((char *)j - offsetof(tn_grpc_worker, drain));
    if (w == w->server->workers) stop_listening(w->server);
    for (tn_grpc_conn *c = w->conns; c; c = c->next) tn_grpc_conn_warn(c);
}

static void cut_worker(tn_job *j)
{
    tn_grpc_worker *w = (tn_grpc_worker *)((char *)j - offsetof(tn_grpc_worker, cut));
    if (w == w->server->workers) stop_listening(w->server);
    for (tn_grpc_conn *c = w->conns; c; c = c->next) tn_h2_break(&c->h2, "the server ends");
}

static tn_code start_worker(tn_grpc_server *s, tn_grpc_worker *w, int i, tn_error *err)
{
    char name[24];
    w->server = s;
    w->sweep.fire = sweep;
    w->drain.run = drain_worker;
    w->cut.run = cut_worker;
    TN_TRY(tn_h2_room_init(&w->room, err));
    TN_TRY(tn_loop_new(&w->loop, err));
    if (i > 0 && s->o.n_listen) { /* the first when its listeners are there */
        snprintf(name, sizeof name, "tn-grpc-%d", i % 1000);
        TN_TRY(tn_loop_start(w->loop, name, err));
    }
    return TN_OK;
}

/* ---- beginning ---- */

static int descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY) return 1 << 20;
    int n = (int)TN_MIN(r.rlim_cur, (rlim_t)1 << 20);
    return n > 2 * RESERVE ? n - RESERVE : TN_MAX(n / 2, 1);
}

static void fill_defaults(tn_grpc_server_options *o)
{
#define DEFAULT(field, value)                                                                                       \
    if (o->field <= 0) o->field = (value)
    DEFAULT(threads, TN_MIN(tn_core_count(), MOST_THREADS));
    if (!o->max_message) o->max_message = INT32_MAX;
    if (!o->max_metadata) o->max_metadata = (size_t)64 << 10;
    if (!o->max_memory) o->max_memory = tn_half_of_memory();
    DEFAULT(max_connections, descriptors());
    DEFAULT(max_streams, 1000);
    DEFAULT(keepalive_time_ms, 7200000);
    DEFAULT(keepalive_timeout_ms, 20000);
    DEFAULT(min_ping_interval_ms, 300000);
#undef DEFAULT
}

/* How often connections are looked at: a second, or less when something is to happen sooner. */
static int64_t sweep_interval(const tn_grpc_server_options *o)
{
    const int64_t spans[] = {o->keepalive_time_ms, o->keepalive_timeout_ms, o->max_connection_idle_ms,
                             o->max_connection_age_ms, o->max_connection_age_grace_ms};
    int64_t ms = 1000;
    for (size_t i = 0; i < TN_COUNT(spans); i++)
        if (spans[i]) ms = TN_MIN(ms, TN_MAX(spans[i] / 4, 5));
    return ms * 1000;
}

static tn_code add_listener(tn_grpc_server *s, const char *address, int fd, int port, tn_error *err)
{
    listener *l = &s->listeners[s->n_listeners++];
    *l = (listener){.watch = {fd, accept_some}, .server = s, .port = port, .file = tn_socket_file(address)};
    l->address = tn_arena_strdup(s->arena, address);
    return l->address ? tn_loop_watch(s->workers->loop, &l->watch, EPOLLIN, err) : tn_no_memory(err, 0);
}

/* A name's other addresses are listened at where that is possible; the first of them is enough. */
static tn_code listen_more(tn_grpc_server *s, int i, tn_error *err)
{
    const char *address = s->o.listen[i];
    for (int which = 0; which < MORE_ADDRESSES; which++) {
        int fd;
        tn_code code = tn_socket_listen_too(address, which, s->listeners[i].port, &fd, NULL);
        if (code == TN_OUT_OF_RANGE) break;
        if (!code) TN_TRY(add_listener(s, address, fd, s->listeners[i].port, err));
    }
    return TN_OK;
}

static tn_code listen_all(tn_grpc_server *s, tn_error *err)
{
    int n = s->o.n_listen;
    s->listeners = TN_ARRAY(s->arena, (size_t)n * (1 + MORE_ADDRESSES), listener);
    if (!s->listeners) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) {
        int fd, port;
        TN_TRY(tn_socket_listen(s->o.listen[i], &fd, &port, err));
        TN_TRY(add_listener(s, s->o.listen[i], fd, port, err));
    }
    for (int i = 0; i < n; i++) TN_TRY(listen_more(s, i, err));
    return TN_OK;
}

static tn_code start(tn_grpc_server *s, tn_error *err)
{
    tn_grpc_server_options *o = &s->o;
    fill_defaults(o);
    s->sweep_every = sweep_interval(o);
    s->workers = TN_ARRAY(s->arena, o->threads, tn_grpc_worker);
    if (!s->workers) return tn_no_memory(err, 0);
    TN_TRY(tn_grpc_conn_setup(s, err));
    for (int i = 0; i < o->threads; i++) {
        s->n_workers++;
        TN_TRY(start_worker(s, &s->workers[i], i, err));
    }
    TN_TRY(listen_all(s, err));
    o->listen = NULL;
    if (!o->n_listen) return TN_OK; /* connections without sockets, in the caller's thread */
    TN_TRY(tn_loop_start(s->workers->loop, "tn-grpc-0", err));
    s->started = true;
    return TN_OK;
}

tn_code tn_grpc_server_start(const tn_grpc_server_options *o, tn_grpc_server **out, tn_error *err)
{
    tn_grpc_server *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->o = *o;
    tn_tls_keep(o->tls);
    s->arena = tn_arena_new(0);
    s->spare = spare_descriptor();
    s->rest.fire = accept_again;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &steady);
    pthread_condattr_destroy(&steady);
    tn_code code = s->arena ? start(s, err) : tn_no_memory(err, 0);
    if (code)
        tn_grpc_server_free(s);
    else
        *out = s;
    return code;
}

int tn_grpc_server_port(const tn_grpc_server *s, int i)
{
    return s->listeners[i].port;
}

/* ---- end ---- */

static bool is_over(const tn_grpc_server *s, bool calls_too)
{
    int64_t calls = 0;
    for (int i = 0; i < s->n_workers; i++) calls += atomic_load(&s->workers[i].n_calls);
    return !connections(s) && !(calls_too && calls);
}

static void tell_all(tn_grpc_server *s, bool cut)
{
    for (int i = 0; i < s->n_workers; i++) {
        tn_grpc_worker *w = &s->workers[i];
        if (w->loop) tn_loop_post(w->loop, cut ? &w->cut : &w->drain);
    }
}

bool tn_grpc_server_drain(tn_grpc_server *s, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)(TN_MIN(TN_MAX(seconds, 0), 1e9) * 1e9);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    if (!atomic_exchange(&s->ending, 1)) tell_all(s, false);
    pthread_mutex_lock(&s->lock);
    while (!is_over(s, false) && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {}
    pthread_mutex_unlock(&s->lock);
    bool all = is_over(s, false);
    if (!all && !atomic_exchange(&s->cut, 1)) tell_all(s, true);
    return all;
}

static void free_worker(tn_grpc_worker *w)
{
    tn_loop_stop(w->loop);
    tn_grpc_calls_free(w);
    tn_h2_room_free(&w->room);
    tn_loop_free(w->loop);
}

void tn_grpc_server_free(tn_grpc_server *s)
{
    if (!s) return;
    atomic_store(&s->ending, 1);
    if (s->started) {
        if (!atomic_exchange(&s->cut, 1)) tell_all(s, true);
        pthread_mutex_lock(&s->lock);
        while (!is_over(s, true)) pthread_cond_wait(&s->changed, &s->lock);
        pthread_mutex_unlock(&s->lock);
    } else if (s->n_workers && s->workers->loop) {
        stop_listening(s);
    }
    for (int i = 0; i < s->n_workers; i++) free_worker(&s->workers[i]);
    nghttp2_session_callbacks_del(s->callbacks);
    nghttp2_option_del(s->option);
    tn_tls_free(s->o.tls);
    if (s->spare >= 0) close(s->spare);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    tn_arena_free(s->arena);
    tn_free(s);
}

tn_grpc_counts tn_grpc_server_counts(tn_grpc_server *s)
{
    tn_grpc_counts sum = {.connections = connections(s)};
    for (int i = 0; i < s->n_workers; i++) {
        tn_grpc_worker *w = &s->workers[i];
        sum.calls += atomic_load(&w->n_calls);
        sum.bytes_in += atomic_load(&w->room.bytes_in);
        sum.bytes_out += atomic_load(&w->room.bytes_out);
    }
    return sum;
}
