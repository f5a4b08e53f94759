/* SPDX-License-Identifier: Apache-2.0
 *
 * loaded.c - a model as its user sees it: opened from a SavedModel, a MetaGraph or a GraphDef, with a session
 * that holds its variables. Only puts together what the other files of this folder read. Saving is
 * loaded_save.c's.
 */
#include "loaded.h"

#include "../plan/session.h"

static const tn_loaded_value *values_of(tn_arena *a, const tn_tensor_info *infos, int n)
{
    tn_loaded_value *v = TN_ARRAY(a, n + 1, tn_loaded_value);
    for (int i = 0; v && i < n; i++)
        v[i] = (tn_loaded_value){infos[i].key,    infos[i].name,    infos[i].dtype,      infos[i].shape,
                                 infos[i].values, infos[i].indices, infos[i].dense_shape};
    return v;
}

tn_code tn_loaded_signature_of(const tn_signature *s, tn_arena *a, tn_loaded_signature *out, tn_error *err)
{
    *out = (tn_loaded_signature){s->name, s->method, values_of(a, s->in, s->n_in), values_of(a, s->out, s->n_out),
                                 s->n_in, s->n_out};
    return out->in && out->out ? TN_OK : tn_no_memory(err, 0);
}

static tn_code take_signatures(tn_loaded *m, tn_error *err)
{
    int n = m->meta ? m->meta->n_signatures : 0;
    m->signatures = TN_ARRAY(m->arena, n + 1, tn_loaded_signature);
    if (!m->signatures) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++)
        TN_TRY(tn_loaded_signature_of(&m->meta->signatures[i], m->arena, &m->signatures[m->n_signatures++], err));
    return TN_OK;
}

static tn_code model_new(tn_metagraph *meta, tn_graph *graph, const tn_session_options *options,
                         tn_loaded **out, tn_error *err)
{
    tn_loaded *m = tn_calloc(1, sizeof *m);
    tn_code code = m && (m->arena = tn_arena_new(0)) ? TN_OK : tn_no_memory(err, sizeof *m);
    if (code == TN_OK) {
        m->meta = meta;
        m->graph = meta ? meta->graph : graph;
        code = take_signatures(m, err);
    }
    if (code == TN_OK)
        code = meta ? tn_metagraph_missing(meta, &m->missing, &m->n_missing, err)
                    : tn_graph_missing(graph, NULL, 0, NULL, 0, NULL, 0, &m->missing, &m->n_missing, err);
    if (code == TN_OK) code = tn_session_new(m->graph, options, &m->session, err);
    if (code == TN_OK) {
        tn_session_set_checkpoints(m->session, &tn_checkpoints_of_process);
        *out = m;
        return TN_OK;
    }
    if (m) {
        tn_missing_free(m->missing);
        tn_arena_free(m->arena);
    }
    tn_free(m);
    if (meta) tn_metagraph_free(meta);
    else tn_graph_free(graph);
    return code;
}

/* What is to be opened, by one of the three ways. */
typedef struct source {
    const char *path, *checkpoint;
    const char *const *tags;
    int n_tags;
    const tn_session_options *options;
    bool signatures; /* only they are asked */
} source;

/* Lowering makes the variables that a signature looks at known to the session. Who cannot be planned is asked in vain
 * later, too. */
static tn_code plan_signatures(tn_loaded *m, tn_error *err)
{
    for (int i = 0; i < m->n_signatures; i++) {
        const tn_loaded_signature *s = &m->signatures[i];
        const char **names = TN_ARRAY(m->arena, s->n_in + s->n_out + 1, const char *);
        bool named = names != NULL;
        if (!names) return tn_no_memory(err, 0);
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            names[k] = k < s->n_in ? s->in[k].name : s->out[k - s->n_in].name;
            named = named && names[k];
        }
        tn_prepared *p = NULL;
        tn_error why;
        if (!named) continue;
        tn_code code = tn_prepared_new(m->session, names, s->n_in, names + s->n_in, s->n_out, &p, &why);
        tn_prepared_free(p);
        if (code == TN_RESOURCE_EXHAUSTED) return tn_fail(err, code, "%s", why.message);
    }
    return TN_OK;
}

static tn_code load_saved_model(const source *from, tn_loaded **out, tn_error *err)
{
    tn_metagraph *meta;
    tn_code code = from->signatures ? tn_savedmodel_load_to_ask(from->path, from->tags, from->n_tags, &meta, err)
                                    : tn_savedmodel_load(from->path, from->tags, from->n_tags, &meta, err);
    if (code != TN_OK) return code;
    TN_TRY(model_new(meta, NULL, from->options, out, err));
    tn_loaded *m = *out;
    m->saved_model = true;
    if (from->signatures) TN_TRY(plan_signatures(m, err));
    TN_TRY((from->signatures ? tn_savedmodel_restore_known : tn_savedmodel_restore)(from->path, meta, m->session, err));
    const char *prefix = tn_arena_printf(m->arena, "%s/variables/variables", from->path);
    if (!prefix) return tn_no_memory(err, strlen(from->path));
    if (tn_checkpoint_exists(prefix)) m->checkpoint = prefix;
    return TN_OK;
}

