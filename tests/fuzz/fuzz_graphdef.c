/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_graphdef.c - any bytes as a GraphDef; what is accepted must come back the same.
 */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_graph *g, *again;
    tn_error err;
    if (tn_graphdef_decode((tn_view){(const char *)data, size}, &g, &err) != TN_OK) return 0;
    tn_buf a = {0}, b = {0};
    if (tn_graphdef_encode(g, &a, &err) == TN_OK &&
        tn_graphdef_decode((tn_view){a.data, a.n}, &again, &err) == TN_OK) {
        if (tn_graphdef_encode(again, &b, &err) != TN_OK || a.n != b.n ||
            (a.n && memcmp(a.data, b.data, a.n)))
            __builtin_trap();
        tn_graph_free(again);
    }
    tn_buf_free(&a);
    tn_buf_free(&b);
    tn_graph_free(g);
    return 0;
}
