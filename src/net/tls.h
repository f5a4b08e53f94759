/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.h - TLS of a connection; seen by http2.c only.
 *
 * Invariants: nothing here waits. A failure breaks the connection with a reason that is text for ever.
 */
#ifndef TN_NET_TLS_H
#define TN_NET_TLS_H

#include "http2.h"

/* The connection's end of TLS over its socket; host: the name the server's certificate must have. */
tn_code tn_tls_begin(tn_h2 *h, tn_tls *t, const char *host, tn_error *err);
void tn_tls_end(tn_h2 *h); /* says good-bye when nothing stands against it */
bool tn_tls_handshake(tn_h2 *h); /* false: not yet, or broken */
ssize_t tn_tls_read(tn_h2 *h, void *p, size_t n);        /* 0: nothing now, or broken */
ssize_t tn_tls_write(tn_h2 *h, const void *p, size_t n); /* -1: nothing now, or broken */
bool tn_tls_pending(const tn_h2 *h); /* bytes can be read that the socket does not tell of */

#endif
