/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_lex.h - the words of protobuf's text form; seen by proto_lex.c and proto_parse.c only.
 */
#ifndef TN_WIRE_PROTO_LEX_H
#define TN_WIRE_PROTO_LEX_H

#include "proto_walk.h"

typedef struct tn_proto_lexer {
    const char *start, *p, *end;
    tn_proto_pool *pool; /* strings go there */
    tn_error *err;
} tn_proto_lexer;

/* INVALID_ARGUMENT "line 3, column 9: <message>"; at: a place in the text. */
tn_code tn_proto_lex_fail(const tn_proto_lexer *l, const char *at, const char *fmt, ...) TN_PRINTF(3, 4);
void tn_proto_skip(tn_proto_lexer *l);           /* blanks and comments */
bool tn_proto_accept(tn_proto_lexer *l, char c); /* after blanks */
bool tn_proto_identifier(tn_proto_lexer *l, tn_view *word);
/* One or more quoted strings, joined and with their escapes replaced. */
tn_code tn_proto_quoted(tn_proto_lexer *l, tn_view *out);
/* An integer as sign and magnitude: decimal, octal (0...), hexadecimal (0x...). */
tn_code tn_proto_integer(tn_proto_lexer *l, bool *negative, uint64_t *magnitude);
tn_code tn_proto_real(tn_proto_lexer *l, double *out);

#endif
