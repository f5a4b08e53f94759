/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_proto.c - protobuf messages as protobuf's own JSON: what status and metadata are answered with.
 *
 * As TensorFlow Serving's protobuf writes it: one space a level; fields that are no messages also when they
 * are empty, members of oneofs after the others and only when set; 64-bit integers as strings, enums by name,
 * bytes as base64.
 */
#include "rest.h"

#include <math.h>

#include "rest_text.h"

typedef struct printer {
    tn_buf *out;
    int depth;
} printer;

static void print_message(printer *p, const tn_proto_message *m, const void *message);

static void new_line(printer *p)
{
    tn_buf_char(p->out, '\n');
    for (int i = 0; i < p->depth; i++) tn_buf_char(p->out, ' ');
}

/* Also "<" and ">" are escaped, as protobuf does lest HTML misreads them. */
static void print_string(printer *p, tn_view s)
{
    tn_buf plain = {0};
    tn_json_writer w = {.out = &plain};
    tn_json_string(&w, s.p ? s : TN_VIEW(""));
    for (size_t i = 0; i < plain.n; i++) {
        char c = plain.data[i];
        if (c == '<' || c == '>') tn_buf_printf(p->out, "\\u%04x", c);
        else tn_buf_char(p->out, c);
    }
    if (plain.failed) p->out->failed = plain.failed;
    tn_buf_free(&plain);
}

static void print_bytes(printer *p, tn_view s)
{
    tn_buf_char(p->out, '"');
    tn_base64_encode(s.p ? s : TN_VIEW(""), p->out);
    tn_buf_char(p->out, '"');
}

static void print_real(printer *p, double v, bool single)
{
    char text[40];
    int n = single ? tn_format_float(text, (float)v) : tn_format_double(text, v);
    tn_buf_printf(p->out, isfinite(v) ? "%.*s" : "\"%.*s\"", n, text);
}

static void print_enum(printer *p, const tn_proto_enum *e, int32_t v)
{
    const char *name = tn_proto_value_name(e, v);
    if (name)
        tn_buf_printf(p->out, "\"%s\"", name);
    else
        tn_buf_printf(p->out, "%d", v);
}

/* at: where the value lies, as its kind has it. */
static void print_value(printer *p, const tn_proto_field *f, const void *at)
{
    switch ((tn_proto_kind)f->kind) {
    case TN_PROTO_INT32: tn_buf_printf(p->out, "%d", *(const int32_t *)at); break;
    case TN_PROTO_UINT32:
    case TN_PROTO_FIXED32: tn_buf_printf(p->out, "%u", *(const uint32_t *)at); break;
    case TN_PROTO_INT64:
    case TN_PROTO_SINT64: tn_buf_printf(p->out, "\"%lld\"", (long long)*(const int64_t *)at); break;
    case TN_PROTO_UINT64: tn_buf_printf(p->out, "\"%llu\"", (unsigned long long)*(const uint64_t *)at); break;
    case TN_PROTO_BOOL: tn_buf_str(p->out, *(const bool *)at ? "true" : "false"); break;
    case TN_PROTO_FLOAT: print_real(p, (double)*(const float *)at, true); break;
    case TN_PROTO_DOUBLE: print_real(p, *(const double *)at, false); break;
    case TN_PROTO_STRING: print_string(p, *(const tn_view *)at); break;
    case TN_PROTO_BYTES: print_bytes(p, *(const tn_view *)at); break;
    case TN_PROTO_ENUM: print_enum(p, f->values, *(const int32_t *)at); break;
    case TN_PROTO_SUB: print_message(p, f->sub, *(void *const *)at); break;
    }
}

static size_t value_size(const tn_proto_field *f)
{
    switch ((tn_proto_kind)f->kind) {
    case TN_PROTO_BOOL: return sizeof(bool);
    case TN_PROTO_INT64:
    case TN_PROTO_UINT64:
    case TN_PROTO_SINT64:
    case TN_PROTO_DOUBLE: return 8;
    case TN_PROTO_STRING:
    case TN_PROTO_BYTES: return sizeof(tn_view);
    case TN_PROTO_SUB: return f->sub->size;
    default: return 4;
    }
}

/* Items of a repeated field; a message's lies in the list itself. */
static void print_list(printer *p, const tn_proto_field *f, const tn_view_list *list)
{
    tn_buf_char(p->out, '[');
    p->depth++;
    for (uint32_t i = 0; i < list->n; i++) {
        const char *at = (const char *)list->items + i * value_size(f);
        if (i) tn_buf_char(p->out, ',');
        new_line(p);
        if (f->kind == TN_PROTO_SUB)
            print_message(p, f->sub, at);
        else
            print_value(p, f, at);
    }
    p->depth--;
    if (list->n) new_line(p);
    tn_buf_char(p->out, ']');
}

