/* SPDX-License-Identifier: Apache-2.0
 *
 * settings.c - the settings of a run: rows that every run has, then the experiment's, then the model's, under
 * one roof. Precedence: defaults, what the record says, a file, the command line (as the caller sets them).
 */
#include "train.h"

#define ROW(field, ...) TN_OPTION(tn_run_settings, field, __VA_ARGS__)
const tn_option tn_run_rows[] = {
    ROW(batch_size, .def = "64", .min = 1, .max = 1e7, .unit = "examples",
        .help = "examples in a training step"),
    ROW(eval_batch_size, .def = "0", .min = 0, .max = 1e7, .unit = "examples",
        .help = "in a batch of validation; 0: as in training"),
    ROW(max_steps, .def = "0", .min = 0, .max = 1e15, .unit = "steps",
        .help = "the run ends at this step; 0: when the epochs are over"),
    ROW(epochs, .def = "0", .min = 0, .max = 1e9, .unit = "epochs",
        .help = "passes over the data; 0: no limit, or 10 without max_steps"),
    ROW(validate_every, .def = "1", .min = 0, .max = 1e12,
        .help = "steps or epochs between validations; 0: only at the end"),
    ROW(validate_unit, .def = "epochs", .choices = "steps|epochs", .help = "what validate_every counts"),
    ROW(summary_every, .def = "100", .min = 0, .max = 1e12, .unit = "steps",
        .help = "between points of the loss in event files; 0: none"),
    ROW(log_every, .def = "100", .min = 1, .max = 1e12, .unit = "steps",
        .help = "between reports of progress"),
    ROW(save_every, .def = "0", .min = 0, .max = 1e12, .unit = "steps",
        .help = "between checkpoints; 0: by seconds only"),
    ROW(save_seconds, .def = "600", .min = 0, .max = 1e9, .unit = "seconds",
        .help = "between checkpoints; 0: by steps only"),
    ROW(keep, .def = "5", .min = 0, .max = 1e6, .unit = "checkpoints", .help = "that are kept; 0: all"),
    ROW(export_every, .def = "0", .min = 0, .max = 1e12, .unit = "steps",
        .help = "between exports; 0: only at the end"),
    ROW(seed, .def = "1", .min = 1, .max = 9e15, .help = "of initial values, dropout and shuffling"),
    ROW(threads, .def = "0", .min = 0, .max = 1024, .help = "that compute; 0: all cores"),
    ROW(prefetch, .def = "0", .min = 0, .max = 4096, .unit = "batches",
        .help = "prepared at a time; 0: chosen by size"),
    ROW(shuffle, .def = "yes", .choices = "yes|no", .help = "the training data anew in each epoch"),
    ROW(last_batch, .def = "keep", .choices = "keep|drop|wrap",
        .help = "what the last batch of an epoch is when too few examples are left: smaller, left out, or "
                "filled from the next epoch"),
    TN_OPTIONS_END};

/* What the record says stands above the defaults; zeros say nothing. */
static tn_code overlay(tn_run_settings *run, const tn_run_settings *wanted, tn_error *err)
{
    for (const tn_option *r = tn_run_rows; r->name; r++) {
        const char *bytes = (const char *)wanted + r->offset;
        bool zero = true;
        tn_buf text = {0};
        for (size_t i = 0; i < r->size; i++) zero = zero && !bytes[i];
        if (zero) continue;
        tn_option_text(r, wanted, &text);
        tn_code code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_option_set(tn_run_rows, run, r->name, text.data ? text.data : "", err);
        tn_buf_free(&text);
        TN_TRY(code);
    }
    return TN_OK;
}

static tn_code add_rows(tn_all_settings *s, int which, const tn_option *rows, tn_error *err)
{
    size_t size = tn_settings_size(rows);
    void *values = tn_calloc(1, size);
    if (!values) return tn_no_memory(err, size);
    tn_code code = rows ? tn_options_defaults(rows, values, err) : TN_OK;
    if (code != TN_OK) {
        tn_free(values);
        return code;
    }
    s->rows[which] = rows;
    s->values[which] = values;
    return TN_OK;
}

tn_code tn_settings_new(const tn_experiment *e, const tn_model *m, tn_all_settings *out, tn_error *err)
{
    tn_all_settings s = {0};
    TN_TRY(tn_options_defaults(tn_run_rows, &s.run, err));
    tn_code code = overlay(&s.run, &e->run, err);
    if (code == TN_OK) code = add_rows(&s, 0, e->options, err);
    if (code == TN_OK && m) code = add_rows(&s, 1, m->options, err);
    if (code == TN_OK)
        *out = s;
    else
        tn_settings_free(&s);
    return code;
}

