/* SPDX-License-Identifier: Apache-2.0
 *
 * events.h - what the writer of event files and the histograms share. Private to them.
 */
#ifndef TN_FORMAT_EVENTS_H
#define TN_FORMAT_EVENTS_H

#include "format.h"

#define TN_HISTOGRAM_BUCKETS 30 /* TensorBoard's default */
/* [buckets, 3] doubles: left edge, right edge, count. */
tn_code tn_histogram_tensor(const tn_tensor *values, int buckets, tn_tensor **out, tn_error *err);

#endif
