/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_print.c - structs -> protobuf's text form, one field a line, two columns deeper in a message.
 *
 * Invariants: the same fields are shown as would be written in binary form, in the same order; strings
 * are plain ASCII with escapes; numbers read back as the same value.
 */
#include "proto_walk.h"

typedef struct printer {
    tn_buf *out;
    bool no_memory;
} printer;

static void print_message(printer *p, const tn_proto_message *m, const void *message, int indent);

static void print_indent(printer *p, int indent)
{
    for (int i = 0; i < indent; i++) tn_buf_char(p->out, ' ');
}

/* ---- values ---- */

static void print_byte(tn_buf *out, uint8_t c)
{
    static const char plain[] = {
        ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\''] = '\'', ['\\'] = '\\'};
    if (c < sizeof plain && plain[c])
        tn_buf_printf(out, "\\%c", plain[c]);
    else if (c >= 0x20 && c < 0x7f)
        tn_buf_char(out, (char)c);
    else
        tn_buf_printf(out, "\\%03o", c);
}

static void print_string(tn_buf *out, tn_view v)
{
    tn_buf_char(out, '"');
    for (size_t i = 0; i < v.n; i++) print_byte(out, (uint8_t)v.p[i]);
    tn_buf_char(out, '"');
}

static void print_real(tn_buf *out, double v, bool is_float)
{
    char text[40];
    if (v != v || v - v != 0) {
        tn_buf_str(out, v != v ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    if (is_float)
        tn_format_float(text, (float)v);
    else
        tn_format_double(text, v);
    tn_buf_str(out, text);
}

static void print_enum(tn_buf *out, const tn_proto_enum *e, int32_t number)
{
    const char *name = tn_proto_value_name(e, number);
    if (name)
        tn_buf_str(out, name);
    else
        tn_buf_printf(out, "%d", number);
}

static void print_scalar(tn_buf *out, const tn_proto_field *f, const void *slot)
{
    switch (f->kind) {
    case TN_PROTO_INT32: tn_buf_printf(out, "%d", *(const int32_t *)slot); break;
    case TN_PROTO_INT64:
    case TN_PROTO_SINT64: tn_buf_printf(out, "%lld", (long long)*(const int64_t *)slot); break;
    case TN_PROTO_UINT32:
    case TN_PROTO_FIXED32: tn_buf_printf(out, "%u", *(const uint32_t *)slot); break;
    case TN_PROTO_UINT64: tn_buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)slot); break;
    case TN_PROTO_BOOL: tn_buf_str(out, *(const bool *)slot ? "true" : "false"); break;
    case TN_PROTO_FLOAT: print_real(out, *(const float *)slot, true); break;
    case TN_PROTO_DOUBLE: print_real(out, *(const double *)slot, false); break;
    case TN_PROTO_ENUM: print_enum(out, f->values, *(const int32_t *)slot); break;
    default: print_string(out, *(const tn_view *)slot); break;
    }
}

/* ---- fields ---- */

/* A scalar's value, or a message in place (NULL: an empty one). */
static void print_item(printer *p, const tn_proto_field *f, const void *item, int indent)
{
    print_indent(p, indent);
    tn_buf_str(p->out, f->name);
    if (f->kind == TN_PROTO_SUB) {
        tn_buf_str(p->out, " {\n");
        if (item) print_message(p, f->sub, item, indent + 2);
        print_indent(p, indent);
        tn_buf_str(p->out, "}\n");
        return;
    }
    tn_buf_str(p->out, ": ");
    print_scalar(p->out, f, item);
    tn_buf_char(p->out, '\n');
}

static void print_list(printer *p, const tn_proto_field *f, const tn_proto_any_list *list, int indent)
{
    size_t size = tn_proto_item_size(f);
    uint32_t *order = NULL;
    if (f->label == TN_PROTO_MAP && !tn_proto_map_ascends(f->sub, list)) {
        order = tn_malloc((size_t)list->n * 2 * sizeof *order);
        if (!order) {
            p->no_memory = true;
            return;
        }
        tn_proto_map_order(f->sub, list, order, order + list->n);
    }
    for (size_t i = 0; i < list->n && !p->out->failed; i++)
        print_item(p, f, (const char *)list->items + (order ? order[i] : i) * size, indent);
    tn_free(order);
}

/* As protobuf shows them: numbers in full, bytes as a string, a group by its tag alone. */
static void print_unknown(printer *p, tn_view v, int indent)
{
    while (v.n && !p->out->failed) {
        tn_proto_token t;
        if (tn_proto_take_token(&v, &t, TN_PROTO_DEPTH)) return;
        print_indent(p, indent);
        tn_buf_printf(p->out, "%u", t.number);
        unsigned long long value = t.value;
        switch (t.wire) {
        case TN_WIRE_VARINT: tn_buf_printf(p->out, ": %llu", value); break;
        case TN_WIRE_32: tn_buf_printf(p->out, ": 0x%08llx", value); break;
        case TN_WIRE_64: tn_buf_printf(p->out, ": 0x%016llx", value); break;
        case TN_WIRE_BYTES:
            tn_buf_str(p->out, ": ");
            print_string(p->out, t.payload);
            break;
        default: tn_buf_str(p->out, " { }"); break;
        }
        tn_buf_char(p->out, '\n');
    }
}

static void print_message(printer *p, const tn_proto_message *m, const void *message, int indent)
{
    for (size_t i = 0; i < m->n && !p->no_memory && !p->out->failed; i++) {
        const tn_proto_field *f = &m->fields[i];
        if (!tn_proto_present(m, f, message)) continue;
        const void *slot = tn_proto_slot(f, message);
        if (f->label != TN_PROTO_ONE)
            print_list(p, f, slot, indent);
        else
            print_item(p, f, f->kind == TN_PROTO_SUB ? *(void *const *)slot : slot, indent);
    }
    print_unknown(p, *tn_proto_unknown(message), indent);
}

tn_code tn_proto_print(const tn_proto_message *m, const void *message, int indent, tn_buf *out, tn_error *err)
{
    if (tn_proto_size(m, message) > TN_PROTO_MOST_BYTES)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: too large or nested too deep to show", m->name);
    printer p = {.out = out};
    print_message(&p, m, message, indent);
    if (p.no_memory) return tn_no_memory(err, out->n);
    return tn_buf_check(out, err);
}
