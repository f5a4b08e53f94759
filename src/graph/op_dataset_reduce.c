/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_reduce.c - GroupByReducer: elements are reduced by their keys, and at the input's end each key's
 * state becomes an element, the least key first.
 */
#include "dataset.h"

enum { KEY, INIT, REDUCE, FINALIZE }; /* the functions */

typedef struct group {
    int64_t key;
    tn_tensor **state; /* n[0] tensors */
} group;

typedef struct reduced {
    tn_source base;
    tn_tensor **args; /* a state, then an element */
    group *groups;    /* by their keys */
    int64_t n, cap, given;
    bool over;
} reduced;

static tn_code reduce_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    reduced *g = (reduced *)s;
    g->args = tn_element_new((int)s->d->n[0] + s->d->input[0]->width);
    return g->args ? TN_OK : tn_no_memory(err, 0);
}

static void drop_group(const tn_source *s, group *g)
{
    tn_element_drop(g->state, (int)s->d->n[0]);
    tn_free(g->state);
    g->state = NULL;
}

static void reduce_stop(tn_source *s)
{
    reduced *g = (reduced *)s;
    for (int64_t i = 0; i < g->n; i++) drop_group(s, &g->groups[i]);
    tn_free(g->groups);
    tn_element_drop(g->args, (int)s->d->n[0] + s->d->input[0]->width);
    tn_free(g->args);
}

static tn_code ask_key(const tn_source *s, tn_pull *t, tn_tensor *const *element, int64_t *key, tn_error *err)
{
    tn_tensor *answer;
    TN_TRY(tn_source_call(s, KEY, t, element, s->d->input[0]->width, &answer, 1, err));
    bool fits = answer->dtype == TN_INT64 && answer->shape.rank == 0;
    if (fits) *key = TN_INT64S(answer)[0];
    tn_tensor_unref(answer);
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "`key_func` must return a scalar int64.");
}

/* The state that a key begins with. */
static tn_code begin(const tn_source *s, tn_pull *t, int64_t key, group *out, tn_error *err)
{
    tn_tensor *arg;
    *out = (group){.key = key, .state = tn_element_new((int)s->d->n[0])};
    if (!out->state) return tn_no_memory(err, 0);
    TN_TRY(tn_tensor_int64s(TN_INT64, &key, 1, &arg, err));
    arg->shape = (tn_shape){.rank = 0};
    tn_code code = tn_source_call(s, INIT, t, &arg, 1, out->state, (int)s->d->n[0], err);
    tn_tensor_unref(arg);
    return code;
}

static tn_code group_of(tn_source *s, tn_pull *t, int64_t key, group **out, tn_error *err)
{
    reduced *g = (reduced *)s;
    int64_t at = 0, to = g->n;
    group made;
    while (at < to) {
        int64_t middle = at + (to - at) / 2;
        if (g->groups[middle].key < key)
            at = middle + 1;
        else
            to = middle;
    }
    *out = &g->groups[at];
    if (at < g->n && g->groups[at].key == key) return TN_OK;
    if (g->n == g->cap) {
        int64_t cap = g->cap ? 2 * g->cap : 16;
        group *more = tn_realloc(g->groups, (size_t)cap * sizeof *more);
        if (!more) return tn_no_memory(err, (size_t)cap * sizeof *more);
        g->groups = more;
        g->cap = cap;
    }
    tn_code code = begin(s, t, key, &made, err);
    if (code != TN_OK) {
        drop_group(s, &made);
        return code;
    }
    memmove(g->groups + at + 1, g->groups + at, (size_t)(g->n++ - at) * sizeof *g->groups);
    g->groups[at] = made;
    *out = &g->groups[at];
    return TN_OK;
}

/* The state is replaced by what the function makes of it and the element. */
static tn_code reduce_one(tn_source *s, tn_pull *t, tn_error *err)
{
    reduced *g = (reduced *)s;
    const int n = (int)s->d->n[0], width = s->d->input[0]->width;
    int64_t key = 0;
    group *of;
    TN_TRY(ask_key(s, t, g->args + n, &key, err));
    TN_TRY(group_of(s, t, key, &of, err));
    tn_tensor **made = tn_element_new(n);
    if (!made) return tn_no_memory(err, 0);
    for (int k = 0; k < n; k++) g->args[k] = tn_tensor_ref(of->state[k]);
    tn_code code = tn_source_call(s, REDUCE, t, g->args, n + width, made, n, err);
    tn_element_drop(g->args, n);
    if (code == TN_OK) {
        drop_group(s, of);
        of->state = made;
    } else {
        tn_free(made);
    }
    return code;
}

static tn_code reduce_all(tn_source *s, tn_pull *t, tn_error *err)
{
    reduced *g = (reduced *)s;
    const int n = (int)s->d->n[0], width = s->d->input[0]->width;
    while (!g->over) {
        TN_TRY(tn_source_next(s->in, t, g->args + n, &g->over, err));
        if (g->over) break;
        tn_code code = reduce_one(s, t, err);
        tn_element_drop(g->args + n, width);
        TN_TRY(code);
    }
    return TN_OK;
}

static tn_code reduce_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    reduced *g = (reduced *)s;
    TN_TRY(reduce_all(s, t, err));
    *end = g->given >= g->n;
    if (*end) return TN_OK;
    group *next = &g->groups[g->given++];
    return tn_source_call(s, FINALIZE, t, next->state, (int)s->d->n[0], out, s->d->width, err);
}

static const tn_dataset_kind reduce_kind = {.name = "GroupByReducer",
                                            .state = sizeof(reduced),
                                            .starts_input = true,
                                            .start = reduce_start,
                                            .next = reduce_next,
                                            .stop = reduce_stop};

/* How many tensors a state is: what the function gives that makes one. */
static tn_code count_state(tn_dataset *d, const tn_run *r, tn_error *err)
{
    const tn_function *f = tn_run_function(r, d->f[INIT].name);
    if (!f) return tn_fail(err, TN_NOT_FOUND, "'%s': there is no function %s", r->name, d->f[INIT].name);
    d->n[0] = f->n_rets;
    return TN_OK;
}

static tn_code set_functions(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const char *const names[] = {"key_func", "init_func", "reduce_func", "finalize_func"};
    char captured[64];
    for (int k = 0, first = 1; k <= FINALIZE; k++) {
        snprintf(captured, sizeof captured, "T%s_other_arguments", names[k]);
        int n = tn_dataset_count(r, captured);
        TN_TRY(tn_dataset_function(d, k, r, names[k], first, n, err));
        first += n;
    }
    return count_state(d, r, err);
}

static tn_code reduce_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &reduce_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_functions(d, r, err), err);
}
#define REDUCER                                                                   \
    "input_dataset:variant key_func_other_arguments:[Tkey_func_other_arguments] " \
    "init_func_other_arguments:[Tinit_func_other_arguments] "                     \
    "reduce_func_other_arguments:[Treduce_func_other_arguments] "                 \
    "finalize_func_other_arguments:[Tfinalize_func_other_arguments]"
#define FUNCTIONS                                                                          \
    " key_func:func init_func:func reduce_func:func finalize_func:func "                   \
    "Tkey_func_other_arguments:list(type)>=0 "                                             \
    "Tinit_func_other_arguments:list(type)>=0 Treduce_func_other_arguments:list(type)>=0 " \
    "Tfinalize_func_other_arguments:list(type)>=0" TN_DATA_OUT
TN_DATASET(GroupByReducerDataset, reduce_run, REDUCER, FUNCTIONS);
TN_DATASET(ExperimentalGroupByReducerDataset, reduce_run, REDUCER, FUNCTIONS);
