/* SPDX-License-Identifier: Apache-2.0
 *
 * predict.h - what the files of `turnery predict` share.
 *
 *     predict.c         flags, a model in this process
 *     predict_server.c  a model at a server
 *     predict_print.c   answers
 *     predict_images.c  images as inputs, drawn beside the answers
 *     predict_stream.c  a question a line
 *     predict_csv.c     rows of a table as such lines
 */
#ifndef TN_CMD_PREDICT_H
#define TN_CMD_PREDICT_H

#include "inputs.h"
#include "experiment.h"
#include "literal.h"
#include "client.h"

#include <stdio.h>

typedef struct answers { /* outputs by name */
    const char *const *names;
    const tn_tensor *const *values;
    int n;
} answers;

typedef struct asked asked;
struct asked { /* who is asked */
    const tn_spec *in;
    int n_in;
    answers out; /* of the last question, until the next */
    tn_code (*run)(asked *a, const tn_tensor *const *in, tn_error *err);
    /* Returns at once: done is called later, in another thread. NULL: questions are waited for. */
    tn_code (*begin)(asked *a, const tn_tensor *const *in, tn_answered done, void *payload, tn_error *err);
    void (*close)(asked *a);
};

typedef struct predict_values {
    input_values in;
    server_values server;
    const char *images, *labels, *index, *signature, *logdir, *folder, *csv;
    strings wanted; /* outputs */
    int64_t count, threads, pipelined;
    limits limits;
    bool json, lines;
} predict_values;

tn_code ask_server(const predict_values *v, asked **out, tn_error *err);
tn_code ask_images(const predict_values *v, asked *a, tn_error *err);
tn_code ask_lines(const predict_values *v, asked *a, tn_error *err);
/* Each question as a line of JSON. */
typedef void (*csv_question)(void *payload, const char *line);
tn_code csv_questions(const char *path, int64_t batch, const asked *a, csv_question ask, void *payload, tn_error *err);

bool is_wanted(const strings *wanted, const char *name);
/* One line: shapes as nested lists, bytes that are no text as {"b64":...}, NaN and infinities as strings. false: no
 * memory. */
bool print_json(FILE *to, const strings *wanted, const answers *out);
tn_code give_answers(const predict_values *v, const answers *out, tn_error *err);

#endif
