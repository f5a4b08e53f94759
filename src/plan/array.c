/* SPDX-License-Identifier: Apache-2.0
 *
 * array.c - rows of tensors that stand for a loop's lists: read, set in place; parts looked at where they lie. Errors
 * are those of lists.
 */
#include "array.h"

static tn_code row_at(const tn_run *r, const char *what, int64_t *out, tn_error *err)
{
    int64_t n = r->in[0]->shape.dim[0];
    if (tn_tensor_count(r->in[1]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "input 1 must be a scalar");
    int64_t i = tn_tensor_int(r->in[1], 0);
    if (i < 0 || i >= n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to %s element %lld in a list with %lld elements.", what,
                       (long long)i, (long long)n);
    *out = i;
    return TN_OK;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    (void)err;
    if (tn_tensor_bytes(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

const tn_op tn_array_new = {.name = "_NewArray", .infer = tn_infer_kept, .run = new_run, .flags = TN_STATEFUL};

static tn_code row_infer(tn_infer *c, tn_error *err)
{
    tn_shape s = c->in[0]->shape;
    (void)err;
    if (s.rank < 1) return TN_OK;
    s.rank--;
    memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof s.dim[0]);
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code row_run(tn_run *r, tn_error *err)
{
    int64_t i;
    size_t bytes = tn_tensor_bytes(r->out[0]);
    TN_TRY(row_at(r, "access", &i, err));
    if (bytes) memcpy(r->out[0]->data, (const char *)r->in[0]->data + (size_t)i * bytes, bytes);
    return TN_OK;
}

const tn_op tn_array_row = {.name = "_Row", .infer = row_infer, .run = row_run};

/* ==== looks ==== out is in's bytes from an offset on; it keeps them alive where they are counted */

static void look(tn_run_context *c, const tn_step *s, int o, int64_t offset)
{
    const int slot = s->out[o];
    tn_tensor *v = &c->values[slot];
    tn_value_share(v, &c->values[s->in[0]]);
    v->data = (char *)v->data + offset;
    v->shape = c->program->slots[slot].shape;
}

tn_code tn_exec_look(tn_run_context *c, const tn_step *s, tn_error *err)
{
    int64_t i;
    TN_TRY(row_at(&c->runs[s->index], "access", &i, err));
    const tn_slot *slot = &c->program->slots[s->out[0]];
    look(c, s, 0, i * tn_shape_count(&slot->shape) * (int64_t)tn_dtype_size(slot->dtype));
    return TN_OK;
}

tn_code tn_exec_piece(tn_run_context *c, const tn_step *s, tn_error *err)
{
    const int64_t *offsets = s->params;
    (void)err;
    for (int o = 0; o < s->n_out; o++) look(c, s, o, offsets[o]);
    return TN_OK;
}

const tn_op tn_array_look = {.name = "_Look", .infer = row_infer};
const tn_op tn_array_piece = {.name = "_Piece", .infer = tn_infer_kept};

/* ==== rows set ==== */

static tn_code set_run(tn_run *r, tn_error *err)
{
    int64_t i;
    size_t bytes = tn_tensor_bytes(r->in[2]);
    TN_TRY(row_at(r, "modify", &i, err));
    if (r->out[0]->data != r->in[0]->data && bytes)
        memcpy(r->out[0]->data, r->in[0]->data, tn_tensor_bytes(r->in[0]));
    if (bytes) memcpy((char *)r->out[0]->data + (size_t)i * bytes, r->in[2]->data, bytes);
    return TN_OK;
}

const tn_op tn_array_set = {.name = "_SetRow", .infer = tn_infer_like_first, .run = set_run};

const tn_op tn_array_view = {.name = "_View", .infer = tn_infer_kept, .flags = TN_ALIAS};
