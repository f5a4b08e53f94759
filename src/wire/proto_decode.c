/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_decode.c - protobuf's binary form -> structs in an arena.
 *
 * A message with repeated fields is gone through twice: the first time they are counted, so that arrays are
 * taken once and whole, the second time all fields are stored. Nested messages are not entered when counting, so a
 * byte is looked at no more than twice as a field and as often as messages around it are skipped: once.
 *
 * Invariants: nothing is read outside the input; memory comes from the pool and so is bounded by the
 * input's size; nesting is bounded; a field whose wire type does not fit its row is kept as unknown, as
 * protobuf does.
 */
#include "proto_walk.h"

/* Where the decoder is, for messages: one for each message it is inside of. */
typedef struct frame {
    const struct frame *up;
    const tn_proto_message *m;
    const tn_proto_field *f; /* the field of m being decoded; NULL: none */
    size_t index;            /* its index when repeated */
    uint32_t depth;          /* levels left below this one */
} frame;

typedef struct reader {
    tn_proto_pool pool;
    const char *start; /* of the whole input */
    uint32_t depth;    /* messages allowed inside of one another */
    tn_error *err;
} reader;

/* ---- errors ---- */

static const char *name_of(const tn_proto_message *m)
{
    return m->name ? m->name : "message";
}

static void path(const frame *at, tn_buf *out)
{
    if (at->up)
        path(at->up, out);
    else
        tn_buf_str(out, name_of(at->m));
    if (!at->f) return;
    tn_buf_printf(out, ".%s", at->f->name);
    if (at->f->label != TN_PROTO_ONE) tn_buf_printf(out, "[%zu]", at->index);
}

static tn_code fail(const reader *r, const frame *at, const char *where, tn_code code, const char *what)
{
    tn_buf text = {.limit = 700};
    path(at, &text);
    tn_fail(r->err, code, "%s: %s at byte %zu", text.data ? text.data : name_of(at->m), what,
            (size_t)(where - r->start));
    tn_buf_free(&text);
    return code;
}

static tn_code fail_memory(const reader *r, const frame *at)
{
    tn_code code = tn_proto_pool_fail(&r->pool, r->err);
    while (at->up) at = at->up;
    tn_wrap(r->err, "%s", name_of(at->m));
    return code;
}

/* ---- counting ---- */

/* The field's row when the wire type fits it. `hint` is the row before the likely one. */
static const tn_proto_field *row_of(const tn_proto_message *m, const tn_proto_token *t,
                                    const tn_proto_field *hint)
{
    const tn_proto_field *f = hint;
    if (!f || f->number != t->number) f = tn_proto_field_numbered(m, t->number);
    if (!f) return NULL;
    if (t->wire == tn_proto_wire(f)) return f;
    return t->wire == TN_WIRE_BYTES && f->label == TN_PROTO_MANY && tn_proto_packable(f) ? f : NULL;
}

/* How many numbers a packed field holds; -1: it does not end where a number does. */
static int64_t packed_count(const tn_proto_field *f, tn_view v)
{
    tn_wire_type wire = tn_proto_wire(f);
    size_t size = wire == TN_WIRE_64 ? 8 : 4;
    if (wire != TN_WIRE_VARINT) return v.n % size ? -1 : (int64_t)(v.n / size);
    if (v.n && (uint8_t)v.p[v.n - 1] >= 0x80) return -1;
    int64_t n = 0;
    for (size_t i = 0; i < v.n; i++) n += (uint8_t)v.p[i] < 0x80;
    return n;
}

/* counts[i]: items of the i-th row in this input. */
static tn_code count_fields(const reader *r, frame *at, tn_view in, uint64_t *counts, size_t *unknown)
{
    const tn_proto_message *m = at->m;
    const tn_proto_field *f = NULL;
    while (in.n) {
        tn_proto_token t;
        const char *here = in.p, *bad = tn_proto_take_token(&in, &t, at->depth);
        if (bad) return fail(r, at, here, TN_DATA_LOSS, bad);
        const tn_proto_field *row = row_of(m, &t, f);
        if (!row) {
            *unknown += t.whole.n;
            continue;
        }
        f = row;
        bool packed = t.wire == TN_WIRE_BYTES && tn_proto_packable(f);
        int64_t n = packed ? packed_count(f, t.payload) : 1;
        at->f = f;
        if (n < 0) return fail(r, at, here, TN_DATA_LOSS, "packed numbers are cut short");
        counts[f - m->fields] += (uint64_t)n;
        at->f = NULL;
    }
    return TN_OK;
}

