/* SPDX-License-Identifier: Apache-2.0
 *
 * tensorflow_table.h - tables of what TensorFlow says of its operators: files of tests/golden/tensorflow with a line
 * "NAME<tab>VALUE" each.
 */
#ifndef TN_TENSORFLOW_TABLE_H
#define TN_TENSORFLOW_TABLE_H

#include "test.h"

#include <stdlib.h>

/* name -> value. The buffer owns the text. */
static inline tn_map *tensorflow_table(const char *file, tn_buf *text)
{
    char path[1024];
    tn_map *m = tn_map_new();
    snprintf(path, sizeof path, "%s/tests/golden/tensorflow/%s", getenv("TN_SOURCE"), file);
    assert_int_equal(tn_file_read(path, 0, text, NULL), TN_OK);
    for (char *line = text->data, *next; line < text->data + text->n; line = next) {
        char *end = strchr(line, '\n'), *tab = strchr(line, '\t');
        assert_non_null(end);
        assert_non_null(tab);
        next = end + 1;
        *end = *tab = 0;
        assert_true(tn_map_put(m, line, tab + 1));
    }
    return m;
}

#endif
