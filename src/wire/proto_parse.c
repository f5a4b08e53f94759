/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_parse.c - protobuf's text form -> structs in an arena.
 *
 * Taken: name: value, name { } and name < >, lists in [ ], separators ; and , between fields, comments,
 * joined strings, enums by name or number, and a google.protobuf.Any written as [type_url] { ... } of a
 * message that has rows.
 *
 * Invariants: memory comes from the pool and so is bounded by the text's size; nesting is bounded; a
 * single field comes once, and one member of a oneof.
 */
#include "proto_lex.h"

_Static_assert(TN_PROTO_MOST_FIELDS <= 64, "a bit for each field");

static tn_code parse_message(tn_proto_lexer *l, const tn_proto_message *m, char close, uint32_t depth,
                             void *out);

/* ---- scalars ---- */

static tn_code parse_int(tn_proto_lexer *l, uint64_t most_negative, uint64_t most, uint64_t *out)
{
    bool negative;
    uint64_t magnitude;
    tn_proto_skip(l);
    const char *at = l->p;
    TN_TRY(tn_proto_integer(l, &negative, &magnitude));
    if (magnitude > (negative ? most_negative : most))
        return tn_proto_lex_fail(l, at, "an integer out of range");
    *out = negative ? 0 - magnitude : magnitude;
    return TN_OK;
}

static tn_code parse_bool(tn_proto_lexer *l, uint64_t *out)
{
    tn_view word;
    if (!tn_proto_identifier(l, &word)) return parse_int(l, 0, 1, out);
    bool yes = tn_view_is(word, "true") || tn_view_is(word, "True") || tn_view_is(word, "t");
    bool no = tn_view_is(word, "false") || tn_view_is(word, "False") || tn_view_is(word, "f");
    if (!yes && !no)
        return tn_proto_lex_fail(l, word.p, "expected true or false, not '%.*s'", (int)word.n, word.p);
    *out = yes;
    return TN_OK;
}

