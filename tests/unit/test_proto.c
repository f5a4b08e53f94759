/* SPDX-License-Identifier: Apache-2.0
 *
 * test_proto.c - the message tables and protobuf's binary form.
 */
#include "golden.h"
#include "wire/proto.h"
#include "wire/wire.h"

/* ==== the rows against TensorFlow's declarations ==== */

/* The part of messages.txt under a heading, up to the next empty line. */
static tn_view section(const tn_buf *text, const char *heading)
{
    char start[400];
    snprintf(start, sizeof start, "\n%s\n", heading);
    const char *p = strstr(text->data, start);
    if (!p) return (tn_view){0};
    p += strlen(start);
    const char *end = *p == '\n' ? p : strstr(p, "\n\n");
    return (tn_view){p, end ? (size_t)(end - p + 1) : strlen(p)};
}

static bool has_line(tn_view text, const char *line)
{
    size_t n = strlen(line);
    for (size_t i = 0; i + n < text.n; i++)
        if ((i == 0 || text.p[i - 1] == '\n') && memcmp(text.p + i, line, n) == 0 && text.p[i + n] == '\n')
            return true;
    return false;
}

static const char *type_name(const tn_proto_field *f)
{
    static const char *const names[] = {"int32", "int64", "uint32", "uint64", "sint64", "fixed32",
                                        "bool",  "float", "double", "string", "bytes"};
    if (f->kind == TN_PROTO_ENUM) return f->values->name;
    return f->kind == TN_PROTO_SUB ? f->sub->name : names[f->kind];
}

/* The row as messages.txt has it. */
static void declare(const tn_proto_field *f, const char *packed, char *line, size_t size)
{
    char oneof[100] = "";
    if (f->oneof) snprintf(oneof, sizeof oneof, " oneof %s", f->oneof);
    if (f->label == TN_PROTO_MAP)
        snprintf(line, size, "  %u %s map<%s,%s>", f->number, f->name, type_name(&f->sub->fields[0]),
                 type_name(&f->sub->fields[1]));
    else
        snprintf(line, size, "  %u %s %s%s%s%s", f->number, f->name,
                 f->label == TN_PROTO_MANY ? "repeated " : "", type_name(f),
                 f->label == TN_PROTO_MANY && f->kind < TN_PROTO_STRING ? packed : "", oneof);
}

static void check_values(const tn_buf *text, const tn_proto_enum *e)
{
    char line[300];
    snprintf(line, sizeof line, "enum %s", e->name);
    tn_view lines = section(text, line);
    size_t n = 0;
    for (size_t i = 0; i < lines.n; i++) n += lines.p[i] == '\n';
    if (n != e->n) fail_msg("%s has %zu values, not %zu", e->name, n, e->n);
    for (size_t i = 0; i < e->n; i++) {
        snprintf(line, sizeof line, "  %d %s", e->values[i].number, e->values[i].name);
        if (!has_line(lines, line)) fail_msg("%s:%s", e->name, line);
    }
}