/* ---- storing ---- */

static tn_code decode_message(reader *r, const frame *up, const tn_proto_message *m, tn_view in, void *out);

/* What is unknown of a message: a view of the input while it is in one piece, else a copy. */
typedef struct unknown {
    size_t total; /* bytes of it in this input, at most */
    char *copy;
} unknown;

static bool keep_unknown(reader *r, unknown *u, tn_view *kept, tn_view more)
{
    if (!kept->n) {
        *kept = more;
        return true;
    }
    if (!u->copy && kept->p + kept->n == more.p) {
        kept->n += more.n;
        return true;
    }
    if (!u->copy) {
        u->copy = tn_proto_take(&r->pool, kept->n + u->total);
        if (!u->copy) return false;
        memcpy(u->copy, kept->p, kept->n);
        kept->p = u->copy;
    }
    memcpy(u->copy + kept->n, more.p, more.n);
    kept->n += more.n;
    return true;
}

static tn_code store_view(const reader *r, const frame *at, tn_view v, tn_view *slot)
{
    if (at->f->kind == TN_PROTO_STRING && !tn_utf8_valid(v))
        return fail(r, at, v.p, TN_DATA_LOSS, "a string is not UTF-8");
    *slot = v;
    return TN_OK;
}

/* Numbers of fixed size lie in the input as they do in memory: borrowed when they are all there are. */
static bool borrow(const tn_proto_field *f, tn_proto_any_list *list, tn_view v, uint64_t count)
{
    size_t size = tn_proto_item_size(f);
    if (list->n || tn_proto_wire(f) == TN_WIRE_VARINT || v.n != count * size || (uintptr_t)v.p % size)
        return false;
    *list = (tn_proto_any_list){(void *)v.p, (uint32_t)count, 0};
    return true;
}

/* False: a number is too long. */
static bool unpack(const tn_proto_field *f, tn_proto_any_list *list, tn_view v)
{
    if (!v.n) return true;
    size_t size = tn_proto_item_size(f);
    char *to = (char *)list->items + list->n * size;
    if (tn_proto_wire(f) != TN_WIRE_VARINT) {
        memcpy(to, v.p, v.n);
        list->n += (uint32_t)(v.n / size);
        return true;
    }
    uint64_t number;
    for (; v.n; to += size, list->n++) {
        if (!tn_varint_get(&v, &number)) return false;
        tn_proto_store(f, to, number);
    }
    return true;
}

/* *count: items of the field that are still to come in this message, 0 once there is room for them. */
static tn_code store_many(reader *r, frame *at, const tn_proto_token *t, tn_proto_any_list *list,
                          uint64_t *count)
{
    const tn_proto_field *f = at->f;
    size_t size = tn_proto_item_size(f);
    bool packed = t->wire == TN_WIRE_BYTES && tn_proto_packable(f);
    if (packed && borrow(f, list, t->payload, *count)) return TN_OK;
    if (*count && !tn_proto_room(&r->pool, list, size, *count)) return fail_memory(r, at);
    *count = 0;
    if (packed && !unpack(f, list, t->payload))
        return fail(r, at, t->payload.p, TN_DATA_LOSS, "a packed number is too long");
    if (packed) return TN_OK;
    void *slot = (char *)list->items + list->n * size;
    at->index = list->n++;
    if (f->kind == TN_PROTO_SUB) return decode_message(r, at, f->sub, t->payload, slot);
    if (!tn_proto_packable(f)) return store_view(r, at, t->payload, slot);
    tn_proto_store(f, slot, t->value);
    return TN_OK;
}

