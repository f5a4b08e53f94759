/* SPDX-License-Identifier: Apache-2.0
 *
 * test_proto_text.c - protobuf's text form: printed, parsed, refused.
 */
#include "golden.h"
#include <math.h>

#include "wire/proto.h"
#include "wire/wire.h"

/* ==== printing ==== */

static void a_message_is_shown(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_NodeDef node = {.name = TN_VIEW("a\"\n\x01\xc3\xa9"), .op = TN_VIEW("Const")};
    TN_SET(tn_attr_put(a, &node.attr, "z"), AttrValue, value, f) = 0.1f;
    TN_SET(tn_attr_put(a, &node.attr, "dtype"), AttrValue, value, type) = TN_FLOAT;
    TN_SET(tn_attr_put(a, &node.attr, "other"), AttrValue, value, type) = 77;
    TN_SET(tn_attr_put(a, &node.attr, "b"), AttrValue, value, b) = false;
    *TN_PUSH(a, &node.input) = TN_VIEW("x:1");
    node.unknown_fields = TN_VIEW("\xa0\x06\x07\xad\x06"
                                  "abcd\xb2\x06\x02xy");
    tn_buf out = {0};
    assert_ok(TN_PRINT(NodeDef, &node, &out, &err), &err);
    assert_string_equal(out.data, "name: \"a\\\"\\n\\001\\303\\251\"\n"
                                  "op: \"Const\"\n"
                                  "input: \"x:1\"\n"
                                  "attr {\n  key: \"b\"\n  value {\n    b: false\n  }\n}\n"
                                  "attr {\n  key: \"dtype\"\n  value {\n    type: DT_FLOAT\n  }\n}\n"
                                  "attr {\n  key: \"other\"\n  value {\n    type: 77\n  }\n}\n"
                                  "attr {\n  key: \"z\"\n  value {\n    f: 0.1\n  }\n}\n"
                                  "100: 7\n101: 0x64636261\n102: \"xy\"\n");
    tn_buf_free(&out);
    tn_arena_free(a);
}

static void files_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const tn_proto_message *m;
    } files[] = {
        {"wire/graph_grad.pb", TN_PROTO(GraphDef)},
        {"wire/model.meta", TN_PROTO(MetaGraphDef)},
        {"wire/saved_model.pb", TN_PROTO(SavedModel)},
    };
    for (size_t i = 0; i < TN_COUNT(files); i++) {
        tn_error err = {0};
        tn_buf file = golden(files[i].file), text = {0}, first = {0}, second = {0};
        tn_arena *a = tn_arena_new(0);
        void *m, *back;
        assert_ok(tn_proto_decode(files[i].m, view_of(&file), a, NULL, &m, &err), &err);
        assert_ok(tn_proto_print(files[i].m, m, 0, &text, &err), &err);
        assert_ok(tn_proto_parse(files[i].m, view_of(&text), a, &back, &err), &err);
        assert_ok(tn_proto_encode(files[i].m, m, &first, &err), &err);
        assert_ok(tn_proto_encode(files[i].m, back, &second, &err), &err);
        assert_true(tn_view_eq(view_of(&first), view_of(&second)));
        tn_arena_free(a);
        tn_buf_free(&file);
        tn_buf_free(&text);
        tn_buf_free(&first);
        tn_buf_free(&second);
    }
}

static void numbers_come_back(void **state)
{
    (void)state;
    static const double doubles[] = {0.1, -0.0, 1e300, 5e-324, INFINITY, -INFINITY, 123456789.123};
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_TensorProto t = {0}, *back;
    for (size_t i = 0; i < TN_COUNT(doubles); i++) {
        *TN_PUSH(a, &t.double_val) = doubles[i];
        *TN_PUSH(a, &t.float_val) = (float)doubles[i];
    }
    *TN_PUSH(a, &t.double_val) = NAN;
    *TN_PUSH(a, &t.int64_val) = INT64_MIN;
    *TN_PUSH(a, &t.int64_val) = INT64_MAX;
    *TN_PUSH(a, &t.uint64_val) = UINT64_MAX;
    *TN_PUSH(a, &t.int_val) = INT32_MIN;
    *TN_PUSH(a, &t.uint32_val) = UINT32_MAX;
    *TN_PUSH(a, &t.bool_val) = true;
    tn_buf text = {0};
    assert_ok(TN_PRINT(TensorProto, &t, &text, &err), &err);
    assert_ok(TN_PARSE(TensorProto, view_of(&text), a, &back, &err), &err);
    assert_memory_equal(back->double_val.items, t.double_val.items, TN_COUNT(doubles) * 8);
    assert_memory_equal(back->float_val.items, t.float_val.items, TN_COUNT(doubles) * 4);
    assert_true(back->double_val.items[TN_COUNT(doubles)] != back->double_val.items[TN_COUNT(doubles)]);
    assert_true(back->int64_val.items[0] == INT64_MIN && back->int64_val.items[1] == INT64_MAX);
    assert_true(back->uint64_val.items[0] == UINT64_MAX && back->uint32_val.items[0] == UINT32_MAX);
    assert_true(back->int_val.items[0] == INT32_MIN && back->bool_val.items[0]);
    tn_buf_free(&text);
    tn_arena_free(a);
}

