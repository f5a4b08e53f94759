/* SPDX-License-Identifier: Apache-2.0
 *
 * socket.c - addresses and sockets: listening, connecting, and how a peer is called.
 */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define HOST_SIZE 256

/* ---- addresses ---- */

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static bool is_unix(const char *address)
{
    return after(address, "unix:") || after(address, "unix-abstract:");
}

/* "unix:///path" is "/path", as in URIs. */
static tn_code unix_address(const char *address, struct sockaddr_un *a, socklen_t *size, tn_error *err)
{
    const char *path = after(address, "unix:"), *abstract = after(address, "unix-abstract:");
    const char *name = path ? (after(path, "//") ? after(path, "//") : path) : abstract;
    size_t n = strlen(name), skip = abstract ? 1 : 0;
    if (n == 0 || n + 1 > sizeof a->sun_path)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: a UNIX socket's name has 1 to %zu bytes", address,
                       sizeof a->sun_path - 1);
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path + skip, name, n);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return TN_OK;
}

static tn_code split(const char *address, char *host, size_t size, const char **port, tn_error *err)
{
    const char *colon = strrchr(address, ':'), *start = address, *end = colon;
    if (*address == '[' && colon && colon > address && colon[-1] == ']') {
        start++;
        end--;
    }
    int64_t number;
    if (!colon || !tn_parse_int(tn_view_of(colon + 1), &number) || number < 0 || number > 65535)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: not HOST:PORT", address);
    if ((size_t)(end - start) >= size) return tn_fail(err, TN_INVALID_ARGUMENT, "%s: the name is too long", address);
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    *port = colon + 1;
    return TN_OK;
}

tn_code tn_socket_host(const char *address, char *host, size_t size, tn_error *err)
{
    const char *port;
    host[0] = 0;
    return is_unix(address) ? TN_OK : split(address, host, size, &port, err);
}

static tn_code resolve(const char *address, bool passive, struct addrinfo **out, tn_error *err)
{
    char host[HOST_SIZE];
    const char *port;
    TN_TRY(split(address, host, sizeof host, &port, err));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = (passive ? AI_PASSIVE : 0) | AI_NUMERICSERV};
    int code = getaddrinfo(*host ? host : NULL, port, &hints, out);
    if (code == EAI_SYSTEM) return tn_fail_errno(err, errno, "%s", address);
    if (!code) return TN_OK;
    return tn_fail(err, passive ? TN_INVALID_ARGUMENT : TN_UNAVAILABLE, "%s: %s", address, gai_strerror(code));
}

/* ---- a UNIX socket's file ---- */

/* The inode of a UNIX socket's file; 0: there is no file, or one of another kind. */
static uint64_t inode_of(const struct sockaddr_un *a)
{
    struct stat s;
    return a->sun_path[0] && lstat(a->sun_path, &s) == 0 && S_ISSOCK(s.st_mode) ? s.st_ino : 0;
}

static uint64_t file_at(const char *address, struct sockaddr_un *a)
{
    socklen_t size;
    return is_unix(address) && unix_address(address, a, &size, NULL) == TN_OK ? inode_of(a) : 0;
}

uint64_t tn_socket_file(const char *address)
{
    struct sockaddr_un a;
    return file_at(address, &a);
}

void tn_socket_unlink(const char *address, uint64_t file)
{
    struct sockaddr_un a;
    if (file && file_at(address, &a) == file) unlink(a.sun_path);
}

/* ---- listening ---- */

static tn_code listen_at(const struct sockaddr *a, socklen_t size, const char *address, int *out, tn_error *err)
{
    int one = 1, zero = 0, fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return tn_fail_errno(err, errno, "%s: a socket", address);
    if (a->sa_family != AF_UNIX) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, a, size) < 0 || listen(fd, BACKLOG) < 0) {
        tn_code code = tn_fail_errno(err, errno, "listening at %s", address);
        close(fd);
        return code;
    }
    *out = fd;
    return TN_OK;
}

