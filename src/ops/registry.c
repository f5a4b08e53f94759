/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.c - the operators we have, by name. The rows are ops.def's; parsing their sigs is sig.c's.
 *
 * Invariant: the table of rows is constant; the index over it is built once, allocates nothing and never
 * changes afterwards.
 */
#include "../graph/op.h"
#include "../graph/registry.h"

#define OP(name) extern const tn_op tn_op_##name;
#include "ops.def"
#undef OP

static const tn_op *const rows[] = {
#define OP(name) &tn_op_##name,
#include "ops.def"
#undef OP
};

enum { SLOTS = 4096 }; /* a power of two, far above the number of rows */
_Static_assert(TN_COUNT(rows) <= TN_MAX_OPS && TN_MAX_OPS * 2 <= SLOTS,
               "the index over the operators is too small");

static uint16_t index_of[SLOTS]; /* row + 1; 0: empty */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void build_index(void)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        size_t at = tn_hash(rows[i]->name, strlen(rows[i]->name)) % SLOTS;
        while (index_of[at]) at = (at + 1) % SLOTS;
        index_of[at] = (uint16_t)(i + 1);
    }
}

int tn_op_row(const char *name)
{
    pthread_once(&once, build_index);
    size_t at = tn_hash(name, strlen(name)) % SLOTS;
    for (; index_of[at]; at = (at + 1) % SLOTS) {
        if (!strcmp(rows[index_of[at] - 1]->name, name)) return index_of[at] - 1;
    }
    return -1;
}

const tn_op *tn_op_find(const char *name)
{
    int row = tn_op_row(name);
    return row < 0 ? NULL : rows[row];
}

int tn_op_count(void)
{
    return (int)TN_COUNT(rows);
}

const tn_op *tn_op_at(int i)
{
    return i >= 0 && i < tn_op_count() ? rows[i] : NULL;
}
