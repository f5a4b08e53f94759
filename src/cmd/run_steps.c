/* SPDX-License-Identifier: Apache-2.0
 *
 * run_steps.c - steps of `turnery run`: with the same feeds each time, or with the next rows of data; what is
 * fetched is stacked.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* ==== rows of data ==== */

typedef struct rows {
    const steps *s;
    tn_tensor *batch[RUN_MOST];
    int64_t n, next, epoch; /* rows; the next one; times all of them were used */
    int64_t *order;
} rows;

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* An order of the rows for this epoch, which depends on nothing but the seed and the epoch. */
static void shuffle(rows *r)
{
    for (int64_t i = 0; i < r->n; i++) r->order[i] = i;
    for (int64_t i = r->n - 1; r->s->shuffle && i > 0; i--) {
        uint64_t epoch = (uint64_t)r->s->shuffle * 0x9e3779b97f4a7c15u + (uint64_t)r->epoch * 0x632be59bd9b4e019u;
        uint64_t random = mixed(epoch + (uint64_t)i);
        int64_t k = (int64_t)(random % (uint64_t)(i + 1)), other = r->order[k];
        r->order[k] = r->order[i];
        r->order[i] = other;
    }
}

static tn_code rows_begin(rows *r, tn_error *err)
{
    for (int i = 0; i < r->s->n_data; i++) {
        const tn_feed *d = &r->s->data[i];
        tn_shape shape = *tn_tensor_shape(d->value);
        if (shape.rank < 1 || shape.dim[0] < 1) return usage_error(err, "--data %s: no rows, one an example", d->name);
        if (i && shape.dim[0] != r->n)
            return usage_error(err, "--data %s has %lld rows, %s has %lld", d->name, (long long)shape.dim[0],
                               r->s->data[0].name, (long long)r->n);
        r->n = shape.dim[0];
        shape.dim[0] = r->s->batch_size;
        tn_code code = tn_tensor_new(tn_tensor_dtype(d->value), &shape, &r->batch[i], err);
        if (code != TN_OK) return code;
    }
    if (!r->n) return TN_OK;
    r->order = malloc((size_t)r->n * sizeof *r->order);
    if (!r->order) return usage_error(err, "no memory for the order of %lld rows", (long long)r->n);
    shuffle(r);
    return TN_OK;
}

static tn_code copy_row(const tn_tensor *from, int64_t row, tn_tensor *to, int64_t place, tn_error *err)
{
    if (tn_tensor_count(to) == 0) return TN_OK;
    int64_t n = tn_tensor_count(to) / tn_tensor_shape(to)->dim[0];
    if (tn_tensor_dtype(from) != TN_STRING) {
        size_t bytes = (size_t)n * tn_dtype_size(tn_tensor_dtype(from));
        memcpy((char *)tn_tensor_data(to) + (size_t)place * bytes,
               (const char *)tn_tensor_data(from) + (size_t)row * bytes, bytes);
        return TN_OK;
    }
    const tn_string *s = tn_tensor_data(from);
    tn_code code = TN_OK;
    for (int64_t i = 0; code == TN_OK && i < n; i++)
        code = tn_string_set(to, place * n + i, s[row * n + i].p, s[row * n + i].n, err);
    return code;
}

/* Fills the batch with the next rows; after the last one comes the first again. */
static tn_code rows_next(rows *r, tn_error *err)
{
    tn_code code = TN_OK;
    for (int64_t place = 0; r->n && place < r->s->batch_size; place++) {
        if (r->next == r->n) {
            r->next = 0;
            r->epoch++;
            shuffle(r);
        }
        int64_t row = r->order[r->next++];
        for (int i = 0; code == TN_OK && i < r->s->n_data; i++)
            code = copy_row(r->s->data[i].value, row, r->batch[i], place, err);
    }
    return code;
}

static void rows_end(rows *r)
{
    for (int i = 0; i < RUN_MOST; i++) tn_tensor_unref(r->batch[i]);
    free(r->order);
}

/* ==== what is fetched ==== */

static bool is_fed(const steps *s, const char *operation)
{
    size_t n = strlen(operation);
    for (int i = 0; i < s->n_feeds; i++) {
        const char *name = s->feeds[i].name;
        if (!strncmp(name, operation, n) && (!name[n] || name[n] == ':')) return true;
    }
    return false;
}

/* The graph has iterators over data sets: a run takes examples that the next one does not see. */
static bool takes_examples(const steps *s)
{
    static const char kind[] = "IteratorGetNext";
    const tn_graph *g = tn_session_graph(s->session);
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!strncmp(tn_operation_type(op), kind, strlen(kind)) && !is_fed(s, tn_operation_name(op))) return true;
    }
    return false;
}

static tn_code other_shape(const char *name, const tn_shape *whole, const tn_shape *one, int64_t row, tn_error *err)
{
    char had[200], has[200];
    tn_shape first = {.rank = whole->rank - 1};
    memcpy(first.dim, whole->dim + 1, (size_t)first.rank * sizeof *first.dim);
    tn_shape_text(&first, had, sizeof had);
    return usage_error(err, "'%s' has shape %s at first and %s after %lld steps: what is fetched in steps is stacked",
                       name, had, tn_shape_text(one, has, sizeof has), (long long)row);
}

