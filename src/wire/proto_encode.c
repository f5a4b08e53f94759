/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_encode.c - structs -> protobuf's binary form.
 *
 * The size is found in one walk; then the message is written from its end to its beginning, so that a
 * nested message's length is known when it is needed, without keeping sizes anywhere and without
 * moving bytes.
 *
 * Invariants: both walks see the same fields, and the second fills exactly the bytes the first counted.
 */
#include "proto_walk.h"

/* ---- sizes ---- */

#define TOO_DEEP ((uint64_t)1 << 62)

static uint64_t message_size(const tn_proto_message *m, const void *message, uint32_t depth);

static uint64_t with_length(uint64_t n)
{
    return tn_varint_size(n) + n;
}

static uint64_t scalar_size(const tn_proto_field *f, const void *slot)
{
    switch (tn_proto_wire(f)) {
    case TN_WIRE_VARINT: return tn_varint_size(tn_proto_load(f, slot));
    case TN_WIRE_32: return 4;
    case TN_WIRE_64: return 8;
    default: return with_length(((const tn_view *)slot)->n);
    }
}

static uint64_t packed_size(const tn_proto_field *f, const tn_proto_any_list *list)
{
    size_t size = tn_proto_item_size(f);
    if (tn_proto_wire(f) != TN_WIRE_VARINT) return (uint64_t)list->n * size;
    uint64_t sum = 0;
    for (size_t i = 0; i < list->n; i++) sum += scalar_size(f, (const char *)list->items + i * size);
    return sum;
}

static uint64_t list_size(const tn_proto_field *f, const tn_proto_any_list *list, uint64_t tag,
                          uint32_t depth)
{
    if (tn_proto_packable(f)) return tag + with_length(packed_size(f, list));
    size_t size = tn_proto_item_size(f);
    uint64_t sum = 0;
    for (size_t i = 0; i < list->n && sum < TOO_DEEP; i++) {
        const char *item = (const char *)list->items + i * size;
        sum += tag + (f->kind == TN_PROTO_SUB ? with_length(message_size(f->sub, item, depth))
                                              : scalar_size(f, item));
    }
    return sum;
}

static uint64_t message_size(const tn_proto_message *m, const void *message, uint32_t depth)
{
    if (!message) return 0;
    if (depth == 0) return TOO_DEEP;
    uint64_t sum = tn_proto_unknown(message)->n;
    for (size_t i = 0; i < m->n && sum < TOO_DEEP; i++) {
        const tn_proto_field *f = &m->fields[i];
        if (!tn_proto_present(m, f, message)) continue;
        const void *slot = tn_proto_slot(f, message);
        uint64_t tag = tn_varint_size((uint64_t)f->number << 3);
        if (f->label != TN_PROTO_ONE)
            sum += list_size(f, slot, tag, depth - 1);
        else if (f->kind == TN_PROTO_SUB)
            sum += tag + with_length(message_size(f->sub, *(void *const *)slot, depth - 1));
        else
            sum += tag + scalar_size(f, slot);
    }
    return sum;
}

uint64_t tn_proto_size(const tn_proto_message *m, const void *message)
{
    return message_size(m, message, TN_PROTO_DEPTH);
}

/* ---- writing, backwards ---- */

typedef struct writer {
    char *p; /* the first byte written so far */
    bool no_memory;
} writer;

static void put_message(writer *w, const tn_proto_message *m, const void *message);

static void put_bytes(writer *w, const void *p, size_t n)
{
    w->p -= n;
    if (n) memcpy(w->p, p, n);
}

static void put_varint(writer *w, uint64_t v)
{
    w->p -= tn_varint_size(v);
    tn_varint_put(w->p, v);
}

static void put_tag(writer *w, const tn_proto_field *f, tn_wire_type wire)
{
    put_varint(w, (uint64_t)f->number << 3 | wire);
}

