/* SPDX-License-Identifier: Apache-2.0
 *
 * conv.h - what conv.c and those who do the convolutions share.
 */
#ifndef TN_CONV_H
#define TN_CONV_H

#include "isa.h"

/* Sizes with the spatial dimensions always three, the missing outer ones 1. */
typedef struct tn_conv_size {
    int64_t batch, in_c, out_c, groups, in[3], filter[3], out[3], stride[3], dilation[3], pad[3];
    int64_t in_count, filter_count, out_count; /* elements */
} tn_conv_size;

/* Plain loops, float and double. bias may be NULL. */
void tn_conv_direct(const tn_conv_desc *d, const tn_conv_size *s, void *in, void *filter, void *bias,
                    void *out);

/* Our own, float; the activations it does, and pools, inside. */
bool tn_conv_is_tiled(const tn_conv_desc *d, const tn_conv_size *s);
bool tn_conv_tile_does_act(tn_act act);
size_t tn_conv_tiled_packed(const tn_conv_desc *d, const tn_conv_size *s, int isa);
size_t tn_conv_tiled_scratch(const tn_conv_desc *d, const tn_conv_size *s, int isa);
void tn_conv_tiled_pack(const tn_conv_desc *d, const tn_conv_size *s, int isa, const void *filter, void *packed);
void tn_conv_tiled(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a);

/* With filters of 3 x 3 (conv_winograd.c), float, forward and by input; packed or not, the filter is as it is. The
 * activations of tn_conv_tile_does_act inside. */
bool tn_conv_is_winograd(const tn_conv_desc *d, const tn_conv_size *s); /* whether or not it pools */
bool tn_conv_winograd_pools(const tn_conv_desc *d);
size_t tn_conv_winograd_scratch(const tn_conv_desc *d, const tn_conv_size *s, int isa);
void tn_conv_winograd(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a);

/* The gradient by such a filter (conv_winograd_filter.c); none by the bias. false: not all of it is finite, and it is
 * to be done by others. */
bool tn_conv_is_winograd_filter(const tn_conv_desc *d, const tn_conv_size *s);
size_t tn_conv_winograd_filter_scratch(const tn_conv_desc *d, const tn_conv_size *s);
bool tn_conv_winograd_filter(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a);

/* By tiles of bfloat16 (conv_amx.c), float, where the processor has them; RELU inside. */
bool tn_conv_amx_takes(const tn_conv_desc *d, const tn_conv_size *s);
size_t tn_conv_amx_packed(const tn_conv_desc *d, const tn_conv_size *s);
size_t tn_conv_amx_scratch(const tn_conv_desc *d, const tn_conv_size *s);
void tn_conv_amx_pack(const tn_conv_desc *d, const tn_conv_size *s, const void *filter, void *packed);
/* Also with a packed filter, a->filter is the filter. */
void tn_conv_amx(const tn_conv_desc *d, const tn_conv_size *s, const tn_conv_args *a);

/* oneDNN, float. */
typedef struct tn_onednn tn_onednn;
tn_code tn_onednn_new(const tn_conv_desc *d, tn_onednn **out, tn_error *err);
void tn_onednn_free(tn_onednn *c);
void tn_onednn_rest(tn_onednn *c);
size_t tn_onednn_scratch(const tn_onednn *c);
size_t tn_onednn_packed(const tn_onednn *c);
uint64_t tn_onednn_packed_layout(const tn_onednn *c);
bool tn_onednn_does_act(tn_act act); /* is it fused? else the caller applies it */
tn_code tn_onednn_pack(tn_onednn *c, const void *filter, void *packed, void *scratch, tn_error *err);
bool tn_onednn_form(const tn_onednn *c, tn_filter_form *out);
void tn_onednn_only_packed(tn_onednn *c); /* from now on, filters come packed */
tn_code tn_onednn_run(tn_onednn *c, const tn_conv_args *a, tn_error *err);

#endif
