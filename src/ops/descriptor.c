/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptor.c - fields of messages whose declarations come as a FileDescriptorSet in an attribute
 * ("bytes://..."). Names are looked up as they are written, nothing is imported from elsewhere.
 */
#include "../wire/wire.h"
#include "descriptor.h"

#include <stdlib.h>

/* ==== kinds of fields ==== */

#define BIT(t) (UINT64_C(1) << (t))
static const struct kind {
    tn_wire_type wire;
    uint64_t dtypes;
} kinds[] = {
    [TN_FieldType_TYPE_DOUBLE] = {TN_WIRE_64, BIT(TN_DOUBLE)},
    [TN_FieldType_TYPE_FLOAT] = {TN_WIRE_32, BIT(TN_FLOAT) | BIT(TN_DOUBLE)},
    [TN_FieldType_TYPE_INT64] = {TN_WIRE_VARINT, BIT(TN_INT64)},
    [TN_FieldType_TYPE_UINT64] = {TN_WIRE_VARINT, BIT(TN_UINT64)},
    [TN_FieldType_TYPE_INT32] = {TN_WIRE_VARINT, BIT(TN_INT32) | BIT(TN_INT64)},
    [TN_FieldType_TYPE_FIXED64] = {TN_WIRE_64, BIT(TN_UINT64)},
    [TN_FieldType_TYPE_FIXED32] = {TN_WIRE_32, BIT(TN_UINT32) | BIT(TN_UINT64)},
    [TN_FieldType_TYPE_BOOL] = {TN_WIRE_VARINT, BIT(TN_BOOL)},
    [TN_FieldType_TYPE_STRING] = {TN_WIRE_BYTES, BIT(TN_STRING)},
    [TN_FieldType_TYPE_GROUP] = {TN_WIRE_GROUP, BIT(TN_STRING)},
    [TN_FieldType_TYPE_MESSAGE] = {TN_WIRE_BYTES, BIT(TN_STRING)},
    [TN_FieldType_TYPE_BYTES] = {TN_WIRE_BYTES, BIT(TN_STRING)},
    [TN_FieldType_TYPE_UINT32] = {TN_WIRE_VARINT, BIT(TN_UINT32) | BIT(TN_UINT64)},
    [TN_FieldType_TYPE_ENUM] = {TN_WIRE_VARINT, BIT(TN_INT32)},
    [TN_FieldType_TYPE_SFIXED32] = {TN_WIRE_32, BIT(TN_INT32) | BIT(TN_INT64)},
    [TN_FieldType_TYPE_SFIXED64] = {TN_WIRE_64, BIT(TN_INT64)},
    [TN_FieldType_TYPE_SINT32] = {TN_WIRE_VARINT, BIT(TN_INT32) | BIT(TN_INT64)},
    [TN_FieldType_TYPE_SINT64] = {TN_WIRE_VARINT, BIT(TN_INT64)},
};

tn_wire_type tn_described_wire(int type)
{
    return kinds[type].wire;
}

