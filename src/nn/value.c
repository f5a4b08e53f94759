/* SPDX-License-Identifier: Apache-2.0
 *
 * value.c - named nodes: what passes between preprocessing, model, loss, metrics and export.
 *
 * Invariant: names are unique in a list; x is the first node, so a list with one reads like a variable.
 */
#include "nn.h"

void tn_failf(tn_builder *b, tn_code code, const char *fmt, ...)
{
    tn_error e;
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(&e, code, fmt, ap);
    va_end(ap);
    tn_builder_fail(b, code, e.message);
}

tn_values tn_values_of(tn_builder *b)
{
    return (tn_values){.builder = b};
}

static bool make_room(tn_values *v)
{
    if (TN_ROOM(tn_builder_arena(v->builder), v->v, v->n, v->cap)) return true;
    tn_failf(v->builder, TN_RESOURCE_EXHAUSTED, "out of memory");
    return false;
}

static const struct tn_value *find_value(const tn_values *v, const char *name)
{
    for (int i = 0; i < v->n; i++)
        if (!strcmp(v->v[i].name, name)) return &v->v[i];
    return NULL;
}

void tn_values_add(tn_values *v, const struct tn_value *value)
{
    tn_builder *b = v->builder;
    if (!tn_builder_ok(b)) return;
    if (!value->name || !*value->name) {
        tn_failf(b, TN_INVALID_ARGUMENT, "a value without a name");
    } else if (!value->node.op) {
        tn_failf(b, TN_INVALID_ARGUMENT, "'%.100s' has no value", value->name);
    } else if (find_value(v, value->name)) {
        tn_failf(b, TN_ALREADY_EXISTS, "there are two values named '%.100s'", value->name);
    } else if (make_room(v)) {
        v->v[v->n] = *value;
        v->v[v->n].name = tn_arena_strdup(tn_builder_arena(b), value->name);
        if (!v->v[v->n].name)
            tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        else if (!v->n++)
            v->x = value->node;
    }
}

void tn_output(tn_outputs *out, const char *name, tn_node value, unsigned flags)
{
    tn_values_add(out, &(struct tn_value){.name = name, .node = value, .flags = flags});
}

tn_node tn_value_of(const tn_values *v, const char *name)
{
    const struct tn_value *found = find_value(v, name);
    if (found) return found->node;
    if (!tn_builder_ok(v->builder)) return TN_NONE;
    tn_buf names = {.limit = 600};
    for (int i = 0; i < v->n; i++) tn_buf_printf(&names, "%s%s", i ? ", " : "", v->v[i].name);
    tn_failf(v->builder, TN_NOT_FOUND, "there is no value '%.100s'; there are: %s", name,
             names.n ? names.data : "none");
    tn_buf_free(&names);
    return TN_NONE;
}

tn_node tn_values_default(const tn_values *v)
{
    for (int i = 0; i < v->n; i++)
        if (v->v[i].flags & TN_DEFAULT_OUTPUT) return v->v[i].node;
    return v->n ? v->v[0].node : TN_NONE;
}
