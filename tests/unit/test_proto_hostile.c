/* SPDX-License-Identifier: Apache-2.0
 *
 * test_proto_hostile.c - protobuf's binary and text form from writers who mean harm, and without memory.
 */
#include "golden.h"
#include "wire/proto.h"
#include "wire/wire.h"

static tn_code decode(const tn_proto_message *m, const char *bytes, size_t n, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    void *message;
    tn_code code = tn_proto_decode(m, (tn_view){bytes, n}, a, NULL, &message, err);
    tn_buf again = {0};
    if (code == TN_OK) assert_code(tn_proto_encode(m, message, &again, err), TN_OK);
    tn_buf_free(&again);
    tn_arena_free(a);
    return code;
}

static void every_cut(void **state)
{
    (void)state;
    tn_buf file = golden("wire/graph_grad.pb");
    size_t whole = 0;
    for (size_t n = 0; n < file.n; n++) {
        tn_error err = {0};
        char *cut = exact_copy(file.data, n);
        tn_code code = decode(TN_PROTO(GraphDef), cut, n, &err);
        if (code == TN_OK) whole++; /* cut between two nodes */
        if (code != TN_OK) assert_code(code, TN_DATA_LOSS);
        if (code != TN_OK) assert_says(&err, "tensorflow.GraphDef");
        free(cut);
    }
    assert_true(whole < 60);
    tn_buf_free(&file);
}

static void every_flip(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x07, 0x80, 0xff};
    tn_buf file = golden("wire/graph_grad.pb");
    char *bytes = exact_copy(file.data, file.n);
    for (size_t i = 0; i < file.n; i++) {
        for (size_t k = 0; k < TN_COUNT(masks); k++) {
            tn_error err = {0};
            bytes[i] ^= (char)masks[k];
            tn_code code = decode(TN_PROTO(GraphDef), bytes, file.n, &err);
            assert_true(code == TN_OK || code == TN_DATA_LOSS);
            bytes[i] ^= (char)masks[k];
        }
    }
    free(bytes);
    tn_buf_free(&file);
}

/* TensorProto.variant_val[].tensors[]... `depth` messages deep. */
static tn_buf nested(int depth)
{
    tn_buf out = {0};
    size_t n = 0;
    char *end = malloc((size_t)depth * 12), *p = end + (size_t)depth * 12;
    char *top = p;
    for (int i = 0; i < depth; i++) {
        char head[TN_VARINT_MOST + 1] = {i % 2 ? 0x7a : 0x1a}; /* variant_val, tensors */
        size_t k = 1 + tn_varint_put(head + 1, n);
        p -= k;
        memcpy(p, head, k);
        n += k;
    }
    tn_buf_add(&out, p, (size_t)(top - p));
    free(end);
    return out;
}