static double float_of(uint64_t raw)
{
    uint32_t bits = (uint32_t)raw;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static int64_t integer_of(int type, uint64_t raw)
{
    switch (type) {
    case TN_FieldType_TYPE_SINT32: return (int32_t)tn_unzigzag((uint32_t)raw);
    case TN_FieldType_TYPE_SINT64: return tn_unzigzag(raw);
    case TN_FieldType_TYPE_INT32:
    case TN_FieldType_TYPE_ENUM:
    case TN_FieldType_TYPE_SFIXED32: return (int32_t)raw;
    case TN_FieldType_TYPE_UINT32:
    case TN_FieldType_TYPE_FIXED32: return (uint32_t)raw;
    case TN_FieldType_TYPE_BOOL: return raw != 0;
    default: return (int64_t)raw;
    }
}

void tn_described_store(int type, uint64_t raw, tn_tensor *t, int64_t i)
{
    if (type == TN_FieldType_TYPE_DOUBLE)
        memcpy((double *)t->data + i, &raw, sizeof raw);
    else if (type == TN_FieldType_TYPE_FLOAT)
        tn_tensor_set_number(t, i, float_of(raw));
    else if (tn_dtype_size(t->dtype) == 8)
        TN_INT64S(t)[i] = integer_of(type, raw);
    else if (t->dtype == TN_BOOL)
        ((bool *)t->data)[i] = integer_of(type, raw) != 0;
    else
        TN_INT32S(t)[i] = (int32_t)integer_of(type, raw);
}

uint64_t tn_described_load(int type, const tn_tensor *t, int64_t i)
{
    uint64_t raw = 0;
    if (type == TN_FieldType_TYPE_DOUBLE || type == TN_FieldType_TYPE_FLOAT) {
        double x = tn_tensor_number(t, i);
        float f = (float)x;
        memcpy(&raw, type == TN_FieldType_TYPE_DOUBLE ? (void *)&x : (void *)&f,
               type == TN_FieldType_TYPE_DOUBLE ? sizeof x : sizeof f);
        return raw;
    }
    int64_t v = t->dtype == TN_BOOL ? ((const bool *)t->data)[i] : tn_tensor_int(t, i);
    if (type == TN_FieldType_TYPE_SINT32) return (uint32_t)tn_zigzag((int32_t)v);
    if (type == TN_FieldType_TYPE_SINT64) return tn_zigzag(v);
    if (kinds[type].wire == TN_WIRE_32 || type == TN_FieldType_TYPE_UINT32) return (uint32_t)v;
    return (uint64_t)v;
}

/* ==== names ==== */

/* What of a full name comes behind `first` and a dot; n 0 and p set: nothing; p NULL: it begins otherwise. */
static tn_view behind(tn_view name, tn_view first)
{
    if (first.n == 0) return name;
    if (name.n < first.n || memcmp(name.p, first.p, first.n) != 0) return (tn_view){0};
    if (name.n == first.n) return (tn_view){name.p + name.n, 0};
    if (name.p[first.n] != '.') return (tn_view){0};
    return (tn_view){name.p + first.n + 1, name.n - first.n - 1};
}

typedef struct found {
    const tn_DescriptorProto *message;
    const tn_EnumDescriptorProto *values;
    bool proto3;
} found;

static void find_in_enums(const tn_EnumDescriptorProto_list *enums, tn_view rest, found *out)
{
    for (uint32_t i = 0; i < enums->n; i++)
        if (tn_view_eq(enums->items[i].name, rest)) out->values = &enums->items[i];
}

static void find_in(const tn_DescriptorProto_list *messages, const tn_EnumDescriptorProto_list *enums,
                    tn_view rest, found *out)
{
    while (rest.n) {
        const tn_DescriptorProto *next = NULL;
        tn_view inner = {0};
        find_in_enums(enums, rest, out);
        for (uint32_t i = 0; i < messages->n && !next; i++) {
            inner = behind(rest, messages->items[i].name);
            if (inner.p && messages->items[i].name.n) next = &messages->items[i];
        }
        if (!next) return;
        if (inner.n == 0) out->message = next;
        messages = &next->nested_type;
        enums = &next->enum_type;
        rest = inner;
    }
}

/* A message or an enumeration by its full name. */
static found find(tn_FileDescriptorProto *const *files, uint32_t n, tn_view name)
{
    found out = {0};
    for (uint32_t i = 0; i < n && !out.message && !out.values; i++) {
        tn_view rest = behind(name, files[i]->package);
        if (rest.p) find_in(&files[i]->message_type, &files[i]->enum_type, rest, &out);
        out.proto3 = tn_view_is(files[i]->syntax, "proto3");
    }
    return out;
}

/* ==== fields ==== */

static uint64_t enum_fallback(tn_FileDescriptorProto *const *files, uint32_t n,
                              const tn_FieldDescriptorProto *f)
{
    tn_view name = f->type_name;
    if (name.n && name.p[0] == '.') name = (tn_view){name.p + 1, name.n - 1};
    const tn_EnumDescriptorProto *e = find(files, n, name).values;
    for (uint32_t i = 0; e && i < e->value.n; i++)
        if (f->default_value.n == 0 || tn_view_eq(e->value.items[i].name, f->default_value))
            return (uint64_t)(int64_t)e->value.items[i].number;
    return 0;
}

/* The declared default of a number, as text, as it is on the wire. */
static uint64_t number_fallback(const tn_FieldDescriptorProto *f)
{
    char text[64];
    int type = f->type;
    snprintf(text, sizeof text, "%.*s", (int)TN_MIN(f->default_value.n, sizeof text - 1),
             f->default_value.n ? (const char *)f->default_value.p : "");
    if (type == TN_FieldType_TYPE_BOOL) return !strcmp(text, "true");
    if (type == TN_FieldType_TYPE_DOUBLE || type == TN_FieldType_TYPE_FLOAT) {
        double x = strtod(text, NULL);
        tn_tensor t = {.dtype = TN_DOUBLE, .data = &x};
        return tn_described_load(type, &t, 0);
    }
    int64_t v = text[0] == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10);
    tn_tensor t = {.dtype = TN_INT64, .data = &v};
    return tn_described_load(type, &t, 0);
}

