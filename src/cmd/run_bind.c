/* SPDX-License-Identifier: Apache-2.0
 *
 * run_bind.c - what is given to `turnery run`: NAME=VALUE, made values of a graph; sparse inputs whole or in their
 * three parts.
 */
#include "literal.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* ==== sparse values ==== */

const char *run_part_name(const tn_loaded_value *v, int part)
{
    return part == 0 ? v->indices : part == 1 ? v->values : v->dense_shape;
}

static tn_spec part_spec(const tn_loaded_value *v, const char *name, int part)
{
    int64_t rank = v->shape.rank < 0 ? -1 : v->shape.rank;
    if (part == 1) return (tn_spec){name, v->dtype, {.rank = 1, .dim = {-1}}};
    if (part == 0) return (tn_spec){name, TN_INT64, {.rank = 2, .dim = {-1, rank}}};
    return (tn_spec){name, TN_INT64, {.rank = 1, .dim = {rank}}};
}

/* Which part of a sparse value a name is; -1: none of it. */
static int part_named(const tn_loaded_value *v, const char *name)
{
    size_t n = strlen(v->key);
    for (int i = 0; v->values && i < SPARSE_PARTS; i++)
        if (!strncmp(name, v->key, n) && name[n] == '.' && !strcmp(name + n + 1, sparse_parts[i])) return i;
    return -1;
}

static const tn_loaded_value *sparse_input(const tn_loaded_signature *s, const char *name)
{
    for (int i = 0; s && i < s->n_in; i++)
        if (s->in[i].values && !strcmp(s->in[i].key, name)) return &s->in[i];
    return NULL;
}

/* ==== names, values ==== */

/* What a name stands for: an input of the signature, or (s NULL) a value of the graph. *feed: the graph's
 * name. */
static tn_code find_spec(tn_loaded *m, const tn_loaded_signature *s, const char *name, tn_spec *spec,
                         const char **feed, tn_error *err)
{
    tn_node node;
    *feed = name;
    if (!s) {
        tn_code code = tn_graph_value(tn_loaded_graph(m), name, &node, err);
        if (code == TN_OK) *spec = (tn_spec){name, tn_node_dtype(node), tn_node_shape(node)};
        if (code == TN_OK && spec->dtype > TN_REF) spec->dtype -= TN_REF;
        return code;
    }
    for (int i = 0; i < s->n_in; i++) {
        int part = part_named(&s->in[i], name);
        if (part >= 0) {
            *spec = part_spec(&s->in[i], name, part);
            *feed = run_part_name(&s->in[i], part);
            return TN_OK;
        }
        if (strcmp(s->in[i].key, name) != 0) continue;
        if (!s->in[i].name)
            return usage_error(err, "input '%s' of signature '%s' is %s", name, s->name,
                               s->in[i].values ? "sparse: only --input takes it" : "composite");
        *spec = (tn_spec){name, s->in[i].dtype, s->in[i].shape};
        *feed = s->in[i].name;
        return TN_OK;
    }
    return usage_error(err, "signature '%s' has no input '%s'", s->name, name);
}

/* Takes the tensor. feed: the graph's name, which may be `name` itself. */
static tn_code add_binding(bindings *b, const char *name, const char *feed, tn_tensor *t, tn_error *err)
{
    char *copy = strdup(name);
    if (!copy) {
        tn_tensor_unref(t);
        return no_memory(err);
    }
    b->names[b->n] = copy;
    b->tensors[b->n] = t;
    b->feeds[b->n++] = (tn_feed){feed == name ? copy : feed, t};
    return TN_OK;
}

static bool is_given(const bindings *in, const char *name)
{
    for (int i = 0; i < in->n; i++)
        if (strcmp(in->names[i], name) == 0) return true;
    return false;
}

enum { BIND_INPUT, BIND_EXAMPLES, BIND_DATA };

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

static tn_code load_data(const char *path, tn_tensor **out, tn_error *err)
{
    bool idx = ends_in(path, "-ubyte") || ends_in(path, ".gz") || ends_in(path, ".idx");
    return idx ? tn_idx_load(path, 0, 0, out, err) : tn_tensor_load(path, out, err);
}

