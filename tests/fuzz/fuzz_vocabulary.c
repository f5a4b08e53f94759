/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_vocabulary.c - two bytes of choice, then any bytes as the file that a table is initialized from: which columns, types, how many
 * lines. Whatever is in the table is looked at.
 */
#include "plan/plan.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_graph(tn_builder *b, const char *path, uint8_t types, uint8_t columns)
{
    static const tn_dtype dtypes[] = {TN_STRING, TN_INT64, TN_INT32, TN_FLOAT, TN_DOUBLE};
    const tn_dtype key = dtypes[types % 5], value = dtypes[types / 5 % 5];
    tn_node table = tn_op_named(b, "HashTableV2", "t", TN_NO_INPUTS, TN_ATTRS(tn_attr_type("key_dtype", key), tn_attr_type("value_dtype", value)));
    tn_tensor *name;
    tn_error err;
    if (tn_tensor_new(TN_STRING, &TN_SHAPE(), &name, &err) != TN_OK || tn_string_set(name, 0, path, strlen(path), &err) != TN_OK) __builtin_trap();
    tn_node file = tn_constant(b, "file", name);
    tn_tensor_unref(name);
    tn_op_named(b, "LookupTableExportV2", "all", TN_INPUTS(table), TN_ATTRS(tn_attr_type("Tkeys", key), tn_attr_type("Tvalues", value)));
    tn_add_operation(b, "InitializeTableFromTextFileV2", "init", TN_INPUTS(table, file),
                     TN_ATTRS(tn_attr_int("key_index", columns % 4 - 2), tn_attr_int("value_index", columns / 4 % 4 - 2),
                              tn_attr_int("vocab_size", columns & 16 ? 2 : -1), tn_attr_int("offset", columns & 32 ? 1 : 0),
                              tn_attr_str("delimiter", columns & 64 ? " " : "\t")));
}

static void look(tn_session *s)
{
    static const char *const fetches[] = {"all:0", "all:1"}, *const init = "init";
    tn_tensor *out[2];
    tn_error err;
    if (tn_session_run(s, NULL, 0, NULL, 0, NULL, &init, 1, &err) != TN_OK) return;
    if (tn_session_run(s, NULL, 0, fetches, 2, out, NULL, 0, &err) != TN_OK) __builtin_trap();
    if (tn_tensor_count(out[0]) != tn_tensor_count(out[1])) __builtin_trap();
    for (int i = 0; i < 2; i++) {
        tn_text_free(tn_tensor_text(out[i], 100));
        tn_tensor_unref(out[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    tn_session *s;
    tn_error err;
    if (size < 2) return 0;
    tn_fuzz_path(path, sizeof path, "vocabulary");
    tn_fuzz_write(path, data + 2, size - 2);
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    write_graph(b, path, data[0], data[1]);
    const tn_session_options o = {.threads = 1};
    if (tn_builder_check(b, &err) == TN_OK && tn_session_new(g, &o, &s, &err) == TN_OK) {
        look(s);
        tn_session_free(s);
    }
    tn_builder_free(b);
    tn_graph_free(g);
    unlink(path);
    return 0;
}