/* ==== parsing ==== */

static void a_servers_configuration(void **state)
{
    (void)state;
    tn_view text =
        TN_VIEW("# two models\n"
                "model_config_list: {\n"
                "  config: {\n"
                "    name: 'first' ; base_path: \"/models/\"\n       'first' # joined\n"
                "    model_platform: \"tensorflow\",\n"
                "    model_version_policy { specific { versions: 3 versions: [4, 5] } }\n"
                "    version_labels { key: 'stable' value: 3 }\n"
                "    version_labels < value: 4 key: 'canary' >\n"
                "    version_labels [ { key: 'stable' value: 5 } ]\n"
                "  }\n"
                "  config < name: \"second\" model_type: TENSORFLOW model_version_policy: { latest: {} } >\n"
                "}\n");
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_ModelServerConfig *c;
    assert_ok(TN_PARSE(ModelServerConfig, text, a, &c, &err), &err);
    assert_int_equal(c->config_case, TN_ModelServerConfig_model_config_list);
    assert_int_equal(c->model_config_list->config.n, 2);
    const tn_ModelConfig *first = &c->model_config_list->config.items[0], *second = first + 1;
    assert_true(tn_view_is(first->base_path, "/models/first"));
    assert_int_equal(first->model_version_policy->specific->versions.n, 3);
    assert_true(first->model_version_policy->specific->versions.items[2] == 5);
    assert_int_equal(first->version_labels.n, 2);
    assert_true(tn_view_is(first->version_labels.items[0].key, "canary"));
    assert_true(TN_FIND(&first->version_labels, "stable")->value == 5);
    assert_int_equal(second->model_type, TN_ModelType_TENSORFLOW);
    assert_int_equal(second->model_version_policy->policy_choice_case, TN_ServableVersionPolicy_latest);
    assert_non_null(second->model_version_policy->latest);
    tn_arena_free(a);
}

