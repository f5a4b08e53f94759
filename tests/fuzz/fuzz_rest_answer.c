/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_rest_answer.c - one byte of choice, then what a REST server answers: its metadata, a byte 0, the values. A thread here is that server,
 * and the client of model servers asks it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    pthread_mutex_t lock; /* of the following two lines; a client may give up while it is still answered */
    tn_view metadata, values;
    int status;
    int listener;
    tn_stub *stub;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void set_answers(tn_view metadata, tn_view values, int status)
{
    pthread_mutex_lock(&all.lock);
    all.metadata = metadata;
    all.values = values;
    all.status = status;
    pthread_mutex_unlock(&all.lock);
}

static bool send_all(int fd, const char *p, size_t n, int more)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL | more);
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* A request's head and body; the number of its bytes, 0: the client has gone. */
static size_t take_request(int fd, char *to, size_t size)
{
    size_t n = 0, length = 0;
    const char *body = NULL;
    while (!body || n < (size_t)(body - to) + length) {
        ssize_t k = n + 1 < size ? recv(fd, to + n, size - n - 1, 0) : 0;
        if (k <= 0) return 0;
        to[n += (size_t)k] = 0;
        if (body || !(body = strstr(to, "\r\n\r\n"))) continue;
        body += 4;
        const char *field = strcasestr(to, "\r\ncontent-length:");
        length = field ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    }
    return n;
}

static bool answer(int fd, bool is_get)
{
    char head[128];
    pthread_mutex_lock(&all.lock);
    tn_view v = is_get ? all.metadata : all.values;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", all.status, v.n);
    bool sent = send_all(fd, head, (size_t)n, v.n ? MSG_MORE : 0) && send_all(fd, v.p, v.n, 0);
    pthread_mutex_unlock(&all.lock);
    return sent;
}

static void answer_all(int fd)
{
    char request[4096];
    while (take_request(fd, request, sizeof request))
        if (!answer(fd, strncmp(request, "GET ", 4) == 0)) break;
    close(fd);
}

static void *serve(void *none)
{
    for (;;) answer_all(accept(all.listener, NULL, NULL));
    return none;
}

static void start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    pthread_t thread;
    char url[64];
    tn_error err;
    all.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(all.listener, (struct sockaddr *)&a, size) || listen(all.listener, 8) || getsockname(all.listener, (struct sockaddr *)&a, &size) ||
        pthread_create(&thread, NULL, serve, NULL))
        __builtin_trap();
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(a.sin_port));
    if (tn_stub_new(&(tn_stub_options){.server = url}, &all.stub, &err) != TN_OK) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 404, 503, 400, 500, 200};
    char model[24]; /* another for each input: what is known of signatures is not asked for again */
    static int number;
    tn_described_signature s;
    tn_answer values;
    tn_error err;
    if (!size) return 0;
    if (!all.stub) start();
    const char *from = (const char *)data + 1, *end = memchr(from, 0, size - 1);
    tn_view metadata = {from, end ? (size_t)(end - from) : size - 1};
    set_answers(metadata, end ? (tn_view){end + 1, size - 2 - metadata.n} : (tn_view){"", 0}, statuses[data[0] % TN_COUNT(statuses)]);
    snprintf(model, sizeof model, "m%d", number++);
    const tn_question q = {.model = model};
    tn_code code = tn_stub_describe(all.stub, &q, &s, &err);
    if (code == TN_OK) tn_described_signature_free(&s);
    if (code == TN_RESOURCE_EXHAUSTED) __builtin_trap(); /* whatever it says, it is not much */
    if (tn_stub_predict(all.stub, &q, &values, &err) == TN_OK) {
        for (int i = 0; i < values.n; i++) tn_text_free(tn_tensor_text(values.values[i], 100));
        tn_answer_free(&values);
    }
    set_answers((tn_view){"", 0}, (tn_view){"", 0}, 404);
    return 0;
}
