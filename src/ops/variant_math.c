/* SPDX-License-Identifier: Apache-2.0
 *
 * variant_math.c - zeros like variants and sums of them: lists and optionals element by element, of ragged tensors
 * their values, variants in them too. What holds variants bounds how deep they nest (TN_LIST_MAX_DEPTH).
 */
#include "../kernel/kernel.h"
#include "boxed.h"
#include "op_list.h"

static tn_code zeros_of(const tn_tensor *like, tn_tensor **out, tn_error *err);
static tn_code sum_of(const tn_tensor *x, const tn_tensor *y, tn_tensor **out, tn_error *err);

/* ==== zeros ==== */

static tn_code fill_zeros(const tn_list *from, tn_list **to, tn_error *err)
{
    for (int64_t i = 0; i < from->n && from->root; i++) {
        const tn_tensor *item = tn_list_at(from, i);
        tn_tensor *zero = NULL;
        if (!item) continue;
        TN_TRY(zeros_of(item, &zero, err));
        TN_TRY(tn_list_put_item(to, i, zero, err));
    }
    return TN_OK;
}

static tn_code zeros_of_list(const tn_list *from, tn_variant **out, tn_error *err)
{
    tn_list *l = tn_list_new(from->dtype, &from->element_shape, from->most, from->n);
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = fill_zeros(from, &l, err);
    if (code) tn_variant_unref(&l->head);
    else *out = &l->head;
    return code;
}

/* An optional of what `make` gives for each pair of components (y may be NULL). */
static tn_code each_component(const tn_optional *x, const tn_optional *y, tn_variant **out, tn_error *err)
{
    tn_tensor *made[64] = {0};
    tn_code code = TN_OK;
    if (x->n > 64) return tn_fail(err, TN_UNIMPLEMENTED, "an optional of %d components", x->n);
    for (int i = 0; !code && i < x->n; i++)
        code = y ? sum_of(x->at[i], y->at[i], &made[i], err) : zeros_of(x->at[i], &made[i], err);
    tn_optional *o = code ? NULL : tn_optional_new((const tn_tensor *const *)made, x->n);
    if (!code && !o) code = tn_no_memory(err, sizeof *o);
    for (int i = 0; i < x->n; i++) tn_tensor_unref(made[i]);
    if (!code) *out = &o->head;
    return code;
}

/* A box with `made` (taken) in the place of x's values. */
static tn_code box_with(const tn_box *x, tn_tensor *made, tn_variant **out, tn_error *err)
{
    const tn_tensor *item[TN_MAX_RANK + 1];
    tn_box *b = NULL;
    memcpy(item, x->item, (size_t)x->n * sizeof *item);
    item[x->n - 1] = made;
    tn_code code = tn_box_new(item, x->n, &b, err);
    tn_tensor_unref(made);
    if (code == TN_OK) *out = &b->head;
    return code;
}

