/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_site.h - for tests of the gRPC server: one on a port of its own, with methods named after what they do.
 */
#ifndef TN_TEST_GRPC_SITE_H
#define TN_TEST_GRPC_SITE_H

#include <pthread.h>
#include <unistd.h>

#include "h2_peer.h"
#include "net/net.h"

typedef struct site {
    tn_grpc_server *server;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tn_grpc_call *kept[2000];
    int n_kept, n_cancelled;
} site;

static inline void echo(tn_grpc_call *c)
{
    tn_buf b = {0};
    tn_view m = tn_grpc_message(c);
    tn_buf_add(&b, m.p, m.n);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static inline void *echo_elsewhere(void *call)
{
    tn_grpc_call *c = call;
    if (strcmp(tn_grpc_path(c), "/t/UntilCancelled") == 0)
        while (!atomic_load(tn_grpc_cancelled(c))) usleep(1000);
    echo(c);
    return NULL;
}

static inline void elsewhere(tn_grpc_call *c)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, echo_elsewhere, c), 0);
    pthread_detach(t);
}

static inline void *count_elsewhere(void *call)
{
    tn_error err;
    for (int i = 0; i < 3; i++) {
        tn_buf b = {0};
        tn_buf_printf(&b, "%d", i);
        assert_ok(tn_grpc_send(call, &b, &err), &err);
    }
    tn_grpc_reply(call, TN_OK, NULL, NULL);
    return NULL;
}

static inline void chat(site *s, tn_grpc_call *c)
{
    tn_error err;
    if (tn_grpc_message(c).p) {
        tn_buf b = {0};
        tn_buf_printf(&b, "<%.*s>", (int)tn_grpc_message(c).n, tn_grpc_message(c).p);
        assert_ok(tn_grpc_send(c, &b, &err), &err);
    }
    if (!tn_grpc_is_last(c)) {
        tn_grpc_keep_open(c);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->n_cancelled += atomic_load(tn_grpc_cancelled(c));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    tn_grpc_reply(c, TN_OK, NULL, NULL);
}

static inline void keep(site *s, tn_grpc_call *c)
{
    pthread_mutex_lock(&s->lock);
    s->kept[s->n_kept++] = c;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static inline void tell(tn_grpc_call *c)
{
    tn_buf b = {0};
    tn_view v = tn_grpc_metadata(c, "x-data-bin"), plain = tn_grpc_metadata(c, "x-plain");
    tn_buf_printf(&b, "%.*s|%.*s|%d", (int)plain.n, plain.p ? plain.p : "", (int)v.n, v.p ? v.p : "", tn_grpc_deadline(c) > 0);
    tn_grpc_trailer(c, plain.p ? "x-back" : "x-back-bin", plain.p ? plain : v);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static inline void fail_with_message(tn_grpc_call *c)
{
    char *text = tn_arena_strndup(tn_grpc_arena(c), tn_grpc_message(c).p, tn_grpc_message(c).n);
    tn_grpc_reply(c, TN_NOT_FOUND, text, NULL);
}

static inline void enlarge(tn_grpc_call *c)
{
    static char zeros[1000000];
    tn_buf b = {0};
    tn_buf_add(&b, zeros, sizeof zeros);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static inline void *enlarge_later(void *call)
{
    enlarge(call);
    return NULL;
}

static inline void handle(void *payload, tn_grpc_call *c)
{
    const char *path = tn_grpc_path(c);
    pthread_t t;
    if (strcmp(path, "/t/Echo") == 0)
        echo(c);
    else if (strcmp(path, "/t/Elsewhere") == 0 || strcmp(path, "/t/UntilCancelled") == 0)
        elsewhere(c);
    else if (strcmp(path, "/t/Fail") == 0)
        fail_with_message(c);
    else if (strcmp(path, "/t/Tell") == 0)
        tell(c);
    else if (strcmp(path, "/t/Chat") == 0)
        chat(payload, c);
    else if (strcmp(path, "/t/Keep") == 0)
        keep(payload, c);
    else if (strcmp(path, "/t/Large") == 0)
        enlarge(c);
    else if (strcmp(path, "/t/LargeLater") == 0)
        assert_int_equal(pthread_create(&t, NULL, enlarge_later, c) || pthread_detach(t), 0);
    else if (strcmp(path, "/t/Count") == 0)
        assert_int_equal(pthread_create(&t, NULL, count_elsewhere, c) || pthread_detach(t), 0);
    else
        tn_grpc_reply(c, TN_UNIMPLEMENTED, "", NULL);
}

static inline void open_site(site *s, tn_grpc_server_options o)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    tn_error err;
    *s = (site){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (!o.n_listen) {
        o.listen = listen;
        o.n_listen = 1;
    }
    o.threads = 2;
    o.handle = handle;
    o.payload = s;
    assert_ok(tn_grpc_server_start(&o, &s->server, &err), &err);
    s->port = tn_grpc_server_port(s->server, 0);
}

static inline void wait_kept(site *s, int n)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_kept < n) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static inline void release_kept(site *s)
{
    for (int i = 0; i < s->n_kept; i++) echo(s->kept[i]);
    s->n_kept = 0;
}

static inline void close_site(site *s)
{
    tn_grpc_server_free(s->server);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* One call to its end. */
static inline answer ask(peer *p, const char *path, const char *const *headers, const char *message, size_t n)
{
    answer a;
    tn_buf room = {0};
    peer_call(p, &a, path, headers, framed(&room, 0, message, n), false);
    peer_finish(p, &a);
    tn_buf_free(&room);
    return a;
}

static inline void assert_answer(const answer *a, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(a->http, 200);
    assert_int_equal(a->status, 0);
    assert_int_equal(a->body.n, 5 + n);
    assert_memory_equal(a->body.data + 5, text, n);
}

static inline void expect_echo(peer *p)
{
    answer a = ask(p, "/t/Echo", NULL, "still here", 10);
    assert_answer(&a, "still here");
    answer_free(&a);
}

#endif