static tn_code store_one(reader *r, const frame *at, const tn_proto_token *t, void *message)
{
    const tn_proto_field *f = at->f;
    if (f->case_offset) tn_proto_choose(at->m, f, message);
    void *slot = tn_proto_slot(f, message);
    if (f->kind == TN_PROTO_SUB) {
        void **sub = slot;
        if (!*sub && !(*sub = tn_proto_take(&r->pool, f->sub->size))) return fail_memory(r, at);
        return decode_message(r, at, f->sub, t->payload, *sub);
    }
    if (!tn_proto_packable(f)) return store_view(r, at, t->payload, slot);
    tn_proto_store(f, slot, t->value);
    return TN_OK;
}

static tn_code store_fields(reader *r, frame *at, tn_view in, uint64_t *counts, size_t unknown_total,
                            void *out)
{
    const tn_proto_message *m = at->m;
    unknown u = {.total = unknown_total};
    const tn_proto_field *f = NULL;
    while (in.n) {
        tn_proto_token t;
        const char *here = in.p, *bad = tn_proto_take_token(&in, &t, at->depth);
        if (bad) return fail(r, at, here, TN_DATA_LOSS, bad);
        const tn_proto_field *row = row_of(m, &t, f);
        if (!row) {
            if (!keep_unknown(r, &u, tn_proto_unknown(out), t.whole)) return fail_memory(r, at);
            continue;
        }
        at->f = f = row;
        if (f->label == TN_PROTO_ONE)
            TN_TRY(store_one(r, at, &t, out));
        else
            TN_TRY(store_many(r, at, &t, tn_proto_slot(f, out), &counts[f - m->fields]));
        at->f = NULL;
    }
    return TN_OK;
}

/* Entries that the message's maps have. */
static void count_entries(const tn_proto_message *m, const void *message, uint32_t *entries)
{
    for (size_t i = 0; i < m->n; i++) {
        const tn_proto_any_list *list = tn_proto_slot(&m->fields[i], message);
        entries[i] = m->fields[i].label == TN_PROTO_MAP ? list->n : 0;
    }
}

/* Merges the input into the message, as protobuf does when a single message comes twice. */
static tn_code decode_message(reader *r, const frame *up, const tn_proto_message *m, tn_view in, void *out)
{
    frame at = {.up = up, .m = m, .depth = up ? up->depth - 1 : r->depth};
    if (at.depth == 0)
        return fail(r, up ? up : &at, in.p, TN_RESOURCE_EXHAUSTED, "messages are nested too deep");
    uint64_t counts[TN_PROTO_MOST_FIELDS];
    uint32_t before[TN_PROTO_MOST_FIELDS];
    size_t unknown_total = m->many ? 0 : in.n;
    if (m->maps) count_entries(m, out, before);
    if (m->many) {
        memset(counts, 0, m->n * sizeof *counts);
        TN_TRY(count_fields(r, &at, in, counts, &unknown_total));
    }
    TN_TRY(store_fields(r, &at, in, counts, unknown_total, out));
    for (size_t i = 0; m->maps && i < m->n; i++) {
        const tn_proto_field *f = &m->fields[i];
        if (f->label != TN_PROTO_MAP) continue;
        if (!tn_proto_map_finish(f->sub, tn_proto_slot(f, out), before[i], &r->pool))
            return fail_memory(r, &at);
    }
    return TN_OK;
}

tn_code tn_proto_decode(const tn_proto_message *m, tn_view bytes, tn_arena *a, const tn_proto_limits *limits,
                        void **out, tn_error *err)
{
    static const tn_proto_limits defaults = {0};
    if (!limits) limits = &defaults;
    if (bytes.n > TN_PROTO_MOST_BYTES)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: %zu bytes are more than a message may have", name_of(m),
                       bytes.n);
    reader r = {.pool = tn_proto_pool_for(a, bytes.n, limits->memory),
                .start = bytes.p,
                .depth = limits->depth ? limits->depth : TN_PROTO_DEPTH,
                .err = err};
    void *message = tn_proto_take(&r.pool, m->size);
    if (!message) return fail_memory(&r, &(frame){.m = m});
    TN_TRY(decode_message(&r, NULL, m, bytes, message));
    *out = message;
    return TN_OK;
}
