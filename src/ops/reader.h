/* SPDX-License-Identifier: Apache-2.0
 *
 * reader.h - TensorFlow 1's readers, as resources of a session: each is given the name of one file after another and
 * makes records of what is in it. Where the names come from, and the operators, are op_reader.c's.
 *
 * One run uses a reader at a time; the others wait. A file is read whole when its turn comes.
 */
#ifndef TN_READER_H
#define TN_READER_H

#include "../plan/files.h"
#include "../wire/wire.h"

typedef enum tn_reader_kind {
    TN_READ_LINES,
    TN_READ_RECORDS,
    TN_READ_FIXED, /* records of one length */
    TN_READ_WHOLE, /* files */
    TN_READ_NAMES  /* the names themselves */
} tn_reader_kind;

typedef struct tn_reader {
    tn_resource base;
    tn_reader_kind kind;
    int64_t header, record, footer, hop; /* bytes; the header of lines: lines */
    tn_compression compression;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy;
    int64_t started, finished, produced; /* files, files, records */
    tn_buf work, bytes;                  /* the present file: its name; what is in it */
    tn_charge charge;                    /* of bytes */
    size_t at;                           /* of the next record in bytes */
    int64_t number;                      /* of the next record of the file */
    tn_records *records;
    tn_error failed; /* what is wrong with the present file; code TN_OK: nothing so far */
} tn_reader;

tn_compression tn_reader_compression(const tn_attrs *attrs); /* as compression_type or encoding says (op_reader.c) */
tn_reader *tn_reader_new(const char *name, tn_reader_kind kind); /* NULL: no memory */
/* Waits for the others, as tn_wait_a_moment does; then the reader is the run's until it leaves. */
tn_code tn_reader_enter(tn_reader *x, const tn_run *r, tn_error *err);
void tn_reader_leave(tn_reader *x);
/* What follows is for the run that is in. */
bool tn_reader_has_work(const tn_reader *x);
tn_code tn_reader_begin(tn_reader *x, const tn_files *f, tn_view work, tn_error *err);
/* The next record, or the end of the file, which is finished then. value is borrowed until the next call; what was in
 * key is gone. */
tn_code tn_reader_next(tn_reader *x, const tn_files *f, tn_buf *key, tn_view *value, bool *end, tn_error *err);
void tn_reader_reset(tn_reader *x);
/* Only of readers of whole files and of names. UNIMPLEMENTED. */
tn_code tn_reader_save(const tn_reader *x, tn_buf *state, tn_error *err);
tn_code tn_reader_restore(tn_reader *x, tn_view state, tn_error *err);

#endif
