/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_group.c - data sets that gather the elements of another by their keys: GroupByWindow (which
 * bucket_by_sequence_length uses) makes a data set of each group that is full, GroupByReducer one element of each
 * group at the input's end, the least key first.
 */
#include "dataset.h"

/* ==== groups, by their keys ==== */

typedef struct group {
    int64_t key;
    int64_t size;      /* GroupByWindow: asked once */
    tn_elements has;   /* and so far these */
    tn_tensor **state; /* GroupByReducer: n[0] tensors */
} group;

typedef struct groups {
    group *at;
    int64_t n;
    int cap;
} groups;

/* The key's group is there, or would be. */
static bool find_group(const groups *g, int64_t key, int64_t *at)
{
    int64_t from = 0, to = g->n;
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (g->at[middle].key < key)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return from < g->n && g->at[from].key == key;
}

static tn_code groups_room(groups *g, tn_error *err)
{
    return TN_ROOM(NULL, g->at, (int)g->n, g->cap) ? TN_OK : tn_no_memory(err, 0);
}

/* There is room. */
static void add_group(groups *g, int64_t at, const group *made)
{
    memmove(g->at + at + 1, g->at + at, (size_t)(g->n++ - at) * sizeof *g->at);
    g->at[at] = *made;
}

static tn_code key_tensor(int64_t key, tn_tensor **out, tn_error *err)
{
    TN_TRY(tn_tensor_scalar(TN_INT64, 0, out, err));
    TN_INT64S(*out)[0] = key;
    return TN_OK;
}

/* What function k says: a number. */
static tn_code ask_number(const tn_source *s, int k, const char *function, tn_pull *t, tn_tensor *const *args,
                          int n_args, int64_t *out, tn_error *err)
{
    tn_tensor *answer;
    TN_TRY(tn_source_call(s, k, t, args, n_args, &answer, 1, err));
    bool fits = answer->dtype == TN_INT64 && answer->shape.rank == 0;
    if (fits) *out = TN_INT64S(answer)[0];
    tn_tensor_unref(answer);
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "`%s` must return a scalar int64.", function);
}

static tn_code ask_key(const tn_source *s, tn_pull *t, tn_tensor *const *element, int64_t *key, tn_error *err)
{
    return ask_number(s, 0, "key_func", t, element, s->d->input[0]->width, key, err);
}

/* The functions are the attributes `names`, one captured input after another. */
static tn_code set_functions(tn_dataset *d, const tn_run *r, int n, const char *const *names, tn_error *err)
{
    char captured[64];
    for (int k = 0, first = 1; k < n; k++) {
        snprintf(captured, sizeof captured, "T%s_other_arguments", names[k]);
        int count = tn_dataset_count(r, captured);
        TN_TRY(tn_dataset_function(d, k, r, names[k], first, count, err));
        first += count;
    }
    return TN_OK;
}

/* ==== GroupByWindow ==== functions: the key of an element, a data set of a group's data set, how large
 * groups are */

typedef struct grouped {
    tn_source base;
    tn_tensor **element;
    groups by_key;
    tn_source *flushed; /* what came of the last group */
    bool over;
} grouped;

static tn_code group_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    grouped *g = (grouped *)s;
    g->element = tn_element_new(s->d->input[0]->width);
    return g->element ? TN_OK : tn_no_memory(err, 0);
}

static void group_stop(tn_source *s)
{
    grouped *g = (grouped *)s;
    for (int64_t i = 0; i < g->by_key.n; i++) tn_elements_drop(&g->by_key.at[i].has);
    tn_free(g->by_key.at);
    tn_element_drop(g->element, s->d->input[0]->width);
    tn_free(g->element);
    tn_source_stop(g->flushed);
}