static void depth_is_limited(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_buf in = nested(98);
    assert_ok(decode(TN_PROTO(TensorProto), in.data, in.n, &err), &err);
    tn_buf_free(&in);
    in = nested(10000);
    assert_code(decode(TN_PROTO(TensorProto), in.data, in.n, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "nested too deep");
    tn_buf_free(&in);
    in = nested(300);
    tn_arena *a = tn_arena_new(0);
    void *m;
    tn_proto_limits more = {.depth = 400};
    assert_ok(tn_proto_decode(TN_PROTO(TensorProto), view_of(&in), a, &more, &m, &err), &err);
    tn_buf out = {0}; /* but what nobody else can read is not written */
    assert_code(tn_proto_encode(TN_PROTO(TensorProto), m, &out, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_proto_print(TN_PROTO(TensorProto), m, 0, &out, &err), TN_INVALID_ARGUMENT);
    tn_arena_free(a);
    tn_buf_free(&in);
    /* groups within groups */
    tn_buf groups = {0};
    for (int i = 0; i < 10000; i++) tn_buf_str(&groups, "\xa3\x06");
    assert_code(decode(TN_PROTO(VersionDef), groups.data, groups.n, &err), TN_DATA_LOSS);
    assert_says(&err, "groups are nested too deep");
    tn_buf_clear(&groups);
    for (int i = 0; i < 10000; i++) tn_buf_str(&groups, "node<");
    assert_code(tn_proto_parse(TN_PROTO(GraphDef), view_of(&groups), a = tn_arena_new(0), &m, &err),
                TN_INVALID_ARGUMENT);
    tn_buf_clear(&groups);
    for (int i = 0; i < 10000; i++) tn_buf_str(&groups, "args{");
    assert_code(tn_proto_parse(TN_PROTO(FullTypeDef), view_of(&groups), a, &m, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "nested too deep");
    tn_arena_free(a);
    tn_buf_free(&groups);
}

static void lengths_are_checked(void **state)
{
    (void)state;
    const struct {
        tn_view bytes;
        const char *says;
    } cases[] = {
        {TN_VIEW("\x0a\xff\xff\xff\xff\x0f"), "tensorflow.GraphDef: a length goes beyond the end at byte 0"},
        {TN_VIEW("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a length goes beyond the end"},
        {TN_VIEW("\x0a\x80"), "a length is cut short"},
        {TN_VIEW("\x80"), "a tag is cut short"},
        {TN_VIEW("\x00\x01"), "not a tag"},
        {TN_VIEW("\x80\x80\x80\x80\x10\x01"), "not a tag"},
        {TN_VIEW("\x18"), "a varint is cut short"},
        {TN_VIEW("\x0f"), "not a wire type"},
        {TN_VIEW("\x0c"), "not a wire type"},
        {TN_VIEW("\xa3\x06\xac\x06"), "a group has the wrong end"},
        {TN_VIEW("\xa3\x06\x08"), "a varint is cut short"},
        {TN_VIEW("\xa3\x06"), "a group is cut short"},
        {TN_VIEW("\xa5\x06"
                 "abc"),
         "a number is cut short"},
        {TN_VIEW("\x0a\x02\x0a\x01\x0a\x03\x0a\x01\xff"),
         "tensorflow.GraphDef.node[0]: a length goes beyond the end at byte 2"},
        {TN_VIEW("\x0a\0\x0a\x03\x0a\x01\xff"),
         "tensorflow.GraphDef.node[1].name: a string is not UTF-8 at byte 6"},
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        char *exact = exact_copy(cases[i].bytes.p, cases[i].bytes.n);
        assert_code(decode(TN_PROTO(GraphDef), exact, cases[i].bytes.n, &err), TN_DATA_LOSS);
        assert_says(&err, cases[i].says);
        free(exact);
    }
    tn_error err = {0};
    void *m;
    tn_arena *a = tn_arena_new(0);
    tn_view huge = {"", (size_t)TN_PROTO_MOST_BYTES + 1};
    assert_code(tn_proto_decode(TN_PROTO(GraphDef), huge, a, NULL, &m, &err), TN_RESOURCE_EXHAUSTED);
    assert_ok(tn_proto_decode(TN_PROTO(GraphDef), (tn_view){NULL, 0}, a, NULL, &m, &err), &err);
    tn_arena_free(a);
}

static void memory_is_bounded_by_the_input(void **state)
{
    (void)state;
    tn_error err = {0};
    void *m;
    size_t n = 200000;
    char *bytes = malloc(n);
    for (size_t i = 0; i < n; i += 2)
        memcpy(bytes + i, "\x1a\0", 2); /* VariantTensorDataProto.tensors: empty ones */
    tn_arena *a = tn_arena_new(0);
    tn_view in = {bytes, n};
    assert_code(tn_proto_decode(TN_PROTO(VariantTensorDataProto), in, a, NULL, &m, &err),
                TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "tensorflow.VariantTensorDataProto: takes more than");
    assert_true(tn_arena_used(a) <= n * 64 + 65536);
    tn_proto_limits more = {.memory = (size_t)1 << 30};
    assert_ok(tn_proto_decode(TN_PROTO(VariantTensorDataProto), in, a, &more, &m, &err), &err);
    assert_int_equal(((tn_VariantTensorDataProto *)m)->tensors.n, n / 2);
    tn_arena_free(a);
    a = tn_arena_new(100000); /* the arena's own limit */
    assert_code(tn_proto_decode(TN_PROTO(VariantTensorDataProto), in, a, &more, &m, &err),
                TN_RESOURCE_EXHAUSTED);
    tn_arena_free(a);
    /* one message again and again, each time with unknown fields apart from the known ones */
    for (size_t i = 0; i + 8 <= n; i += 8) memcpy(bytes + i, "\x22\x06\xa0\x06\x01\x08\x01\x10", 8);
    a = tn_arena_new(0);
    tn_code code = tn_proto_decode(TN_PROTO(GraphDef), in, a, NULL, &m, &err);
    assert_true(code == TN_DATA_LOSS || code == TN_RESOURCE_EXHAUSTED);
    assert_true(tn_arena_used(a) <= n * 64 + 65536);
    tn_arena_free(a);
    free(bytes);
}

static void failing_memory_is_told(void **state)
{
    (void)state;
    tn_buf file = golden("wire/graph_grad.pb"), text = {0};
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_GraphDef *g;
    assert_ok(TN_DECODE(GraphDef, view_of(&file), a, &g, &err), &err);
    assert_ok(TN_PRINT(GraphDef, g, &text, &err), &err);
    for (uint32_t i = 0; i < g->node.n; i++) { /* maps out of order, so that writing needs memory */
        tn_AttrEntry_list *l = &g->node.items[i].attr;
        tn_AttrEntry first = l->items[0];
        l->items[0] = l->items[l->n - 1];
        l->items[l->n - 1] = first;
    }
    for (int what = 0; what < 4; what++) {
        for (int64_t k = 1;; k++) {
            tn_buf out = {0};
            void *m;
            tn_malloc_fail_at(k);
            tn_arena *b = tn_arena_new(0);
            tn_code code = !b ? TN_RESOURCE_EXHAUSTED
                           : what == 0
                               ? tn_proto_decode(TN_PROTO(GraphDef), view_of(&file), b, NULL, &m, &err)
                           : what == 1 ? TN_ENCODE(GraphDef, g, &out, &err)
                           : what == 2 ? tn_proto_parse(TN_PROTO(GraphDef), view_of(&text), b, &m, &err)
                                       : TN_PRINT(GraphDef, g, &out, &err);
            tn_malloc_fail_at(0);
            tn_arena_free(b);
            tn_buf_free(&out);
            if (code == TN_OK) break;
            assert_code(code, TN_RESOURCE_EXHAUSTED);
        }
    }
    tn_arena_free(a);
    tn_buf_free(&file);
    tn_buf_free(&text);
}

static void cuts_and_flips_of_text(void **state)
{
    (void)state;
    tn_view text =
        TN_VIEW("node { name: \"a\\n\\x41\" 'b' input: ['x', \"y\"] attr <key: \"f\" value { f: -1.5e3f }>\n"
                "  attr: { key: 'l' value { list { i: [1, 0x10, -7] type: DT_FLOAT b: true } } } # end\n}"
                " versions { producer: 12; bad_consumers: 3, bad_consumers: 4 }");
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_GraphDef *g;
    assert_ok(TN_PARSE(GraphDef, text, a, &g, &err), &err);
    for (size_t n = 0; n <= text.n; n++) {
        char *cut = exact_copy(text.p, n);
        tn_code code = TN_PARSE(GraphDef, ((tn_view){cut, n}), a, &g, &err);
        assert_true(code == TN_OK || code == TN_INVALID_ARGUMENT);
        free(cut);
    }
    char *bytes = exact_copy(text.p, text.n);
    for (size_t i = 0; i < text.n; i++) {
        for (int value = 0; value < 256; value += 3) {
            char kept = bytes[i];
            bytes[i] = (char)value;
            tn_code code = TN_PARSE(GraphDef, ((tn_view){bytes, text.n}), a, &g, &err);
            assert_true(code == TN_OK || code == TN_INVALID_ARGUMENT);
            bytes[i] = kept;
        }
        tn_arena_reset(a);
    }
    free(bytes);
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut),
        cmocka_unit_test(every_flip),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(memory_is_bounded_by_the_input),
        cmocka_unit_test(failing_memory_is_told),
        cmocka_unit_test(cuts_and_flips_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
