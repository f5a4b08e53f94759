/* SPDX-License-Identifier: Apache-2.0
 *
 * elements.c - elements of data sets that are kept for a while (dataset.h): for batches, windows, caches.
 */
#include "dataset.h"

void tn_elements_begin(tn_elements *e, const tn_dataset *of)
{
    *e = (tn_elements){.width = of->width, .types = of->types};
}

void tn_elements_drop(tn_elements *e)
{
    for (int64_t i = 0; i < e->n; i++) tn_element_drop(e->at + i * e->width, e->width);
    tn_free(e->at);
    *e = (tn_elements){.width = e->width, .types = e->types};
}

/* The place after the last; NULL: no memory. */
static tn_tensor **room(tn_elements *e)
{
    if (e->n == e->cap) {
        int64_t cap = e->cap ? 2 * e->cap : 16;
        tn_tensor **at = tn_realloc(e->at, (size_t)(cap * e->width) * sizeof *at);
        if (!at) return NULL;
        e->at = at;
        e->cap = cap;
    }
    tn_tensor **place = e->at + e->n * e->width;
    memset(place, 0, (size_t)e->width * sizeof *place);
    return place;
}

tn_code tn_elements_add(tn_elements *e, tn_tensor *const *element, tn_error *err)
{
    tn_tensor **place = room(e);
    if (!place) return tn_no_memory(err, 0);
    for (int i = 0; i < e->width; i++) place[i] = tn_tensor_ref(element[i]);
    e->n++;
    return TN_OK;
}

tn_code tn_elements_fill(tn_elements *e, tn_source *from, tn_pull *t, int64_t most, bool *end, tn_error *err)
{
    while (e->n < most && !*end) {
        tn_tensor **place = room(e);
        if (!place) return tn_no_memory(err, 0);
        TN_TRY(tn_source_next(from, t, place, end, err));
        e->n += !*end;
    }
    return TN_OK;
}

void tn_elements_forget(tn_elements *e, int64_t n)
{
    for (int64_t i = 0; i < n; i++) tn_element_drop(e->at + i * e->width, e->width);
    e->n -= n;
    if (n) memmove(e->at, e->at + n * e->width, (size_t)(e->n * e->width) * sizeof *e->at);
}

tn_code tn_row_of(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err)
{
    tn_shape s = {.rank = t->shape.rank - 1};
    tn_tensor *row;
    memcpy(s.dim, t->shape.dim + 1, (size_t)s.rank * sizeof *s.dim);
    int64_t n = tn_shape_count(&s);
    TN_TRY(tn_tensor_new(t->dtype, &s, &row, err));
    tn_code code = tn_move_row(row, 0, t, i * n, n, err);
    if (code == TN_OK)
        *out = row;
    else
        tn_tensor_unref(row);
    return code;
}
