/* SPDX-License-Identifier: Apache-2.0
 *
 * predictor.c - a SavedModel's signature, prepared to be asked many times: the model, a session with its
 * variables, and a callable.
 */
#include "metagraph.h"

#include "../plan/session.h"

struct tn_predictor {
    tn_arena *arena;
    tn_metagraph *model;
    tn_session *session;
    tn_callable *callable;
    tn_spec *in, *out;
    int n_in, n_out;
    tn_missing *missing;
    int n_missing;
};

/* The folder itself, or its newest version. */
static tn_code find_model(const char *folder, tn_arena *a, const char **out, tn_error *err)
{
    int64_t version;
    char *binary = tn_path_join(a, folder, "saved_model.pb"),
         *text = tn_path_join(a, folder, "saved_model.pbtxt");
    if (!binary || !text) return tn_no_memory(err, strlen(folder));
    *out = folder;
    if (tn_file_exists(binary) || tn_file_exists(text)) return TN_OK;
    tn_code code = tn_savedmodel_latest(folder, &version, err);
    if (code == TN_NOT_FOUND)
        return tn_fail(err, code, "%s has neither a saved_model.pb nor a numbered version of a model",
                       folder);
    if (code != TN_OK) return code;
    *out = tn_arena_printf(a, "%s/%lld", folder, (long long)version);
    return *out ? TN_OK : tn_no_memory(err, strlen(folder));
}

static tn_code no_signature(const tn_metagraph *m, const char *name, tn_error *err)
{
    tn_buf names = {0};
    for (int i = 0; i < m->n_signatures; i++)
        tn_buf_printf(&names, "%s'%s'", i ? ", " : "", m->signatures[i].name);
    tn_fail(err, TN_NOT_FOUND, "the model has no signature '%s'; it has %s", name,
            names.n ? names.data : "none");
    tn_buf_free(&names);
    return TN_NOT_FOUND;
}

/* What callers see of a signature's values: one spec each, three of a sparse one; and the graph's names. */
typedef struct shown {
    tn_spec *specs;
    const char **names;
    int n;
} shown;

static tn_code show(shown *s, tn_arena *a, const char *key, const char *part, const char *name, tn_dtype t,
                    const tn_shape *shape, tn_error *err)
{
    const char *full = part ? tn_arena_printf(a, "%s.%s", key, part) : key;
    if (!full) return tn_no_memory(err, strlen(key));
    s->specs[s->n] = (tn_spec){full, t, *shape};
    s->names[s->n++] = name;
    return TN_OK;
}

static tn_code show_sparse(shown *s, tn_arena *a, const tn_tensor_info *t, tn_error *err)
{
    int64_t rank = t->shape.rank < 0 ? -1 : t->shape.rank;
    TN_TRY(show(s, a, t->key, "indices", t->indices, TN_INT64, &TN_SHAPE(-1, rank), err));
    TN_TRY(show(s, a, t->key, "values", t->values, t->dtype, &TN_SHAPE(-1), err));
    return show(s, a, t->key, "dense_shape", t->dense_shape, TN_INT64, &TN_SHAPE(rank), err);
}

static tn_code show_all(shown *s, tn_arena *a, const tn_tensor_info *t, int n, tn_error *err)
{
    *s = (shown){.specs = TN_ARRAY(a, 3 * n + 1, tn_spec), .names = TN_ARRAY(a, 3 * n + 1, const char *)};
    if (!s->specs || !s->names) return tn_no_memory(err, (size_t)n * sizeof *s->specs);
    for (int i = 0; i < n; i++) {
        if (t[i].values) {
            TN_TRY(show_sparse(s, a, &t[i], err));
            continue;
        }
        if (!t[i].name) return tn_fail(err, TN_UNIMPLEMENTED, "'%s' of the signature is composite", t[i].key);
        TN_TRY(show(s, a, t[i].key, NULL, t[i].name, t[i].dtype, &t[i].shape, err));
    }
    return TN_OK;
}

static tn_code prepare(tn_predictor *p, const char *name, tn_error *err)
{
    const tn_signature *s = tn_metagraph_signature(p->model, name);
    shown in, out;
    if (!s) return no_signature(p->model, name, err);
    TN_TRY(show_all(&in, p->arena, s->in, s->n_in, err));
    TN_TRY(show_all(&out, p->arena, s->out, s->n_out, err));
    p->in = in.specs;
    p->n_in = in.n;
    p->out = out.specs;
    p->n_out = out.n;
    return tn_callable_new(p->session, in.names, in.n, out.names, out.n, NULL, 0, &p->callable, err);
}

static tn_code load(tn_predictor *p, const char *folder, const char *signature, const tn_session_options *o,
                    tn_error *err)
{
    TN_TRY(find_model(folder, p->arena, &folder, err));
    TN_TRY(tn_savedmodel_load(folder, NULL, 0, &p->model, err));
    TN_TRY(tn_metagraph_missing(p->model, &p->missing, &p->n_missing, err));
    TN_TRY(tn_session_new(p->model->graph, o, &p->session, err));
    tn_session_set_checkpoints(p->session, &tn_checkpoints_of_process);
    TN_TRY(tn_savedmodel_restore(folder, p->model, p->session, err));
    tn_session_own_constants(p->session);
    tn_session_settle_itself(p->session);
    tn_code code = prepare(p, signature ? signature : TN_DEFAULT_SIGNATURE, err);
    if (code != TN_OK) tn_wrap(err, "%s", folder);
    return code;
}

tn_code tn_predictor_open(const char *folder, const char *signature, const tn_session_options *options,
                          tn_predictor **out, tn_error *err)
{
    tn_predictor *p = tn_calloc(1, sizeof *p);
    if (!p) return tn_no_memory(err, sizeof *p);
    p->arena = tn_arena_new(0);
    tn_code code = p->arena ? load(p, folder, signature, options, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_predictor_close(p);
        return code;
    }
    *out = p;
    return TN_OK;
}

void tn_predictor_close(tn_predictor *p)
{
    if (!p) return;
    tn_callable_free(p->callable);
    tn_session_free(p->session);
    tn_missing_free(p->missing);
    tn_metagraph_free(p->model);
    tn_arena_free(p->arena);
    tn_free(p);
}

const tn_missing *tn_predictor_missing(const tn_predictor *p, int *n)
{
    *n = p->n_missing;
    return p->missing;
}

int tn_predictor_inputs(const tn_predictor *p)
{
    return p->n_in;
}
int tn_predictor_outputs(const tn_predictor *p)
{
    return p->n_out;
}
const tn_spec *tn_predictor_input(const tn_predictor *p, int i)
{
    return i >= 0 && i < p->n_in ? &p->in[i] : NULL;
}
const tn_spec *tn_predictor_output(const tn_predictor *p, int i)
{
    return i >= 0 && i < p->n_out ? &p->out[i] : NULL;
}

static tn_code check_input(const tn_spec *spec, const tn_tensor *t, tn_error *err)
{
    char a[200], b[200];
    if (t->dtype == spec->dtype && tn_shape_compatible(&t->shape, &spec->shape)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "input '%s' is to be %s %s, not %s %s", spec->name,
                   tn_dtype_name(spec->dtype), tn_shape_text(&spec->shape, a, sizeof a),
                   tn_dtype_name(t->dtype), tn_shape_text(&t->shape, b, sizeof b));
}

tn_code tn_predictor_run(tn_predictor *p, const tn_tensor *const *in, const tn_tensor **out, tn_error *err)
{
    for (int i = 0; i < p->n_in; i++) TN_TRY(check_input(&p->in[i], in[i], err));
    return tn_callable_run(p->callable, in, out, err);
}
