/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_inside.h - what the files share that compile patterns: pattern.c (the syntax) and pattern_set.c (sets of
 * characters). Nobody else includes it.
 */
#ifndef TN_PATTERN_INSIDE_H
#define TN_PATTERN_INSIDE_H

#include "pattern.h"

#define TN_TOO_LARGE "pattern too large - compile failed"
enum { MAX_MEMORY = 32 << 20 }; /* of compiling one pattern */
enum { MAX_DEPTH = 200, MAX_PROGRAM = 50000, MAX_REPEAT = 1000, LAST_CODE = 0x10ffff };

typedef struct piece { /* jumps inside are relative to the instruction they stand in */
    tn_pattern_inst *v;
    int n, cap;
} piece;

typedef struct range {
    uint32_t low, high;
} range;
typedef struct set {
    range *v;
    int n, cap;
} set;

typedef struct parser {
    tn_arena *arena;
    tn_view text;
    size_t at;
    int depth, groups;
    bool ignore_case, dot_all, lines;
    const char *wrong;
    size_t wrong_from; /* what the complaint shows: text[wrong_from, at) */
} parser;

/* Both give false. */
bool tn_pattern_wrong(parser *p, const char *what, size_t from);
bool tn_pattern_no_memory(parser *p);

bool tn_piece_new(parser *p, int n, piece *out);
void tn_piece_put(piece *to, int at, const piece *from);
bool tn_piece_either(parser *p, const piece *a, const piece *b, piece *out);

bool tn_set_add(parser *p, set *s, uint32_t low, uint32_t high);
bool tn_set_negate(parser *p, set *s);
/* Letters of \d \w \s and their negations; false: another letter. */
bool tn_set_add_class(parser *p, set *s, char letter);
/* \pL, \p{Greek}, \p{^Lu}, \P..: all of it, from its letter on. */
bool tn_set_add_unicode(parser *p, set *s, size_t from);
/* What reads one character of the set. */
bool tn_set_piece(parser *p, set *s, bool negated, piece *out);

/* The table of a compiled pattern's first bytes (pattern_first.c). */
void tn_pattern_find_begins(tn_pattern *p);

#endif
