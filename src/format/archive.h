/* SPDX-License-Identifier: Apache-2.0
 *
 * archive.h - what archive.c (files) and archive_graph.c (one MetaGraph of them) share.
 */
#ifndef TN_FORMAT_ARCHIVE_H
#define TN_FORMAT_ARCHIVE_H

#include "metagraph.h"

/* Fills in what the message says, then what the graph made of it says: *m is that graph, to be freed with `out`.
 * folder: of a SavedModel, else NULL. Fails for want of memory only: what is wrong with the graph is in
 * out->problem. */
tn_code tn_archive_graph_of(tn_MetaGraphDef *def, const char *folder, tn_metagraph *m, tn_meta_graph_info *out,
                            tn_error *err);

#endif
