/* SPDX-License-Identifier: Apache-2.0
 *
 * inputs_bind.c - which input of a signature each of the values given is for.
 */
#include "inputs.h"

#include "literal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int inputs_find(const tn_spec *in, int n_in, const char *name, size_t n)
{
    for (int i = 0; i < n_in; i++)
        if (strlen(in[i].name) == n && !memcmp(in[i].name, name, n)) return i;
    return -1;
}

tn_code inputs_missing(const tn_spec *in, int n_in, tn_tensor *const *values, const char *hint, tn_error *err)
{
    for (int i = 0; i < n_in; i++)
        if (!values[i]) return usage_error(err, "the model's input '%s' is not given%s", in[i].name, hint);
    return TN_OK;
}

/* ==== sparse inputs ==== an object of the parts that an input has, for each of them */

enum { PARTS = 3 };
static const char *const parts[PARTS] = {"indices", "values", "dense_shape"};

static bool find_parts(const tn_spec *in, int n_in, const char *name, size_t n, int at[PARTS])
{
    char full[512];
    for (int i = 0; i < PARTS; i++) {
        int size = snprintf(full, sizeof full, "%.*s.%s", (int)(n < 400 ? n : 400), name, parts[i]);
        if ((at[i] = inputs_find(in, n_in, full, (size_t)size)) < 0) return false;
    }
    return true;
}

bool inputs_are_parts(const tn_spec *in, int n_in, const char *name, size_t n)
{
    int at[PARTS];
    return find_parts(in, n_in, name, n, at);
}

tn_code inputs_bind_parts(const input_values *v, const tn_spec *in, int n_in, const char *name, size_t n,
                          const literal *l, tn_tensor **out, tn_error *err)
{
    int at[PARTS];
    if (!find_parts(in, n_in, name, n, at) || l->kind != LITERAL_OBJECT || l->count != PARTS)
        return usage_error(err, "input '%.*s' is sparse: give {\"indices\": ..., \"values\": ..., "
                           "\"dense_shape\": ...}, or --input %.*s.indices=... and so on", (int)n, name, (int)n, name);
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < PARTS; i++) {
        const literal *part = l->first;
        while (part && strcmp(part->key, parts[i]) != 0) part = part->next;
        code = !part         ? usage_error(err, "input '%.*s' has no '%s'", (int)n, name, parts[i])
               : out[at[i]] ? usage_error(err, "input '%s' is given twice", in[at[i]].name)
                            : input_literal(v, &in[at[i]], part, &out[at[i]], err);
    }
    return code;
}

static bool names_json(const char *text)
{
    size_t n = strlen(text);
    return n > 5 && !strcmp(text + n - 5, ".json");
}

static tn_code bind_sparse(const input_values *v, const tn_spec *in, int n_in, const char *text, size_t n,
                           tn_tensor **out, tn_error *err)
{
    const char *value = text + n + 1;
    char *file = NULL;
    literal *l = NULL;
    tn_code code = names_json(value) ? text_of_file(value, &file, err) : TN_OK;
    if (code == TN_OK) code = literal_parse(file ? file : value, &l, err);
    free(file);
    if (code == TN_OK) code = inputs_bind_parts(v, in, n_in, text, n, l, out, err);
    literal_free(l);
    return code;
}

/* ==== all ==== */

static tn_code bind_one(input_values *v, const char *command, const tn_spec *in, int n_in, const char *text,
                        bool examples, tn_tensor **out, tn_error *err)
{
    size_t n = input_name(text);
    bool named = n && strcspn(text, "[({\"'") > n; /* an equals sign in quotes or brackets names nothing */
    int i = named ? inputs_find(in, n_in, text, n) : n_in == 1 ? 0 : -1;
    if (i < 0 && named && !examples && inputs_are_parts(in, n_in, text, n))
        return bind_sparse(v, in, n_in, text, n, out, err);
    if (i < 0 && !named) return usage_error(err, "'%.100s' is not of the form NAME=VALUE", text);
    if (i < 0)
        return usage_error(err, "the model has no input '%.*s'; its first is '%s'", (int)n, text,
                           n_in ? in[0].name : "");
    if (out[i]) return usage_error(err, "input '%s' is given twice", in[i].name);
    const char *value = named ? text + n + 1 : text;
    return examples ? input_examples(&in[i], value, &out[i], err)
                    : input_tensor(v, command, &in[i], value, &out[i], err);
}

tn_code inputs_bind(input_values *v, const char *command, const tn_spec *in, int n_in, tn_tensor **out, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < v->inputs.n; i++)
        code = bind_one(v, command, in, n_in, v->inputs.v[i], false, out, err);
    for (int i = 0; code == TN_OK && i < v->examples.n; i++)
        code = bind_one(v, command, in, n_in, v->examples.v[i], true, out, err);
    return code == TN_OK ? inputs_missing(in, n_in, out, " (--input NAME=VALUE)", err) : code;
}