static void put_scalar(writer *w, const tn_proto_field *f, const void *slot)
{
    switch (tn_proto_wire(f)) {
    case TN_WIRE_VARINT: put_varint(w, tn_proto_load(f, slot)); break;
    case TN_WIRE_32: put_bytes(w, slot, 4); break;
    case TN_WIRE_64: put_bytes(w, slot, 8); break;
    default: {
        const tn_view *v = slot;
        put_bytes(w, v->p, v->n);
        put_varint(w, v->n);
    }
    }
}

/* One item with its tag: a scalar's value or a message in place. */
static void put_item(writer *w, const tn_proto_field *f, const void *item)
{
    if (f->kind == TN_PROTO_SUB) {
        const char *end = w->p;
        if (item) put_message(w, f->sub, item);
        put_varint(w, (uint64_t)(end - w->p));
    } else {
        put_scalar(w, f, item);
    }
    put_tag(w, f, tn_proto_wire(f));
}

static void put_packed(writer *w, const tn_proto_field *f, const tn_proto_any_list *list)
{
    size_t size = tn_proto_item_size(f);
    const char *end = w->p;
    if (tn_proto_wire(f) != TN_WIRE_VARINT)
        put_bytes(w, list->items, list->n * size);
    else
        for (size_t i = list->n; i-- > 0;) put_scalar(w, f, (const char *)list->items + i * size);
    put_varint(w, (uint64_t)(end - w->p));
    put_tag(w, f, TN_WIRE_BYTES);
}

/* A map whose entries were not added in order. */
static void put_unordered(writer *w, const tn_proto_field *f, const tn_proto_any_list *list)
{
    uint32_t *order = tn_malloc((size_t)list->n * 2 * sizeof *order);
    if (!order) {
        w->no_memory = true;
        return;
    }
    tn_proto_map_order(f->sub, list, order, order + list->n);
    for (size_t i = list->n; i-- > 0;) put_item(w, f, (const char *)list->items + order[i] * f->sub->size);
    tn_free(order);
}

static void put_list(writer *w, const tn_proto_field *f, const tn_proto_any_list *list)
{
    if (tn_proto_packable(f)) {
        put_packed(w, f, list);
    } else if (f->label == TN_PROTO_MAP && !tn_proto_map_ascends(f->sub, list)) {
        put_unordered(w, f, list);
    } else {
        size_t size = tn_proto_item_size(f);
        for (size_t i = list->n; i-- > 0;) put_item(w, f, (const char *)list->items + i * size);
    }
}

static void put_message(writer *w, const tn_proto_message *m, const void *message)
{
    const tn_view *unknown = tn_proto_unknown(message);
    put_bytes(w, unknown->p, unknown->n);
    for (size_t i = m->n; i-- > 0 && !w->no_memory;) {
        const tn_proto_field *f = &m->fields[i];
        if (!tn_proto_present(m, f, message)) continue;
        const void *slot = tn_proto_slot(f, message);
        if (f->label != TN_PROTO_ONE)
            put_list(w, f, slot);
        else
            put_item(w, f, f->kind == TN_PROTO_SUB ? *(void *const *)slot : slot);
    }
}

tn_code tn_proto_encode(const tn_proto_message *m, const void *message, tn_buf *out, tn_error *err)
{
    uint64_t size = tn_proto_size(m, message);
    if (size >= TOO_DEEP)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: messages are nested more than %d deep", m->name,
                       TN_PROTO_DEPTH);
    if (size > TN_PROTO_MOST_BYTES)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: %llu bytes are more than a message may have", m->name,
                       (unsigned long long)size);
    if (!tn_buf_reserve(out, (size_t)size)) return tn_buf_check(out, err);
    writer w = {.p = out->data + out->n + size};
    put_message(&w, m, message);
    if (w.no_memory) return tn_no_memory(err, (size_t)size);
    out->n += (size_t)size;
    out->data[out->n] = 0;
    return TN_OK;
}