/* Entries: key and value are the two fields of each. Keys are strings. */
static void print_map(printer *p, const tn_proto_field *f, const tn_view_list *list)
{
    const tn_proto_field *key = &f->sub->fields[0], *value = &f->sub->fields[1];
    tn_buf_char(p->out, '{');
    p->depth++;
    for (uint32_t i = 0; i < list->n; i++) {
        const char *at = (const char *)list->items + i * f->sub->size;
        if (i) tn_buf_char(p->out, ',');
        new_line(p);
        print_value(p, key, at + key->offset);
        tn_buf_str(p->out, ": ");
        print_value(p, value, at + value->offset);
    }
    p->depth--;
    if (list->n) new_line(p);
    tn_buf_char(p->out, '}');
}

static void print_field(printer *p, const tn_proto_field *f, const char *at, bool *any)
{
    if (*any) tn_buf_char(p->out, ',');
    *any = true;
    new_line(p);
    tn_buf_printf(p->out, "\"%s\": ", f->name);
    if (f->label == TN_PROTO_MAP)
        print_map(p, f, (const tn_view_list *)(const void *)at);
    else if (f->label == TN_PROTO_MANY)
        print_list(p, f, (const tn_view_list *)(const void *)at);
    else
        print_value(p, f, at);
}

static bool is_printed(const tn_proto_field *f, const char *message, bool oneofs)
{
    const char *at = message + f->offset;
    if ((f->case_offset != 0) != oneofs) return false;
    if (oneofs) return *(const int32_t *)(const void *)(message + f->case_offset) == (int32_t)f->number;
    return f->label != TN_PROTO_ONE || f->kind != TN_PROTO_SUB || *(void *const *)(const void *)at;
}

/* Wrapped numbers are printed as what they wrap. */
static bool is_wrapper(const tn_proto_message *m)
{
    return m->name && strncmp(m->name, "google.protobuf.", 16) == 0 && strstr(m->name, "Value") && m->n == 1;
}

static void print_message(printer *p, const tn_proto_message *m, const void *message)
{
    bool any = false;
    if (is_wrapper(m)) {
        print_value(p, &m->fields[0], (const char *)message + m->fields[0].offset);
        return;
    }
    tn_buf_char(p->out, '{');
    p->depth++;
    for (int oneofs = 0; oneofs < 2; oneofs++)
        for (size_t i = 0; i < m->n; i++)
            if (is_printed(&m->fields[i], message, oneofs))
                print_field(p, &m->fields[i], (const char *)message + m->fields[i].offset, &any);
    p->depth--;
    if (any) new_line(p);
    tn_buf_char(p->out, '}');
}

/* protobuf's JSON, fields by their names in the .proto file, those that are no messages also when they are
 * empty; one space a level. */
static void write_proto(const tn_proto_message *m, const void *message, tn_buf *out)
{
    printer p = {.out = out};
    print_message(&p, m, message);
    tn_buf_char(out, '\n');
}

tn_code tn_rest_write_status(const tn_GetModelStatusResponse *r, tn_buf *out, tn_error *err)
{
    write_proto(TN_PROTO(GetModelStatusResponse), r, out);
    return tn_buf_check(out, err);
}

/* Two documents in one, as the layout shows. */
tn_code tn_rest_write_metadata(const tn_GetModelMetadataResponse *r, tn_arena *a, tn_buf *out, tn_error *err)
{
    const tn_AnyEntry *e = TN_FIND(&r->metadata, "signature_def");
    tn_SignatureDefMap *map;
    if (!e || !r->model_spec)
        return tn_fail(err, TN_INTERNAL,
                       "Failed to find 'signature_def' key in the GetModelMetadataResponse metadata map.");
    TN_TRY(TN_DECODE(SignatureDefMap, e->value->value, a, &map, err));
    tn_buf_str(out, "{\n\"model_spec\":");
    write_proto(TN_PROTO(ModelSpec), r->model_spec, out);
    tn_buf_str(out, ",\n\"metadata\": {\"signature_def\": ");
    write_proto(TN_PROTO(SignatureDefMap), map, out);
    tn_buf_str(out, "}\n}\n");
    return tn_buf_check(out, err);
}
