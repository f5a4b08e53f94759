/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.h - regular expressions as TensorFlow's operators take them (RE2's syntax, UTF-8): parsed and
 * compiled by pattern.c into a program, run by pattern_match.c in time linear in the text. Only ASCII letters
 * have two cases. What RE2 refuses (back references, looking around) is refused too.
 */
#ifndef TN_PATTERN_H
#define TN_PATTERN_H

#include "../base/base.h"

#define TN_PATTERN_GROUPS 10 /* remembered: \0 to \9 */

typedef enum {
    TN_PAT_BYTES,
    TN_PAT_LEAD,
    TN_PAT_SPLIT,
    TN_PAT_JUMP,
    TN_PAT_SAVE,
    TN_PAT_ASSERT,
    TN_PAT_MATCH
} tn_pattern_op;
typedef enum {
    TN_AT_BEGIN,
    TN_AT_END,
    TN_AT_LINE_BEGIN,
    TN_AT_LINE_END,
    TN_AT_WORD,
    TN_NOT_AT_WORD
} tn_pattern_place;
typedef struct tn_pattern_inst {
    tn_pattern_op op;
    int x, y;          /* SPLIT: x first, then y; JUMP: x; SAVE: slot x; ASSERT: place x */
    uint8_t low, high; /* BYTES; LEAD: of the next byte, which is only looked at, else x */
} tn_pattern_inst;

typedef enum { TN_BEGINS_NOTHING, TN_MAY_BEGIN, TN_IS_A_MATCH } tn_pattern_begin;

typedef struct tn_pattern {
    tn_pattern_inst *inst;
    int n, groups;
    uint8_t begin[256]; /* a tn_pattern_begin: what a match that begins with the byte is */
} tn_pattern;

/* In the arena. INVALID_ARGUMENT "Invalid pattern: a(b, error: missing ): a(b". */
tn_code tn_pattern_compile(tn_arena *a, tn_view text, tn_pattern *out, tn_error *err);

typedef struct tn_pattern_run tn_pattern_run; /* the working memory of matching, one a thread */
/* groups: how many of them are asked for; 0: only where matches are. */
tn_code tn_pattern_run_new(const tn_pattern *p, int groups, tn_pattern_run **out, tn_error *err);
void tn_pattern_run_free(tn_pattern_run *r);
/* Does the whole text match? */
bool tn_pattern_full(tn_pattern_run *r, tn_view text);
/* The first match from `from` on; group i is text[at[2 i], at[2 i + 1]), -1 when it took no part, or
 * was not asked for. */
bool tn_pattern_find(tn_pattern_run *r, tn_view text, size_t from, int64_t at[2 * TN_PATTERN_GROUPS]);

#endif
