/* SPDX-License-Identifier: Apache-2.0
 *
 * missing_operators.c - which operators a model wants that are not there: signature by signature, so that
 * those that can run do. What a fetch needs is plan/'s.
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

typedef struct list { /* each node once */
    tn_missing *v;
    int n;
    tn_map *seen; /* by the name's address: strings are the graph's, one node has one */
} list;

static tn_code add(list *all, const tn_missing *more, int n, tn_error *err)
{
    tn_missing *grown = tn_realloc(all->v, (size_t)(all->n + n + 1) * sizeof *grown);
    if (!grown) return tn_no_memory(err, (size_t)(all->n + n + 1) * sizeof *grown);
    all->v = grown;
    for (int i = 0; i < n; i++) {
        tn_view address = {(const char *)&more[i].node, sizeof more[i].node};
        if (tn_map_get_view(all->seen, address)) continue;
        if (!tn_map_put_view(all->seen, address, (void *)more[i].node)) return tn_no_memory(err, 0);
        all->v[all->n++] = more[i];
    }
    return TN_OK;
}

static tn_code add_signature(const tn_metagraph *m, const tn_signature *s, list *all, tn_error *err)
{
    tn_missing *more;
    int n;
    TN_TRY(tn_signature_missing(m, s, &more, &n, err));
    tn_code code = add(all, more, n, err);
    tn_missing_free(more);
    return code;
}

tn_code tn_metagraph_missing(const tn_metagraph *m, tn_missing **out, int *n, tn_error *err)
{
    if (!m->n_signatures) return tn_graph_missing(m->graph, NULL, 0, NULL, 0, NULL, 0, out, n, err);
    list all = {.seen = tn_map_new()};
    tn_code code = all.seen ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && m->init_op) code = add_signature(m, NULL, &all, err);
    for (int i = 0; code == TN_OK && i < m->n_signatures; i++)
        /* one that names values which are not there is refused when it is run */
        if ((code = add_signature(m, &m->signatures[i], &all, err)) == TN_NOT_FOUND) code = TN_OK;
    tn_map_free(all.seen);
    if (code != TN_OK) {
        tn_missing_free(all.v);
        return code;
    }
    *out = all.v;
    *n = all.n;
    return TN_OK;
}
