/* SPDX-License-Identifier: Apache-2.0
 *
 * op_random_crop.c - RandomCrop, of TensorFlow's first year: a part of one image, where chance has it.
 */
#include "op_move.h"
#include "random_words.h"

static tn_code crop_infer(tn_infer *c, tn_error *err)
{
    tn_shape size;
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    tn_infer_set_rank(c, 0, 3);
    c->out[0].shape.dim[2] = c->in[0]->shape.rank == 3 ? c->in[0]->shape.dim[2] : -1;
    TN_TRY(tn_infer_new_shape(c, 1, &size, err));
    if (size.rank < 0) return TN_OK;
    if (size.rank != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "size must have 2 elements, not %d", size.rank);
    for (int k = 0; k < 2; k++) c->out[0].shape.dim[k] = size.dim[k];
    return TN_OK;
}

static tn_code crop_run(tn_run *r, tn_error *err)
{
    static const char *const names[] = {"height", "width"};
    const tn_tensor *in = r->in[0];
    tn_tensor *out = r->out[0];
    int64_t at[2] = {0}, row = out->shape.dim[1] * out->shape.dim[2];
    tn_words random = {.used = 4};
    for (int k = 0; k < 2; k++)
        if (in->shape.dim[k] < out->shape.dim[k])
            return tn_fail(err, TN_FAILED_PRECONDITION, "%s must be >= target_%s: %lld, %lld", names[k], names[k],
                           (long long)in->shape.dim[k], (long long)out->shape.dim[k]);
    if (!tn_shape_equal(&in->shape, &out->shape)) TN_TRY(tn_words_of(r, 1, &random, err));
    for (int k = 1; k >= 0; k--) { /* the column first */
        const int64_t places = in->shape.dim[k] - out->shape.dim[k] + 1;
        if (places > 1) at[k] = tn_word_below(&random, (uint32_t)places);
    }
    for (int64_t i = 0; i < out->shape.dim[0]; i++)
        TN_TRY(tn_move_row(out, i * row, in, ((at[0] + i) * in->shape.dim[1] + at[1]) * in->shape.dim[2], row, err));
    return TN_OK;
}

const tn_op tn_op_RandomCrop = {
    .name = "RandomCrop",
    .sig = "image:T size:int64 -> output:T; T:type{uint8,int8,int16,int32,int64,float,double} seed:int=0 seed2:int=0",
    .infer = crop_infer,
    .run = crop_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .values = TN_BIT(1),
};
