/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd.h - what the commands share: their records, flags, and errors printed in one place. Commands see
 * turnery.h and this, nothing else of the library.
 */
#ifndef TN_CMD_H
#define TN_CMD_H

#include <turnery.h>

/* One command, one file, one record; main.c lists them. run returns the error that main prints. */
typedef struct command {
    const char *name, *summary;
    const char *usage, *usage_more; /* after "turnery NAME "; the second line may be absent */
    const struct flag *flags;
    tn_code (*run)(int argc, char **argv, tn_error *err); /* arguments after the command's name */
    const struct flag *more; /* flags of another use of the command, which the help tells under more_title */
    const char *more_title;
} command;

typedef enum flag_kind {
    FLAG_BOOL, FLAG_INT, FLAG_SIZE, FLAG_SECONDS, FLAG_NUMBER, FLAG_STRING, FLAG_STRINGS
} flag_kind;

typedef struct strings { /* a flag that may be given several times */
    const char *v[256];
    int n;
} strings;

/* --name=value, --name value; booleans: --name, --noname, --name=false. Ends with name NULL. */
typedef struct flag {
    const char *name;
    flag_kind kind;
    size_t offset; /* in the command's own struct of values: bool, int64_t, size_t (bytes), double, const char *,
                      strings */
    const char *value, *help; /* what the help calls its value; of a boolean "no" where --noNAME is what is told */
} flag;
#define FLAGS_END {.name = NULL}

/* Arguments that are no flags are kept in rest. INVALID_ARGUMENT gives the nearest flag for an unknown one. */
tn_code flags_parse(const flag *flags, int argc, char **argv, void *values, strings *rest, tn_error *err);
/* One argument, --name=value or --name of a boolean. NOT_FOUND: no such flag, or without its value. */
tn_code flags_parse_one(const flag *flags, const char *argument, void *values, tn_error *err);
/* A flag by the first n bytes of name. negated: it is the boolean that "noNAME" means. NULL: there is none. */
const flag *flags_find(const flag *flags, const char *name, size_t n, bool *negated);
const char *flags_nearest(const flag *flags, const char *name, size_t n); /* for a hint; NULL: none is near */
void flags_help(const command *c);

/* A SavedModel, by its MetaGraph's tags as --tag_set has them: separated by commas; NULL or "": the one to serve. */
tn_code load_tagged(const char *folder, const char *tag_set, const tn_session_options *o, tn_loaded **out,
                    tn_error *err);

/* What a model may take: flags of every command that runs one. `at`: where in T the limits are. */
typedef struct limits {
    size_t memory;
    double time;
} limits;
#define LIMIT_FLAGS(T, at)                                                                              \
    {"memory_limit", FLAG_SIZE, offsetof(T, at.memory), "BYTES",                                        \
     "what values and variables may take together, as in 2GB (no limit)"},                              \
    {                                                                                                   \
        "time_limit", FLAG_SECONDS, offsetof(T, at.time), "SECONDS",                                    \
        "how long a run of the model, or a step, may take (no limit)"                                   \
    }
/* Before anything is computed: whether files can be made in a folder, or it in its own where it is not there; all: it
 * is a checkpoint's prefix, whose folders are all made (output.c). */
tn_code output_check(const char *path, bool all, tn_error *err);
/* Results in a folder, which is made (its parent is there): DIR/NAME.npy, or .json for strings (output.c). */
tn_code output_folder(const char *dir, tn_error *err);
tn_code tensor_file(const char *dir, const char *name, const tn_tensor *t, tn_error *err);

/* The same program under the name tensorflow_model_server (model_server.c): its exit status, 255 where TensorFlow
 * Serving's is -1. It is served by serve.c, which takes flags of serve_flags, --name=value each. */
int model_server_main(int argc, char **argv);
const flag *serve_flags(void);
void serve_error(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a line of the log */
void serve_tell_version(void);
tn_code serve_as_tensorflow(int argc, char **argv, tn_error *err);

/* Bytes of the UTF-8 character at p; 0: it is none (facts.c). */
size_t utf8_step(const unsigned char *p, size_t n);

/* ==== errors (errors.c) ==== each returns the error's code */
tn_code usage_error(tn_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
tn_code no_memory(tn_error *err);
/* Of a run that failed: that the SavedModel in the folder has lost its variables; NULL: a graph had no checkpoint. */
void explain_uninitialized(const char *folder, tn_error *err);
tn_code file_error(const char *path, tn_error *err); /* by errno */

#endif
