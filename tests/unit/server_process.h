/* SPDX-License-Identifier: Apache-2.0
 *
 * server_process.h - for tests of the whole server: `turnery serve` as a process of its own, so that what it takes of
 * memory and descriptors can be seen, and limits set for it alone.
 */
#ifndef TN_TEST_SERVER_PROCESS_H
#define TN_TEST_SERVER_PROCESS_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "serve_test.h"

enum { FLAGS_MOST = 24 };

typedef struct server_process {
    pid_t pid;
    int port, rest_port;
    const char *log;
} server_process;

/* What the child is to change before it becomes the server; NULL: nothing. */
typedef void (*server_setup)(void);

/* Somebody else may take it before the server does: then another one is tried. */
static inline int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static inline void become_server(const server_process *s, char *const *args, server_setup setup)
{
    int fd = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) _exit(126);
    if (setup) setup();
    execv(args[0], args);
    _exit(127);
}

static inline bool log_says(void **state, const server_process *s, const char *text)
{
    tn_view all = content(state, s->log);
    return strstr(all.p, text) != NULL;
}

static inline bool process_ended(server_process *s)
{
    if (s->pid && waitpid(s->pid, NULL, WNOHANG) == s->pid) s->pid = 0;
    return !s->pid;
}

/* Both ports, and these flags; NULL at the end. */
static inline void start_server(void **state, server_process *s, server_setup setup, const char *const *flags)
{
    const char *args[FLAGS_MOST + 6] = {tn_arena_printf(arena_of(state), "%s/turnery", getenv("TN_BUILD")), "serve"};
    int n = 4;
    for (; *flags; flags++) args[n++] = *flags;
    s->log = in(state, "server.log");
    for (int i = 0; i < 20; i++) {
        s->port = free_port();
        s->rest_port = free_port();
        args[2] = tn_arena_printf(arena_of(state), "--port=%d", s->port);
        args[3] = tn_arena_printf(arena_of(state), "--rest_api_port=%d", s->rest_port);
        write_file(s->log, TN_VIEW(""));
        s->pid = fork();
        assert_true(s->pid >= 0);
        if (!s->pid) become_server(s, (char *const *)(uintptr_t)args, setup);
        assert_soon(log_says(state, s, "Exporting HTTP/REST API at:localhost") || process_ended(s));
        if (s->pid) return;
    }
    fail_msg("%s", content(state, s->log).p);
}

/* It must have been alive until now, and goes as it should. */
static inline void stop_server(void **state, server_process *s)
{
    int status = -1;
    assert_false(process_ended(s));
    kill(s->pid, SIGTERM);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    if (status) fail_msg("status %x: %s", (unsigned)status, content(state, s->log).p);
}

/* ==== what it takes ==== */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MEASURED = 0 }; /* what sanitizers take is theirs */
#else
enum { MEASURED = 1 };
#endif

/* Kilobytes by /proc's names: VmRSS, VmHWM. */
static inline long server_kb(const server_process *s, const char *name)
{
    char path[64], line[256];
    size_t n = strlen(name);
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, n) == 0 && line[n] == ':') kb = strtol(line + n + 1, NULL, 10);
    fclose(f);
    return kb;
}

static inline int server_descriptors(const server_process *s)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* ==== asking ==== */

static inline const char *target_of(void **state, const server_process *s, bool rest, bool tls)
{
    if (!rest) return tn_arena_printf(arena_of(state), "localhost:%d", s->port);
    return tn_arena_printf(arena_of(state), "%s://localhost:%d", tls ? "https" : "http", s->rest_port);
}

static inline tn_stub *stub_for(void **state, const server_process *s, bool rest)
{
    tn_stub *stub;
    tn_error err;
    assert_ok(tn_stub_new(&(tn_stub_options){.server = target_of(state, s, rest, false)}, &stub, &err), &err);
    return stub;
}

/* What half_plus_two makes of 6. */
static inline tn_code ask_half(tn_stub *stub, const char *model, double *y, tn_error *err)
{
    tn_tensor *x = floats(&TN_SHAPE(1, 1), (float[]){6});
    tn_feed feed = {"x", x};
    tn_answer a;
    tn_question q = {.model = model, .inputs = &feed, .n_inputs = 1, .seconds = 60};
    tn_code code = tn_stub_predict(stub, &q, &a, err);
    if (code == TN_OK) {
        *y = tn_tensor_number(a.values[0], 0);
        tn_answer_free(&a);
    }
    tn_tensor_unref(x);
    return code;
}

static inline void assert_half(tn_stub *stub, const char *model)
{
    tn_error err;
    double y = 0;
    assert_ok(ask_half(stub, model, &y, &err), &err);
    assert_true(y == 5);
}

#endif
