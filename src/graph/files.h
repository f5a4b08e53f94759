/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - files and print-outs of operators, all through the hooks that the session was given.
 */
#ifndef TN_GRAPH_FILES_H
#define TN_GRAPH_FILES_H

#include "op.h"

/* A tensor of a checkpoint, by the prefix of its files and its name. */
typedef tn_code (*tn_checkpoint_fn)(const char *prefix, const char *name, tn_tensor **out, tn_error *err);

typedef struct tn_files { /* of one session; borrowed */
    const tn_outside *outside; /* NULL: no files */
    tn_checkpoint_fn tensor;   /* NULL: no checkpoints */
    tn_print_fn print;         /* NULL: nobody listens */
    void *print_payload;
} tn_files;

/* path: bytes of a graph; owner: whose they are, for errors. FAILED_PRECONDITION: there is no access to files. */
tn_code tn_files_read(const tn_files *f, const char *owner, tn_view path, tn_buf *out, tn_error *err);
tn_code tn_files_write(const tn_files *f, const char *owner, tn_view path, tn_view bytes, bool append, tn_error *err);
/* The paths that a pattern with * ? [..] and \ stands for, appended to a list in the arena, in no order. */
typedef struct tn_paths {
    const char **at;
    size_t n, cap;
} tn_paths;
tn_code tn_files_match(const tn_files *f, const char *owner, tn_view pattern, tn_arena *a, tn_paths *out,
                       tn_error *err);
tn_code tn_files_tensor(const tn_files *f, const char *owner, tn_view prefix, tn_view name, tn_tensor **out,
                        tn_error *err);
/* Text for whoever listens; stream as PrintV2's attribute says. */
tn_code tn_files_print(const tn_files *f, const char *stream, tn_view text, tn_error *err);

/* Those of the run's session. */
const tn_files *tn_run_files(const tn_run *r);

#endif
