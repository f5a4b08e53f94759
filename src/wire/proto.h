/* SPDX-License-Identifier: Apache-2.0
 *
 * proto.h - protobuf messages as C structs: TensorFlow's GraphDef, TensorProto, Event, Example, ...
 *
 * messages.def has one row for each field; from its rows come the structs below, the tables which one
 * decoder, one encoder, one printer and one parser walk, and the constants for oneof cases and enums.
 * A message tensorflow.NodeDef is a tn_NodeDef; its fields carry TensorFlow's names:
 *
 *     tn_GraphDef *g;
 *     TN_TRY(TN_DECODE(GraphDef, bytes, arena, &g, err));
 *     for (size_t i = 0; i < g->node.n; i++) {
 *         const tn_NodeDef *node = &g->node.items[i];
 *         const tn_AttrValue *t = tn_attr_value(&node->attr, "T");
 *         if (t && t->value_case == TN_AttrValue_type) use(node->name, t->type);
 *     }
 *
 *     tn_NodeDef *node = TN_PUSH(arena, &g->node);                        NULL: no memory
 *     node->op = TN_VIEW("Const");
 *     tn_AttrValue *dtype = tn_attr_put(arena, &node->attr, "dtype");     NULL: no memory
 *     TN_SET(dtype, AttrValue, value, type) = TN_FLOAT;
 *     TN_TRY(TN_ENCODE(GraphDef, g, &buf, err));
 *
 * Representation: a scalar is a field of its C type (enums: int32_t); string and bytes are a tn_view;
 * a single message is a pointer, NULL when absent; a repeated field is {items, n, cap}; a map is a
 * repeated entry {key, value}, ascending by key without duplicates when decoded, its message values
 * never NULL. A oneof has <name>_case, the number of the member that is set (TN_<Message>_<member>),
 * 0 when none: that decides what is written; members not set are zero. unknown_fields holds fields
 * without a row as they came, and is written after the others.
 *
 * Ownership: a decoded message lives in the arena; its strings, bytes and unknown fields, and packed
 * float, double and fixed fields where alignment permits (cap is 0 then), are views into the input,
 * which the caller keeps alive and unchanged. The same holds of what a builder puts into a message.
 *
 * Files and sockets are left to others; so is what the messages mean.
 */
#ifndef TN_WIRE_PROTO_H
#define TN_WIRE_PROTO_H

#include "../base/base.h"

#define TN_PROTO_DEPTH 100           /* nesting of messages allowed when nobody says otherwise */
#define TN_PROTO_MOST_FIELDS 48      /* rows of one message */
#define TN_PROTO_MOST_BYTES INT32_MAX /* protobuf's own limit for one message */

/* ==== the structs ==== */

#define TN_PROTO_LIST(name, T)                                                                    \
    typedef struct name##_list {                                                                  \
        T *items;                                                                                 \
        uint32_t n, cap; /* cap 0: items are borrowed and not to be written to */                 \
    } name##_list
TN_PROTO_LIST(tn_int32, int32_t);
TN_PROTO_LIST(tn_int64, int64_t);
TN_PROTO_LIST(tn_uint32, uint32_t);
TN_PROTO_LIST(tn_uint64, uint64_t);
TN_PROTO_LIST(tn_bool, bool);
TN_PROTO_LIST(tn_float, float);
TN_PROTO_LIST(tn_double, double);
TN_PROTO_LIST(tn_view, tn_view);

/* Kinds of field: name, C type of one, C type of many. */
#define TN_PROTO_ONE_INT32(of) int32_t
#define TN_PROTO_ONE_INT64(of) int64_t
#define TN_PROTO_ONE_UINT32(of) uint32_t
#define TN_PROTO_ONE_UINT64(of) uint64_t
#define TN_PROTO_ONE_SINT64(of) int64_t
#define TN_PROTO_ONE_FIXED32(of) uint32_t
#define TN_PROTO_ONE_BOOL(of) bool
#define TN_PROTO_ONE_FLOAT(of) float
#define TN_PROTO_ONE_DOUBLE(of) double
#define TN_PROTO_ONE_STRING(of) tn_view
#define TN_PROTO_ONE_BYTES(of) tn_view
#define TN_PROTO_ONE_ENUM(of) int32_t
#define TN_PROTO_ONE_SUB(of) tn_##of *
#define TN_PROTO_MANY_INT32(of) tn_int32_list
#define TN_PROTO_MANY_INT64(of) tn_int64_list
#define TN_PROTO_MANY_UINT32(of) tn_uint32_list
#define TN_PROTO_MANY_UINT64(of) tn_uint64_list
#define TN_PROTO_MANY_BOOL(of) tn_bool_list
#define TN_PROTO_MANY_FLOAT(of) tn_float_list
#define TN_PROTO_MANY_DOUBLE(of) tn_double_list
#define TN_PROTO_MANY_STRING(of) tn_view_list
#define TN_PROTO_MANY_BYTES(of) tn_view_list
#define TN_PROTO_MANY_ENUM(of) tn_int32_list
#define TN_PROTO_MANY_SUB(of) tn_##of##_list
#define TN_PROTO_MAP_SUB(of) tn_##of##_list