static int port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &size) < 0) return 0;
    if (a.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

static tn_code listen_at_first(const char *address, int *fd, tn_error *err)
{
    struct addrinfo *all;
    TN_TRY(resolve(address, true, &all, err));
    tn_code code = TN_INTERNAL;
    for (struct addrinfo *i = all; i && code; i = i->ai_next)
        code = listen_at(i->ai_addr, i->ai_addrlen, address, fd, err);
    freeaddrinfo(all);
    return code;
}

/* "0.0.0.0" is every address of the machine, of IPv6 too, as gRPC means it; of IPv4 alone where there is no IPv6. */
tn_code tn_socket_listen(const char *address, int *fd, int *port, tn_error *err)
{
    if (is_unix(address)) {
        struct sockaddr_un a;
        socklen_t size;
        TN_TRY(unix_address(address, &a, &size, err));
        if (inode_of(&a)) unlink(a.sun_path); /* another server's, which stands in the way */
        *port = 0;
        return listen_at((struct sockaddr *)&a, size, address, fd, err);
    }
    char both[HOST_SIZE];
    const char *any = after(address, "0.0.0.0:");
    snprintf(both, sizeof both, "[::]:%s", any ? any : "");
    tn_code code = any ? listen_at_first(both, fd, NULL) : TN_INTERNAL;
    if (code != TN_OK) code = listen_at_first(address, fd, err);
    if (code == TN_OK) *port = port_of(*fd);
    return code;
}

static void set_port(struct sockaddr *a, int port)
{
    if (a->sa_family == AF_INET) ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
    if (a->sa_family == AF_INET6) ((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

tn_code tn_socket_listen_too(const char *address, int which, int port, int *fd, tn_error *err)
{
    struct addrinfo *all, *i;
    if (is_unix(address)) return tn_fail(err, TN_OUT_OF_RANGE, "%s: no more addresses", address);
    TN_TRY(resolve(address, true, &all, err));
    for (i = all; i && which > 0; which--) i = i->ai_next;
    if (i) set_port(i->ai_addr, port);
    tn_code code = i ? listen_at(i->ai_addr, i->ai_addrlen, address, fd, err)
                     : tn_fail(err, TN_OUT_OF_RANGE, "%s: no more addresses", address);
    freeaddrinfo(all);
    return code;
}

/* ---- connecting ---- */

/* A peer that has vanished without a word is found out within about a minute. */
static void notice_death(int fd)
{
    int one = 1, seconds = 15, ms = 60000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static tn_code connect_to(const struct sockaddr *a, socklen_t size, const char *address, int *out, tn_error *err)
{
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return tn_fail_errno(err, errno, "%s: a socket", address);
    if (connect(fd, a, size) < 0 && errno != EINPROGRESS) {
        tn_code code = tn_fail(err, TN_UNAVAILABLE, "connecting to %s: %s", address, strerror(errno));
        close(fd);
        return code;
    }
    notice_death(fd);
    tn_socket_prompt(fd);
    *out = fd;
    return TN_OK;
}

tn_code tn_socket_connect(const char *address, int which, int *fd, tn_error *err)
{
    if (is_unix(address)) {
        struct sockaddr_un a;
        socklen_t size;
        TN_TRY(unix_address(address, &a, &size, err));
        if (which) return tn_fail(err, TN_OUT_OF_RANGE, "%s: no more addresses", address);
        return connect_to((struct sockaddr *)&a, size, address, fd, err);
    }
    struct addrinfo *all, *i;
    TN_TRY(resolve(address, false, &all, err));
    for (i = all; i && which > 0; which--) i = i->ai_next;
    tn_code code = i ? connect_to(i->ai_addr, i->ai_addrlen, address, fd, err)
                     : tn_fail(err, TN_OUT_OF_RANGE, "%s: no more addresses", address);
    freeaddrinfo(all);
    return code;
}

void tn_socket_prompt(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void tn_socket_peer(const struct sockaddr_storage *a, char peer[TN_PEER_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        snprintf(peer, TN_PEER_SIZE, "ipv4:%s:%d", text, ntohs(in->sin_port));
    } else if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)a;
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            inet_ntop(AF_INET, in->sin6_addr.s6_addr + 12, text, sizeof text);
            snprintf(peer, TN_PEER_SIZE, "ipv4:%s:%d", text, ntohs(in->sin6_port));
            return;
        }
        inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
        snprintf(peer, TN_PEER_SIZE, "ipv6:[%s]:%d", text, ntohs(in->sin6_port));
    } else {
        snprintf(peer, TN_PEER_SIZE, "unix:");
    }
}
