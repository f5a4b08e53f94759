/* SPDX-License-Identifier: Apache-2.0
 *
 * op_queue.c - the operators on queues (queue.h). The first version's handles are declared as references to
 * strings, but what stands in them is a resource as well.
 */
#include "../plan/state.h"
#include "op_move.h"
#include "queue.h"

/* ==== making ==== */

static tn_queue_kind kind_of(const char *name)
{
    return !strncmp(name, "Padding", 7)    ? TN_QUEUE_PADDING
           : !strncmp(name, "Random", 6)   ? TN_QUEUE_SHUFFLE
           : !strncmp(name, "Priority", 8) ? TN_QUEUE_PRIORITY
                                           : TN_QUEUE_FIFO;
}

/* The components of a tuple; a priority stands before them. More than there is room for: 0. */
enum { MOST = 64 };
static int read_components(const tn_attrs *attrs, tn_queue_kind kind, tn_dtype *types, tn_shape *shapes,
                           bool *shaped)
{
    const tn_attr *t = tn_attr_find(attrs, "component_types"), *s = tn_attr_find(attrs, "shapes");
    int n = 0, given = t ? t->n : 0, n_shapes = s ? s->n : 0;
    bool by_priority = kind == TN_QUEUE_PRIORITY;
    if (by_priority) {
        types[n] = TN_INT64;
        shapes[n++] = (tn_shape){.rank = 0};
    }
    if (given + n > MOST || (n_shapes && n_shapes != given)) return 0;
    for (int i = 0; i < given; i++, n++) {
        types[n] = t->types[i];
        shapes[n] = n_shapes ? s->shapes[i] : tn_shape_unknown();
    }
    *shaped = n_shapes > 0 || by_priority;
    return n;
}

static tn_resource *make_queue(const tn_run *r)
{
    tn_dtype types[MOST];
    tn_shape shapes[MOST];
    bool shaped;
    tn_queue_kind kind = kind_of(r->op->name);
    int n = read_components(r->attrs, kind, types, shapes, &shaped);
    tn_queue *q =
        tn_queue_new(r->name, kind, n, types, shaped ? shapes : NULL, tn_attr_i(r->attrs, "capacity"));
    if (!q) return NULL;
    int64_t seed = 0, seed2 = 0;
    tn_attr_get_int(r->attrs, "min_after_dequeue", &q->min_after_dequeue);
    tn_attr_get_int(r->attrs, "seed", &seed);
    tn_attr_get_int(r->attrs, "seed2", &seed2);
    if (!seed && !seed2) seed = (int64_t)tn_hash(r->name, strlen(r->name));
    tn_philox_init(&q->random, (uint64_t)seed, (uint64_t)seed2);
    return &q->base;
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    tn_dtype types[MOST];
    tn_shape shapes[MOST];
    tn_resource *res;
    bool shaped;
    if (!read_components(r->attrs, kind_of(r->op->name), types, shapes, &shaped))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "a queue of 1 to %d components, with as many shapes or none, is needed", MOST);
    TN_TRY(tn_run_own_resource(r, TN_RES_QUEUE, "", make_queue, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}

static tn_code same_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_QUEUE, &res, err));
    return tn_run_new_resource(r, 0, tn_resource_ref(res), err);
}
TN_STATE_OP(FakeQueue, same_run, tn_infer_scalar, TN_NO_GRADIENT, TN_BIT(0), "resource:resource -> handle:&string;");

#define QUEUE(Name, Sig) TN_STATE_OP(Name, new_run, tn_infer_scalar, TN_NO_GRADIENT, TN_BIT(0), Sig)
#define SHARED " capacity:int=-1 container:string=\"\" shared_name:string=\"\""
#define SHUFFLED                                                                             \
    " capacity:int=-1 min_after_dequeue:int=0 seed:int=0 seed2:int=0 container:string=\"\" " \
    "shared_name:string=\"\""
