/* SPDX-License-Identifier: Apache-2.0
 *
 * inputs.h - inputs as they are typed, for all commands that feed a model: NAME=VALUE, where VALUE is a file (.npy,
 * .json), zeros, ones or random, with (2,3) behind it where the shape is to be told, or a literal; and lists of
 * tf.Examples.
 */
#ifndef TN_CMD_INPUTS_H
#define TN_CMD_INPUTS_H

#include "cmd.h"

typedef struct input_values { /* begins the struct of values of every command that takes inputs */
    strings inputs, examples, exprs;
    int64_t batch, seed;
} input_values;
#define INPUT_DEFAULTS {.batch = 1, .seed = -1}
#define INPUT_FLAGS(T)                                                                                            \
    {"input", FLAG_STRINGS, offsetof(T, in.inputs), "NAME=VALUE",                                                 \
     "an input: FILE.npy, FILE.json (strings), FILE.png, FILE.jpg, zeros, ones, random, zeros(2,3), or a "         \
     "literal: 3.5, \"[[1,2],[3,4]]\""},                                                                          \
        {"input_examples", FLAG_STRINGS, offsetof(T, in.examples), "NAME=LIST",                                   \
         "an input of serialized tf.Examples: '[{\"age\":[22],\"name\":[\"a\"]}]', or a file of that"},           \
        {"input_exprs", FLAG_STRINGS, offsetof(T, in.exprs), "NAME=EXPR;...",                                     \
         "the same as --input, several at once, as saved_model_cli takes them: 'x=np.ones((2,3));y=2'"},          \
        {"batch", FLAG_INT, offsetof(T, in.batch), "N",                                                           \
         "what unknown dimensions of zeros, ones, random and single numbers are (1)"},                            \
        {"seed", FLAG_INT, offsetof(T, in.seed), "N", "of random inputs (a new one, which is printed)"}

/* batch and seed; takes --input_exprs apart, into inputs (they live as long as the process). */
tn_code inputs_check(input_values *v, tn_error *err);
/* The value for an input. command: for what is said of the seed, on stderr, once. */
tn_code input_tensor(input_values *v, const char *command, const tn_spec *spec, const char *text, tn_tensor **out,
                     tn_error *err);
/* The same of a literal that is read already. */
struct literal;
tn_code input_literal(const input_values *v, const tn_spec *spec, const struct literal *l, tn_tensor **out,
                      tn_error *err);
tn_code input_examples(const tn_spec *spec, const char *text, tn_tensor **out, tn_error *err);
/* n numbers of another tensor from the one at `first` on, in the input's dtype and shape. */
tn_code input_of_numbers(const tn_spec *spec, const tn_tensor *from, int64_t first, int64_t n, tn_tensor **out,
                         tn_error *err);
/* A PNG or JPEG file (inputs_image.c). */
bool names_an_image(const char *text);
tn_code input_image(const tn_spec *spec, const char *path, tn_tensor **out, tn_error *err);
/* Inputs by their names: those of v, each for one of in; out begins with NULLs, and is the caller's also on failure.
 * One that is given twice, or not at all, is an error (inputs_bind.c). */
tn_code inputs_bind(input_values *v, const char *command, const tn_spec *in, int n_in, tn_tensor **out, tn_error *err);
/* A sparse input NAME, which is three, NAME.indices and so on; an object of them for all three. */
bool inputs_are_parts(const tn_spec *in, int n_in, const char *name);
tn_code inputs_bind_parts(const input_values *v, const tn_spec *in, int n_in, const char *name, const struct literal *l,
                          tn_tensor **out, tn_error *err);
enum { SPARSE_PARTS = 3 };
extern const char *const sparse_parts[SPARSE_PARTS];
/* Such an object, as it is typed or in a .json file; and part i of it. name: for errors. */
tn_code sparse_read(const char *text, const char *name, struct literal **out, tn_error *err);
tn_code sparse_part(const struct literal *l, const char *name, int i, const struct literal **out, tn_error *err);
int inputs_find(const tn_spec *in, int n_in, const char *name, size_t n); /* -1: none */
tn_code inputs_missing(const tn_spec *in, int n_in, tn_tensor *const *values, const char *hint, tn_error *err);
/* Length of the name before '='; 0: there is none. */
size_t input_name(const char *text);
/* A line on stderr for each operator that is not there. */
void warn_missing(const char *command, const tn_missing *missing, int n);

#endif