/* Copies one value as row `row` of a stack that is made at the first. */
static tn_code stack_row(const char *name, const tn_tensor *t, int64_t row, int64_t n, tn_tensor **stack,
                         tn_error *err)
{
    if (!*stack) {
        tn_shape shape = *tn_tensor_shape(t);
        if (shape.rank == TN_MAX_RANK)
            return usage_error(err, "'%s' has %d dimensions, and cannot be stacked", name, shape.rank);
        memmove(shape.dim + 1, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
        shape.dim[0] = n;
        shape.rank++;
        tn_code code = tn_tensor_new(tn_tensor_dtype(t), &shape, stack, err);
        if (code != TN_OK) return code;
    }
    const tn_shape *whole = tn_tensor_shape(*stack), *one = tn_tensor_shape(t);
    if (whole->rank != one->rank + 1 || memcmp(whole->dim + 1, one->dim, (size_t)one->rank * sizeof *one->dim) != 0)
        return other_shape(name, whole, one, row, err);
    return copy_row(t, 0, *stack, row, err);
}

static tn_code stack_all(const steps *s, const tn_tensor *const *out, int64_t row, int64_t most, tn_tensor **stacks,
                         tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; i < s->n_fetches && code == TN_OK; i++)
        code = stack_row(s->fetches[i], out[i], row, most, &stacks[i], err);
    return code;
}

/* The rows that came, when they are fewer than there was room for. */
static tn_code shorten(tn_tensor **stacks, int n, int64_t rows, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; i < n && code == TN_OK; i++) {
        tn_tensor *less;
        tn_shape shape = *tn_tensor_shape(stacks[i]);
        shape.dim[0] = rows;
        code = tn_tensor_new(tn_tensor_dtype(stacks[i]), &shape, &less, err);
        for (int64_t k = 0; code == TN_OK && k < rows; k++) code = copy_row(stacks[i], k, less, k, err);
        if (code != TN_OK) break;
        tn_tensor_unref(stacks[i]);
        stacks[i] = less;
    }
    return code;
}

/* ==== steps ==== */

/* A step's error; the graph's input may have ended, after one step at least. */
static bool is_end(const steps *s, tn_code code, int64_t done)
{
    tn_error why;
    return code == TN_OUT_OF_RANGE && done > 0 && (!s->runners || tn_runners_check(s->runners, &why) == TN_OK);
}

/* What fills the graph's queues goes on. */
static tn_code check_runners(const steps *s, tn_error *err)
{
    return s->runners ? tn_runners_check(s->runners, err) : TN_OK;
}

/* Each step is one run, which gives what is fetched, too. */
static tn_code run_together(const steps *s, tn_callable *step, const tn_tensor *const *feeds, rows *r,
                            tn_tensor **stacks, int64_t *done, tn_error *err)
{
    const tn_tensor *out[RUN_MOST];
    tn_code code = TN_OK;
    for (*done = 0; *done < s->n; ++*done) {
        code = check_runners(s, err);
        if (code == TN_OK) code = rows_next(r, err);
        if (code == TN_OK) code = tn_callable_run(step, feeds, out, err);
        if (is_end(s, code, *done)) return shorten(stacks, s->n_fetches, *done, err);
        if (code == TN_OK) code = stack_all(s, out, *done, s->n, stacks, err);
        if (code != TN_OK) break;
    }
    return code;
}

static tn_code run_with_looks(const steps *s, tn_callable *step, tn_callable *look, const tn_tensor *const *feeds,
                              tn_tensor **stacks, int64_t *done, tn_error *err)
{
    const tn_tensor *out[RUN_MOST];
    tn_code code = TN_OK;
    *done = 0;
    for (int64_t i = 0; code == TN_OK && i <= s->n; i++) {
        if (i) code = tn_callable_run(step, feeds, NULL, err);
        if (is_end(s, code, *done)) return shorten(stacks, s->n_fetches, i, err);
        if (code == TN_OK) *done = i;
        if (code == TN_OK) code = tn_callable_run(look, feeds, out, err);
        if (code == TN_OK) code = stack_all(s, out, i, s->n + 1, stacks, err);
    }
    return code;
}

static tn_code run_prepared(const steps *s, rows *r, tn_tensor **stacks, int64_t *done, tn_error *err)
{
    const char *names[RUN_MOST];
    const tn_tensor *feeds[RUN_MOST];
    tn_callable *step = NULL, *look = NULL;
    int n = s->n_feeds + s->n_data;
    bool own = s->n_data || (s->runners && tn_runners_count(s->runners)); /* each step has an input of its own */
    bool looks = !own && s->n_targets && s->n_fetches;
    for (int i = 0; i < n; i++) {
        names[i] = i < s->n_feeds ? s->feeds[i].name : s->data[i - s->n_feeds].name;
        feeds[i] = i < s->n_feeds ? s->feeds[i].value : r->batch[i - s->n_feeds];
    }
    if (looks && takes_examples(s)) looks = false;
    tn_code code = tn_callable_new(s->session, names, n, s->fetches, looks ? 0 : s->n_fetches, s->targets,
                                   s->n_targets, &step, err);
    if (code == TN_OK && looks)
        code = tn_callable_new(s->session, names, n, s->fetches, s->n_fetches, NULL, 0, &look, err);
    if (code == TN_OK)
        code = looks ? run_with_looks(s, step, look, feeds, stacks, done, err)
                     : run_together(s, step, feeds, r, stacks, done, err);
    tn_callable_free(look);
    tn_callable_free(step);
    return code;
}

tn_code run_steps(const steps *s, tn_tensor **stacks, int64_t *done, tn_error *err)
{
    rows r = {.s = s};
    if (s->n_feeds + s->n_data > RUN_MOST) return usage_error(err, "more than %d inputs", RUN_MOST);
    tn_code code = rows_begin(&r, err);
    if (code == TN_OK) code = run_prepared(s, &r, stacks, done, err);
    rows_end(&r);
    return code;
}