#define OF "; component_types:list(type)>=1 shapes:list(shape)>=0=[]"
#define OF_PRIORITY "; component_types:list(type)>=0=[] shapes:list(shape)>=0"
QUEUE(FIFOQueue, "-> handle:&string" OF SHARED);
QUEUE(FIFOQueueV2, "-> handle:resource" OF SHARED);
QUEUE(PaddingFIFOQueue, "-> handle:&string" OF SHARED);
QUEUE(PaddingFIFOQueueV2, "-> handle:resource" OF SHARED);
QUEUE(RandomShuffleQueue, "-> handle:&string" OF SHUFFLED);
QUEUE(RandomShuffleQueueV2, "-> handle:resource" OF SHUFFLED);
QUEUE(PriorityQueue, "-> handle:&string" OF_PRIORITY SHARED);
QUEUE(PriorityQueueV2, "-> handle:resource" OF_PRIORITY SHARED);

static tn_code queue_of(const tn_run *r, tn_queue **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_QUEUE, &res, err));
    *out = (tn_queue *)res;
    return TN_OK;
}

/* ==== enqueue ==== */

/* rows: of each component is one row an element. */
static tn_code check_tuple(const tn_queue *q, const tn_run *r, bool rows, tn_error *err)
{
    char a[128], b[128];
    if (r->n_in - 1 != q->width)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Wrong number of components in tuple. Expected %d, got %d",
                       q->width, r->n_in - 1);
    for (int i = 0; i < q->width; i++) {
        const tn_tensor *t = r->in[i + 1];
        tn_shape s = t->shape;
        if (t->dtype != q->types[i])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Type mismatch in tuple component %d. Expected %s, got %s", i,
                           tn_dtype_name(q->types[i]), tn_dtype_name(t->dtype));
        if (rows && (s.rank < 1 || s.dim[0] != r->in[1]->shape.dim[0]))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "All input tensors must have the same size in the 0th dimension");
        if (rows) {
            s.rank--;
            memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof *s.dim);
        }
        if (q->shapes && !tn_shape_compatible(&q->shapes[i], &s))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Shape mismatch in tuple component %d. Expected %s, got %s", i,
                           tn_shape_text(&q->shapes[i], a, sizeof a), tn_shape_text(&s, b, sizeof b));
    }
    return TN_OK;
}

static void drop_tuples(tn_tensor **v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) tn_tensor_unref(v[i]);
    tn_free(v);
}

typedef tn_code (*part_fn)(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err);

static tn_code tuple_of(const tn_run *r, part_fn get, int64_t i, tn_tensor **tuple, tn_error *err)
{
    for (int k = 0; k < r->n_in - 1; k++) {
        tn_code code = get(r->in[k + 1], i, &tuple[k], err);
        if (code == TN_OK) continue;
        while (k--) tn_tensor_unref(tuple[k]);
        return code;
    }
    return TN_OK;
}

static tn_code whole_of(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err)
{
    (void)i;
    return tn_tensor_keep(t, out, err);
}

static tn_code row_of(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err)
{
    tn_shape s = t->shape;
    s.rank--;
    memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof *s.dim);
    size_t bytes = (size_t)tn_shape_count(&s) * tn_dtype_size(t->dtype);
    tn_tensor view = tn_tensor_view(t->dtype, &s, (char *)t->data + (size_t)i * bytes);
    return tn_tensor_copy(&view, out, err);
}

static tn_code make_whole(const void *run, int64_t i, tn_tensor **tuple, tn_error *err)
{
    return tuple_of(run, whole_of, i, tuple, err);
}

static tn_code make_row(const void *run, int64_t i, tn_tensor **tuple, tn_error *err)
{
    return tuple_of(run, row_of, i, tuple, err);
}

static tn_code enqueue_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(queue_of(r, &q, err));
    TN_TRY(check_tuple(q, r, false, err));
    return tn_queue_put(q, r, 1, make_whole, r, err);
}

/* One after another, so that more than the queue's capacity can pass through it. */
static tn_code enqueue_many_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(queue_of(r, &q, err));
    TN_TRY(check_tuple(q, r, true, err));
    return tn_queue_put(q, r, r->in[1]->shape.dim[0], make_row, r, err);
}

