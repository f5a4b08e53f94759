/* SPDX-License-Identifier: Apache-2.0
 *
 * infer.c - helpers and ready-made functions for the `infer` of operators' records.
 */
#include "op.h"

static tn_code wrong_rank(const tn_infer *c, int i, const char *how, int rank, tn_error *err)
{
    char text[160];
    return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be %s %d but is rank %d for input %d with shape %s",
                   how, rank, c->in[i]->shape.rank, i, tn_shape_text(&c->in[i]->shape, text, sizeof text));
}

tn_code tn_infer_rank(const tn_infer *c, int i, int rank, tn_error *err)
{
    int is = c->in[i]->shape.rank;
    return is < 0 || is == rank ? TN_OK : wrong_rank(c, i, "rank", rank, err);
}

tn_code tn_infer_rank_at_least(const tn_infer *c, int i, int rank, tn_error *err)
{
    int is = c->in[i]->shape.rank;
    return is < 0 || is >= rank ? TN_OK : wrong_rank(c, i, "at least rank", rank, err);
}

tn_code tn_infer_merge_dim(int64_t a, int64_t b, int64_t *out, tn_error *err)
{
    if (a >= 0 && b >= 0 && a != b) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "Dimensions must be equal, but are %lld and %lld",
                       (long long)a, (long long)b);
    }
    *out = a >= 0 ? a : b;
    return TN_OK;
}

/* ==== values ==== */

static bool is_ints(const tn_tensor *t)
{
    return t && t->data && (t->dtype == TN_INT32 || t->dtype == TN_INT64) && t->shape.rank <= 1 &&
           tn_tensor_count(t) <= TN_MAX_RANK;
}

/* The elements, as tn_info.ints has them. */
static bool known_ints(const tn_info *in, tn_shape *out)
{
    if (is_ints(in->value)) {
        out->rank = (int)tn_tensor_count(in->value);
        for (int i = 0; i < out->rank; i++) out->dim[i] = tn_tensor_int(in->value, i);
        return true;
    }
    if (in->has_ints) *out = in->ints;
    return in->has_ints;
}

bool tn_infer_ints(const tn_infer *c, int i, tn_shape *out)
{
    const tn_info *in = c->in[i];
    if (known_ints(in, out)) {
        for (int k = 0; k < out->rank; k++) {
            if (out->dim[k] == TN_UNKNOWN_INT) out->dim[k] = -1;
        }
        return true;
    }
    if (in->shape.rank != 1 || in->shape.dim[0] < 0 || in->shape.dim[0] > TN_MAX_RANK) return false;
    out->rank = (int)in->shape.dim[0];
    for (int k = 0; k < out->rank; k++) out->dim[k] = -1;
    return true;
}

tn_code tn_infer_new_shape(const tn_infer *c, int i, tn_shape *out, tn_error *err)
{
    out->rank = -1;
    TN_TRY(tn_infer_rank(c, i, 1, err));
    if (!tn_infer_ints(c, i, out)) return TN_OK;
    for (int k = 0; k < out->rank && c->in[i]->value; k++)
        if (out->dim[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Dimension %lld must be >= 0",
                           (long long)tn_tensor_int(c->in[i]->value, k));
    return TN_OK;
}

bool tn_infer_int(const tn_infer *c, int i, int64_t *out)
{
    tn_shape ints;
    if (!known_ints(c->in[i], &ints) || ints.rank != 1 || ints.dim[0] == TN_UNKNOWN_INT) return false;
    *out = ints.dim[0];
    return true;
}

void tn_infer_set_ints(tn_infer *c, int o, const tn_shape *ints)
{
    c->out[o].has_ints = true;
    c->out[o].ints = *ints;
}

/* ==== ready-made ==== */

static void like(tn_infer *c, int o, int i)
{
    c->out[o].shape = c->in[i]->shape;
    c->out[o].bound = c->in[i]->bound;
}

tn_code tn_infer_unchanged(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < TN_MIN(c->n_out, c->n_in); o++) like(c, o, o);
    return TN_OK;
}

tn_code tn_infer_like_first(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; c->n_in && o < c->n_out; o++) like(c, o, 0);
    return TN_OK;
}

/* The first dimension's bound: it comes from whichever input has an unknown one and is not stretched. */
static int64_t broadcast_bound(const tn_infer *c, const tn_shape *out)
{
    if (out->rank < 1 || out->dim[0] >= 0) return -1;
    for (int i = 0; i < 2; i++) {
        const tn_info *in = c->in[i];
        const tn_info *other = c->in[1 - i];
        bool leads = in->shape.rank == out->rank && in->shape.dim[0] < 0 && in->bound > 0;
        bool stretched = other->shape.rank == out->rank && other->shape.dim[0] < 0 && other->bound < 0;
        if (leads && !stretched) return TN_MAX(in->bound, other->shape.rank == out->rank ? other->bound : -1);
    }
    return -1;
}

tn_code tn_infer_broadcast(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_shape_broadcast(&c->in[0]->shape, &c->in[1]->shape, &c->out[0].shape, err));
    c->out[0].bound = broadcast_bound(c, &c->out[0].shape);
    return TN_OK;
}

tn_code tn_infer_scalar(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = TN_SHAPE();
    return TN_OK;
}

tn_code tn_infer_none(tn_infer *c, tn_error *err)
{
    (void)c;
    (void)err;
    return TN_OK;
}
