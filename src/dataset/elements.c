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
    if (!tn_grow(NULL, &e->at, (int)e->n, &e->cap, (size_t)e->width * sizeof *e->at)) return NULL;
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

tn_code tn_batch_shape(int64_t n, const tn_shape *of, tn_shape *out, tn_error *err)
{
    if (of->rank >= TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    *out = (tn_shape){.rank = of->rank + 1, .dim = {n}};
    memcpy(out->dim + 1, of->dim, (size_t)of->rank * sizeof *of->dim);
    return TN_OK;
}

tn_code tn_elements_stack(const tn_elements *e, int64_t n, int64_t stride, int k, tn_tensor **out, tn_error *err)
{
    const int64_t rows = 1 + (n - 1) / stride, step = stride * e->width;
    const tn_shape *first = &e->at[k]->shape;
    tn_shape s;
    tn_tensor *made;
    char a[128], b[128];
    for (int64_t i = 1; i < rows; i++)
        if (!tn_shape_equal(&e->at[i * step + k]->shape, first))
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Cannot add tensor to the batch: number of elements does not match. Shapes are: [tensor]: "
                "%s, [batch]: %s",
                tn_shape_text(&e->at[i * step + k]->shape, b, sizeof b), tn_shape_text(first, a, sizeof a));
    TN_TRY(tn_batch_shape(rows, first, &s, err));
    TN_TRY(tn_tensor_new(e->at[k]->dtype, &s, &made, err));
    int64_t each = tn_shape_count(first);
    tn_code code = TN_OK;
    for (int64_t i = 0; code == TN_OK && i < rows; i++)
        code = tn_move_row(made, i * each, e->at[i * step + k], 0, each, err);
    if (code == TN_OK)
        *out = made;
    else
        tn_tensor_unref(made);
    return code;
}