static tn_code load_meta_graph(const source *from, tn_loaded **out, tn_error *err)
{
    tn_metagraph *meta;
    TN_TRY((from->signatures ? tn_metagraph_load_to_ask : tn_metagraph_load)(from->path, &meta, err));
    TN_TRY(model_new(meta, NULL, from->options, out, err));
    tn_loaded *m = *out;
    if (!from->checkpoint) return TN_OK;
    TN_TRY(tn_checkpoint_restore(from->checkpoint, m->graph, NULL, m->session, NULL, err));
    m->checkpoint = tn_arena_strdup(m->arena, from->checkpoint);
    return m->checkpoint ? TN_OK : tn_no_memory(err, strlen(from->checkpoint));
}

static tn_code load_graph(const source *from, tn_loaded **out, tn_error *err)
{
    tn_graph *g;
    TN_TRY(tn_graphdef_load(from->path, &g, err));
    return model_new(NULL, g, from->options, out, err);
}

/* The limit of the session's memory is one of the graph's constants, too. */
static tn_code load(const source *from, tn_code (*way)(const source *from, tn_loaded **m, tn_error *err),
                    tn_loaded **out, tn_error *err)
{
    tn_loaded *m = NULL;
    size_t limit = from->options ? from->options->memory_limit : 0;
    tn_budget *budget = limit ? tn_budget_new(limit) : NULL;
    if (limit && !budget) return tn_no_memory(err, 0);
    tn_budget *before = tn_budget_enter(budget);
    tn_code code = way(from, &m, err);
    tn_budget_enter(before);
    tn_budget_free(budget);
    if (code == TN_OK && !from->signatures) {
        tn_session_own_constants(m->session);
        tn_session_settle_itself(m->session);
    }
    if (code == TN_OK) *out = m;
    else tn_loaded_free(m);
    return code;
}

tn_code tn_load_saved_model(const char *folder, const char *const *tags, int n_tags,
                            const tn_session_options *options, tn_loaded **out, tn_error *err)
{
    source from = {.path = folder, .tags = tags, .n_tags = n_tags, .options = options};
    return load(&from, load_saved_model, out, err);
}

tn_code tn_load_signatures(const char *folder, const char *const *tags, int n_tags, const tn_session_options *options,
                           tn_loaded **out, tn_error *err)
{
    source from = {.path = folder, .tags = tags, .n_tags = n_tags, .options = options, .signatures = true};
    return load(&from, load_saved_model, out, err);
}

tn_code tn_load_meta_graph(const char *meta_graph, const char *checkpoint, const tn_session_options *options,
                           tn_loaded **out, tn_error *err)
{
    source from = {.path = meta_graph, .checkpoint = checkpoint, .options = options};
    return load(&from, load_meta_graph, out, err);
}

tn_code tn_load_meta_signatures(const char *meta_graph, const char *checkpoint, const tn_session_options *options,
                                tn_loaded **out, tn_error *err)
{
    source from = {.path = meta_graph, .checkpoint = checkpoint, .options = options, .signatures = true};
    return load(&from, load_meta_graph, out, err);
}

tn_code tn_load_graph(const char *graph, const tn_session_options *options, tn_loaded **out, tn_error *err)
{
    return load(&(source){.path = graph, .options = options}, load_graph, out, err);
}

tn_code tn_loaded_check(tn_loaded *m, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_saved_variable *v;
    int n = 0;
    if (!a) return tn_no_memory(err, 0);
    tn_code code = tn_variables_of(m->graph, m->saved_model ? m->meta->restore_op : NULL, a, &v, &n, NULL, err);
    for (int i = 0; code == TN_OK && i < n; i++) {
        tn_tensor *t = NULL;
        if (v[i].restored && tn_session_get(m->session, v[i].name, &t, NULL) == TN_FAILED_PRECONDITION)
            code = tn_fail(err, TN_FAILED_PRECONDITION, "variable '%s' has no value: there is no checkpoint%s%s",
                           v[i].name, m->checkpoint ? " of it in " : "", m->checkpoint ? m->checkpoint : "");
        tn_tensor_unref(t);
    }
    tn_arena_free(a);
    return code;
}

void tn_loaded_free(tn_loaded *m)
{
    if (!m) return;
    tn_session_free(m->session);
    tn_missing_free(m->missing);
    if (m->meta) tn_metagraph_free(m->meta);
    else tn_graph_free(m->graph);
    tn_arena_free(m->arena);
    tn_free(m);
}

tn_graph *tn_loaded_graph(tn_loaded *m)
{
    return m->graph;
}

tn_session *tn_loaded_session(tn_loaded *m)
{
    return m->session;
}

const tn_missing *tn_loaded_missing(const tn_loaded *m, int *n)
{
    *n = m->n_missing;
    return m->missing;
}

int tn_loaded_signatures(const tn_loaded *m)
{
    return m->n_signatures;
}

const tn_loaded_signature *tn_loaded_signature_at(const tn_loaded *m, int i)
{
    return &m->signatures[i];
}

tn_code tn_loaded_find_signature(const tn_loaded *m, const char *name, const tn_loaded_signature **out, tn_error *err)
{
    if (!name || !*name) name = TN_DEFAULT_SIGNATURE;
    for (int i = 0; i < m->n_signatures; i++) {
        if (strcmp(m->signatures[i].name, name) != 0) continue;
        *out = &m->signatures[i];
        return TN_OK;
    }
    tn_fail(err, TN_NOT_FOUND, "there is no signature '%s'; there %s:", name, m->n_signatures == 1 ? "is" : "are");
    for (int i = 0; i < m->n_signatures; i++) tn_note(err, "%s", m->signatures[i].name);
    return TN_NOT_FOUND;
}