static void rows_are_tensorflows(void **state)
{
    (void)state;
    tn_buf text = golden("tensorflow/messages.txt");
    const tn_proto_message *m;
    size_t rows = 0;
    for (size_t i = 0; (m = tn_proto_at(i)) != NULL; i++) {
        tn_view lines = section(&text, m->name);
        if (strncmp(m->name, "google.protobuf.", 16) == 0) continue; /* protobuf's own */
        if (!lines.p) fail_msg("%s is not declared", m->name);
        for (size_t k = 0; k < m->n; k++, rows++) {
            const tn_proto_field *f = &m->fields[k];
            char line[400], packed[400];
            declare(f, "", line, sizeof line);
            declare(f, f->kind == TN_PROTO_ENUM ? "" : " packed", packed, sizeof packed);
            if (f->kind == TN_PROTO_ENUM && f->label == TN_PROTO_MANY) strncat(packed, " packed", 8);
            if (!has_line(lines, line) && !has_line(lines, packed)) fail_msg("%s:%s", m->name, packed);
            if (f->values) check_values(&text, f->values);
            if (k) assert_true(m->fields[k - 1].number < f->number);
            assert_ptr_equal(tn_proto_field_numbered(m, f->number), f);
            assert_ptr_equal(tn_proto_field_named(m, tn_view_of(f->name)), f);
        }
        size_t many = 0, maps = 0;
        for (size_t k = 0; k < m->n; k++) {
            many += m->fields[k].label != TN_PROTO_ONE;
            maps += m->fields[k].label == TN_PROTO_MAP;
        }
        assert_int_equal(m->many, many);
        assert_int_equal(m->maps, maps);
        assert_null(tn_proto_field_numbered(m, 0));
        assert_null(tn_proto_field_numbered(m, 5555));
        assert_ptr_equal(tn_proto_named(tn_view_of(m->name)), m);
    }
    assert_true(rows > 350);
    tn_buf_free(&text);
}

/* ==== TensorFlow's files ==== */

static const struct {
    const char *file;
    const tn_proto_message *m;
} files[] = {
    {"wire/graph.pb", TN_PROTO(GraphDef)},
    {"wire/graph_grad.pb", TN_PROTO(GraphDef)},
    {"wire/model.meta", TN_PROTO(MetaGraphDef)},
    {"wire/saved_model.pb", TN_PROTO(SavedModel)},
};

/* TensorFlow's Python writes maps in no order: ours are sorted, the rest is the same. */
static void files_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        tn_error err = {0};
        tn_buf file = golden(files[i].file), once = {0}, twice = {0};
        tn_arena *a = tn_arena_new(0);
        void *m;
        assert_ok(tn_proto_decode(files[i].m, view_of(&file), a, NULL, &m, &err), &err);
        assert_int_equal(tn_proto_size(files[i].m, m), file.n);
        assert_ok(tn_proto_encode(files[i].m, m, &once, &err), &err);
        assert_int_equal(once.n, file.n);
        if (i == 0) assert_true(tn_view_eq(view_of(&once), view_of(&file)));
        assert_ok(tn_proto_decode(files[i].m, view_of(&once), a, NULL, &m, &err), &err);
        assert_ok(tn_proto_encode(files[i].m, m, &twice, &err), &err);
        assert_true(tn_view_eq(view_of(&once), view_of(&twice)));
        tn_arena_free(a);
        tn_buf_free(&file);
        tn_buf_free(&once);
        tn_buf_free(&twice);
    }
}

static void a_graph_is_looked_at(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf file = golden("wire/model.meta");
    tn_arena *a = tn_arena_new(0);
    tn_MetaGraphDef *meta;
    assert_ok(TN_DECODE(MetaGraphDef, view_of(&file), a, &meta, &err), &err);
    assert_true(tn_view_is(meta->meta_info_def->tensorflow_version, "2.21.0"));
    assert_true(meta->graph_def->node.n > 50);
    assert_true(meta->graph_def->versions->producer > 1000);
    const tn_CollectionDefEntry *e = TN_FIND(&meta->collection_def, "trainable_variables");
    assert_non_null(e);
    assert_int_equal(e->value->kind_case, TN_CollectionDef_bytes_list);
    tn_VariableDef *v;
    assert_ok(TN_DECODE(VariableDef, e->value->bytes_list->value.items[0], a, &v, &err), &err);
    assert_true(v->variable_name.n > 0 && v->trainable);
    assert_null(TN_FIND(&meta->collection_def, "no such collection"));
    assert_int_equal(meta->saver_def->version, TN_CheckpointFormatVersion_V2);
    for (size_t i = 1; i < meta->collection_def.n; i++) {
        tn_view x = meta->collection_def.items[i - 1].key, y = meta->collection_def.items[i].key;
        int c = memcmp(x.p, y.p, TN_MIN(x.n, y.n));
        assert_true(c < 0 || (c == 0 && x.n < y.n));
    }
    tn_arena_free(a);
    tn_buf_free(&file);
}

