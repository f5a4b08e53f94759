/* SPDX-License-Identifier: Apache-2.0
 *
 * op_summary.c - TensorFlow 1's summaries as serialized Summary messages: ScalarSummary, HistogramSummary,
 * ImageSummary, AudioSummary and its V2, TensorSummary and its V2, MergeSummary. Where they are written is
 * the reader's business.
 */
#include "parse.h"
#include "sparse.h"
#include "summary_values.h"

/* ==== shared ==== */

static tn_code put_summary(tn_run *r, const tn_Summary *s, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(Summary, s, &bytes, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code scalar_tag(const tn_run *r, tn_view *out, tn_error *err)
{
    if (tn_tensor_count(r->in[0]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "tag must be scalar, got %lld elements",
                       (long long)tn_tensor_count(r->in[0]));
    *out = tn_parse_string(r->in[0], 0);
    return TN_OK;
}

#define SUMMARY(Name, Run, Sig)     \
    TN_RUN_IN_ARENA(Run##_run, Run) \
    SUMMARY_TOO(Name, Run, Sig)
#define SUMMARY_TOO(Name, Run, Sig) \
    const tn_op tn_op_##Name = {    \
        .name = #Name,              \
        .sig = Sig,                 \
        .infer = tn_infer_scalar,   \
        .run = Run##_run,           \
        .flags = TN_NO_GRADIENT,    \
    }

/* ==== numbers ==== */

static tn_code scalars(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_tensor *tags = r->in[0], *values = r->in[1];
    tn_Summary s = {0};
    char x[96], y[96];
    if (!tn_shape_equal(&tags->shape, &values->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "tags and values are not the same shape: %s != %s",
                       tn_shape_text(&tags->shape, x, sizeof x), tn_shape_text(&values->shape, y, sizeof y));
    for (int64_t i = 0, n = tn_tensor_count(tags); i < n; i++) {
        tn_Summary_Value *v = tn_put_value(&s, a, tn_parse_string(tags, i));
        if (!v) return tn_no_memory(err, sizeof *v);
        TN_SET(v, Summary_Value, value, simple_value) = (float)tn_tensor_number(values, i);
    }
    return put_summary(r, &s, err);
}
SUMMARY(ScalarSummary, scalars, "tags:string values:T -> summary:string; T:type{realnumbertype}");

static tn_code histogram(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    TN_TRY(tn_put_histogram(&s, a, tag, r->in[1], err));
    return put_summary(r, &s, err);
}
SUMMARY(HistogramSummary, histogram, "tag:string values:T -> summary:string; T:type{realnumbertype}=float");

/* ==== tensors ==== */

static tn_code tensor_value(tn_run *r, tn_arena *a, tn_view tag, const tn_tensor *t,
                            tn_SummaryMetadata *metadata, tn_error *err)
{
    tn_Summary s = {0};
    tn_Summary_Value *v;
    TN_TRY(tn_put_tensor(&s, a, tag, t, &v, err));
    v->metadata = metadata;
    if (!metadata) v->node_name = tn_view_of(r->name);
    return put_summary(r, &s, err);
}

static tn_code tensor_v1(tn_run *r, tn_arena *a, tn_error *err)
{
    return tensor_value(r, a, (tn_view){NULL, 0}, r->in[0], NULL, err);
}
SUMMARY(TensorSummary, tensor_v1,
        "tensor:T -> summary:string; T:type description:string=\"\" labels:list(string)=[] "
        "display_name:string=\"\"");

static tn_code tensor_v2(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_SummaryMetadata *metadata;
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    if (tn_tensor_count(r->in[2]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "serialized_summary_metadata must be scalar");
    tn_code code = TN_DECODE(SummaryMetadata, tn_parse_string(r->in[2], 0), a, &metadata, err);
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK)
        metadata = TN_NEW(a, tn_SummaryMetadata); /* TensorFlow does not look whether it is one */
    if (!metadata) return tn_no_memory(err, sizeof *metadata);
    return tensor_value(r, a, tag, r->in[1], metadata, err);
}
SUMMARY(TensorSummaryV2, tensor_v2,
        "tag:string tensor:T serialized_summary_metadata:string -> summary:string; T:type");

/* ==== pictures and sounds ==== */

static tn_code images(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    TN_TRY(tn_put_images(&s, a, tag, r->in[1], tn_attr_get_tensor(r->attrs, "bad_color"),
                         tn_attr_i(r->attrs, "max_images"), err));
    return put_summary(r, &s, err);
}
/* TensorFlow's own has bad_color too, whose default no line of text has: it is red. */
SUMMARY(ImageSummary, images,
        "tag:string tensor:T -> summary:string; max_images:int>=1=3 T:type{uint8,float,half,double}=float");

static tn_code sounds(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    float rate = 0;
    TN_TRY(scalar_tag(r, &tag, err));
    if (r->n_in == 2) rate = tn_attr_f(r->attrs, "sample_rate");
    if (r->n_in == 3 && tn_tensor_count(r->in[2]) == 1) rate = TN_FLOATS(r->in[2])[0];
    TN_TRY(tn_put_sounds(&s, a, tag, r->in[1], rate, tn_attr_i(r->attrs, "max_outputs"), err));
    return put_summary(r, &s, err);
}
SUMMARY(AudioSummaryV2, sounds,
        "tag:string tensor:float sample_rate:float -> summary:string; max_outputs:int>=1=3");
SUMMARY_TOO(AudioSummary, sounds,
            "tag:string tensor:float -> summary:string; sample_rate:float max_outputs:int>=1=3");

/* ==== several as one: each tag once ==== */

static tn_code merge(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary all = {0};
    tn_map *tags = tn_map_new();
    tn_code code = tags ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; i < r->n_in && code == TN_OK; i++)
        for (int64_t k = 0, n = tn_tensor_count(r->in[i]); k < n && code == TN_OK; k++) {
            tn_Summary *s;
            if (TN_DECODE(Summary, tn_parse_string(r->in[i], k), a, &s, err) != TN_OK) {
                code = tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse one of the summary inputs");
                break;
            }
            for (uint32_t j = 0; j < s->value.n && code == TN_OK; j++) {
                tn_view tag = s->value.items[j].tag;
                tn_Summary_Value *v = TN_PUSH(a, &all.value);
                if (!v || (tag.n && tn_map_get_view(tags, tag)))
                    code = v ? tn_fail(err, TN_INVALID_ARGUMENT, "Duplicate tag %.*s found in summary inputs",
                                       (int)TN_MIN(tag.n, (size_t)200), tag.p)
                             : tn_no_memory(err, sizeof *v);
                else if (!tn_map_put_view(tags, tag, tags))
                    code = tn_no_memory(err, tag.n);
                if (code == TN_OK) *v = s->value.items[j];
            }
        }
    tn_map_free(tags);
    return code == TN_OK ? put_summary(r, &all, err) : code;
}
SUMMARY(MergeSummary, merge, "inputs:N*string -> summary:string; N:int>=1");