/* "tensorflow.NodeDef has no field 'nam'; did you mean 'name'?" */
static tn_code fail_unknown(const tn_proto_lexer *l, const char *owner, const char *what, tn_view word,
                            const char *const *names, size_t n)
{
    char text[80];
    snprintf(text, sizeof text, "%.*s", (int)TN_MIN(word.n, sizeof text), word.p);
    const char *near = tn_nearest(text, names, n);
    return tn_proto_lex_fail(l, word.p, "%s has no %s '%s'%s%s%s", owner, what, text,
                             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static tn_code parse_enum(tn_proto_lexer *l, const tn_proto_enum *e, uint64_t *out)
{
    tn_view word;
    int32_t number;
    if (!tn_proto_identifier(l, &word)) return parse_int(l, (uint64_t)1 << 31, INT32_MAX, out);
    if (!tn_proto_value_named(e, word, &number)) {
        const char *names[128];
        size_t n = TN_MIN(e->n, TN_COUNT(names));
        for (size_t i = 0; i < n; i++) names[i] = e->values[i].name;
        return fail_unknown(l, e->name, "value", word, names, n);
    }
    *out = (uint64_t)(int64_t)number;
    return TN_OK;
}

static tn_code parse_real(tn_proto_lexer *l, const tn_proto_field *f, void *slot)
{
    double v;
    TN_TRY(tn_proto_real(l, &v));
    if (f->kind == TN_PROTO_FLOAT)
        *(float *)slot = (float)v;
    else
        *(double *)slot = v;
    return TN_OK;
}

static tn_code parse_string(tn_proto_lexer *l, const tn_proto_field *f, tn_view *slot)
{
    tn_proto_skip(l);
    const char *at = l->p;
    TN_TRY(tn_proto_quoted(l, slot));
    if (f->kind == TN_PROTO_STRING && !tn_utf8_valid(*slot))
        return tn_proto_lex_fail(l, at, "'%s' is not UTF-8", f->name);
    return TN_OK;
}

static tn_code parse_scalar(tn_proto_lexer *l, const tn_proto_field *f, void *slot)
{
    uint64_t v = 0;
    switch (f->kind) {
    case TN_PROTO_INT32: TN_TRY(parse_int(l, (uint64_t)1 << 31, INT32_MAX, &v)); break;
    case TN_PROTO_INT64:
    case TN_PROTO_SINT64: TN_TRY(parse_int(l, (uint64_t)1 << 63, INT64_MAX, &v)); break;
    case TN_PROTO_UINT32:
    case TN_PROTO_FIXED32: TN_TRY(parse_int(l, 0, UINT32_MAX, &v)); break;
    case TN_PROTO_UINT64: TN_TRY(parse_int(l, 0, UINT64_MAX, &v)); break;
    case TN_PROTO_BOOL: TN_TRY(parse_bool(l, &v)); break;
    case TN_PROTO_ENUM: TN_TRY(parse_enum(l, f->values, &v)); break;
    case TN_PROTO_FLOAT:
    case TN_PROTO_DOUBLE: return parse_real(l, f, slot);
    default: return parse_string(l, f, slot);
    }
    if (f->kind == TN_PROTO_SINT64) v = tn_zigzag((int64_t)v);
    tn_proto_store(f, slot, v);
    return TN_OK;
}

/* ---- messages ---- */

/* "{ ... }" or "< ... >" */
static tn_code parse_block(tn_proto_lexer *l, const tn_proto_message *m, uint32_t depth, void *out)
{
    if (tn_proto_accept(l, '{')) return parse_message(l, m, '}', depth, out);
    if (tn_proto_accept(l, '<')) return parse_message(l, m, '>', depth, out);
    return tn_proto_lex_fail(l, l->p, "expected '{'");
}

static tn_code encode_inside(const tn_proto_lexer *l, const tn_proto_message *m, const void *message,
                             tn_view *out)
{
    tn_buf bytes = {0};
    tn_code code = tn_proto_encode(m, message, &bytes, l->err);
    char *copy = code ? NULL : tn_proto_take(l->pool, bytes.n + 1);
    if (copy && bytes.n) memcpy(copy, bytes.data, bytes.n);
    if (!copy && !code) code = tn_proto_pool_fail(l->pool, l->err);
    if (copy) *out = (tn_view){copy, bytes.n};
    tn_buf_free(&bytes);
    return code;
}

/* "[type.googleapis.com/tensorflow.X] { ... }" inside of an Any; the bracket is taken. */
static tn_code parse_any(tn_proto_lexer *l, uint32_t depth, tn_Any *any)
{
    tn_proto_skip(l);
    const char *close = memchr(l->p, ']', (size_t)(l->end - l->p));
    if (!close) return tn_proto_lex_fail(l, l->p, "expected ']'");
    tn_view url = {l->p, (size_t)(close - l->p)}, name = url;
    for (const char *p = url.p; p < close; p++)
        if (*p == '/') name = (tn_view){p + 1, (size_t)(close - p - 1)};
    const tn_proto_message *m = tn_proto_named(name);
    if (!m) return tn_proto_lex_fail(l, name.p, "unknown message '%.*s'", (int)TN_MIN(name.n, 80), name.p);
    if (!tn_utf8_valid(url)) return tn_proto_lex_fail(l, url.p, "a type URL that is not UTF-8");
    l->p = close + 1;
    tn_proto_accept(l, ':');
    void *inside = tn_proto_take(l->pool, m->size);
    char *text = tn_proto_take(l->pool, url.n + 1);
    if (!inside || !text) return tn_proto_pool_fail(l->pool, l->err);
    TN_TRY(parse_block(l, m, depth - 1, inside));
    any->type_url = (tn_view){memcpy(text, url.p, url.n), url.n};
    return encode_inside(l, m, inside, &any->value);
}

static tn_code parse_item(tn_proto_lexer *l, const tn_proto_field *f, uint32_t depth, void *message)
{
    size_t size = tn_proto_item_size(f);
    void *slot = tn_proto_slot(f, message);
    if (f->label != TN_PROTO_ONE) {
        tn_proto_any_list *list = slot;
        if (!tn_proto_room(l->pool, list, size, 1)) return tn_proto_pool_fail(l->pool, l->err);
        slot = (char *)list->items + list->n++ * size;
    } else if (f->kind == TN_PROTO_SUB) {
        slot = *(void **)slot = tn_proto_take(l->pool, size);
        if (!slot) return tn_proto_pool_fail(l->pool, l->err);
    }
    return f->kind == TN_PROTO_SUB ? parse_block(l, f->sub, depth - 1, slot) : parse_scalar(l, f, slot);
}

static tn_code parse_list(tn_proto_lexer *l, const tn_proto_field *f, uint32_t depth, void *message)
{
    if (tn_proto_accept(l, ']')) return TN_OK;
    do TN_TRY(parse_item(l, f, depth, message));
    while (tn_proto_accept(l, ','));
    return tn_proto_accept(l, ']') ? TN_OK : tn_proto_lex_fail(l, l->p, "expected ',' or ']'");
}

/* Refuses a second value of a single field or oneof; *seen has a bit for each row. */
static tn_code once(const tn_proto_lexer *l, const char *at, const tn_proto_message *m,
                    const tn_proto_field *f, uint64_t *seen, void *message)
{
    uint64_t bit = (uint64_t)1 << (f - m->fields);
    if (*seen & bit) return tn_proto_lex_fail(l, at, "'%s' comes twice", f->name);
    *seen |= bit;
    if (!f->case_offset) return TN_OK;
    if (*tn_proto_case(f, message))
        return tn_proto_lex_fail(l, at, "'%s' beside another choice of '%s'", f->name, f->oneof);
    tn_proto_choose(m, f, message);
    return TN_OK;
}

static tn_code parse_field(tn_proto_lexer *l, const tn_proto_message *m, uint32_t depth, uint64_t *seen,
                           void *out)
{
    tn_view name;
    if (!tn_proto_identifier(l, &name)) return tn_proto_lex_fail(l, l->p, "expected a field's name");
    const tn_proto_field *f = tn_proto_field_named(m, name);
    if (!f) {
        const char *names[TN_PROTO_MOST_FIELDS];
        for (size_t i = 0; i < m->n; i++) names[i] = m->fields[i].name;
        return fail_unknown(l, m->name ? m->name : "a map entry", "field", name, names, m->n);
    }
    if (!tn_proto_accept(l, ':') && f->kind != TN_PROTO_SUB)
        return tn_proto_lex_fail(l, l->p, "expected ':'");
    if (f->label == TN_PROTO_ONE)
        TN_TRY(once(l, name.p, m, f, seen, out));
    else if (tn_proto_accept(l, '['))
        return parse_list(l, f, depth, out);
    return parse_item(l, f, depth, out);
}

static tn_code finish_maps(tn_proto_lexer *l, const tn_proto_message *m, void *out)
{
    for (size_t i = 0; i < m->n; i++) {
        const tn_proto_field *f = &m->fields[i];
        if (f->label == TN_PROTO_MAP && !tn_proto_map_finish(f->sub, tn_proto_slot(f, out), 0, l->pool))
            return tn_proto_pool_fail(l->pool, l->err);
    }
    return TN_OK;
}

/* Fields up to `close`; 0: the end of the text. */
static tn_code parse_message(tn_proto_lexer *l, const tn_proto_message *m, char close, uint32_t depth,
                             void *out)
{
    if (depth == 0) return tn_proto_lex_fail(l, l->p, "messages are nested too deep");
    uint64_t seen = 0;
    for (;;) {
        if (close && tn_proto_accept(l, close)) break;
        tn_proto_skip(l);
        if (l->p == l->end && !close) break;
        if (l->p == l->end) return tn_proto_lex_fail(l, l->p, "expected '%c'", close);
        if (m == TN_PROTO(Any) && tn_proto_accept(l, '['))
            TN_TRY(parse_any(l, depth, out));
        else
            TN_TRY(parse_field(l, m, depth, &seen, out));
        if (!tn_proto_accept(l, ';')) tn_proto_accept(l, ',');
    }
    return finish_maps(l, m, out);
}

tn_code tn_proto_parse(const tn_proto_message *m, tn_view text, tn_arena *a, void **out, tn_error *err)
{
    tn_proto_pool pool = tn_proto_pool_for(a, text.n, 0);
    const char *p = text.p ? text.p : "";
    tn_proto_lexer l = {.start = p, .p = p, .end = p + text.n, .pool = &pool, .err = err};
    void *message = tn_proto_take(&pool, m->size);
    if (!message) return tn_proto_pool_fail(&pool, err);
    TN_TRY(parse_message(&l, m, 0, TN_PROTO_DEPTH, message));
    *out = message;
    return TN_OK;
}
