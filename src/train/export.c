/* SPDX-License-Identifier: Apache-2.0
 *
 * export.c - SavedModels of a run: version = global step.
 */
#include "train.h"

tn_code tn_export_step(const tn_serving *s, tn_session *values, const char *base, int64_t step, bool *is_new,
                       tn_error *err)
{
    static const char *const tags[] = {"serve"};
    bool kept = false;
    tn_export e = {.graph = s->graph,
                   .signatures = s->signatures,
                   .n_signatures = s->n_signatures,
                   .init_op = s->init,
                   .tags = tags,
                   .n_tags = 1};
    TN_TRY(tn_savedmodel_save(base, step, &e, values, &kept, err));
    if (is_new) *is_new = !kept;
    return TN_OK;
}
