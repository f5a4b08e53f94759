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

const char *const sparse_parts[SPARSE_PARTS] = {"indices", "values", "dense_shape"};

static tn_code check_sparse(const literal *l, const char *name, tn_error *err)
{
    if (l && l->kind == LITERAL_OBJECT && l->count == SPARSE_PARTS) return TN_OK;
    return usage_error(err, "input '%s' is sparse: give {\"indices\": ..., \"values\": ..., \"dense_shape\": ...}, or "
                       "--input %s.indices=... and so on", name, name);
}

static bool names_json(const char *text)
{
    size_t n = strlen(text);
    return n > 5 && !strcmp(text + n - 5, ".json");
}

tn_code sparse_read(const char *text, const char *name, literal **out, tn_error *err)
{
    char *file = NULL;
    literal *l = NULL;
    tn_code code = names_json(text) ? text_of_file(text, &file, err) : TN_OK;
    if (code != TN_OK) return code;
    const char *object = file ? file : text;
    code = literal_parse(object, &l, err);
    if (code == TN_OK || *object != '{') code = check_sparse(l, name, err);
    free(file);
    if (code == TN_OK)
        *out = l;
    else
        literal_free(l);
    return code;
}

tn_code sparse_part(const literal *l, const char *name, int i, const literal **out, tn_error *err)
{
    const literal *part = l->first;
    while (part && strcmp(part->key, sparse_parts[i]) != 0) part = part->next;
    *out = part;
    return part ? TN_OK : usage_error(err, "input '%s' has no '%s'", name, sparse_parts[i]);
}

static bool find_parts(const tn_spec *in, int n_in, const char *name, int at[SPARSE_PARTS])
{
    char full[512];
    for (int i = 0; i < SPARSE_PARTS; i++) {
        int size = snprintf(full, sizeof full, "%.400s.%s", name, sparse_parts[i]);
        if ((at[i] = inputs_find(in, n_in, full, (size_t)size)) < 0) return false;
    }
    return true;
}

bool inputs_are_parts(const tn_spec *in, int n_in, const char *name)
{
    int at[SPARSE_PARTS];
    return find_parts(in, n_in, name, at);
}

tn_code inputs_bind_parts(const input_values *v, const tn_spec *in, int n_in, const char *name, const literal *l,
                          tn_tensor **out, tn_error *err)
{
    int at[SPARSE_PARTS];
    tn_code code = find_parts(in, n_in, name, at) ? check_sparse(l, name, err)
                                                  : usage_error(err, "the model has no sparse input '%s'", name);
    for (int i = 0; code == TN_OK && i < SPARSE_PARTS; i++) {
        const literal *part;
        code = sparse_part(l, name, i, &part, err);
        if (code == TN_OK && out[at[i]]) code = usage_error(err, "input '%s' is given twice", in[at[i]].name);
        if (code == TN_OK) code = input_literal(v, &in[at[i]], part, &out[at[i]], err);
    }
    return code;
}

static tn_code bind_sparse(const input_values *v, const tn_spec *in, int n_in, const char *name, const char *value,
                           tn_tensor **out, tn_error *err)
{
    literal *l = NULL;
    tn_code code = sparse_read(value, name, &l, err);
    if (code == TN_OK) code = inputs_bind_parts(v, in, n_in, name, l, out, err);
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
    if (i < 0 && named && !examples) {
        char name[512];
        snprintf(name, sizeof name, "%.*s", (int)(n < 400 ? n : 400), text);
        if (inputs_are_parts(in, n_in, name)) return bind_sparse(v, in, n_in, name, text + n + 1, out, err);
    }
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
