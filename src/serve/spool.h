/* SPDX-License-Identifier: Apache-2.0
 *
 * spool.h - records appended to a file by a thread of their own, so that who has them waits for no disk.
 */
#ifndef TN_SERVE_SPOOL_H
#define TN_SERVE_SPOOL_H

#include "../base/base.h"

typedef struct tn_spool tn_spool;
typedef struct tn_spool_options {
    const char *path;     /* of the file, which is appended to; NULL: standard error */
    const char *ending;   /* not NULL: path is a prefix; each process and each most_file bytes have their own file */
    size_t most_file;     /* 0: one file for ever */
    size_t most_gathered; /* bytes not yet written; 0: 8 MiB */
} tn_spool_options;
tn_code tn_spool_open(const tn_spool_options *o, tn_spool **out, tn_error *err);
/* false: it is lost, since too much waits. A record of which only a part could be written is taken back. */
bool tn_spool_put(tn_spool *s, tn_view record);
int64_t tn_spool_take_lost(tn_spool *s); /* records lost since it was last asked */
void tn_spool_close(tn_spool *s);        /* writes what waits */

#endif
