/* SPDX-License-Identifier: Apache-2.0
 *
 * loaded_sign.c - a signature for a model that came without one, as a Saver's MetaGraph does: from names of values that
 * its user gives.
 *
 * Invariant: keys ascend, as those of other signatures do. A list with a mistake in it changes nothing.
 */
#include "loaded.h"

static int count_names(const char *list)
{
    int n = 1;
    for (; *list; list++) n += *list == ',';
    return n;
}

/* "KEY=TENSOR" or "TENSOR". */
static tn_code one_value(const tn_loaded *m, char *text, tn_tensor_info *out, tn_error *err)
{
    tn_node node;
    char *equal = strchr(text, '='), *name = equal ? equal + 1 : text, *key = text;
    if (equal) *equal = 0;
    if (!*key || !*name)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an input or output is KEY=TENSOR or TENSOR, not '%s=%s'", key, name);
    TN_TRY(tn_graph_value(m->graph, name, &node, err));
    if (!equal && !(key = tn_arena_strndup(m->arena, text, strcspn(text, ":")))) return tn_no_memory(err, 0);
    char *full = strchr(name, ':') ? name : tn_arena_printf(m->arena, "%s:0", name);
    if (!full) return tn_no_memory(err, 0);
    tn_dtype dtype = tn_node_dtype(node);
    *out = (tn_tensor_info){.key = key, .name = full, .dtype = dtype > TN_REF ? dtype - TN_REF : dtype,
                            .shape = tn_node_shape(node)};
    return TN_OK;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const tn_tensor_info *)a)->key, ((const tn_tensor_info *)b)->key);
}

static tn_code values(const tn_loaded *m, const char *list, const tn_tensor_info **out, int *n, tn_error *err)
{
    int count = count_names(list), k = 0;
    tn_tensor_info *v = TN_ARRAY(m->arena, count + 1, tn_tensor_info);
    char *text = tn_arena_strdup(m->arena, list), *rest = NULL;
    if (!v || !text) return tn_no_memory(err, 0);
    for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
        TN_TRY(one_value(m, one, &v[k++], err));
    qsort(v, (size_t)k, sizeof *v, by_key);
    for (int i = 1; i < k; i++)
        if (!strcmp(v[i - 1].key, v[i].key))
            return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is given twice in '%s'", v[i].key, list);
    *out = v;
    *n = k;
    return TN_OK;
}

tn_code tn_loaded_sign(tn_loaded *m, const char *inputs, const char *outputs, tn_error *err)
{
    tn_signature s = {.name = TN_DEFAULT_SIGNATURE, .method = TN_PREDICT_METHOD};
    TN_TRY(values(m, inputs, &s.in, &s.n_in, err));
    TN_TRY(values(m, outputs, &s.out, &s.n_out, err));
    if (!s.n_out) return tn_fail(err, TN_INVALID_ARGUMENT, "a signature without outputs");
    tn_loaded_signature *all = TN_ARRAY(m->arena, m->n_signatures + 1, tn_loaded_signature);
    if (!all) return tn_no_memory(err, 0);
    if (m->n_signatures) memcpy(all, m->signatures, (size_t)m->n_signatures * sizeof *all);
    TN_TRY(tn_loaded_signature_of(&s, m->arena, &all[m->n_signatures], err));
    if (m->meta) TN_TRY(tn_signatures_to_proto(&s, 1, m->meta->arena, m->meta->def, err));
    m->signatures = all;
    m->n_signatures++;
    return TN_OK;
}