static tn_code ask_size(tn_source *s, tn_pull *t, int64_t key, int64_t *out, tn_error *err)
{
    tn_tensor *arg;
    TN_TRY(key_tensor(key, &arg, err));
    tn_code code = ask_number(s, 2, "window_size_func", t, &arg, 1, out, err);
    tn_tensor_unref(arg);
    if (code == TN_OK && *out <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Window size must be greater than zero, but got %lld.",
                       (long long)*out);
    return code;
}

static tn_code group_of(tn_source *s, tn_pull *t, int64_t key, group **out, tn_error *err)
{
    groups *g = &((grouped *)s)->by_key;
    int64_t at;
    if (!find_group(g, key, &at)) {
        group made = {.key = key};
        TN_TRY(ask_size(s, t, key, &made.size, err));
        TN_TRY(groups_room(g, err));
        tn_elements_begin(&made.has, s->d->input[0]);
        add_group(g, at, &made);
    }
    *out = &g->at[at];
    return TN_OK;
}

/* What the function makes of a group is what comes next. */
static tn_code flush(tn_source *s, tn_pull *t, group *of, tn_error *err)
{
    grouped *g = (grouped *)s;
    tn_tensor *args[2] = {NULL, NULL};
    tn_code code = key_tensor(of->key, &args[0], err);
    if (code == TN_OK) code = tn_elements_dataset(t, &of->has, of->has.n, 1, 0, of->has.width, &args[1], err);
    tn_elements_forget(&of->has, of->has.n);
    if (code == TN_OK) code = tn_source_expand(s, 1, t, args, 2, &g->flushed, err);
    tn_element_drop(args, 2);
    return code;
}

/* An element into its group; a group that is full then is flushed. */
static tn_code sort_in(tn_source *s, tn_pull *t, tn_error *err)
{
    grouped *g = (grouped *)s;
    int64_t key;
    group *of = NULL;
    TN_TRY(ask_key(s, t, g->element, &key, err));
    TN_TRY(group_of(s, t, key, &of, err));
    TN_TRY(tn_elements_add(&of->has, g->element, err));
    return of->has.n == of->size ? flush(s, t, of, err) : TN_OK;
}

/* Until something is flushed, or there is nothing left. */
static tn_code gather(tn_source *s, tn_pull *t, tn_error *err)
{
    grouped *g = (grouped *)s;
    while (!g->flushed && !g->over) {
        TN_TRY(tn_source_next(s->in, t, g->element, &g->over, err));
        if (g->over) break;
        tn_code code = sort_in(s, t, err);
        tn_element_drop(g->element, s->d->input[0]->width);
        if (code != TN_OK) return code;
    }
    for (int64_t i = 0; i < g->by_key.n && !g->flushed; i++)
        if (g->by_key.at[i].has.n) TN_TRY(flush(s, t, &g->by_key.at[i], err));
    return TN_OK;
}

static tn_code group_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    grouped *g = (grouped *)s;
    for (;;) {
        bool over = false;
        if (!g->flushed) TN_TRY(gather(s, t, err));
        *end = !g->flushed;
        if (*end) return TN_OK;
        if (g->flushed->d->width != s->d->width)
            return tn_fail(err, TN_INVALID_ARGUMENT, "`reduce_func` returned %d components instead of %d",
                           g->flushed->d->width, s->d->width);
        TN_TRY(tn_source_next(g->flushed, t, out, &over, err));
        if (!over) return TN_OK;
        tn_source_stop(g->flushed);
        g->flushed = NULL;
    }
}

static const tn_dataset_kind group_kind = {.name = "GroupByWindow",
                                           .state = sizeof(grouped),
                                           .starts_input = true,
                                           .start = group_start,
                                           .next = group_next,
                                           .stop = group_stop};

static tn_code group_run(tn_run *r, tn_error *err)
{
    static const char *const names[] = {"key_func", "reduce_func", "window_size_func"};
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &group_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_functions(d, r, 3, names, err), err);
}
#define GROUPS                                                                    \
    "input_dataset:variant key_func_other_arguments:[Tkey_func_other_arguments] " \
    "reduce_func_other_arguments:[Treduce_func_other_arguments] "                 \
    "window_size_func_other_arguments:[Twindow_size_func_other_arguments]"
