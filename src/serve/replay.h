/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.h - answers recorded and answers given, compared; for replay.c.
 */
#ifndef TN_SERVE_REPLAY_H
#define TN_SERVE_REPLAY_H

#include "serve.h"

typedef struct tn_comparison {
    double tolerance;
    tn_replay_verdict verdict; /* EQUAL to begin with */
    int64_t different;         /* values */
    char text[512];            /* the first of them */
    tn_code failed;            /* not OK: there was no memory to compare with */
} tn_comparison;

void tn_compare_predict(tn_comparison *c, const tn_PredictResponse *was, const tn_PredictResponse *is);
void tn_compare_classify(tn_comparison *c, const tn_ClassificationResult *was, const tn_ClassificationResult *is);
void tn_compare_regress(tn_comparison *c, const tn_RegressionResult *was, const tn_RegressionResult *is);
void tn_compare_multi(tn_comparison *c, const tn_MultiInferenceResponse *was, const tn_MultiInferenceResponse *is);

#endif
