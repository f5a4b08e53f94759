/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http2.c - two bytes of choice (how the handler behaves, how the bytes are cut), then what a client sends to the
 * gRPC server after HTTP/2's preface. No socket, no thread. Every call must end, and the memory with it.
 */
#include "net/grpc_server.h"

#define MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct host {
    tn_grpc_call *kept[MOST];
    int n_kept, n_calls;
    unsigned manner;
} host;

static void answer(tn_grpc_call *c)
{
    tn_buf b = {0};
    tn_view m = tn_grpc_message(c), bin = tn_grpc_metadata(c, "x-data-bin");
    tn_buf_add(&b, m.p, m.n);
    if (bin.p) tn_grpc_trailer(c, "x-data-bin", bin);
    tn_grpc_reply(c, m.n % 3 == 1 ? TN_ABORTED : TN_OK, m.n ? "why" : NULL, m.n % 3 == 2 ? NULL : &b);
    tn_buf_free(&b);
}

static void handle(void *payload, tn_grpc_call *c)
{
    host *h = payload;
    unsigned manner = (h->manner + (unsigned)h->n_calls++) % 4;
    tn_buf b = {0};
    if (tn_grpc_is_last(c) || manner == 0) {
        answer(c);
    } else if (manner == 1 && h->n_kept < MOST) {
        h->kept[h->n_kept++] = c;
    } else {
        tn_buf_add(&b, tn_grpc_message(c).p, tn_grpc_message(c).n);
        if (tn_grpc_message(c).p) tn_grpc_send(c, &b, NULL);
        tn_buf_free(&b);
        tn_grpc_keep_open(c);
    }
}

static void answer_kept(host *h)
{
    int n = h->n_kept;
    h->n_kept = 0;
    for (int i = 0; i < n; i++) answer(h->kept[i]);
}

static bool is_open(const tn_grpc_worker *w)
{
    return w->conns != NULL;
}

static void feed(tn_grpc_worker *w, host *h, const char *p, size_t n, size_t step)
{
    for (size_t at = 0; at < n && is_open(w); at += step) {
        tn_h2_receive(&w->conns->h2, p + at, TN_MIN(step, n - at));
        if (at / step % 16 == 15) answer_kept(h);
        tn_loop_round(w->loop);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 7, 100, 1000, 1 << 20};
    host h = {.manner = size ? data[0] : 0};
    tn_grpc_server_options o = {.threads = 1, .max_message = 1 << 16, .max_metadata = 4096, .handle = handle, .payload = &h};
    tn_grpc_server *s;
    if (size < 2 || tn_grpc_server_start(&o, &s, NULL)) return 0;
    tn_grpc_worker *w = s->workers;
    atomic_fetch_add(&w->n_conns, 1);
    if (tn_grpc_conn_open(w, -1, "fuzz", NULL, NULL)) __builtin_trap();
    feed(w, &h, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN, 1 << 20);
    feed(w, &h, (const char *)data + 2, size - 2, steps[data[1] % TN_COUNT(steps)]);
    if (is_open(w)) tn_grpc_conn_sweep(w->conns, tn_now_us() + 1000000);
    if (is_open(w)) tn_grpc_conn_warn(w->conns);
    tn_loop_round(w->loop);
    if (is_open(w)) tn_h2_break(&w->conns->h2, "the end");
    tn_loop_round(w->loop);
    answer_kept(&h);
    if (is_open(w) || atomic_load(&w->n_conns) || atomic_load(&w->n_calls)) __builtin_trap();
    tn_grpc_server_free(s);
    return 0;
}
