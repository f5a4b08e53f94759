/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.h - what registry.c and sig.c share: an operator's row number, for tables beside the registry.
 */
#ifndef TN_REGISTRY_H
#define TN_REGISTRY_H

enum { TN_MAX_OPS = 2048 };

int tn_op_row(const char *name); /* -1: not an operator of ours */

#endif
