/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http2_client.c - one byte of choice (how the bytes are cut, and more), then what a server sends to the gRPC client, which has
 * three calls in progress. No socket, no thread. Each call must end once.
 */
#include "net/grpc_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void done(void *payload, tn_code code, const char *message, tn_view answer)
{
    int *n = payload;
    size_t sum = strlen(message) + (size_t)code;
    for (size_t i = 0; i < answer.n; i++) sum += (unsigned char)answer.p[i];
    *n += 1 + (sum == SIZE_MAX); /* every byte is looked at */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 7, 100, 1 << 20};
    tn_grpc_channel_options o = {.target = "unix-abstract:nobody", .max_message = 1 << 16, .gzip = size && data[0] & 4};
    tn_grpc_channel *c;
    tn_grpc_future *f = NULL;
    int n_done = 0;
    if (!size || tn_grpc_channel_make(&o, &c, NULL)) return 0;
    if (tn_grpc_link_open(c, -1, NULL)) __builtin_trap();
    for (int i = 0; i < 3; i++)
        if (tn_grpc_call_async(c, "/t/x", TN_VIEW("hello"), i, done, &n_done, i ? NULL : &f, NULL)) __builtin_trap();
    tn_loop_round(c->loop);
    size_t step = steps[data[0] % TN_COUNT(steps)];
    for (size_t at = 1; at < size && c->links; at += step) {
        tn_h2_receive(&c->links->h2, data + at, TN_MIN(step, size - at));
        tn_loop_round(c->loop);
        if (data[0] & 8 && at > size / 2) tn_grpc_cancel(f);
    }
    tn_grpc_future_free(f);
    tn_grpc_channel_free(c);
    if (n_done != 3) __builtin_trap();
    return 0;
}
