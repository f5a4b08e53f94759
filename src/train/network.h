/* SPDX-License-Identifier: Apache-2.0
 *
 * network.h - the parts of an experiment that training and serving build alike.
 */
#ifndef TN_TRAIN_NETWORK_H
#define TN_TRAIN_NETWORK_H

#include "train.h"

/* raw features -> the model's */
tn_values tn_preprocess(const struct tn_job *j, tn_builder *b, tn_mode mode, const tn_values *raw);
tn_values tn_apply_model(const struct tn_job *j, tn_builder *b, tn_mode mode, const tn_values *in);

#endif