static tn_code describe_field(tn_FileDescriptorProto *const *files, uint32_t n, const found *m, tn_view name,
                              tn_dtype dtype, tn_described *out, tn_error *err)
{
    const tn_FieldDescriptorProto *f = NULL;
    for (uint32_t i = 0; i < m->message->field.n; i++)
        if (tn_view_eq(m->message->field.items[i].name, name)) f = &m->message->field.items[i];
    if (!f)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unknown field: %.*s in message type %.*s", (int)name.n,
                       name.p, (int)m->message->name.n, m->message->name.p);
    if (f->type < 1 || (size_t)f->type >= TN_COUNT(kinds) || f->number < 1 || dtype > 63 ||
        !(kinds[f->type].dtypes >> dtype & 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unexpected output type for %.*s: %d to %s", (int)name.n,
                       name.p, (int)f->type, tn_dtype_name(dtype));
    *out = (tn_described){.name = name,
                          .number = (uint32_t)f->number,
                          .type = f->type,
                          .repeated = f->label == TN_FieldLabel_LABEL_REPEATED};
    bool number = kinds[f->type].wire != TN_WIRE_BYTES && kinds[f->type].wire != TN_WIRE_GROUP;
    const tn_bool_list *packed = f->options ? &f->options->packed : NULL;
    out->packed = out->repeated && number && (packed && packed->n ? packed->items[packed->n - 1] : m->proto3);
    if (!number)
        out->fallback = f->default_value;
    else
        out->number_fallback =
            f->type == TN_FieldType_TYPE_ENUM ? enum_fallback(files, n, f) : number_fallback(f);
    return TN_OK;
}

/* ==== what an operator asks for ==== */

static tn_code read_files(const tn_attrs *attrs, tn_arena *a, tn_FileDescriptorProto ***out, uint32_t *n,
                          tn_error *err)
{
    static const char prefix[] = "bytes://";
    const size_t skip = sizeof prefix - 1;
    tn_view source = {0};
    tn_FileDescriptors *set;
    tn_attr_get_string(attrs, "descriptor_source", &source);
    if (source.n < skip || memcmp(source.p, prefix, skip) != 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "descriptor_source \"%.*s\": only bytes:// is known",
                       (int)TN_MIN(source.n, (size_t)100), source.n ? (const char *)source.p : "");
    if (TN_DECODE(FileDescriptors, ((tn_view){source.p + skip, source.n - skip}), a, &set, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Unable to parse descriptor source bytes as FileDescriptorSet");
    *n = set->file.n;
    *out = TN_ARRAY(a, *n + 1, tn_FileDescriptorProto *);
    if (!*out) return tn_no_memory(err, *n * sizeof **out);
    for (uint32_t i = 0; i < *n; i++)
        if (TN_DECODE(FileDescriptorProto, set->file.items[i], a, &(*out)[i], NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Unable to parse descriptor source bytes as FileDescriptorSet");
    return TN_OK;
}

tn_code tn_describe(const tn_attrs *attrs, const tn_dtype *types, int n, tn_arena *a, tn_described *out,
                    tn_error *err)
{
    uint32_t n_files = 0;
    tn_FileDescriptorProto **files = NULL;
    tn_view type = {0};
    const tn_attr *names = tn_attr_find(attrs, "field_names");
    int have = names ? names->n : 0;
    TN_TRY(read_files(attrs, a, &files, &n_files, err));
    tn_attr_get_string(attrs, "message_type", &type);
    found m = find(files, n_files, type);
    if (!m.message)
        return tn_fail(err, TN_INVALID_ARGUMENT, "No descriptor found for message type %.*s",
                       (int)TN_MIN(type.n, (size_t)200), type.n ? (const char *)type.p : "");
    if (have != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "field_names and types of values must match in size, got %d and %d", have, n);
    for (int i = 0; i < n; i++) {
        tn_view name = {names->ss[i].p, names->ss[i].n};
        TN_TRY(describe_field(files, n_files, &m, name, types[i], &out[i], err));
    }
    return TN_OK;
}
