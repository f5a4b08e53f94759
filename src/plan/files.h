/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - files and print-outs of operators, all through the hooks that the session was given.
 */
#ifndef TN_PLAN_FILES_H
#define TN_PLAN_FILES_H

#include "../graph/op.h"

/* How a file is compressed. The first three are tn_compression's. */
typedef enum tn_packing { TN_PACK_NONE, TN_PACK_ZLIB, TN_PACK_GZIP, TN_PACK_SNAPPY } tn_packing;

/* What reads and writes checkpoints, by the prefix of their files. */
typedef struct tn_checkpoint_hooks {
    tn_code (*tensor)(const char *prefix, const char *name, tn_tensor **out, tn_error *err); /* one, by its name */
    tn_code (*open)(const char *prefix, void **out, tn_error *err);
    /* The tensor that is number i by the order of names; *end: there are not so many. */
    tn_code (*read)(void *opened, int64_t i, tn_tensor **out, bool *end, tn_error *err);
    void (*close)(void *opened);
    /* A new one, which is there when it has been committed; ALREADY_EXISTS: somebody is writing it. */
    tn_code (*create)(const char *prefix, void **out, tn_error *err);
    tn_code (*add)(void *created, const char *name, const tn_tensor *t, tn_error *err);
    tn_code (*commit)(void *created, tn_error *err); /* frees it, too */
    void (*abandon)(void *created);
} tn_checkpoint_hooks;

typedef struct tn_files { /* of one session; borrowed */
    const tn_outside *outside; /* NULL: no files */
    const tn_checkpoint_hooks *checkpoints; /* NULL: none */
    tn_print_fn print;         /* NULL: nobody listens */
    void *print_payload;
} tn_files;

/* path: bytes of a graph; owner: whose they are, for errors. FAILED_PRECONDITION: there is no access to files. */
tn_code tn_files_read(const tn_files *f, const char *owner, tn_view path, tn_buf *out, tn_error *err);
/* A file that stays open: its bytes, expanded, are charged to the session's budget until they are dropped. */
tn_code tn_files_hold(const tn_files *f, const char *owner, tn_view path, tn_packing p, tn_buf *bytes,
                      tn_charge *charge, tn_error *err);
void tn_files_drop(tn_buf *bytes, tn_charge *charge);
tn_code tn_files_write(const tn_files *f, const char *owner, tn_view path, tn_view bytes, bool append, tn_error *err);
/* The paths that a pattern with * ? [..] and \ stands for, appended to a list in the arena, in no order. */
typedef struct tn_paths {
    const char **at;
    size_t n, cap;
} tn_paths;
tn_code tn_files_match(const tn_files *f, const char *owner, tn_view pattern, tn_arena *a, tn_paths *out,
                       tn_error *err);
/* Those from number `from` on, by their bytes. */
void tn_paths_sort(tn_paths *v, size_t from);
tn_code tn_files_tensor(const tn_files *f, const char *owner, tn_view prefix, tn_view name, tn_tensor **out,
                        tn_error *err);
/* The hooks, and the prefix as a text to be given to them, which is the caller's (tn_free). */
tn_code tn_files_prefix(const tn_files *f, const char *owner, tn_view prefix, const tn_checkpoint_hooks **hooks,
                        char **out, tn_error *err);
tn_code tn_files_look(const tn_files *f, const char *owner, tn_view path, bool *is_there, bool *is_folder,
                      tn_error *err);
/* What is in a folder, in the arena; none where there is no such folder. */
tn_code tn_files_list(const tn_files *f, const char *owner, tn_view folder, tn_arena *a, tn_paths *out, tn_error *err);
/* Text for whoever listens; stream as PrintV2's attribute says. */
tn_code tn_files_print(const tn_files *f, const char *stream, tn_view text, tn_error *err);

/* Those of the run's session. */
const tn_files *tn_run_files(const tn_run *r);

#endif
