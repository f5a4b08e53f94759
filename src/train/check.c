/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c - the record's checker: every missing or wrong field, with what it is for.
 *
 * Invariant: all problems are found in one go, a line each; a record without any can be built and run.
 */
#include <ctype.h>

#include "train.h"

static void problem(tn_buf *out, const char *field, const char *what, const char *help)
{
    tn_buf_printf(out, ".%s: %s; %s\n", field, what, help);
}

int tn_problem_count(const tn_buf *problems)
{
    int n = 0;
    for (size_t i = 0; i < problems->n; i++) n += problems->data[i] == '\n';
    return n;
}

size_t tn_settings_size(const tn_option *rows)
{
    size_t end = 0;
    for (const tn_option *r = rows; r && r->name; r++) end = TN_MAX(end, r->offset + r->size);
    return (end + 15) / 16 * 16 + 16;
}

static void check_name(const char *name, tn_buf *out)
{
    const char *help = "a short name of letters, digits, '_', '-' and '.', with which run folders begin";
    if (!name || !*name) {
        problem(out, "name", "missing", help);
        return;
    }
    bool good = name[0] != '.' && strlen(name) <= 100;
    for (const char *c = name; *c; c++) good = good && (isalnum((unsigned char)*c) || strchr("_-.", *c));
    if (!good) problem(out, "name", "not usable", help);
}

/* ==== option rows ==== */

static const tn_option *row_named(const tn_option *rows, const tn_option *end, const char *name)
{
    for (const tn_option *r = rows; r != end && r->name; r++)
        if (!strcmp(r->name, name)) return r;
    return NULL;
}

static void check_rows(const tn_option *rows, tn_buf *out)
{
    tn_error err;
    char field[160];
    for (const tn_option *r = rows; r && r->name; r++) {
        snprintf(field, sizeof field, "options (%.100s)", r->name);
        if (row_named(rows, r, r->name))
            problem(out, field, "named twice", "each setting has one row");
        else if (row_named(tn_run_rows, NULL, r->name))
            problem(out, field, "is a setting that every run has",
                    "give its value in .run, or take another name");
        else if (tn_option_check_row(r, tn_settings_size(rows), &err))
            problem(out, field, err.message, "see tn_option in turnery.h");
    }
}

static void check_run(const tn_run_settings *run, tn_buf *out)
{
    char field[160];
    for (const tn_option *r = tn_run_rows; r->name; r++) {
        tn_error err;
        tn_buf text = {0};
        tn_run_settings probe;
        bool zero = true;
        const char *bytes = (const char *)run + r->offset;
        for (size_t i = 0; i < r->size; i++) zero = zero && !bytes[i];
        if (zero || tn_options_defaults(tn_run_rows, &probe, NULL)) continue;
        tn_option_text(r, run, &text);
        snprintf(field, sizeof field, "run.%s", r->name);
        if (tn_option_set(tn_run_rows, &probe, r->name, text.data ? text.data : "", &err))
            problem(out, field, err.message, r->help);
        tn_options_free(tn_run_rows, &probe);
        tn_buf_free(&text);
    }
}

/* ==== the records ==== */

static void need(tn_buf *out, bool there, const char *field, const char *help)
{
    if (!there) problem(out, field, "missing", help);
}

void tn_check_model(const tn_model *m, tn_buf *problems)
{
    check_name(m->name, problems);
    check_rows(m->options, problems);
    need(problems, m->model != NULL, "model",
         "a function that builds the network: (builder, settings, mode, inputs, outputs)");
}

void tn_check_experiment(const tn_experiment *e, bool has_model, tn_buf *problems)
{
    check_name(e->name, problems);
    check_rows(e->options, problems);
    check_run(&e->run, problems);
    need(problems, e->train != NULL, "train",
         "a function that fills in the training examples: (data, settings)");
    need(problems, e->model != NULL || has_model, "model",
         "a function that builds the network: (builder, settings, mode, inputs, outputs); or give --model "
         "FILE.c");
    need(problems, e->loss != NULL, "loss",
         "a function that returns the scalar to be made small: (builder, settings, results)");
    need(problems, e->optimizer != NULL, "optimizer",
         "a function that returns the operation of one step: (builder, settings, loss, global step)");
    if (!e->client) return;
    need(problems, e->client->input || e->client->parse, "client",
         "input (sample by index) or parse (a line that was typed): without one of them it can ask nothing");
}
