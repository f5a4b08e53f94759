/* SPDX-License-Identifier: Apache-2.0
 *
 * channels_first.c - operators on images [batch, channels, space...] by way of [batch, space..., channels]: the
 * operator is prepared as if its attributes and shapes said so, and each run turns the images round in scratch. The
 * operator itself knows of channels last only.
 */
#include "channels_first.h"

#define MOST_IMAGES 4

typedef struct image {
    bool is_out;
    int index;
    tn_ncopy turn; /* of an input to channels last; of an output back */
    size_t at;     /* in scratch */
    tn_shape shape;
} image;

typedef struct turned {
    tn_run_fn run;
    void (*done)(void *params);
    void *params;
    tn_attrs attrs;
    int n;
    image v[MOST_IMAGES];
} turned;

bool tn_is_channels_first(const tn_attrs *a)
{
    return tn_attr_is(a, "data_format", "NCHW") || tn_attr_is(a, "data_format", "NCDHW") ||
           tn_attr_is(a, "data_format", "CHANNELS_FIRST");
}

/* ==== what it is prepared with ==== */

/* Where dimension i of channels last is in channels first. */
static int from_first(int i, int rank)
{
    return i == 0 ? 0 : i == rank - 1 ? 1 : i + 1;
}

static tn_shape turned_shape(const tn_shape *s)
{
    tn_shape out = {.rank = s->rank};
    for (int i = 0; i < s->rank; i++) out.dim[i] = s->dim[from_first(i, s->rank)];
    return out;
}

/* Lists with a value, or a pair of values, for each dimension. */
static bool turn_list(tn_arena *a, tn_attr *list, int each)
{
    int rank = list->n / each;
    if (list->n % each) return true; /* the operator itself refuses it */
    int64_t *v = TN_ARRAY(a, TN_MAX(list->n, 1), int64_t);
    if (!v) return false;
    for (int i = 0; i < list->n; i++) v[i] = list->is[from_first(i / each, rank) * each + i % each];
    list->is = v;
    return true;
}

static tn_code turn_attrs(tn_arena *arena, const tn_attrs *from, tn_attrs *to, tn_error *err)
{
    *to = (tn_attrs){TN_ARRAY(arena, TN_MAX(from->n, 1), tn_attr), from->n};
    if (!to->v) return tn_no_memory(err, 0);
    for (int i = 0; i < from->n; i++) {
        tn_attr *a = &to->v[i];
        *a = from->v[i];
        if (!strcmp(a->name, "data_format"))
            a->s = !strcmp(a->s.p, "NCHW") ? (tn_bytes){"NHWC", 4}
                   : !strcmp(a->s.p, "NCDHW") ? (tn_bytes){"NDHWC", 5} : (tn_bytes){"CHANNELS_LAST", 13};
        bool list = !strcmp(a->name, "ksize") || !strcmp(a->name, "strides") || !strcmp(a->name, "dilations");
        bool pairs = !strcmp(a->name, "explicit_paddings");
        if ((list || pairs) && !turn_list(arena, a, pairs ? 2 : 1)) return tn_no_memory(err, 0);
    }
    return TN_OK;
}

/* A tensor as the operator is to see it: of another shape, without data. */
static tn_tensor *seen_as(tn_arena *a, const tn_tensor *t, const tn_shape *shape)
{
    tn_tensor *out = TN_NEW(a, tn_tensor);
    if (out) *out = tn_tensor_view(t->dtype, shape, NULL);
    return out;
}

/* A vector of sizes (ksize or strides as an input), in the other order. */
static tn_tensor *turned_vector(tn_arena *a, const tn_tensor *t)
{
    int n = (int)tn_tensor_count(t);
    tn_tensor *out = TN_NEW(a, tn_tensor);
    void *data = tn_arena_alloc(a, TN_MAX(tn_tensor_bytes(t), 1));
    if (!out || !data) return NULL;
    *out = tn_tensor_view(t->dtype, &t->shape, data);
    for (int i = 0; i < n; i++) tn_tensor_set_number(out, i, (double)tn_tensor_int(t, from_first(i, n)));
    return out;
}

