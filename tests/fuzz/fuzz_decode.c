/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_decode.c - one byte of choice, then what an operator is to read: records, numbers, text, sounds, pictures, messages. One graph
 * and one session for all inputs. 'P' chooses the declarations that DecodeProtoV2 is given.
 */
#include "ops/descriptor.h"
#include "plan/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 32 };

#define SHAPES(name, ...) list_of_shapes(name, TN_COUNT(((tn_shape[]){__VA_ARGS__})), (tn_shape[]){__VA_ARGS__})
#define TEXTS(name, ...) list_of_texts(name, TN_COUNT(((tn_bytes[]){__VA_ARGS__})), (tn_bytes[]){__VA_ARGS__})
#define TEXT(s) {(s), sizeof(s) - 1}

/* Of a message m: x, many int32; s, many strings; d, a double. */
static const char described[] = "bytes://\x0a\x26\x22\x24\x0a\x01m\x12\x09\x0a\x01x\x18\x01\x20\x03\x28\x05\x12\x09\x0a\x01s\x18\x02\x20\x03"
                                "\x28\x09\x12\x09\x0a\x01\x64\x18\x03\x20\x01\x28\x01";

static tn_attr list_of_shapes(const char *name, int n, const tn_shape *v)
{
    return (tn_attr){.name = name, .kind = TN_ATTR_SHAPE, .is_list = true, .n = n, .shapes = v};
}

static tn_attr list_of_texts(const char *name, int n, const tn_bytes *v)
{
    return (tn_attr){.name = name, .kind = TN_ATTR_STRING, .is_list = true, .n = n, .ss = v};
}

