/* SPDX-License-Identifier: Apache-2.0
 *
 * missing_operators.c - which operators a model wants that are not there: signature by signature, so that
 * those that can run do. What a fetch needs is graph/'s.
 */
#include "metagraph.h"

typedef struct names { /* of values, in calls of tn_graph_missing */
    const char **v;
    int n;
} names;

/* A sparse one is three values. */
static int names_of(const tn_tensor_info *t, int n, const char **out)
{
    int k = 0;
    for (int i = 0; i < n; i++) {
        const char *const all[] = {t[i].name, t[i].values, t[i].indices, t[i].dense_shape};
        for (size_t j = 0; j < TN_COUNT(all); j++)
            if (all[j]) out[k++] = all[j];
    }
    return k;
}

tn_code tn_signature_missing(const tn_metagraph *m, const tn_signature *s, tn_missing **out, int *n,
                             tn_error *err)
{
    int n_in = s ? s->n_in : m->n_assets, n_out = s ? s->n_out : 0;
    names in = {tn_calloc((size_t)n_in * 4 + 1, sizeof *in.v), 0},
          to = {tn_calloc((size_t)n_out * 4 + 1, sizeof *to.v), 0};
    tn_code code = in.v && to.v ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && s) {
        in.n = names_of(s->in, s->n_in, in.v);
        to.n = names_of(s->out, s->n_out, to.v);
        code = tn_graph_missing(m->graph, in.v, in.n, to.v, to.n, NULL, 0, out, n, err);
    } else if (code == TN_OK) {
        while (in.n < m->n_assets) in.v[in.n] = m->assets[in.n].tensor, in.n++;
        code = tn_graph_missing(m->graph, in.v, in.n, NULL, 0, &m->init_op, m->init_op ? 1 : 0, out, n, err);
    }
    tn_free(in.v);
    tn_free(to.v);
    return code;
}

static bool has(const tn_missing *all, int n, const tn_missing *m)
{
    for (int i = 0; i < n; i++) /* strings are the graph's: one node, one pointer */
        if (all[i].node == m->node && all[i].function == m->function) return true;
    return false;
}

static tn_code add(tn_missing **all, int *n_all, const tn_missing *more, int n, tn_error *err)
{
    tn_missing *grown = tn_realloc(*all, (size_t)(*n_all + n + 1) * sizeof *grown);
    if (!grown) return tn_no_memory(err, (size_t)(*n_all + n + 1) * sizeof *grown);
    *all = grown;
    for (int i = 0; i < n; i++)
        if (!has(*all, *n_all, &more[i])) (*all)[(*n_all)++] = more[i];
    return TN_OK;
}

static tn_code add_signature(const tn_metagraph *m, const tn_signature *s, tn_missing **all, int *n_all,
                             tn_error *err)
{
    tn_missing *more;
    int n;
    TN_TRY(tn_signature_missing(m, s, &more, &n, err));
    tn_code code = add(all, n_all, more, n, err);
    tn_missing_free(more);
    return code;
}

tn_code tn_metagraph_missing(const tn_metagraph *m, tn_missing **out, int *n, tn_error *err)
{
    tn_missing *all = NULL;
    int n_all = 0;
    if (!m->n_signatures) return tn_graph_missing(m->graph, NULL, 0, NULL, 0, NULL, 0, out, n, err);
    tn_code code = m->init_op ? add_signature(m, NULL, &all, &n_all, err) : TN_OK;
    for (int i = 0; code == TN_OK && i < m->n_signatures; i++)
        /* one that names values which are not there is refused when it is run */
        if ((code = add_signature(m, &m->signatures[i], &all, &n_all, err)) == TN_NOT_FOUND) code = TN_OK;
    if (code != TN_OK) {
        tn_missing_free(all);
        return code;
    }
    *out = all;
    *n = n_all;
    return TN_OK;
}
