/* SPDX-License-Identifier: Apache-2.0
 *
 * literal.h - values as they are typed: numbers, words, strings, lists, objects. JSON, and what Python writes where it
 * differs: 'quotes', True, False, None, (1, 2), a comma before the end, nan and inf.
 */
#ifndef TN_CMD_LITERAL_H
#define TN_CMD_LITERAL_H

#include "facts.h"

typedef enum literal_kind {
    LITERAL_NULL, LITERAL_BOOL, LITERAL_NUMBER, LITERAL_STRING, LITERAL_LIST, LITERAL_OBJECT
} literal_kind;
typedef struct literal {
    literal_kind kind;
    bool boolean, is_int;
    double number;
    int64_t integer;
    char *text; /* a string's; also a number's as it was written */
    size_t n;
    char *key;  /* in an object */
    struct literal *first, *next;
    int64_t count;
} literal;

/* All of text must be one value. INVALID_ARGUMENT gives the column. */
tn_code literal_parse(const char *text, literal **out, tn_error *err);
void literal_free(literal *l);
void literal_facts(const literal *l, const char *key, facts *f);
tn_code text_of_file(const char *path, char **out, tn_error *err); /* at most 64 MB; free it */

#endif
