/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_text.h - how gRPC writes things in HTTP/2: header texts, the five bytes before a message, compression; for
 * server and client.
 */
#ifndef TN_NET_GRPC_TEXT_H
#define TN_NET_GRPC_TEXT_H

#include "../wire/wire.h"

#define TN_GRPC_PREFIX 5
#define TN_GRPC_MESSAGE_LIMIT 1024

typedef enum tn_grpc_coding { TN_GRPC_IDENTITY, TN_GRPC_DEFLATE, TN_GRPC_GZIP, TN_GRPC_UNKNOWN } tn_grpc_coding;
extern const char *const tn_grpc_coding_names[3];
tn_grpc_coding tn_grpc_coding_of(tn_view name);
/* Whether a list as in grpc-accept-encoding has it. */
bool tn_grpc_coding_in(tn_view list, tn_grpc_coding c);

/* "100m" as microseconds; false: no timeout's text. */
bool tn_grpc_timeout_parse(tn_view s, int64_t *us);
int tn_grpc_timeout_text(char *buf, int64_t us); /* at least 16 bytes; its length */

/* A status message as grpc-message has it: cut at the limit + "...TRUNCATED", then percent-encoded. */
void tn_grpc_message_encode(const char *s, tn_buf *out);
void tn_grpc_message_decode(tn_view s, tn_buf *out);
/* Values of names ending in "-bin". Several values joined by commas decode as one, one after another. */
void tn_grpc_bin_encode(tn_view in, tn_buf *out);
bool tn_grpc_bin_decode(tn_view in, tn_buf *out);
bool tn_grpc_is_bin(tn_view name);
/* What a plain HTTP status means to a caller. */
tn_code tn_grpc_code_of_http(int status);

/* One side of a stream of messages, put together from pieces: prefix, bytes, expanded. */
typedef struct tn_grpc_reader {
    size_t limit;          /* of a message, also expanded */
    tn_grpc_coding coding; /* as the headers said */
    unsigned char prefix[TN_GRPC_PREFIX];
    int n_prefix;
    uint32_t length;
    tn_buf raw, expanded;
} tn_grpc_reader;
/* Takes of *in what belongs to the message. *done: it is whole: *message is good until the next call. */
tn_code tn_grpc_read(tn_grpc_reader *r, tn_view *in, bool *done, tn_view *message, tn_error *err);
bool tn_grpc_read_began(const tn_grpc_reader *r); /* a message is half there */
void tn_grpc_reader_reset(tn_grpc_reader *r); /* keeps small buffers */
void tn_grpc_reader_free(tn_grpc_reader *r);

/* Replaces body by its compressed form when that is smaller; whether it did. */
bool tn_grpc_compress(tn_buf *body, tn_grpc_coding c);
void tn_grpc_prefix(unsigned char prefix[TN_GRPC_PREFIX], bool compressed, size_t n);

#endif
