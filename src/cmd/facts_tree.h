/* SPDX-License-Identifier: Apache-2.0
 *
 * facts_tree.h - what facts.c keeps for people until it is printed by facts_text.c; seen by these two only.
 */
#ifndef TN_CMD_FACTS_TREE_H
#define TN_CMD_FACTS_TREE_H

#include "facts.h"

typedef enum fact_kind { FACT_TEXT, FACT_NUMBER, FACT_OBJECT, FACT_LIST, FACT_TREE } fact_kind;
typedef struct fact {
    fact_kind kind;
    const char *key; /* borrowed: commands name members by literals */
    char *text;      /* a plain one's */
    struct fact *parent, *first, *last, *next;
} fact;

fact *fact_new(fact_kind kind, fact *parent, const char *key); /* NULL: no memory */
bool fact_set(fact *f, const char *p, size_t n);
void fact_free(fact *f);
/* Prints what is below root, and forgets it. */
void fact_flush(FILE *to, fact *root);

#endif