void tn_settings_free(tn_all_settings *s)
{
    tn_options_free(tn_run_rows, &s->run);
    for (int i = 0; i < 2; i++) {
        if (s->rows[i]) tn_options_free(s->rows[i], s->values[i]);
        tn_free(s->values[i]);
    }
    memset(s, 0, sizeof *s);
}

static tn_code unknown(const tn_all_settings *s, const char *name, tn_error *err)
{
    const char *names[256];
    size_t n = 0;
    const tn_option *all[] = {tn_run_rows, s->rows[0], s->rows[1]};
    for (size_t k = 0; k < TN_COUNT(all); k++)
        for (const tn_option *r = all[k]; r && r->name && n < TN_COUNT(names); r++) names[n++] = r->name;
    const char *near = tn_nearest(name, names, n);
    if (near)
        return tn_fail(err, TN_INVALID_ARGUMENT, "there is no setting '%.100s'; did you mean '%s'?", name,
                       near);
    return tn_fail(err, TN_INVALID_ARGUMENT, "there is no setting '%.100s'", name);
}

tn_code tn_settings_set(tn_all_settings *s, const char *name, const char *value, tn_error *err)
{
    if (tn_option_find(tn_run_rows, name)) return tn_option_set(tn_run_rows, &s->run, name, value, err);
    for (int i = 0; i < 2; i++)
        if (s->rows[i] && tn_option_find(s->rows[i], name))
            return tn_option_set(s->rows[i], s->values[i], name, value, err);
    return unknown(s, name, err);
}

/* ==== files ==== */

static tn_code set_member(tn_all_settings *s, const tn_json *v, tn_error *err)
{
    char name[200], number[64];
    const char *value = number;
    snprintf(name, sizeof name, "%.*s", (int)TN_MIN(v->key.n, sizeof name - 1), v->key.p);
    switch (v->kind) {
    case TN_JSON_NULL: return TN_OK; /* text without a value: the default, which a run's settings.json has so */
    case TN_JSON_STRING:
        if (memchr(v->text.p, 0, v->text.n))
            return tn_fail(err, TN_INVALID_ARGUMENT, "setting '%s' has a byte 0 in its text", name);
        value = v->text.p;
        break;
    case TN_JSON_BOOL: value = v->boolean ? "true" : "false"; break;
    case TN_JSON_NUMBER:
        if (v->is_int)
            snprintf(number, sizeof number, "%lld", (long long)v->integer);
        else
            tn_format_double(number, v->number);
        break;
    default:
        return tn_fail(err, TN_INVALID_ARGUMENT, "setting '%s' is neither a number, a word nor true or false",
                       name);
    }
    return tn_settings_set(s, name, value, err);
}

/* {"name": value, ...}, or a run's settings.json, where they are under "settings". */
tn_code tn_settings_load(tn_all_settings *s, const char *path, tn_error *err)
{
    tn_buf text = {0};
    tn_json *root = NULL;
    TN_TRY(tn_file_read(path, 1 << 24, &text, err));
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? tn_json_parse((tn_view){text.data, text.n}, a, &root, err) : tn_no_memory(err, 0);
    if (code == TN_OK && root->kind != TN_JSON_OBJECT)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "not a JSON object");
    const tn_json *inner = code == TN_OK ? tn_json_find(root, "settings") : NULL;
    if (!inner || inner->kind != TN_JSON_OBJECT) inner = root;
    for (const tn_json *v = code == TN_OK ? inner->child : NULL; v && code == TN_OK; v = v->next)
        code = set_member(s, v, err);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    tn_arena_free(a);
    tn_buf_free(&text);
    return code;
}

void tn_settings_json(const tn_all_settings *s, tn_json_writer *w)
{
    tn_options_json(tn_run_rows, &s->run, w);
    for (int i = 0; i < 2; i++)
        if (s->rows[i]) tn_options_json(s->rows[i], s->values[i], w);
}

void tn_settings_help(const tn_all_settings *s, tn_buf *out)
{
    static const char *const titles[] = {"settings of the experiment", "settings of the model"};
    for (int i = 0; i < 2; i++) {
        if (!s->rows[i]) continue;
        tn_buf_printf(out, "%s\n", titles[i]);
        tn_options_help(s->rows[i], "--", out);
    }
    tn_buf_str(out, "settings of every run\n");
    tn_options_help(tn_run_rows, "--", out);
}
