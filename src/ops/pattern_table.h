/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_table.h - what pattern_match.c knows of pattern_table.c: a pattern as a table that one byte of text walks one
 * step in. It tells where a match ends, and nothing of groups.
 */
#ifndef TN_PATTERN_TABLE_H
#define TN_PATTERN_TABLE_H

#include "pattern.h"

typedef enum tn_table_kind {
    TN_TABLE_FULL,    /* is all of the text from there on a match? */
    TN_TABLE_BEST,    /* the match that begins there: the one that the pattern prefers */
    TN_TABLE_ANYWHERE /* does a match begin there or later? The end of the one that ends first. */
} tn_table_kind;

enum { TN_TABLE_NONE = -1, TN_TABLE_UNKNOWN = -2 };

typedef struct tn_pattern_table tn_pattern_table;
/* NULL: no memory. */
tn_pattern_table *tn_pattern_table_new(const tn_pattern *p, tn_table_kind kind);
void tn_pattern_table_free(tn_pattern_table *t);
/* Where the match ends, NONE, or UNKNOWN: the table would be too large. *reached: how far the text was read. */
int64_t tn_pattern_table_walk(tn_pattern_table *t, tn_view text, size_t from, size_t *reached);

#endif