#define GROUP_ATTRS                                                                                  \
    " key_func:func reduce_func:func window_size_func:func Tkey_func_other_arguments:list(type)>=0 " \
    "Treduce_func_other_arguments:list(type)>=0 Twindow_size_func_other_arguments:list(type)>=0" TN_DATA_OUT
TN_DATASET(GroupByWindowDataset, group_run, GROUPS, GROUP_ATTRS " metadata:string=\"\"");
TN_DATASET(ExperimentalGroupByWindowDataset, group_run, GROUPS, GROUP_ATTRS);

/* ==== GroupByReducer ==== functions: the key of an element, the state a key begins with, the state after an element,
 * the element that a state becomes */

enum { INIT = 1, REDUCE, FINALIZE };

typedef struct reduced {
    tn_source base;
    tn_tensor **args; /* a state, then an element */
    groups by_key;
    int64_t given;
    bool over;
} reduced;

static tn_code reduce_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    reduced *g = (reduced *)s;
    g->args = tn_element_new((int)s->d->n[0] + s->d->input[0]->width);
    return g->args ? TN_OK : tn_no_memory(err, 0);
}

static void drop_state(const tn_source *s, group *g)
{
    tn_element_drop(g->state, (int)s->d->n[0]);
    tn_free(g->state);
    g->state = NULL;
}

static void reduce_stop(tn_source *s)
{
    reduced *g = (reduced *)s;
    for (int64_t i = 0; i < g->by_key.n; i++) drop_state(s, &g->by_key.at[i]);
    tn_free(g->by_key.at);
    tn_element_drop(g->args, (int)s->d->n[0] + s->d->input[0]->width);
    tn_free(g->args);
}

/* The state that a key begins with. */
static tn_code begin(const tn_source *s, tn_pull *t, int64_t key, group *out, tn_error *err)
{
    tn_tensor *arg;
    *out = (group){.key = key, .state = tn_element_new((int)s->d->n[0])};
    if (!out->state) return tn_no_memory(err, 0);
    TN_TRY(key_tensor(key, &arg, err));
    tn_code code = tn_source_call(s, INIT, t, &arg, 1, out->state, (int)s->d->n[0], err);
    tn_tensor_unref(arg);
    return code;
}

static tn_code reduced_of(tn_source *s, tn_pull *t, int64_t key, group **out, tn_error *err)
{
    groups *g = &((reduced *)s)->by_key;
    int64_t at;
    if (!find_group(g, key, &at)) {
        group made;
        TN_TRY(groups_room(g, err));
        tn_code code = begin(s, t, key, &made, err);
        if (code != TN_OK) {
            drop_state(s, &made);
            return code;
        }
        add_group(g, at, &made);
    }
    *out = &g->at[at];
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
    TN_TRY(reduced_of(s, t, key, &of, err));
    tn_tensor **made = tn_element_new(n);
    if (!made) return tn_no_memory(err, 0);
    for (int k = 0; k < n; k++) g->args[k] = tn_tensor_ref(of->state[k]);
    tn_code code = tn_source_call(s, REDUCE, t, g->args, n + width, made, n, err);
    tn_element_drop(g->args, n);
    if (code == TN_OK) {
        drop_state(s, of);
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
    *end = g->given >= g->by_key.n;
    if (*end) return TN_OK;
    group *next = &g->by_key.at[g->given++];
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

static tn_code reduce_run(tn_run *r, tn_error *err)
{
    static const char *const names[] = {"key_func", "init_func", "reduce_func", "finalize_func"};
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &reduce_kind, 1, false, &d, err));
    tn_code code = set_functions(d, r, 4, names, err);
    return tn_dataset_give(r, d, code == TN_OK ? count_state(d, r, err) : code, err);
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