/* Of a ragged tensor: the splits stay, the values become zeros or (y not NULL) sums. */
static tn_code each_value(const tn_box *x, const tn_box *y, tn_variant **out, tn_error *err)
{
    tn_tensor *made = NULL;
    if (x->n < 1 || x->n > TN_MAX_RANK + 1 || (y && x->n != y->n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Can't add RaggedTensorVariants with different ragged rank.");
    for (int k = 0; y && k < x->n - 1; k++)
        if (!tn_tensor_equal(x->item[k], y->item[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Can't add RaggedTensorVariants with different row_splits.");
    if (y)
        TN_TRY(sum_of(x->item[x->n - 1], y->item[x->n - 1], &made, err));
    else
        TN_TRY(zeros_of(x->item[x->n - 1], &made, err));
    return box_with(x, made, out, err);
}

static const tn_list *list_of(const tn_variant *v)
{
    const tn_list *l;
    tn_variant *at = (tn_variant *)v;
    tn_tensor t = tn_tensor_view(TN_VARIANT, &TN_SHAPE(), &at);
    return v && tn_list_of(&t, &l, NULL) == TN_OK ? l : NULL;
}

static tn_code zeros_of_variant(const tn_variant *v, tn_variant **out, tn_error *err)
{
    const tn_list *l = list_of(v);
    const tn_optional *o = tn_optional_of(v);
    if (l) return zeros_of_list(l, out, err);
    if (o) return each_component(o, NULL, out, err);
    if (tn_box_or_none(v)) return each_value(tn_box_or_none(v), NULL, out, err);
    return tn_fail(err, TN_INVALID_ARGUMENT, "ZerosLike of a variant that is neither a list nor an optional");
}

static tn_code zeros_into(const tn_tensor *like, tn_tensor *out, tn_error *err)
{
    tn_variant *const *in = like->data, **to = out->data;
    for (int64_t i = 0, n = tn_tensor_count(like); i < n; i++) {
        tn_variant *made = NULL;
        TN_TRY(zeros_of_variant(in[i], &made, err));
        tn_variant_unref(to[i]);
        to[i] = made;
    }
    return TN_OK;
}

/* A new tensor is zeros already, of strings it is empty ones. */
static tn_code zeros_of(const tn_tensor *like, tn_tensor **out, tn_error *err)
{
    if (like->dtype == TN_RESOURCE) return tn_fail(err, TN_UNIMPLEMENTED, "ZerosLike of resources");
    TN_TRY(tn_tensor_new(like->dtype, &like->shape, out, err));
    tn_code code = like->dtype == TN_VARIANT ? zeros_into(like, *out, err) : TN_OK;
    if (!code) return TN_OK;
    tn_tensor_unref(*out);
    *out = NULL;
    return code;
}

tn_code tn_variant_zeros_like(tn_run *r, tn_error *err)
{
    return zeros_into(r->in[0], r->out[0], err);
}

/* ==== sums ==== */

static tn_code add_item(tn_list **l, int64_t i, const tn_tensor *item, tn_error *err)
{
    tn_tensor *sum = NULL;
    const tn_tensor *old = tn_list_at(*l, i);
    if (!old) TN_TRY(tn_tensor_keep(item, &sum, err));
    else TN_TRY(sum_of(old, item, &sum, err));
    return tn_list_put_item(l, i, sum, err);
}

static tn_code add_list(const tn_list *from, tn_list **l, tn_error *err)
{
    if (from->n != (*l)->n || from->dtype != (*l)->dtype) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Trying to add two lists of tensors with different lengths or dtypes: %lld, %lld",
                       (long long)(*l)->n, (long long)from->n);
    }
    for (int64_t i = 0; i < from->n && from->root; i++) {
        const tn_tensor *item = tn_list_at(from, i);
        if (item) TN_TRY(add_item(l, i, item, err));
    }
    return TN_OK;
}

static tn_code sum_of_lists(const tn_list *x, const tn_list *y, tn_variant **out, tn_error *err)
{
    tn_list *l = tn_list_resized(x, x->n);
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = add_list(y, &l, err);
    if (code) tn_variant_unref(&l->head);
    else *out = &l->head;
    return code;
}

static tn_code sum_of_variants(const tn_variant *x, const tn_variant *y, tn_variant **out, tn_error *err)
{
    const tn_list *l = list_of(x), *m = list_of(y);
    const tn_optional *o = tn_optional_of(x), *p = tn_optional_of(y);
    const tn_box *b = tn_box_or_none(x), *c = tn_box_or_none(y);
    if (l && m) return sum_of_lists(l, m, out, err);
    if (b && c) return each_value(b, c, out, err);
    if (!o || !p) return tn_fail(err, TN_INVALID_ARGUMENT, "AddN of variants that are neither lists nor optionals");
    if (!o->n != !p->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot add optionals because one has a value and the other doesn't.");
    if (o->n != p->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot add optionals of %d and %d components", o->n, p->n);
    return each_component(o, p, out, err);
}

static tn_code sum_into(const tn_tensor *x, const tn_tensor *y, tn_tensor *out, tn_error *err)
{
    tn_variant *const *a = x->data, *const *b = y->data, **to = out->data;
    for (int64_t i = 0, n = tn_tensor_count(x); i < n; i++) {
        tn_variant *made = NULL;
        TN_TRY(sum_of_variants(a[i], b[i], &made, err));
        tn_variant_unref(to[i]);
        to[i] = made;
    }
    return TN_OK;
}

static tn_code sum_of(const tn_tensor *x, const tn_tensor *y, tn_tensor **out, tn_error *err)
{
    const void *in[] = {x->data, y->data};
    if (x->dtype != y->dtype || !tn_shape_equal(&x->shape, &y->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to add lists whose elements differ in shape or dtype");
    if (x->dtype != TN_VARIANT && !tn_pw_supported(TN_PW_ADD, x->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "AddN of lists of %s", tn_dtype_name(x->dtype));
    TN_TRY(tn_tensor_new(x->dtype, &x->shape, out, err));
    tn_code code = x->dtype == TN_VARIANT
                       ? sum_into(x, y, *out, err)
                       : tn_pw_flat(TN_PW_ADD, x->dtype, 0, tn_tensor_count(x), in, (*out)->data, 1, err);
    if (!code) return TN_OK;
    tn_tensor_unref(*out);
    *out = NULL;
    return code;
}

tn_code tn_variant_add_n(tn_run *r, tn_error *err)
{
    tn_tensor *sum = NULL;
    TN_TRY(tn_tensor_keep(r->in[0], &sum, err));
    for (int i = 1; i < r->n_in; i++) {
        tn_tensor *next = NULL;
        tn_code code = sum_of(sum, r->in[i], &next, err);
        tn_tensor_unref(sum);
        if (code) return code;
        sum = next;
    }
    tn_code code = tn_run_output_share(r, 0, sum, err);
    tn_tensor_unref(sum);
    return code;
}
