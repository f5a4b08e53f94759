/* SPDX-License-Identifier: Apache-2.0
 * Operators of mathematics with each dtype that TensorFlow's CPU kernels take, against what TensorFlow gave
 * (tests/golden/op_dtypes/cases.txt, a case a line).
 */
#include "golden.h"
#include "op_case.h"

/* Cuts text at the separator, in place; returns the pieces' number. */
static int cut(char *text, const char *separator, const char **pieces, int most)
{
    int n = 0;
    for (char *p = text; p && *p; n++) {
        assert_true(n < most);
        pieces[n] = p;
        p = strstr(p, separator);
        if (!p) continue;
        *p = 0;
        p += strlen(separator);
    }
    return n;
}

static void run_line(char *line)
{
    char *field[4] = {line};
    op_case c = {.op = NULL};
    for (int i = 1; i < 4; i++) {
        field[i] = strchr(field[i - 1], '\t');
        assert_non_null(field[i]);
        *field[i]++ = 0;
    }
    c.op = field[0];
    c.attrs = field[1];
    cut(field[2], "; ", c.in, TN_COUNT(c.in));
    cut(field[3], "; ", c.out, TN_COUNT(c.out));
    check_case(&c);
}

static void test_goldens(void **state)
{
    (void)state;
    tn_buf text = golden("op_dtypes/cases.txt");
    int n = 0;
    for (char *line = text.data, *next; line < text.data + text.n; line = next, n++) {
        next = strchr(line, '\n');
        assert_non_null(next);
        *next++ = 0;
        run_line(line);
    }
    assert_true(n > 1500);
    tn_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_goldens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
