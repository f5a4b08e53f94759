/* SPDX-License-Identifier: Apache-2.0
 *
 * http_guests.c - connections that may not take for ever to say what they want.
 *
 * libmicrohttpd ends connections on which nothing happens; one that sends a byte now and then would stay and
 * take the place of others. So would one whose peer has gone in the middle of a request, until its time is over:
 * when the end comes together with the last bytes, libmicrohttpd does not notice it. Such ones are shut down here,
 * which libmicrohttpd then notices.
 */
#include "http_guests.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

struct tn_guest {
    int fd;
    atomic_int_fast64_t since; /* tn_now_us; 0: it has a request */
    atomic_bool whole;         /* the request is there: who has sent it may have ended his side */
    bool left;                 /* the peer had, when this was last looked at */
    tn_guest *next, **at;
};

struct tn_guests {
    pthread_mutex_t lock; /* of the list: a guest in it has its descriptor open */
    pthread_cond_t stop;
    pthread_t thread;
    bool started, stopping;
    int64_t patience; /* microseconds */
    tn_guest *first;
};

/* Twice: what has come is taken meanwhile. */
static bool has_gone(tn_guest *p, short events)
{
    int unread = 0;
    bool ended = events & (POLLRDHUP | POLLHUP | POLLERR), before = p->left;
    bool left = ended && !atomic_load(&p->whole) && ioctl(p->fd, FIONREAD, &unread) == 0 && !unread;
    p->left = left;
    return left && before;
}

enum { AT_ONCE = 256 };

/* So many from this one on; the next. */
static tn_guest *look_at_some(const tn_guests *g, tn_guest *first, int64_t now)
{
    struct pollfd fds[AT_ONCE];
    tn_guest *p = first;
    nfds_t n = 0;
    for (; p && n < AT_ONCE; p = p->next) fds[n++] = (struct pollfd){.fd = p->fd, .events = POLLRDHUP};
    if (poll(fds, n, 0) < 0) return p;
    n = 0;
    for (tn_guest *q = first; q != p; q = q->next, n++) {
        int64_t since = atomic_load(&q->since);
        if (has_gone(q, fds[n].revents) || (since && now - since > g->patience)) shutdown(q->fd, SHUT_RDWR);
    }
    return p;
}

static void look_around(tn_guests *g)
{
    int64_t now = tn_now_us();
    for (tn_guest *p = g->first; p;) p = look_at_some(g, p, now);
}

static void *watch(void *guests)
{
    tn_guests *g = guests;
    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_sec++;
        pthread_cond_timedwait(&g->stop, &g->lock, &t);
        look_around(g);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

tn_code tn_guests_new(double seconds, tn_guests **out, tn_error *err)
{
    tn_guests *g = tn_calloc(1, sizeof *g);
    if (!g) return tn_no_memory(err, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->stop, NULL);
    g->patience = (int64_t)(seconds * 1e6);
    g->started = pthread_create(&g->thread, NULL, watch, g) == 0;
    if (!g->started) {
        tn_guests_free(g);
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "no thread for the HTTP server");
    }
    *out = g;
    return TN_OK;
}

void tn_guests_stop(tn_guests *g)
{
    if (!g || !g->started) return;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_signal(&g->stop);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    g->started = false;
}

void tn_guests_free(tn_guests *g)
{
    if (!g) return;
    tn_guests_stop(g);
    pthread_cond_destroy(&g->stop);
    pthread_mutex_destroy(&g->lock);
    tn_free(g);
}

tn_guest *tn_guest_come(tn_guests *g, int fd)
{
    tn_guest *guest = fd >= 0 ? tn_malloc(sizeof *guest) : NULL;
    if (!guest) return NULL;
    guest->fd = fd;
    guest->left = false;
    atomic_init(&guest->whole, false);
    atomic_init(&guest->since, tn_now_us());
    pthread_mutex_lock(&g->lock);
    guest->next = g->first;
    guest->at = &g->first;
    if (g->first) g->first->at = &guest->next;
    g->first = guest;
    pthread_mutex_unlock(&g->lock);
    return guest;
}

void tn_guest_leave(tn_guests *g, tn_guest *guest)
{
    if (!guest) return;
    pthread_mutex_lock(&g->lock);
    *guest->at = guest->next;
    if (guest->next) guest->next->at = guest->at;
    pthread_mutex_unlock(&g->lock);
    tn_free(guest);
}

void tn_guest_asks(tn_guest *guest)
{
    if (guest) atomic_store(&guest->since, 0);
}

void tn_guest_has_asked(tn_guest *guest)
{
    if (guest) atomic_store(&guest->whole, true);
}

void tn_guest_rests(tn_guest *guest)
{
    if (!guest) return;
    atomic_store(&guest->since, tn_now_us());
    atomic_store(&guest->whole, false);
}
