/* SPDX-License-Identifier: Apache-2.0
 *
 * http_guests.h - connections that may not take for ever to say what they want; seen by http_*.c only.
 */
#ifndef TN_NET_HTTP_GUESTS_H
#define TN_NET_HTTP_GUESTS_H

#include "net.h"

typedef struct tn_guests tn_guests;
typedef struct tn_guest tn_guest;
/* Starts a thread that ends connections which have not sent a request's headers within so many seconds, from
 * when they came or from the request before, however little by little they send; and those whose peer has gone before
 * all of its request was there. */
tn_code tn_guests_new(double seconds, tn_guests **out, tn_error *err);
/* Ends the thread; guests may still leave. */
void tn_guests_stop(tn_guests *g);
void tn_guests_free(tn_guests *g);             /* all have left */
tn_guest *tn_guest_come(tn_guests *g, int fd); /* NULL: no memory, it is not watched */
/* Before its descriptor is closed. guest may be NULL here and below. */
void tn_guest_leave(tn_guests *g, tn_guest *guest);
void tn_guest_asks(tn_guest *guest);  /* the headers are there */
void tn_guest_has_asked(tn_guest *guest); /* all of the request is there, or no more of it is wanted */
void tn_guest_rests(tn_guest *guest); /* the request is over */

#endif