static tn_node number(tn_builder *b, tn_dtype t, int rank)
{
    tn_node v = tn_scalar(b, t, 1);
    return rank ? tn_op(b, "ExpandDims", TN_INPUTS(v, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS) : v;
}

static tn_node text(tn_builder *b, const char *v)
{
    tn_tensor *t;
    const tn_shape scalar = {.rank = 0};
    if (tn_tensor_new(TN_STRING, &scalar, &t, NULL) != TN_OK || tn_string_set(t, 0, v, strlen(v), NULL) != TN_OK) __builtin_trap();
    tn_node n = tn_constant(b, NULL, t);
    tn_tensor_unref(t);
    return n;
}

static void add_examples(tn_builder *b, tn_node x)
{
    const tn_dtype types[] = {TN_FLOAT, TN_INT64, TN_STRING};
    const tn_node dense = number(b, TN_FLOAT, 1), ints = number(b, TN_INT64, 1);
    tn_op(b, "ParseSingleExample", TN_INPUTS(x, dense, ints, text(b, "")),
          TN_ATTRS(TEXTS("sparse_keys", TEXT("a"), TEXT("b"), TEXT("c")), TEXTS("dense_keys", TEXT("x"), TEXT("y"), TEXT("z")),
                   tn_attr_types("sparse_types", types, 3), tn_attr_types("Tdense", types, 3), tn_attr_int("num_sparse", 3),
                   SHAPES("dense_shapes", TN_SHAPE(1), TN_SHAPE(-1), TN_SHAPE())));
    const tn_node names[] = {x, text(b, "")};
    tn_op(b, "ParseSingleSequenceExample",
          (const tn_node[]){names[0], tn_op(b, "Fill", TN_INPUTS(tn_ints(b, (int64_t[]){0}, 1), names[1]), TN_NO_ATTRS), text(b, "a"), text(b, "b"),
                            text(b, "x"), text(b, "l"), text(b, "m"), dense, names[1]}, 9,
          TN_ATTRS(tn_attr_int("Ncontext_sparse", 2), tn_attr_int("Ncontext_dense", 1), tn_attr_int("Nfeature_list_sparse", 1),
                   tn_attr_int("Nfeature_list_dense", 1), tn_attr_types("context_sparse_types", types, 2), tn_attr_types("Tcontext_dense", types, 1),
                   tn_attr_types("feature_list_dense_types", types, 1), SHAPES("context_dense_shapes", TN_SHAPE(1)),
                   tn_attr_types("feature_list_sparse_types", types + 1, 1), SHAPES("feature_list_dense_shapes", TN_SHAPE(2))));
}

static void add_text(tn_builder *b, tn_node v)
{
    static const char *const encodings[] = {"UTF-8", "UTF-16-BE", "UTF-32-BE"};
    const tn_node f = number(b, TN_FLOAT, 0), i = number(b, TN_INT64, 1), s = text(b, "");
    tn_op(b, "DecodeCSV", TN_INPUTS(v, f, i, s), TN_NO_ATTRS);
    tn_op(b, "DecodeCSV", TN_INPUTS(v, number(b, TN_DOUBLE, 0), number(b, TN_INT32, 0)),
          TN_ATTRS(tn_attr_str("field_delim", "\t"), tn_attr_bool("use_quote_delim", false), tn_attr_str("na_value", "na"),
                   tn_attr_ints("select_cols", (int64_t[]){1, 3}, 2)));
    tn_op(b, "DecodeJSONExample", TN_INPUTS(v), TN_NO_ATTRS);
    tn_op(b, "StringToNumber", TN_INPUTS(v), TN_ATTRS(tn_attr_type("out_type", TN_DOUBLE)));
    tn_op(b, "StringToNumber", TN_INPUTS(v), TN_ATTRS(tn_attr_type("out_type", TN_INT32)));
    tn_op(b, "StringSplitV2", TN_INPUTS(v, s), TN_NO_ATTRS);
    tn_op(b, "DecodeBase64", TN_INPUTS(v), TN_NO_ATTRS);
    for (size_t k = 0; k < TN_COUNT(encodings); k++)
        tn_op(b, "UnicodeDecodeWithOffsets", TN_INPUTS(v), TN_ATTRS(tn_attr_str("input_encoding", encodings[k])));
    tn_op(b, "UnicodeTranscode", TN_INPUTS(v), TN_ATTRS(tn_attr_str("input_encoding", "UTF-16"), tn_attr_str("output_encoding", "UTF-8")));
}

static void add_bytes(tn_builder *b, tn_node x, tn_node v)
{
    static const tn_dtype parsed[] = {TN_FLOAT, TN_STRING, TN_BOOL, TN_COMPLEX64, TN_VARIANT, TN_HALF};
    static const tn_dtype types[] = {TN_INT32, TN_STRING, TN_DOUBLE};
    tn_op(b, "DecodeWav", TN_INPUTS(x), TN_NO_ATTRS);
    tn_op(b, "DecodeImage", TN_INPUTS(x), TN_NO_ATTRS);
    for (size_t k = 0; k < TN_COUNT(parsed); k++) tn_op(b, "ParseTensor", TN_INPUTS(x), TN_ATTRS(tn_attr_type("out_type", parsed[k])));
    tn_op(b, "DecodeCompressed", TN_INPUTS(v), TN_ATTRS(tn_attr_str("compression_type", "ZLIB")));
    tn_op(b, "DecodeRaw", TN_INPUTS(v), TN_ATTRS(tn_attr_type("out_type", TN_INT32)));
    tn_op(b, "DecodeProtoV2", TN_INPUTS(v),
          TN_ATTRS(tn_attr_str("message_type", "m"), TEXTS("field_names", TEXT("x"), TEXT("s"), TEXT("d")), tn_attr_types("output_types", types, 3),
                   tn_attr_str("descriptor_source", described)));
}

static bool is_asked(const tn_operation *op)
{
    static const char *const others[] = {"Const", "Placeholder", "ExpandDims", "Fill"};
    for (size_t i = 0; i < TN_COUNT(others); i++)
        if (!strcmp(op->type, others[i])) return false;
    return true;
}

/* One callable for each operator; how many there are. */
static int prepare(tn_callable **out)
{
    static const char *const feeds[] = {"x:0", "v:0"};
    const tn_session_options o = {.threads = 1, .memory_limit = (size_t)1 << 22, .time_limit = 1};
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_session *s;
    tn_error err = {0};
    int n = 0;
    tn_node x = tn_placeholder(b, "x", TN_STRING, TN_SHAPE()), v = tn_placeholder(b, "v", TN_STRING, TN_SHAPE(1));
    add_bytes(b, x, v);
    add_examples(b, x);
    add_text(b, v);
    tn_code code = tn_builder_check(b, &err);
    if (code == TN_OK) code = tn_session_new(g, &o, &s, &err);
    for (int i = 0; code == TN_OK && i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (is_asked(op) && n < MOST) code = tn_callable_new(s, feeds, 2, &op->name, 1, NULL, 0, &out[n++], &err);
    }
    tn_builder_free(b);
    if (code != TN_OK) fprintf(stderr, "%s\n", err.message);
    if (code != TN_OK) __builtin_trap();
    return n;
}

static void ask(tn_callable *c, tn_view bytes)
{
    const tn_shape shapes[] = {{.rank = 0}, {.rank = 1, .dim = {1}}};
    tn_tensor *in[2] = {NULL, NULL};
    const tn_tensor *out;
    tn_error err;
    bool made = true;
    for (int i = 0; i < 2 && made; i++)
        made = tn_tensor_new(TN_STRING, &shapes[i], &in[i], &err) == TN_OK && tn_string_set(in[i], 0, bytes.p, bytes.n, &err) == TN_OK;
    if (made && tn_callable_run(c, (const tn_tensor *const *)in, &out, &err) == TN_OK) tn_text_free(tn_tensor_text(out, 20));
    for (int i = 0; i < 2; i++) tn_tensor_unref(in[i]);
}

static void describe(tn_view declarations)
{
    static const tn_dtype types[] = {TN_INT32, TN_STRING, TN_DOUBLE};
    tn_described out[3];
    tn_error err;
    tn_buf source = {0};
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_buf_str(&source, "bytes://");
    tn_buf_add(&source, declarations.p, declarations.n);
    tn_attr attrs[] = {tn_attr_str("message_type", "m"), TEXTS("field_names", TEXT("x"), TEXT("s"), TEXT("d")), tn_attr_str("descriptor_source", "")};
    attrs[2].s = (tn_bytes){source.data, source.n};
    tn_describe(&(tn_attrs){attrs, 3}, types, 3, a, out, &err);
    tn_buf_free(&source);
    tn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tn_callable *callables[MOST];
    static int n;
    if (!n) n = prepare(callables);
    if (!size) return 0;
    const tn_view bytes = {(const char *)data + 1, size - 1};
    if (data[0] == 'P') describe(bytes);
    else ask(callables[data[0] % n], bytes);
    return 0;
}
