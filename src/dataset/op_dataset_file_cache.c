/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_file_cache.c - a data set's elements kept in files, which TensorFlow's caches are, too: a checkpoint
 * whose tensors are the elements' components, named by their numbers so that the order of names is theirs. The files
 * are written through the session's hooks (files.h). Caches in memory are op_dataset_cache.c's.
 *
 * Invariants: a cache is whole or is not there; an iterator reads it if it was there when the iterator was started,
 * and writes it when it has seen all elements.
 */
#include "../plan/files.h"
#include "dataset.h"

#define MOST_ELEMENTS 10000000 /* whose numbers have 7 digits */

typedef struct filed {
    tn_source base;
    const tn_checkpoint_hooks *hooks; /* NULL: nothing is open */
    void *open;                       /* what is read or written */
    bool reads, failed;
    int64_t i;
} filed;

static tn_view prefix_of(const tn_source *s)
{
    const tn_string *name = TN_STRINGS(s->d->tensor[0]);
    return (tn_view){name->p, name->n};
}

static tn_code filed_start(tn_source *s, tn_pull *t, tn_error *err)
{
    filed *v = (filed *)s;
    tn_buf index = {0};
    bool is_folder;
    tn_buf_add(&index, prefix_of(s).p, prefix_of(s).n);
    tn_buf_str(&index, ".index");
    tn_code code = tn_buf_check(&index, err);
    if (code == TN_OK)
        code = tn_files_look(tn_run_files(t->run), s->d->node, (tn_view){index.data, index.n}, &v->reads, &is_folder,
                             err);
    tn_buf_free(&index);
    if (code != TN_OK || v->reads) return code;
    return tn_source_start(s->d->input[0], t, &s->in, err);
}

static tn_code open_files(tn_source *s, tn_pull *t, tn_error *err)
{
    filed *v = (filed *)s;
    const tn_checkpoint_hooks *hooks;
    char *prefix;
    if (v->hooks) return TN_OK;
    TN_TRY(tn_files_prefix(tn_run_files(t->run), s->d->node, prefix_of(s), &hooks, &prefix, err));
    tn_code code = v->reads ? hooks->open(prefix, &v->open, err) : hooks->create(prefix, &v->open, err);
    tn_free(prefix);
    if (code == TN_OK) v->hooks = hooks;
    return code;
}

static void filed_stop(tn_source *s)
{
    filed *v = (filed *)s;
    if (!v->hooks) return;
    if (v->reads)
        v->hooks->close(v->open);
    else
        v->hooks->abandon(v->open);
    v->hooks = NULL;
}

static tn_code read_element(tn_source *s, tn_tensor **out, bool *end, tn_error *err)
{
    filed *v = (filed *)s;
    for (int k = 0; k < s->d->width; k++) {
        TN_TRY(v->hooks->read(v->open, v->i, &out[k], end, err));
        if (*end && k)
            return tn_fail(err, TN_DATA_LOSS, "the cache of '%s' ends within an element of %d components", s->d->node,
                           s->d->width);
        if (*end) return TN_OK;
        v->i++;
    }
    return TN_OK;
}

/* Names' numbers are as wide as the largest one. */
static tn_code add_element(tn_source *s, tn_tensor *const *e, tn_error *err)
{
    filed *v = (filed *)s;
    char name[64];
    int wide = snprintf(name, sizeof name, "%d", s->d->width - 1);
    if (v->i >= MOST_ELEMENTS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': a cache in files holds %d elements at most", s->d->node,
                       MOST_ELEMENTS);
    for (int k = 0; k < s->d->width; k++) {
        snprintf(name, sizeof name, "%7lld_%*d", (long long)v->i, wide, k);
        TN_TRY(v->hooks->add(v->open, name, e[k], err));
    }
    v->i++;
    return TN_OK;
}

static tn_code finish(filed *v, tn_error *err)
{
    const tn_checkpoint_hooks *hooks = v->hooks;
    v->hooks = NULL;
    return hooks->commit(v->open, err);
}

static tn_code filed_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    filed *v = (filed *)s;
    if (v->failed)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': its cache could not be written", s->d->node);
    TN_TRY(open_files(s, t, err));
    if (v->reads) return read_element(s, out, end, err);
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    tn_code code = *end ? finish(v, err) : add_element(s, out, err);
    v->failed = code != TN_OK;
    if (v->failed) filed_stop(s);
    return code;
}

const tn_dataset_kind tn_file_cache_kind = {.name = "FileCache",
                                            .state = sizeof(filed),
                                            .start = filed_start,
                                            .next = filed_next,
                                            .stop = filed_stop,
                                            .cardinality = tn_dataset_cardinality_of_input};