/* All three parts, of an object. */
static tn_code bind_sparse(const input_values *v, const tn_loaded_value *s, const char *text, bindings *b,
                           tn_error *err)
{
    literal *l = NULL;
    tn_code code = sparse_read(text, s->key, &l, err);
    for (int i = 0; code == TN_OK && i < SPARSE_PARTS; i++) {
        char name[512];
        const literal *part;
        tn_tensor *t = NULL;
        snprintf(name, sizeof name, "%s.%s", s->key, sparse_parts[i]);
        tn_spec spec = part_spec(s, name, i);
        code = sparse_part(l, s->key, i, &part, err);
        if (code == TN_OK && b->n == RUN_MOST) code = usage_error(err, "more than %d inputs", b->n);
        if (code == TN_OK && is_given(b, name)) code = usage_error(err, "input '%s' is given twice", name);
        if (code == TN_OK) code = input_literal(v, &spec, part, &t, err);
        if (code == TN_OK) code = add_binding(b, name, run_part_name(s, i), t, err);
    }
    literal_free(l);
    return code;
}

static tn_code bind_one(input_values *v, tn_loaded *m, const tn_loaded_signature *s, const char *text, int kind,
                        bindings *b, tn_error *err)
{
    tn_spec spec;
    const char *feed = NULL;
    tn_tensor *t = NULL;
    size_t n = input_name(text);
    if (!n) return usage_error(err, "'%.100s' is not of the form NAME=VALUE", text);
    if (b->n == RUN_MOST) return usage_error(err, "more than %d inputs", b->n);
    char *name = strndup(text, n);
    if (!name) return no_memory(err);
    const tn_loaded_value *sparse = kind == BIND_INPUT ? sparse_input(s, name) : NULL;
    if (sparse) {
        free(name);
        return bind_sparse(v, sparse, text + n + 1, b, err);
    }
    tn_code code = is_given(b, name) ? usage_error(err, "input '%s' is given twice", name)
                                     : find_spec(m, s, name, &spec, &feed, err);
    if (code == TN_OK && kind == BIND_DATA)
        code = load_data(text + n + 1, &t, err);
    else if (code == TN_OK && kind == BIND_EXAMPLES)
        code = input_examples(&spec, text + n + 1, &t, err);
    else if (code == TN_OK)
        code = input_tensor(v, "run", &spec, text + n + 1, &t, err);
    if (code == TN_OK) code = add_binding(b, name, feed, t, err);
    free(name);
    return code;
}

tn_code run_bind(input_values *v, const strings *texts, const strings *data, tn_loaded *m, const tn_loaded_signature *s,
                 bindings *b, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < texts->n; i++) code = bind_one(v, m, s, texts->v[i], BIND_INPUT, b, err);
    for (int i = 0; s && code == TN_OK && i < v->examples.n; i++)
        code = bind_one(v, m, s, v->examples.v[i], BIND_EXAMPLES, b, err);
    b->n_fixed = b->n;
    for (int i = 0; code == TN_OK && i < data->n; i++) code = bind_one(v, m, s, data->v[i], BIND_DATA, b, err);
    return code;
}

void run_drop_bindings(bindings *b)
{
    for (int i = 0; i < b->n; i++) {
        free(b->names[i]);
        tn_tensor_unref(b->tensors[i]);
    }
}

/* It has a value of its own where none is given. */
static bool has_default(tn_loaded *m, const tn_loaded_value *v)
{
    tn_node n;
    tn_error err;
    if (tn_graph_value(tn_loaded_graph(m), v->name, &n, &err) != TN_OK) return false;
    return strcmp(tn_operation_type(n.op), "PlaceholderWithDefault") == 0;
}

/* Puts into name what is missing of an input: its key, or the next part of a sparse one of which some are given. */
static bool is_missing(const bindings *in, const tn_loaded_value *v, char *name, size_t size)
{
    const char *missing = NULL;
    int given = 0;
    for (int i = 0; v->values && i < SPARSE_PARTS; i++) {
        snprintf(name, size, "%s.%s", v->key, sparse_parts[i]);
        if (is_given(in, name))
            given++;
        else
            missing = sparse_parts[i];
    }
    snprintf(name, size, "%s%s%s", v->key, given && missing ? "." : "", given && missing ? missing : "");
    return v->values ? missing != NULL : !is_given(in, name);
}

tn_code run_all_given(tn_loaded *m, const tn_loaded_signature *s, const bindings *in, tn_error *err)
{
    char name[512];
    for (int i = 0; i < s->n_in; i++)
        if (is_missing(in, &s->in[i], name, sizeof name) && !(s->in[i].name && has_default(m, &s->in[i])))
            return usage_error(err, "signature '%s': input '%s' is not given (--input %s=VALUE)", s->name, name,
                               name);
    return TN_OK;
}
