/* SPDX-License-Identifier: Apache-2.0
 *
 * inputs_bind.c - which input of a signature each of the values given is for.
 */
#include "inputs.h"

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

static tn_code bind_one(input_values *v, const char *command, const tn_spec *in, int n_in, const char *text,
                        bool examples, tn_tensor **out, tn_error *err)
{
    size_t n = input_name(text);
    bool named = n && strcspn(text, "[({\"'") > n; /* an equals sign in quotes or brackets names nothing */
    int i = named ? inputs_find(in, n_in, text, n) : n_in == 1 ? 0 : -1;
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