static tn_code add_image(tn_prepare *p, turned *t, bool is_out, int index, const tn_tensor **seen, tn_error *err)
{
    const tn_tensor *given = *seen;
    int perm[TN_MAX_RANK], rank = given->shape.rank, elem = (int)tn_dtype_size(given->dtype);
    if (rank < 3) return TN_OK; /* the operator itself refuses it */
    image *v = &t->v[t->n++];
    *v = (image){.is_out = is_out, .index = index, .shape = turned_shape(&given->shape)};
    for (int i = 0; i < rank; i++) perm[is_out ? from_first(i, rank) : i] = is_out ? i : from_first(i, rank);
    TN_TRY(tn_transpose_prepare(elem, is_out ? &v->shape : &given->shape, perm, p->threads, &v->turn, err));
    *seen = seen_as(p->arena, given, &v->shape);
    return *seen ? TN_OK : tn_no_memory(err, sizeof(tn_tensor));
}

static void turned_done(void *params)
{
    turned *t = params;
    if (t->done) t->done(t->params);
}

static tn_code turned_run(tn_run *r, tn_error *err);

#define MOST_ARGS 8

tn_code tn_channels_first(tn_prepare *p, unsigned images, unsigned vectors,
                          tn_code (*prepare)(tn_prepare *p, tn_error *err), tn_error *err)
{
    if (!tn_is_channels_first(p->attrs)) return prepare(p, err);
    const tn_tensor *in[MOST_ARGS], *out[MOST_ARGS];
    TN_PARAMS(p, turned, t);
    tn_prepare inner = *p;
    TN_TRY(turn_attrs(p->arena, p->attrs, &t->attrs, err));
    for (int i = 0; i < TN_MIN(p->n_in, MOST_ARGS); i++) {
        in[i] = p->in[i];
        if (images >> i & 1) TN_TRY(add_image(p, t, false, i, &in[i], err));
        if (vectors >> i & 1 && !(in[i] = turned_vector(p->arena, in[i]))) return tn_no_memory(err, 0);
    }
    for (int i = 0; i < TN_MIN(p->n_out, MOST_ARGS); i++) out[i] = p->out[i];
    if (images & TN_FIRST_OUT) TN_TRY(add_image(p, t, true, 0, &out[0], err));
    inner.in = in;
    inner.out = out;
    inner.attrs = &t->attrs;
    TN_TRY(prepare(&inner, err));
    t->run = inner.run;
    t->done = inner.done;
    t->params = inner.params;
    p->scratch = (inner.scratch + 63) / 64 * 64;
    for (int i = 0; i < t->n; i++) {
        const tn_tensor *given = t->v[i].is_out ? p->out[t->v[i].index] : p->in[t->v[i].index];
        t->v[i].at = p->scratch;
        p->scratch += (tn_tensor_bytes(given) + 63) / 64 * 64;
    }
    p->run = turned_run;
    p->done = turned_done;
    p->params = t;
    return TN_OK;
}

/* ==== running ==== */

static tn_code turned_run(tn_run *r, tn_error *err)
{
    const turned *t = r->params;
    const tn_tensor *in[MOST_ARGS];
    tn_tensor *out[MOST_ARGS], seen[MOST_IMAGES];
    tn_run inner = *r;
    for (int i = 0; i < TN_MIN(r->n_in, MOST_ARGS); i++) in[i] = r->in[i];
    for (int i = 0; i < TN_MIN(r->n_out, MOST_ARGS); i++) out[i] = r->out[i];
    for (int i = 0; i < t->n; i++) {
        const image *v = &t->v[i];
        const tn_tensor *given = v->is_out ? out[v->index] : in[v->index];
        seen[i] = tn_tensor_view(given->dtype, &v->shape, (char *)r->scratch + v->at);
        if (v->is_out)
            out[v->index] = &seen[i];
        else
            in[v->index] = &seen[i];
        if (!v->is_out && tn_tensor_count(given)) tn_ncopy_run(&v->turn, given->data, seen[i].data);
    }
    inner.in = in;
    inner.out = out;
    inner.params = t->params;
    inner.attrs = &t->attrs;
    TN_TRY(t->run(&inner, err));
    for (int i = 0; i < t->n; i++)
        if (t->v[i].is_out && tn_tensor_count(&seen[i]))
            tn_ncopy_run(&t->v[i].turn, seen[i].data, r->out[t->v[i].index]->data);
    return TN_OK;
}
