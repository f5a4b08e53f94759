/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.c - an HTTP/1.1 server on libmicrohttpd: its beginning, TLS, limits, draining and end. Requests are
 * http_request.c's, answers http_reply.c's; what is answered is the handler's.
 *
 * The daemon is only stopped when no handler has a request.
 */
#include "http_server.h"

#include <sys/resource.h>
#include <unistd.h>

enum {
    POOL_BYTES = 16 << 10,      /* of a connection: request line, headers, the bytes being received */
    RECEIVED_BYTES = 8 << 10,   /* of it, at once */
    RESERVED_DESCRIPTORS = 128, /* for files, other servers, logs */
};

static void hear_trouble(void *server, const char *fmt, va_list ap)
{
    tn_http_server *s = server;
    char text[sizeof s->trouble];
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = 0;
    pthread_mutex_lock(&s->trouble_lock);
    if (!s->started) memcpy(s->trouble, text, sizeof text);
    pthread_mutex_unlock(&s->trouble_lock);
    tn_logf(s->o.log, TN_DEBUG, "http: %s", text);
}

static int default_connections(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY || files.rlim_cur > 1 << 20)
        return 1 << 16;
    return (int)TN_MAX((int64_t)files.rlim_cur - RESERVED_DESCRIPTORS, 64);
}

static void set_defaults(tn_http_server_options *o)
{
    if (o->threads <= 0) o->threads = TN_MIN(4 * tn_core_count(), 64);
    if (o->max_body == 0) o->max_body = INT32_MAX;
    if (o->max_connections <= 0) o->max_connections = default_connections();
    o->threads = TN_MIN(o->threads, o->max_connections); /* libmicrohttpd shares them out */
    if (o->timeout <= 0) o->timeout = 30;
    if (!o->max_memory) o->max_memory = tn_half_of_memory();
}

/* OpenSSL says what is wrong with a key or a certificate; GnuTLS, which libmicrohttpd uses, does not. */
static tn_code check_tls(const tn_http_server_options *o, tn_error *err)
{
    tn_tls *t = NULL;
    if (o->cert.n == 0 && o->key.n == 0) return TN_OK;
    TN_TRY(tn_tls_new(
        &(tn_tls_options){.key = o->key, .cert = o->cert, .ca = o->ca, .verify_peer = o->verify_peer}, &t,
        err));
    tn_tls_free(t);
    return TN_OK;
}

/* Whoever comes while the server drains is turned away: MHD_quiesce_daemon, which would close the port, ends the
 * process when one of the daemon's threads notices it at the wrong moment. */
static enum MHD_Result admit(void *server, const struct sockaddr *address, socklen_t size)
{
    tn_http_server *s = server;
    (void)address, (void)size;
    return atomic_load(&s->draining) ? MHD_NO : MHD_YES;
}

static void come_or_leave(void *server, struct MHD_Connection *connection, void **guest,
                          enum MHD_ConnectionNotificationCode what)
{
    tn_http_server *s = server;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *guest = tn_guest_come(s->guests, info ? info->connect_fd : -1);
        return;
    }
    tn_guest_leave(s->guests, *guest);
    *guest = NULL;
}

static tn_code start_daemon(tn_http_server *s, tn_error *err)
{
    const tn_http_server_options *o = &s->o;
    bool tls = o->cert.n > 0, trust = tls && o->ca.n > 0;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, sizeof *s);
    struct MHD_OptionItem tls_options[] = {
        {tls ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0,
         tn_arena_strndup(a, o->key.p ? o->key.p : "", o->key.n)},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tn_arena_strndup(a, o->cert.p ? o->cert.p : "", o->cert.n)},
        {trust ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         tn_arena_strndup(a, o->ca.p ? o->ca.p : "", o->ca.n)},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    s->daemon = MHD_start_daemon(
        flags | (tls ? (unsigned)MHD_USE_TLS : 0), 0, admit, s, tn_http_take_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, hear_trouble, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(o->threads > 1 ? o->threads : 0), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TN_MAX(o->timeout, 1),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t)RECEIVED_BYTES, MHD_OPTION_URI_LOG_CALLBACK, tn_http_begin_request, s, MHD_OPTION_NOTIFY_CONNECTION,
        come_or_leave, s, MHD_OPTION_NOTIFY_COMPLETED, tn_http_end_request, s, MHD_OPTION_ARRAY, tls_options,
        MHD_OPTION_END);
    tn_arena_free(a);
    pthread_mutex_lock(&s->trouble_lock);
    s->started = true;
    pthread_mutex_unlock(&s->trouble_lock);
    if (s->daemon) return TN_OK;
    return tn_fail(err, tls ? TN_INVALID_ARGUMENT : TN_INTERNAL, "the HTTP server does not start: %s",
                   s->trouble[0] ? s->trouble : "no reason given");
}

tn_code tn_http_server_start(const tn_http_server_options *o, tn_http_server **out, tn_error *err)
{
    tn_http_server *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->o = *o;
    s->listen_fd = -1;
    s->tls = o->cert.n > 0;
    set_defaults(&s->o);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->trouble_lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    tn_code code = tn_socket_listen(o->listen ? o->listen : "", &s->listen_fd, &s->port, err);
    if (code == TN_OK) code = check_tls(o, err);
    if (code == TN_OK) code = tn_guests_new(2 * s->o.timeout, &s->guests, err);
    if (code == TN_OK) code = start_daemon(s, err);
    s->o.key = s->o.cert = s->o.ca = (tn_view){NULL, 0};
    s->o.listen = NULL;
    if (code == TN_OK)
        *out = s;
    else
        tn_http_server_free(s);
    return code;
}

int tn_http_server_port(const tn_http_server *s)
{
    return s->port;
}

/* Waits until a count is 0; seconds < 0: for ever. */
static bool wait_until_none(tn_http_server *s, const int64_t *count, double seconds)
{
    int64_t until = tn_now_us() + (int64_t)(seconds * 1e6);
    pthread_mutex_lock(&s->lock);
    while (*count > 0 && (seconds < 0 || tn_now_us() < until)) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 20 * 1000 * 1000; /* what happens without a signal is seen this soon */
        if (t.tv_nsec >= 1000000000) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&s->idle, &s->lock, &t);
    }
    bool none = *count == 0;
    pthread_mutex_unlock(&s->lock);
    return none;
}

bool tn_http_server_drain(tn_http_server *s, double seconds)
{
    atomic_store(&s->draining, 1);
    if (wait_until_none(s, &s->open, TN_MAX(seconds, 0))) return true;
    atomic_store(&s->cancelled, 1);
    return false;
}

void tn_http_server_free(tn_http_server *s)
{
    if (!s) return;
    if (s->daemon) {
        tn_http_server_drain(s, 0);
        atomic_store(&s->cancelled, 1);
        wait_until_none(s, &s->handled, -1);
        tn_guests_stop(s->guests);
        MHD_stop_daemon(s->daemon);
        s->listen_fd = -1; /* which that has closed */
    }
    tn_guests_free(s->guests);
    if (s->listen_fd >= 0) close(s->listen_fd);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->trouble_lock);
    pthread_mutex_destroy(&s->lock);
    tn_free(s);
}
