/* SPDX-License-Identifier: Apache-2.0
 *
 * test_op_gradients.c - which operators have a gradient is TensorFlow's choice (golden/tensorflow/gradients.txt): what it
 * differentiates we do, what it passes over we pass over, what it refuses is refused or has one of ours, but never nothing.
 */
#include "../golden/flows.h"
#include "tensorflow_table.h"

static const char *wrong(const tn_op *op, const char *registered)
{
    bool stops = op->flags & TN_NO_GRADIENT, framed = op->flags & TN_FRAMED;
    if (op->grad && (stops || framed)) return "has a gradient and says that it has none";
    if (registered && !strcmp(registered, "yes")) return op->grad || framed ? NULL : "lacks its gradient";
    if (registered) return stops && !op->grad ? NULL : "goes on where TensorFlow's gradient stops";
    return stops && gradients_flow(op) ? "stops silently where TensorFlow refuses" : NULL;
}

static void gradients_are_where_tensorflows_are(void **state)
{
    (void)state;
    tn_buf text = {0};
    tn_map *registry = tensorflow_table("gradients.txt", &text);
    int n = 0;
    assert_true(tn_map_count(registry) > 500);
    for (int i = 0; i < tn_op_count(); i++) {
        const tn_op *op = tn_op_at(i);
        const char *what = *op->name == '_' ? NULL : wrong(op, tn_map_get(registry, op->name));
        if (what) print_error("%s %s\n", op->name, what);
        n += what != NULL;
    }
    assert_int_equal(n, 0);
    tn_map_free(registry);
    tn_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_where_tensorflows_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