#define ON_QUEUE(Name, Flags, Run, Infer, Dynamic, Sig) TN_STATE_OP(Name, Run, Infer, TN_EFFECT | (Flags), Dynamic, Sig)
#define PUT " components:[Tcomponents] -> ; Tcomponents:list(type)>=1 timeout_ms:int=-1"
ON_QUEUE(QueueEnqueue, TN_NO_GRADIENT, enqueue_run, tn_infer_none, 0, "handle:&string" PUT);
ON_QUEUE(QueueEnqueueV2, 0, enqueue_run, tn_infer_none, 0, "handle:resource" PUT);
ON_QUEUE(QueueEnqueueMany, TN_NO_GRADIENT, enqueue_many_run, tn_infer_none, 0, "handle:&string" PUT);
ON_QUEUE(QueueEnqueueManyV2, 0, enqueue_many_run, tn_infer_none, 0, "handle:resource" PUT);

/* ==== dequeue ==== */

static tn_code check_outputs(const tn_queue *q, const tn_run *r, tn_error *err)
{
    if (r->n_out != q->width)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d components are asked for, the queue has %d", r->n_out,
                       q->width);
    for (int i = 0; i < q->width; i++)
        if (r->out[i]->dtype != q->types[i])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Type mismatch between component %d: %s and %s", i,
                           tn_dtype_name(r->out[i]->dtype), tn_dtype_name(q->types[i]));
    return TN_OK;
}

static tn_code dequeue_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    tn_tensor *tuple[MOST];
    int64_t n;
    TN_TRY(queue_of(r, &q, err));
    TN_TRY(check_outputs(q, r, err));
    TN_TRY(tn_queue_take(q, r, 1, false, tuple, &n, err));
    tn_code code = TN_OK;
    for (int i = 0; i < q->width; i++) {
        if (code == TN_OK) code = tn_run_output_share(r, i, tuple[i], err);
        tn_tensor_unref(tuple[i]);
    }
    return code;
}

/* The shape of component i of a batch: the queue's, where that is unknown the longest. */
static tn_code batch_shape(const tn_queue *q, int i, tn_tensor *const *tuples, int64_t n, tn_shape *out,
                           tn_error *err)
{
    const tn_shape *s = &q->shapes[i];
    if (s->rank < 0 || s->rank == TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "component %d of '%s' has no rank", i, q->base.name);
    out->rank = s->rank + 1;
    out->dim[0] = n;
    for (int k = 0; k < s->rank; k++) {
        out->dim[k + 1] = TN_MAX(s->dim[k], 0);
        for (int64_t j = 0; s->dim[k] < 0 && j < n; j++)
            out->dim[k + 1] = TN_MAX(out->dim[k + 1], tuples[j * q->width + i]->shape.dim[k]);
    }
    return TN_OK;
}

/* An element into the corner of its row, which is zeros elsewhere. */
static tn_code put_row(tn_tensor *out, int64_t row, const tn_tensor *t, tn_error *err)
{
    tn_move m = {.out0 = row * tn_shape_product(&out->shape, 1, out->shape.rank)};
    int64_t to[TN_MAX_RANK], from[TN_MAX_RANK];
    tn_shape s = t->shape;
    tn_shape_strides(&out->shape, to);
    tn_shape_strides(&s, from);
    for (int k = 0; k < s.rank; k++) tn_move_dim(&m, s.dim[k], to[k + 1], from[k]);
    if (s.rank == 0) tn_move_dim(&m, 1, 1, 1);
    TN_TRY(tn_move_ready(&m, t->dtype, 1, err));
    return tn_move_run(&m, out, t, err);
}

static tn_code put_batch(tn_run *r, const tn_queue *q, tn_tensor *const *tuples, int64_t n, tn_error *err)
{
    for (int i = 0; i < q->width; i++) {
        tn_shape s;
        TN_TRY(batch_shape(q, i, tuples, n, &s, err));
        TN_TRY(tn_run_output(r, i, &s, err));
        if (tn_dtype_is_pod(q->types[i]) && tn_tensor_bytes(r->out[i]))
            memset(r->out[i]->data, 0, tn_tensor_bytes(r->out[i]));
        for (int64_t j = 0; j < n; j++) TN_TRY(put_row(r->out[i], j, tuples[j * q->width + i], err));
    }
    return TN_OK;
}

