/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_table.c - messages.def as tables, and looking things up in them.
 *
 * Invariants: everything here is constant; a message's fields ascend by number, and one field with a
 * zeroed row follows the last.
 */
#include "proto_walk.h"

/* clang-format off: rows */

/* ---- enumerations ---- */

#define ENUMERATION(T, full) static const tn_proto_value values_##T[] = {
#define VALUE(T, number, name) {number, #name},
#define ENUM_END(T) {0, NULL}};
#include "messages.def"

#define ENUMERATION(T, full) \
    const tn_proto_enum tn_proto_enum_##T = {full, values_##T, TN_COUNT(values_##T) - 1};
#include "messages.def"

/* ---- messages ---- */

#define SUB_INT32(of) NULL
#define SUB_INT64(of) NULL
#define SUB_UINT32(of) NULL
#define SUB_UINT64(of) NULL
#define SUB_SINT64(of) NULL
#define SUB_FIXED32(of) NULL
#define SUB_BOOL(of) NULL
#define SUB_FLOAT(of) NULL
#define SUB_DOUBLE(of) NULL
#define SUB_STRING(of) NULL
#define SUB_BYTES(of) NULL
#define SUB_ENUM(of) NULL
#define SUB_SUB(of) &tn_proto_##of
#define VALUES_INT32(of) NULL
#define VALUES_INT64(of) NULL
#define VALUES_UINT32(of) NULL
#define VALUES_UINT64(of) NULL
#define VALUES_SINT64(of) NULL
#define VALUES_FIXED32(of) NULL
#define VALUES_BOOL(of) NULL
#define VALUES_FLOAT(of) NULL
#define VALUES_DOUBLE(of) NULL
#define VALUES_STRING(of) NULL
#define VALUES_BYTES(of) NULL
#define VALUES_ENUM(of) &tn_proto_enum_##of
#define VALUES_SUB(of) NULL

#define MESSAGE(T, full) static const tn_proto_field fields_##T[] = {
#define ENTRY(T) MESSAGE(T, )
#define FIELD(T, number, name, label, kind, of)                                                   \
    {#name, number, TN_PROTO_##kind, TN_PROTO_##label, offsetof(tn_##T, name), 0, NULL,           \
     SUB_##kind(of), VALUES_##kind(of)},
#define MEMBER(T, number, name, kind, of, oneof)                                                  \
    {#name, number, TN_PROTO_##kind, TN_PROTO_ONE, offsetof(tn_##T, name),                        \
     offsetof(tn_##T, oneof##_case), #oneof, SUB_##kind(of), VALUES_##kind(of)},
#define END(T) {0}};
#include "messages.def"

#define LABEL_ONE(many, map) 0
#define LABEL_MANY(many, map) many
#define LABEL_MAP(many, map) map
#define MESSAGE(T, full) enum { many_##T = 0
#define ENTRY(T) MESSAGE(T, )
#define FIELD(T, number, name, label, kind, of) + LABEL_##label(1, 1)
#define END(T) };
#include "messages.def"
#define MESSAGE(T, full) enum { maps_##T = 0
#define ENTRY(T) MESSAGE(T, )
#define FIELD(T, number, name, label, kind, of) + LABEL_##label(0, 1)
#define END(T) };
#include "messages.def"

#define MESSAGE(T, full)                                                                                  \
    const tn_proto_message tn_proto_##T = {full,           fields_##T, TN_COUNT(fields_##T) - 1,          \
                                           sizeof(tn_##T), many_##T,   maps_##T};                         \
    _Static_assert(TN_COUNT(fields_##T) - 1 <= TN_PROTO_MOST_FIELDS, "too many rows in " #T);
#define ENTRY(T) MESSAGE(T, NULL)
#include "messages.def"

static const tn_proto_message *const messages[] = {
#define MESSAGE(T, full) &tn_proto_##T,
#include "messages.def"
};

/* clang-format on */

/* ---- looking up ---- */

const tn_proto_message *tn_proto_at(size_t i)
{
    return i < TN_COUNT(messages) ? messages[i] : NULL;
}

const tn_proto_message *tn_proto_named(tn_view full_name)
{
    for (size_t i = 0; i < TN_COUNT(messages); i++)
        if (tn_view_is(full_name, messages[i]->name)) return messages[i];
    return NULL;
}

const tn_proto_field *tn_proto_field_numbered(const tn_proto_message *m, uint32_t number)
{
    size_t low = 0, high = m->n, likely = (size_t)number - 1;
    if (likely < m->n && m->fields[likely].number == number) return &m->fields[likely]; /* numbers without gaps */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->fields[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n && m->fields[low].number == number ? &m->fields[low] : NULL;
}

const tn_proto_field *tn_proto_field_named(const tn_proto_message *m, tn_view name)
{
    for (size_t i = 0; i < m->n; i++)
        if (tn_view_is(name, m->fields[i].name)) return &m->fields[i];
    return NULL;
}

const char *tn_proto_value_name(const tn_proto_enum *e, int32_t number)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->values[i].number == number) return e->values[i].name;
    return NULL;
}

bool tn_proto_value_named(const tn_proto_enum *e, tn_view name, int32_t *number)
{
    for (size_t i = 0; i < e->n; i++) {
        if (!tn_view_is(name, e->values[i].name)) continue;
        *number = e->values[i].number;
        return true;
    }
    return false;
}

/* ---- kinds ---- */

const tn_proto_kind_row tn_proto_kinds[] = {
    [TN_PROTO_INT32] = {4, TN_WIRE_VARINT},
    [TN_PROTO_INT64] = {8, TN_WIRE_VARINT},
    [TN_PROTO_UINT32] = {4, TN_WIRE_VARINT},
    [TN_PROTO_UINT64] = {8, TN_WIRE_VARINT},
    [TN_PROTO_SINT64] = {8, TN_WIRE_VARINT},
    [TN_PROTO_FIXED32] = {4, TN_WIRE_32},
    [TN_PROTO_BOOL] = {1, TN_WIRE_VARINT},
    [TN_PROTO_FLOAT] = {4, TN_WIRE_32},
    [TN_PROTO_DOUBLE] = {8, TN_WIRE_64},
    [TN_PROTO_STRING] = {sizeof(tn_view), TN_WIRE_BYTES},
    [TN_PROTO_BYTES] = {sizeof(tn_view), TN_WIRE_BYTES},
    [TN_PROTO_ENUM] = {4, TN_WIRE_VARINT},
    [TN_PROTO_SUB] = {sizeof(void *), TN_WIRE_BYTES},
};
_Static_assert(sizeof(bool) == 1, "a bool is a byte");