/* ==== building ==== */

static void a_graph_is_built(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_GraphDef g = {0}, *back;
    for (int i = 0; i < 100; i++) {
        tn_NodeDef *node = TN_PUSH(a, &g.node);
        node->name = tn_view_of(tn_arena_printf(a, "node_%d", i));
        node->op = TN_VIEW("Const");
        TN_SET(tn_attr_put(a, &node->attr, "z"), AttrValue, value, i) = 0;
        TN_SET(tn_attr_put(a, &node->attr, "dtype"), AttrValue, value, type) = TN_FLOAT;
        TN_SET(tn_attr_put(a, &node->attr, "z"), AttrValue, value, f) = -0.0f;
    }
    tn_buf bytes = {0};
    tn_buf_str(&bytes, "before");
    assert_ok(TN_ENCODE(GraphDef, &g, &bytes, &err), &err);
    assert_ok(TN_DECODE(GraphDef, ((tn_view){bytes.data + 6, bytes.n - 6}), a, &back, &err), &err);
    assert_int_equal(back->node.n, 100);
    assert_true(tn_view_is(back->node.items[99].name, "node_99"));
    assert_int_equal(back->node.items[3].attr.n, 2);
    assert_true(tn_view_is(back->node.items[3].attr.items[0].key, "dtype")); /* sorted */
    assert_int_equal(tn_attr_value(&back->node.items[3].attr, "z")->value_case, TN_AttrValue_f);
    assert_int_equal(tn_attr_value(&back->node.items[3].attr, "dtype")->type, TN_FLOAT);
    assert_null(tn_attr_value(&back->node.items[3].attr, "none"));
    tn_arena_free(a);
    tn_buf_free(&bytes);
}

static void defaults_and_presence(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf bytes = {0};
    tn_arena *a = tn_arena_new(0);
    tn_TensorShapeProto scalar = {0};
    tn_TensorProto t = {.tensor_shape = &scalar}; /* a message that is there is written though empty */
    assert_ok(TN_ENCODE(TensorProto, &t, &bytes, &err), &err);
    assert_true(bytes.n == 2 && memcmp(bytes.data, "\x12\0", 2) == 0);
    tn_buf_clear(&bytes);
    tn_AttrValue v = {.value_case = TN_AttrValue_b}, *back; /* a oneof's member is written though false */
    assert_ok(TN_ENCODE(AttrValue, &v, &bytes, &err), &err);
    assert_true(bytes.n == 2 && memcmp(bytes.data, "\x28\0", 2) == 0);
    assert_ok(TN_DECODE(AttrValue, view_of(&bytes), a, &back, &err), &err);
    assert_int_equal(back->value_case, TN_AttrValue_b);
    tn_buf_clear(&bytes);
    v.value_case = TN_AttrValue_shape; /* without a message: an empty one */
    assert_ok(TN_ENCODE(AttrValue, &v, &bytes, &err), &err);
    assert_true(bytes.n == 2 && memcmp(bytes.data, "\x3a\0", 2) == 0);
    assert_ok(TN_DECODE(AttrValue, TN_VIEW("\x28\x01\x12\x01x"), a, &back, &err),
              &err); /* the last one holds */
    assert_int_equal(back->value_case, TN_AttrValue_s);
    assert_false(back->b);
    tn_buf_free(&bytes);
    tn_arena_free(a);
}

/* ==== what other writers may do ==== */