static void an_any_is_packed(void **state)
{
    (void)state;
    tn_view text = TN_VIEW("custom_model_config {\n  [type.googleapis.com/tensorflow.serving.ModelSpec] {\n"
                           "    name: 'm' version { value: 7 }\n  }\n}");
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_ModelServerConfig *c;
    tn_ModelSpec *spec;
    assert_ok(TN_PARSE(ModelServerConfig, text, a, &c, &err), &err);
    assert_true(
        tn_view_is(c->custom_model_config->type_url, "type.googleapis.com/tensorflow.serving.ModelSpec"));
    assert_ok(TN_DECODE(ModelSpec, c->custom_model_config->value, a, &spec, &err), &err);
    assert_int_equal(spec->version->value, 7);
    text = TN_VIEW("custom_model_config { [type.googleapis.com/some.Thing] {} }");
    assert_code(TN_PARSE(ModelServerConfig, text, a, &c, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "unknown message 'some.Thing'");
    tn_arena_free(a);
}

static void escapes_are_replaced(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    tn_TensorProto *t;
    tn_view text =
        TN_VIEW("tensor_content: "
                "\"\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"\\?\\0\\12\\377\\x4\\x41\\u00e9\\U0001F600'\" '\"'");
    assert_ok(TN_PARSE(TensorProto, text, a, &t, &err), &err);
    tn_view want = TN_VIEW("\a\b\f\n\r\t\v\\'\"?\0\n\xff\x04\x41\xc3\xa9\xf0\x9f\x98\x80'\"");
    assert_true(tn_view_eq(t->tensor_content, want));
    tn_arena_free(a);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"nodes { }", "line 1, column 1: tensorflow.GraphDef has no field 'nodes'; did you mean 'node'?"},
        {"node {\n  nam: 'x'\n}",
         "line 2, column 3: tensorflow.NodeDef has no field 'nam'; did you mean 'name'?"},
        {"node { attr { value { type: DT_FLOATS } } }",
         "tensorflow.DataType has no value 'DT_FLOATS'; did you mean 'DT_FLOAT'?"},
        {"node { name 'x' }", "expected ':'"},
        {"node { name: x }", "expected a string"},
        {"node { name: 'x }", "a string without an end"},
        {"node { name: 'x\n' }", "a string without an end"},
        {"node { name: 'x'", "expected '}'"},
        {"node < name: 'x' }", "expected a field's name"},
        {"node: 3", "expected '{'"},
        {"version: 'x'", "expected an integer"},
        {"version: 3000000000", "an integer out of range"},
        {"version: -2147483649", "an integer out of range"},
        {"version: 99999999999999999999", "expected an integer"},
        {"version: 0x", "expected an integer"},
        {"version: 08", "expected an integer"},
        {"version: 1.5", "expected an integer"},
        {"version: 1 version: 2", "column 12: 'version' comes twice"},
        {"versions { } versions { }", "'versions' comes twice"},
        {"node { attr { value { i: 1 f: 2 } } }", "'f' beside another choice of 'value'"},
        {"node { attr { value { b: maybe } } }", "expected true or false"},
        {"node { attr { value { f: 1.5.5 } } }", "expected a number"},
        {"node { attr { value { f: } } }", "expected a number"},
        {"node { attr { value { list { i: [1, 2 } } } }", "expected ',' or ']'"},
        {"node { attr { value { s: '\\q' } } }", "an unknown escape"},
        {"node { attr { value { s: '\\400' } } }", "more than a byte"},
        {"node { attr { value { s: '\\ud800' } } }", "no character"},
        {"node { name: '\\377' }", "'name' is not UTF-8"},
        {"}", "expected a field's name"},
        {"[x] { }", "expected a field's name"},
        {"version: [1]", "expected an integer"},
    };
    tn_arena *a = tn_arena_new(0);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        tn_error err = {0};
        tn_GraphDef *g;
        tn_code code = TN_PARSE(GraphDef, tn_view_of(cases[i].text), a, &g, &err);
        if (code != TN_INVALID_ARGUMENT) fail_msg("%s: %s", cases[i].text, tn_code_name(code));
        assert_says(&err, cases[i].says);
    }
    tn_arena_free(a);
}

static void odd_but_right(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float f;
    } reals[] = {{"1", 1},
                 {"1.", 1},
                 {".5", 0.5f},
                 {"1.5f", 1.5f},
                 {"2F", 2},
                 {"-inf", -INFINITY},
                 {"Infinity", INFINITY},
                 {"- 3", -3},
                 {"1e+2", 100},
                 {"1E-1", 0.1f},
                 {"0x10", 16}};
    tn_error err = {0};
    tn_arena *a = tn_arena_new(0);
    for (size_t i = 0; i < TN_COUNT(reals); i++) {
        char text[60];
        tn_AttrValue *v;
        snprintf(text, sizeof text, "f:%s", reals[i].text);
        assert_ok(TN_PARSE(AttrValue, tn_view_of(text), a, &v, &err), &err);
        assert_true(v->f == reals[i].f);
    }
    tn_AttrValue *v;
    assert_ok(TN_PARSE(AttrValue, TN_VIEW(""), a, &v, &err), &err);
    assert_int_equal(v->value_case, 0);
    assert_ok(TN_PARSE(AttrValue, TN_VIEW("#only\n#comments"), a, &v, &err), &err);
    assert_ok(TN_PARSE(AttrValue, TN_VIEW("type: 3"), a, &v, &err), &err);
    assert_int_equal(v->type, TN_INT32);
    assert_ok(TN_PARSE(AttrValue, TN_VIEW("list { b: [t, False, 1, 0] i: 017 i: [] }"), a, &v, &err), &err);
    assert_memory_equal(v->list->b.items, "\1\0\1\0", 4);
    assert_int_equal(v->list->i.items[0], 15);
    tn_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_shown),    cmocka_unit_test(files_come_back),
        cmocka_unit_test(numbers_come_back),     cmocka_unit_test(a_servers_configuration),
        cmocka_unit_test(an_any_is_packed),      cmocka_unit_test(escapes_are_replaced),
        cmocka_unit_test(what_is_wrong_is_told), cmocka_unit_test(odd_but_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