static tn_code check_many(const tn_queue *q, const tn_run *r, int64_t *n, tn_error *err)
{
    TN_TRY(check_outputs(q, r, err));
    TN_TRY(tn_int_of(r->in[1], "n", n, err));
    if (*n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "DequeueManyOp requested %lld < 0 elements", (long long)*n);
    for (int i = 0; i < q->width; i++)
        if (!q->shapes || (q->kind != TN_QUEUE_PADDING && !tn_shape_known(&q->shapes[i])))
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "DequeueMany and DequeueUpTo of '%s' require the components to have specified shapes.",
                q->base.name);
    return TN_OK;
}

static tn_code take_many(tn_run *r, bool less, tn_error *err)
{
    tn_queue *q;
    int64_t n, taken = 0;
    TN_TRY(queue_of(r, &q, err));
    TN_TRY(check_many(q, r, &n, err));
    if (n > 1 << 26) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%lld elements at once", (long long)n);
    tn_tensor **tuples = tn_calloc((size_t)(n + 1), (size_t)q->width * sizeof *tuples);
    if (!tuples) return tn_no_memory(err, (size_t)n * sizeof *tuples);
    tn_code code = tn_queue_take(q, r, n, less, tuples, &taken, err);
    if (code == TN_OK) code = put_batch(r, q, tuples, taken, err);
    drop_tuples(tuples, taken * q->width);
    return code;
}

static tn_code dequeue_many_run(tn_run *r, tn_error *err)
{
    return take_many(r, false, err);
}

static tn_code dequeue_up_to_run(tn_run *r, tn_error *err)
{
    return take_many(r, true, err);
}

#define GET " -> components:[component_types]; component_types:list(type)>=1 timeout_ms:int=-1"
ON_QUEUE(QueueDequeue, TN_NO_GRADIENT, dequeue_run, tn_infer_none, ~0u, "handle:&string" GET);
ON_QUEUE(QueueDequeueV2, 0, dequeue_run, tn_infer_none, ~0u, "handle:resource" GET);
ON_QUEUE(QueueDequeueMany, TN_NO_GRADIENT, dequeue_many_run, tn_infer_none, ~0u,
         "handle:&string n:int32" GET);
ON_QUEUE(QueueDequeueManyV2, 0, dequeue_many_run, tn_infer_none, ~0u, "handle:resource n:int32" GET);
ON_QUEUE(QueueDequeueUpTo, TN_NO_GRADIENT, dequeue_up_to_run, tn_infer_none, ~0u,
         "handle:&string n:int32" GET);
ON_QUEUE(QueueDequeueUpToV2, 0, dequeue_up_to_run, tn_infer_none, ~0u, "handle:resource n:int32" GET);

/* ==== looking, closing ==== */

static tn_code size_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(queue_of(r, &q, err));
    *TN_INT32S(r->out[0]) = (int32_t)tn_queue_size(q);
    return TN_OK;
}

static tn_code is_closed_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(queue_of(r, &q, err));
    *(bool *)r->out[0]->data = tn_queue_is_closed(q);
    return TN_OK;
}

static tn_code close_run(tn_run *r, tn_error *err)
{
    tn_queue *q;
    TN_TRY(queue_of(r, &q, err));
    return tn_queue_close(q, r, tn_attr_b(r->attrs, "cancel_pending_enqueues"), err);
}

ON_QUEUE(QueueSize, TN_NO_GRADIENT, size_run, tn_infer_scalar, 0, "handle:&string -> size:int32;");
ON_QUEUE(QueueSizeV2, 0, size_run, tn_infer_scalar, 0, "handle:resource -> size:int32;");
ON_QUEUE(QueueIsClosed, TN_NO_GRADIENT, is_closed_run, tn_infer_scalar, 0,
         "handle:&string -> is_closed:bool;");
ON_QUEUE(QueueIsClosedV2, 0, is_closed_run, tn_infer_scalar, 0, "handle:resource -> is_closed:bool;");
ON_QUEUE(QueueClose, TN_NO_GRADIENT, close_run, tn_infer_none, 0,
         "handle:&string -> ; cancel_pending_enqueues:bool=false");
ON_QUEUE(QueueCloseV2, 0, close_run, tn_infer_none, 0,
         "handle:resource -> ; cancel_pending_enqueues:bool=false");