static void packed_or_not(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_TensorProto *t;
    /* int_val: 1, then packed 2 and -1, then 3 */
    tn_view in = TN_VIEW("\x38\x01\x3a\x0b\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x38\x03");
    assert_ok(TN_DECODE(TensorProto, in, a, &t, &err), &err);
    static const int32_t want[] = {1, 2, -1, 3};
    assert_int_equal(t->int_val.n, 4);
    assert_memory_equal(t->int_val.items, want, sizeof want);
    /* float_val: one by one, and in a pack at every alignment */
    assert_ok(TN_DECODE(TensorProto, TN_VIEW("\x2d\0\0\x80\x3f\x2d\0\0\0\x40"), a, &t, &err), &err);
    assert_int_equal(t->float_val.n, 2);
    assert_true(t->float_val.items[1] == 2);
    for (size_t shift = 0; shift < 8; shift++) {
        _Alignas(16) char bytes[32] = {0};
        memcpy(bytes + shift, "\x2a\x08\0\0\x80\x3f\0\0\0\x40", 10);
        assert_ok(TN_DECODE(TensorProto, ((tn_view){bytes + shift, 10}), a, &t, &err), &err);
        assert_int_equal(t->float_val.n, 2);
        assert_true(t->float_val.items[0] == 1 && t->float_val.items[1] == 2);
        assert_int_equal(t->float_val.cap == 0, (shift + 2) % 4 == 0); /* borrowed where it is aligned */
        *TN_PUSH(a, &t->float_val) = 3;
        assert_true(t->float_val.n == 3 && t->float_val.items[0] == 1 && t->float_val.items[2] == 3);
    }
    assert_code(TN_DECODE(TensorProto, TN_VIEW("\x2a\x03\0\0\0"), a, &t, &err), TN_DATA_LOSS);
    assert_says(&err, "tensorflow.TensorProto.float_val[0]: packed numbers are cut short at byte 0");
    assert_code(TN_DECODE(TensorProto, TN_VIEW("\x3a\x01\x80"), a, &t, &err), TN_DATA_LOSS);
    assert_code(
        TN_DECODE(TensorProto, TN_VIEW("\x3a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), a, &t, &err),
        TN_DATA_LOSS);
    assert_says(&err, "too long");
    tn_arena_free(a);
}

static void single_messages_merge(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_TensorProto *t;
    /* tensor_shape twice: one dimension each, then unknown_rank */
    tn_view in = TN_VIEW("\x12\x04\x12\x02\x08\x05\x12\x06\x12\x02\x08\x06\x18\x01");
    assert_ok(TN_DECODE(TensorProto, in, a, &t, &err), &err);
    assert_int_equal(t->tensor_shape->dim.n, 2);
    assert_int_equal(t->tensor_shape->dim.items[0].size, 5);
    assert_int_equal(t->tensor_shape->dim.items[1].size, 6);
    assert_true(t->tensor_shape->unknown_rank);
    tn_arena_free(a);
}

static void maps_keep_the_last(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_NameAttrList *l;
    /* attr: "b" -> i 1, "a" -> nothing, "b" -> i 2, and an entry without a key */
    tn_view in = TN_VIEW("\x12\x07\x0a\x01"
                         "b\x12\x02\x18\x01"
                         "\x12\x03\x0a\x01"
                         "a"
                         "\x12\x07\x0a\x01"
                         "b\x12\x02\x18\x02"
                         "\x12\x00");
    assert_ok(TN_DECODE(NameAttrList, ((tn_view){in.p, in.n}), a, &l, &err), &err);
    assert_int_equal(l->attr.n, 3);
    assert_int_equal(l->attr.items[0].key.n, 0);
    assert_non_null(l->attr.items[0].value);
    assert_true(tn_view_is(l->attr.items[1].key, "a"));
    assert_int_equal(l->attr.items[1].value->value_case, 0);
    assert_int_equal(tn_attr_value(&l->attr, "b")->i, 2);
    tn_FunctionDef *f; /* map<uint32, uint32>: numbers in order */
    assert_ok(
        TN_DECODE(FunctionDef, TN_VIEW("\x42\x05\x08\x80\x02\x10\x01\x42\x04\x08\x03\x10\x02"), a, &f, &err),
        &err);
    assert_int_equal(f->resource_arg_unique_id.items[0].key, 3);
    assert_int_equal(f->resource_arg_unique_id.items[1].key, 256);
    tn_arena_free(a);
}

static void maps_of_parts_are_one(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_AttrValue *v;
    /* func three times, with the attributes b and d, then c, then d again and e */
    tn_view in = TN_VIEW("\x52\x0c\x12\x03\x0a\x01"
                         "b\x12\x05\x0a\x01"
                         "d\x12\x00"
                         "\x52\x05\x12\x03\x0a\x01"
                         "c"
                         "\x52\x0e\x12\x07\x0a\x01"
                         "d\x12\x02\x18\x05\x12\x03\x0a\x01"
                         "e");
    assert_ok(TN_DECODE(AttrValue, in, a, &v, &err), &err);
    const tn_AttrEntry_list *l = &v->func->attr;
    assert_int_equal(l->n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(l->items[i].key.p[0], "bcde"[i]);
        assert_non_null(l->items[i].value);
    }
    assert_int_equal(tn_attr_value(l, "d")->i, 5);
    tn_arena_free(a);
}

static void unknown_fields_are_kept(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_VersionDef *v;
    tn_buf out = {0};
    /* 100: varint 7 | producer 3 | 101: fixed32 | 102: bytes | min_consumer 4 | 103: a group with a field */
    tn_view in = TN_VIEW("\xa0\x06\x07"
                         "\x08\x03"
                         "\xad\x06"
                         "abcd"
                         "\xb2\x06\x02xy"
                         "\x10\x04"
                         "\xbb\x06\x08\x01\xbc\x06");
    assert_ok(TN_DECODE(VersionDef, in, a, &v, &err), &err);
    assert_int_equal(v->producer, 3);
    assert_int_equal(v->min_consumer, 4);
    assert_ok(TN_ENCODE(VersionDef, v, &out, &err), &err);
    tn_view want = TN_VIEW("\x08\x03"
                           "\x10\x04"
                           "\xa0\x06\x07"
                           "\xad\x06"
                           "abcd"
                           "\xb2\x06\x02xy"
                           "\xbb\x06\x08\x01\xbc\x06");
    assert_true(tn_view_eq(view_of(&out), want));
    /* a known number with another wire type is unknown */
    tn_buf_clear(&out);
    assert_ok(TN_DECODE(VersionDef, TN_VIEW("\x0a\x01x\x08\x02"), a, &v, &err), &err);
    assert_int_equal(v->producer, 2);
    assert_ok(TN_ENCODE(VersionDef, v, &out, &err), &err);
    assert_true(tn_view_is(view_of(&out), "\x08\x02\x0a\x01x"));
    /* in three pieces, in a message that has no repeated fields */
    tn_Int64Value *n;
    tn_buf_clear(&out);
    assert_ok(TN_DECODE(Int64Value, TN_VIEW("\x10\x05\x08\x81\x01\x1a\x01y\x08\x07\x20\x06"), a, &n, &err), &err);
    assert_int_equal(n->value, 7);
    assert_ok(TN_ENCODE(Int64Value, n, &out, &err), &err);
    assert_true(tn_view_is(view_of(&out), "\x08\x07\x10\x05\x1a\x01y\x20\x06"));
    assert_int_equal(TN_DECODE(Int64Value, TN_VIEW("\x08\x07\x10"), a, &n, &err), TN_DATA_LOSS);
    assert_string_equal(err.message, "google.protobuf.Int64Value: a varint is cut short or too long at byte 2");
    tn_buf_free(&out);
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_tensorflows),    cmocka_unit_test(files_come_back),
        cmocka_unit_test(a_graph_is_looked_at),    cmocka_unit_test(a_graph_is_built),
        cmocka_unit_test(defaults_and_presence),   cmocka_unit_test(packed_or_not),
        cmocka_unit_test(single_messages_merge),   cmocka_unit_test(maps_keep_the_last),
        cmocka_unit_test(maps_of_parts_are_one),
        cmocka_unit_test(unknown_fields_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
