/* SPDX-License-Identifier: Apache-2.0
 *
 * api.h - what the requests that classify and regress share, alone or several at once (api_classify.c, api_multi.c).
 */
#ifndef TN_SERVE_API_H
#define TN_SERVE_API_H

#include "serve.h"

#define TN_CLASSIFY_METHOD "tensorflow/serving/classify"
#define TN_REGRESS_METHOD "tensorflow/serving/regress"

/* Whether a signature may be asked by Predict, where that is looked at. */
tn_code tn_predict_check(const tn_turn *t, const tn_asker *a, tn_error *err);
/* The outputs that a signature must have for it: at most two, ascending. */
tn_code tn_classify_outputs(const tn_turn *t, const tn_asker *a, int *wanted, int *n, tn_error *err);
tn_code tn_regress_outputs(const tn_turn *t, const tn_asker *a, int *wanted, int *n, tn_error *err);
/* The examples as a vector of strings, which are views; counts them in the facts. */
tn_code tn_examples_of(tn_turn *t, const tn_SerializedInput *in, tn_tensor **out, tn_error *err);
tn_code tn_serialize_input(tn_turn *t, const tn_Input *in, tn_SerializedInput **out, tn_error *err);
/* One of classes and scores may be NULL. Results borrow the tensors' bytes. */
tn_code tn_classify_result(tn_turn *t, const tn_tensor *classes, const tn_tensor *scores, tn_ClassificationResult **out,
                           tn_error *err);
tn_code tn_regress_result(tn_turn *t, const tn_tensor *v, tn_RegressionResult **out, tn_error *err);
static inline const char *tn_data_type_name(tn_dtype t) /* "DT_FLOAT" */
{
    const char *name = tn_proto_value_name(&tn_proto_enum_DataType, t);
    return name ? name : "DT_INVALID";
}

#endif