#define MESSAGE(T, full)                                                                          \
    typedef struct tn_##T tn_##T;                                                                 \
    TN_PROTO_LIST(tn_##T, tn_##T);
#define ENTRY(T) MESSAGE(T, )
#include "messages.def"

#define MESSAGE(T, full)                                                                          \
    struct tn_##T {                                                                               \
        tn_view unknown_fields;
#define ENTRY(T) MESSAGE(T, )
#define ONEOF(T, name) int32_t name##_case;
#define FIELD(T, number, name, label, kind, of) TN_PROTO_##label##_##kind(of) name;
#define MEMBER(T, number, name, kind, of, oneof) TN_PROTO_ONE_##kind(of) name;
#define END(T) };
#include "messages.def"

/* TN_NodeDef_attr = 5, TN_SessionStatus_START = 1, ... */
enum {
#define FIELD(T, number, name, label, kind, of) TN_##T##_##name = number,
#define MEMBER(T, number, name, kind, of, oneof) TN_##T##_##name = number,
#define VALUE(T, number, name) TN_##T##_##name = number,
#include "messages.def"
};

/* ==== the tables (proto_table.c) ==== */

typedef enum tn_proto_kind {
    TN_PROTO_INT32, TN_PROTO_INT64, TN_PROTO_UINT32, TN_PROTO_UINT64, TN_PROTO_SINT64, TN_PROTO_FIXED32,
    TN_PROTO_BOOL, TN_PROTO_FLOAT, TN_PROTO_DOUBLE, TN_PROTO_STRING, TN_PROTO_BYTES, TN_PROTO_ENUM,
    TN_PROTO_SUB
} tn_proto_kind;
typedef enum tn_proto_label { TN_PROTO_ONE, TN_PROTO_MANY, TN_PROTO_MAP } tn_proto_label;

typedef struct tn_proto_value {
    int32_t number;
    const char *name;
} tn_proto_value;
typedef struct tn_proto_enum {
    const char *name;
    const tn_proto_value *values;
    size_t n;
} tn_proto_enum;

typedef struct tn_proto_field {
    const char *name;
    uint32_t number;
    uint8_t kind;         /* tn_proto_kind */
    uint8_t label;        /* tn_proto_label */
    uint16_t offset;      /* in the struct */
    uint16_t case_offset; /* of <oneof>_case; 0: not in a oneof */
    const char *oneof;
    const struct tn_proto_message *sub; /* kind SUB */
    const tn_proto_enum *values;        /* kind ENUM */
} tn_proto_field;
typedef struct tn_proto_message {
    const char *name; /* "tensorflow.NodeDef"; NULL: a map's entry */
    const tn_proto_field *fields;
    size_t n, size; /* fields; bytes of the struct */
    uint16_t many, maps; /* of the fields: repeated ones, maps among them */
} tn_proto_message;

/* TN_PROTO(NodeDef): its table. */
#define TN_PROTO(T) (&tn_proto_##T)
#define MESSAGE(T, full) extern const tn_proto_message tn_proto_##T;
#define ENTRY(T) MESSAGE(T, )
#define ENUMERATION(T, full) extern const tn_proto_enum tn_proto_enum_##T;
#include "messages.def"

const tn_proto_message *tn_proto_named(tn_view full_name); /* NULL: no such message */
const tn_proto_message *tn_proto_at(size_t i);             /* the i-th of all but entries; NULL: no more */
const tn_proto_field *tn_proto_field_numbered(const tn_proto_message *m, uint32_t number);
const tn_proto_field *tn_proto_field_named(const tn_proto_message *m, tn_view name);
const char *tn_proto_value_name(const tn_proto_enum *e, int32_t number); /* NULL: none */
bool tn_proto_value_named(const tn_proto_enum *e, tn_view name, int32_t *number);

/* ==== binary form (proto_decode.c, proto_encode.c) ==== */

typedef struct tn_proto_limits { /* zeros: the defaults */
    uint32_t depth;  /* TN_PROTO_DEPTH */
    size_t memory;   /* bytes taken from the arena; 64 times the input and 64 KiB more */
} tn_proto_limits;

/* *out is a new message of the table's struct. DATA_LOSS names the message, the field's path and the
 * offset in the input ("tensorflow.GraphDef.node[3].attr[0].value: cut short at byte 212");
 * RESOURCE_EXHAUSTED: over a limit. limits may be NULL. */
tn_code tn_proto_decode(const tn_proto_message *m, tn_view bytes, tn_arena *a,
                        const tn_proto_limits *limits, void **out, tn_error *err);
/* Bytes of the encoded message; over TN_PROTO_MOST_BYTES it cannot be written. */
uint64_t tn_proto_size(const tn_proto_message *m, const void *message);
/* Appends the message: fields ascending by number, maps ascending by key, default values left out but
 * for members of a oneof; equal messages give equal bytes. */
tn_code tn_proto_encode(const tn_proto_message *m, const void *message, tn_buf *out, tn_error *err);

#define TN_DECODE(T, bytes, arena, out, err)                                                      \
    tn_proto_decode(TN_PROTO(T), (bytes), (arena), NULL, (void **)(1 ? (out) : (tn_##T **)NULL), (err))
#define TN_ENCODE(T, message, buf, err)                                                           \
    tn_proto_encode(TN_PROTO(T), (1 ? (message) : (const tn_##T *)NULL), (buf), (err))

/* ==== fields on the wire (proto_token.c) ==== */

typedef enum tn_wire_type {
    TN_WIRE_VARINT = 0,
    TN_WIRE_64 = 1,
    TN_WIRE_BYTES = 2,
    TN_WIRE_GROUP = 3,
    TN_WIRE_GROUP_END = 4,
    TN_WIRE_32 = 5
} tn_wire_type;

/* One field as it stands on the wire. */
typedef struct tn_proto_token {
    uint32_t number;
    tn_wire_type wire;
    uint64_t value;  /* varint, 32, 64 */
    tn_view payload; /* bytes */
    tn_view whole;   /* tag included */
} tn_proto_token;
/* Takes one field off the front; returns what is wrong, or NULL. */
const char *tn_proto_take_token(tn_view *in, tn_proto_token *t, uint32_t depth);

/* ==== text form (proto_print.c, proto_parse.c) ==== protobuf's: name: value, name { ... } */

/* Appends, indented from column `indent`. Unknown fields are shown by number, for the eye alone. */
tn_code tn_proto_print(const tn_proto_message *m, const void *message, int indent, tn_buf *out,
                       tn_error *err);
/* The message's strings are copied into the arena. INVALID_ARGUMENT: "line 3, column 9: ..." with the
 * nearest name for an unknown one. Repeated message fields are appended, a second single one refused. */
tn_code tn_proto_parse(const tn_proto_message *m, tn_view text, tn_arena *a, void **out, tn_error *err);

#define TN_PRINT(T, message, buf, err)                                                            \
    tn_proto_print(TN_PROTO(T), (1 ? (message) : (const tn_##T *)NULL), 0, (buf), (err))
#define TN_PARSE(T, text, arena, out, err)                                                        \
    tn_proto_parse(TN_PROTO(T), (text), (arena), (void **)(1 ? (out) : (tn_##T **)NULL), (err))

/* ==== building and looking (proto_build.c) ==== */

/* A new zeroed item at the end of a repeated field; NULL: no memory. Grows in the arena, so that
 * pointers to earlier items do not last. */
#define TN_PUSH(arena, list)                                                                      \
    ((__typeof__((list)->items))tn_proto_push((arena), (list), sizeof *(list)->items))
void *tn_proto_push(tn_arena *a, void *list, size_t item_size);
/* Makes room for `more` items beyond n, which stays. */
bool tn_proto_reserve(tn_arena *a, void *list, size_t item_size, size_t more);

/* The entry of a string-keyed map, or NULL: TN_FIND(&meta->signature_def, "serving_default"). */
#define TN_FIND(list, text)                                                                       \
    ((__typeof__((list)->items))tn_proto_find((list)->items, (list)->n, sizeof *(list)->items, (text)))
void *tn_proto_find(const void *items, size_t n, size_t item_size, const char *key);

/* Sets a oneof's case and is the member to assign to: TN_SET(v, AttrValue, value, i) = 3. */
#define TN_SET(message, T, oneof, member)                                                         \
    (*__extension__({                                                                             \
        tn_##T *tn_set_ = (message);                                                              \
        tn_set_->oneof##_case = TN_##T##_##member;                                                \
        &tn_set_->member;                                                                         \
    }))

/* An attribute's value, or NULL. */
const tn_AttrValue *tn_attr_value(const tn_AttrEntry_list *attrs, const char *name);
/* The attribute's value, added when absent (the name is copied), emptied when present; NULL: no memory. */
tn_AttrValue *tn_attr_put(tn_arena *a, tn_AttrEntry_list *attrs, const char *name);

/* ==== tf.Example (example.c) ==== */

const tn_Feature *tn_example_feature(const tn_Example *e, const char *name); /* NULL: absent */
/* Adds (or replaces) a feature. Values are copied into the arena; bytes are borrowed. */
tn_code tn_example_floats(tn_Example *e, tn_arena *a, const char *name, const float *v, size_t n,
                          tn_error *err);
tn_code tn_example_int64s(tn_Example *e, tn_arena *a, const char *name, const int64_t *v, size_t n,
                          tn_error *err);
tn_code tn_example_bytes(tn_Example *e, tn_arena *a, const char *name, const tn_view *v, size_t n,
                          tn_error *err);

#endif
