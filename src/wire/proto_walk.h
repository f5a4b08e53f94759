/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_walk.h - what the walkers of the message tables share; seen by proto_*.c only.
 */
#ifndef TN_WIRE_PROTO_WALK_H
#define TN_WIRE_PROTO_WALK_H

#include "proto.h"
#include "wire.h"

/* Every repeated field looks like this. */
typedef struct tn_proto_any_list {
    void *items;
    uint32_t n, cap;
} tn_proto_any_list;

typedef struct tn_proto_kind_row {
    uint8_t size; /* bytes of a C value */
    uint8_t wire;
} tn_proto_kind_row;
extern const tn_proto_kind_row tn_proto_kinds[];

/* Bytes of one item of the field when repeated. */
static inline size_t tn_proto_item_size(const tn_proto_field *f)
{
    return f->kind == TN_PROTO_SUB ? f->sub->size : tn_proto_kinds[f->kind].size;
}
/* Of one unpacked item. */
static inline tn_wire_type tn_proto_wire(const tn_proto_field *f)
{
    return (tn_wire_type)tn_proto_kinds[f->kind].wire;
}
static inline void *tn_proto_slot(const tn_proto_field *f, const void *message)
{
    return (char *)message + f->offset;
}
static inline int32_t *tn_proto_case(const tn_proto_field *f, const void *message)
{
    return (int32_t *)((char *)message + f->case_offset);
}
static inline tn_view *tn_proto_unknown(const void *message)
{
    return (tn_view *)message;
}
static inline bool tn_proto_packable(const tn_proto_field *f)
{
    return tn_proto_wire(f) != TN_WIRE_BYTES;
}

/* ---- memory, members, scalars (proto_build.c) ---- */

/* Whether the field is written: not when it has its default value, unless presence is explicit. */
bool tn_proto_present(const tn_proto_message *m, const tn_proto_field *f, const void *message);
/* The unsigned 64 bits that stand for a scalar (not a string) on the wire, from its C value. */
uint64_t tn_proto_load(const tn_proto_field *f, const void *slot);
/* The other way round. */
void tn_proto_store(const tn_proto_field *f, void *slot, uint64_t v);

/* Memory for one decoded or parsed tree, taken from an arena up to a limit. */
typedef struct tn_proto_pool {
    tn_arena *arena;
    size_t limit, taken;
} tn_proto_pool;
tn_proto_pool tn_proto_pool_for(tn_arena *a, size_t input, size_t limit);
/* Zeroed; NULL: over the limit or no memory, which tn_proto_pool_fail tells apart. */
void *tn_proto_take(tn_proto_pool *p, size_t n);
tn_code tn_proto_pool_fail(const tn_proto_pool *p, tn_error *err);
/* Room for `more` items; doubles once there are some. */
bool tn_proto_room(tn_proto_pool *p, void *list, size_t item_size, size_t more);

/* Makes `f`, a member of a oneof, the one that is set: the one set before is emptied. */
void tn_proto_choose(const tn_proto_message *m, const tn_proto_field *f, void *message);

/* ---- maps (proto_map.c) ---- */

bool tn_proto_map_ascends(const tn_proto_message *entry, const tn_proto_any_list *map); /* strictly */
/* order[i] becomes the index of the i-th entry by key, equal keys in their order; scratch holds n too. */
void tn_proto_map_order(const tn_proto_message *entry, const tn_proto_any_list *map, uint32_t *order,
                        uint32_t *scratch);
/* Sorts by key, keeps the last of equal ones, gives every message value a message. The first `from`
 * entries have been through this already and cost nothing, so that a message which comes in many parts
 * does not take quadratic time. */
bool tn_proto_map_finish(const tn_proto_message *entry, tn_proto_any_list *map, size_t from,
                         tn_proto_pool *pool);

#endif
