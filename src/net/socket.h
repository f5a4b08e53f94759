/* SPDX-License-Identifier: Apache-2.0
 *
 * socket.h - addresses and sockets: "127.0.0.1:8500", "[::]:0", "localhost:8500", "unix:/path", "unix-abstract:name".
 */
#ifndef TN_NET_SOCKET_H
#define TN_NET_SOCKET_H

#include "net.h"

#include <sys/socket.h>

#define TN_PEER_SIZE 64

/* A listening socket that never blocks. *port: 0 for a UNIX socket. A UNIX socket's file that is there is replaced,
 * whoever listens to it: as gRPC does, the path is the last comer's. */
tn_code tn_socket_listen(const char *address, int *fd, int *port, tn_error *err);
/* A name may have several addresses ("localhost" in IPv4 and IPv6): the `which`th, at the port that the first has got.
 * OUT_OF_RANGE: it has not so many. */
tn_code tn_socket_listen_too(const char *address, int which, int port, int *fd, tn_error *err);
/* Which file a listening UNIX socket has; 0: none. */
uint64_t tn_socket_file(const char *address);
/* Before it is closed: removes that file, if it still is the one at the address. */
void tn_socket_unlink(const char *address, uint64_t file);
/* Begins to connect, without waiting but for the name's addresses: to the `which`th of them. OUT_OF_RANGE: it has not
 * so many. */
tn_code tn_socket_connect(const char *address, int which, int *fd, tn_error *err);
/* The name a certificate must have: between the brackets or before the port; "" for UNIX sockets. */
tn_code tn_socket_host(const char *address, char *host, size_t size, tn_error *err);
void tn_socket_prompt(int fd); /* small packets are sent at once; without effect on UNIX sockets */
/* "ipv4:127.0.0.1:51234", "ipv6:[::1]:51234", "unix:" */
void tn_socket_peer(const struct sockaddr_storage *a, char peer[TN_PEER_SIZE]);

#endif
