/* SPDX-License-Identifier: Apache-2.0
 *
 * op_iterator.c - the operators of iterators over data sets: made, over a data set, asked for the next
 * element; and what takes a data set's elements without one: DatasetToSingleElement, ReduceDataset.
 *
 * A node that is fed instead is not run: its values' dtypes and shapes are known as those of placeholders
 * are.
 */
#include "../ops/boxed.h"
#include "iterator.h"

#include "../ops/list.h"
#include "../plan/state.h"

/* ==== making ==== */

/* With a reference on it. */
static tn_code named_iterator(const tn_run *r, tn_resource **out, tn_error *err)
{
    char *name = tn_iterator_name(r);
    if (!name) return tn_no_memory(err, 0);
    tn_code code = tn_run_session_resource(r, TN_RES_ITERATOR, name, tn_iterator_make, out, err);
    tn_free(name);
    if (code == TN_OK && (code = tn_iterator_check(*out, r, err)) != TN_OK) tn_resource_unref(*out);
    return code;
}

static tn_code named_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(named_iterator(r, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}

static tn_code anonymous_run(tn_run *r, tn_error *err)
{
    tn_resource *res = tn_iterator_make(r);
    if (!res) return tn_no_memory(err, 0);
    if (r->n_out > 1) {
        tn_variant **deleter = r->out[1]->data;
        tn_variant_unref(*deleter);
        *deleter = NULL;
    }
    return tn_run_new_resource(r, 0, res, err);
}

/* Over what the function makes, once in a session. */
static tn_code begin_once(const tn_run *r, tn_resource *res, tn_error *err)
{
    const tn_func_attr *f = tn_attr_get_func(r->attrs, "dataset_factory");
    tn_tensor *made;
    tn_dataset *d;
    if (tn_iterator_has_begun(res)) return TN_OK;
    if (!f || !f->name) return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has no dataset_factory", r->name);
    tn_function_call call = {
        .owner = tn_iterator_owner(res), .function = f->name, .n_out = 1, .depth = tn_run_depth(r) + 1};
    TN_TRY(tn_call_function(r, &call, &made, err));
    tn_code code = tn_dataset_of(made, &d, err);
    if (code == TN_OK) code = tn_iterator_begin(res, r, d, true, err);
    tn_tensor_unref(made);
    return code;
}

static tn_code one_shot_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(named_iterator(r, &res, err));
    tn_code code = begin_once(r, res, err);
    if (code == TN_OK) return tn_run_new_resource(r, 0, res, err);
    tn_resource_unref(res);
    return code;
}

static tn_code begin_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    tn_dataset *d;
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    TN_TRY(tn_run_resource(r, 1, TN_RES_ITERATOR, &res, err));
    return tn_iterator_begin(res, r, d, false, err);
}

/* ==== asking ==== */

tn_code tn_element_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_attr *s = tn_attr_find(c->attrs, "output_shapes");
    for (int o = 0; s && s->kind == TN_ATTR_SHAPE && s->is_list && o < s->n && o < c->n_out; o++)
        c->out[o].shape = s->shapes[o];
    return TN_OK;
}

/* Others count on the dtypes and shapes that the attributes say. */
tn_code tn_element_give(tn_run *r, tn_tensor *const *e, int width, tn_error *err)
{
    const tn_attr *s = tn_attr_find(r->attrs, "output_shapes");
    char a[128], b[128];
    if (width != r->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Number of components does not match: expected %d types but got %d.", r->n_out, width);
    for (int o = 0; o < width; o++) {
        if (e[o]->dtype != r->out[o]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Data type mismatch at component %d: expected %s but got %s.", o,
                           tn_dtype_name(r->out[o]->dtype), tn_dtype_name(e[o]->dtype));
        if (s && s->is_list && o < s->n && !tn_shape_compatible(&e[o]->shape, &s->shapes[o]))
            return tn_fail(
                err, TN_INVALID_ARGUMENT, "Incompatible shapes at component %d: expected %s but got %s.", o,
                tn_shape_text(&s->shapes[o], a, sizeof a), tn_shape_text(&e[o]->shape, b, sizeof b));
        TN_TRY(tn_run_output_share(r, o, e[o], err));
    }
    return TN_OK;
}

/* The next element, of *width tensors, or *end; to be released by tn_element_drop and tn_free, also when it fails. */
static tn_code take_next(tn_run *r, tn_tensor ***e, int *width, bool *end, tn_error *err)
{
    tn_resource *res;
    *e = NULL;
    *width = 0;
    TN_TRY(tn_run_resource(r, 0, TN_RES_ITERATOR, &res, err));
    *width = tn_iterator_width(res);
    *e = tn_element_new(*width);
    return *e ? tn_iterator_next(res, r, *e, end, err) : tn_no_memory(err, 0);
}

static tn_code next_run(tn_run *r, tn_error *err)
{
    tn_tensor **e;
    int width;
    bool end;
    tn_code code = take_next(r, &e, &width, &end, err);
    if (code == TN_OK && end) code = tn_fail(err, TN_OUT_OF_RANGE, "End of sequence");
    if (code == TN_OK) code = tn_element_give(r, e, width, err);
    tn_element_drop(e, width);
    tn_free(e);
    return code;
}

static tn_code next_optional_run(tn_run *r, tn_error *err)
{
    tn_tensor **e;
    int width;
    bool end;
    tn_code code = take_next(r, &e, &width, &end, err);
    tn_optional *o = code == TN_OK ? tn_optional_new((const tn_tensor *const *)e, end ? 0 : width) : NULL;
    if (code == TN_OK && !o) code = tn_no_memory(err, 0);
    if (o) {
        tn_variant **at = r->out[0]->data;
        tn_variant_unref(*at);
        *at = &o->head;
    }
    tn_element_drop(e, width);
    tn_free(e);
    return code;
}

/* ==== where they are ==== */

static tn_code save_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    tn_tensor *state;
    const tn_shape one = TN_SHAPE(1);
    TN_TRY(tn_run_resource(r, 0, TN_RES_ITERATOR, &res, err));
    TN_TRY(tn_iterator_save(res, r, &state, err));
    tn_code code = tn_run_output(r, 0, &one, err);
    if (code == TN_OK) code = tn_box_put(r->out[0], 0, state, err);
    tn_tensor_unref(state);
    return code;
}

static tn_code restore_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    tn_tensor *state;
    TN_TRY(tn_run_resource(r, 0, TN_RES_ITERATOR, &res, err));
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': one variant is wanted, not %lld", r->name,
                       (long long)tn_tensor_count(r->in[1]));
    TN_TRY(tn_box_take(r->in[1], 0, &state, err));
    tn_code code = tn_iterator_restore(res, r, state, err);
    tn_tensor_unref(state);
    return code;
}

static tn_code state_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_rank(c, 0, 1);
    return TN_OK;
}

/* ==== names ==== the string handle of an iterator is what the session knows it by */

static tn_code to_string_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_ITERATOR, &res, err));
    return tn_string_set(r->out[0], 0, res->name, strlen(res->name), err);
}

static tn_code from_string_run(tn_run *r, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[0]);
    tn_resource *res;
    if (r->in[0]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "string_handle must be a scalar");
    tn_buf name = {0};
    tn_buf_add(&name, s->p, s->n);
    bool fits = s->n > 9 && memcmp(s->p, "iterator:", 9) == 0 && !memchr(s->p, 0, s->n);
    tn_code code = tn_buf_check(&name, err);
    if (code == TN_OK && !fits)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse string_handle as a valid ResourceHandle");
    if (code == TN_OK) code = tn_run_find_resource(r, TN_RES_ITERATOR, name.data, &res, err);
    tn_buf_free(&name);
    if (code != TN_OK) return code;
    if ((code = tn_iterator_check(res, r, err)) == TN_OK) return tn_run_new_resource(r, 0, res, err);
    tn_resource_unref(res);
    return code;
}

static tn_code device_run(tn_run *r, tn_error *err)
{
    static const char device[] = "/job:localhost/replica:0/task:0/device:CPU:0";
    return tn_string_set(r->out[0], 0, device, sizeof device - 1, err);
}

static tn_code nothing_run(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

/* ==== elements without an iterator ==== */

static tn_code single(tn_source *s, tn_pull *t, tn_tensor **e, tn_error *err)
{
    bool end;
    tn_tensor **more = tn_element_new(s->d->width);
    if (!more) return tn_no_memory(err, 0);
    tn_code code = tn_source_next(s, t, e, &end, err);
    if (code == TN_OK && end) code = tn_fail(err, TN_INVALID_ARGUMENT, "Dataset was empty.");
    if (code == TN_OK && (code = tn_source_next(s, t, more, &end, err)) == TN_OK && !end)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "Dataset had more than one element.");
    tn_element_drop(more, s->d->width);
    tn_free(more);
    return code;
}

static tn_code single_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_source *s = NULL;
    tn_pull t = tn_turn_of(r, r->name);
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    tn_tensor **e = tn_element_new(d->width);
    tn_code code = e ? tn_source_start(d, &t, &s, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = single(s, &t, e, err);
    if (code == TN_OK) code = tn_element_give(r, e, d->width, err);
    tn_source_stop(s);
    tn_element_drop(e, d->width);
    tn_free(e);
    return code;
}

static tn_code cardinality_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    TN_INT64S(r->out[0])[0] = tn_dataset_cardinality(d);
    return TN_OK;
}

typedef struct reduction {
    tn_source *from;
    const char *function;
    tn_tensor **args; /* the state, the element, what is captured */
    int n_state, n_captured;
} reduction;

/* The state is replaced by what the function makes of it and the next element. */
static tn_code reduce_one(tn_run *r, reduction *q, tn_pull *t, bool *end, tn_error *err)
{
    int width = q->from->d->width;
    TN_TRY(tn_source_next(q->from, t, q->args + q->n_state, end, err));
    if (*end) return TN_OK;
    tn_tensor **state = tn_element_new(q->n_state);
    if (!state) return tn_no_memory(err, 0);
    tn_function_call call = {.owner = t->owner,
                             .function = q->function,
                             .args = q->args,
                             .n_args = q->n_state + width + q->n_captured,
                             .n_out = q->n_state,
                             .depth = t->depth + 1};
    tn_code code = tn_call_function(r, &call, state, err);
    for (int i = 0; code == TN_OK && i < q->n_state; i++) {
        tn_tensor_unref(q->args[i]);
        q->args[i] = state[i];
    }
    tn_free(state);
    tn_element_drop(q->args + q->n_state, width);
    return code;
}

static tn_code reduce_all(tn_run *r, reduction *q, tn_pull *t, tn_error *err)
{
    int width = q->from->d->width;
    bool end = false;
    for (int i = 0; i < q->n_state + q->n_captured; i++)
        TN_TRY(tn_tensor_keep(r->in[1 + i], &q->args[i < q->n_state ? i : i + width], err));
    while (!end) TN_TRY(reduce_one(r, q, t, &end, err));
    return tn_element_give(r, q->args, q->n_state, err);
}

static tn_code reduce_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_pull t = tn_turn_of(r, r->name);
    const tn_func_attr *f = tn_attr_get_func(r->attrs, "f");
    if (!f || !f->name) return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has no function f", r->name);
    TN_TRY(tn_dataset_of(r->in[0], &d, err));
    reduction q = {.function = f->name,
                   .n_state = tn_dataset_count(r, "Tstate"),
                   .n_captured = tn_dataset_count(r, "Targuments")};
    int n = q.n_state + d->width + q.n_captured;
    if (1 + q.n_state + q.n_captured != r->n_in)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': inputs", r->name);
    q.args = tn_element_new(n);
    tn_code code = q.args ? tn_source_start(d, &t, &q.from, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = reduce_all(r, &q, &t, err);
    tn_source_stop(q.from);
    tn_element_drop(q.args, n);
    tn_free(q.args);
    return code;
}

/* ==== rows ==== */

#define ITERATOR(Op, Infer, Run, Flags, Dynamic, Sig) TN_STATE_OP(Op, Run, Infer, Flags, Dynamic, Sig)
#define NAMED "-> handle:resource; shared_name:string container:string" TN_DATA_OUT
ITERATOR(Iterator, tn_infer_scalar, named_run, 0, TN_BIT(0), NAMED);
ITERATOR(IteratorV2, tn_infer_scalar, named_run, 0, TN_BIT(0), NAMED);
ITERATOR(OneShotIterator, tn_infer_scalar, one_shot_run, 0, TN_BIT(0),
         "-> handle:resource; dataset_factory:func" TN_DATA_OUT
         " container:string=\"\" shared_name:string=\"\"");
ITERATOR(AnonymousIterator, tn_infer_scalar, anonymous_run, 0, TN_BIT(0), "-> handle:resource;" TN_DATA_OUT);
ITERATOR(AnonymousIteratorV2, tn_infer_scalar, anonymous_run, 0, TN_BIT(0),
         "-> handle:resource deleter:variant;" TN_DATA_OUT);
ITERATOR(AnonymousIteratorV3, tn_infer_scalar, anonymous_run, 0, TN_BIT(0),
         "-> handle:resource;" TN_DATA_OUT);
ITERATOR(DeleteIterator, tn_infer_none, nothing_run, TN_EFFECT, 0, "handle:resource deleter:variant -> ;");
ITERATOR(MakeIterator, tn_infer_none, begin_run, TN_EFFECT, 0, "dataset:variant iterator:resource -> ;");
#define NEXT "iterator:resource -> components:[output_types];" TN_DATA_OUT
ITERATOR(IteratorGetNext, tn_element_infer, next_run, 0, ~0u, NEXT);
ITERATOR(IteratorGetNextSync, tn_element_infer, next_run, 0, ~0u, NEXT);
ITERATOR(IteratorGetNextAsOptional, tn_infer_scalar, next_optional_run, 0, 0,
         "iterator:resource -> optional:variant;" TN_DATA_OUT);
ITERATOR(SerializeIterator, state_infer, save_run, 0, TN_BIT(0),
         "resource_handle:resource -> serialized:variant; external_state_policy:int=0");
ITERATOR(DeserializeIterator, tn_infer_none, restore_run, TN_EFFECT, 0,
         "resource_handle:resource serialized:variant -> ;");
ITERATOR(IteratorToStringHandle, tn_infer_scalar, to_string_run, 0, 0,
         "resource_handle:resource -> string_handle:string;");
#define FROM_STRING                                                                    \
    "string_handle:string -> resource_handle:resource; output_types:list(type)>=0=[] " \
    "output_shapes:list(shape)>=0=[]"
ITERATOR(IteratorFromStringHandle, tn_infer_scalar, from_string_run, 0, TN_BIT(0), FROM_STRING);
ITERATOR(IteratorFromStringHandleV2, tn_infer_scalar, from_string_run, 0, TN_BIT(0), FROM_STRING);
ITERATOR(IteratorGetDevice, tn_infer_scalar, device_run, 0, 0, "resource:resource -> device:string;");
ITERATOR(ExperimentalIteratorGetDevice, tn_infer_scalar, device_run, 0, 0,
         "resource:resource -> device:string;");
ITERATOR(DatasetCardinality, tn_infer_scalar, cardinality_run, 0, 0,
         "input_dataset:variant -> cardinality:int64; cardinality_options:string=\"\"");
ITERATOR(ExperimentalDatasetCardinality, tn_infer_scalar, cardinality_run, 0, 0,
         "input_dataset:variant -> cardinality:int64;");
ITERATOR(DatasetToSingleElement, tn_element_infer, single_run, 0, ~0u,
         "dataset:variant -> components:[output_types];" TN_DATA_META);
ITERATOR(ReduceDataset, tn_element_infer, reduce_run, TN_NO_GRADIENT, ~0u,
         "input_dataset:variant initial_state:[Tstate] other_arguments:[Targuments] -> "
         "components:[output_types]; f:func "
         "Tstate:list(type)>=1 Targuments:list(type)>=0" TN_DATA_OUT
         " use_inter_op_parallelism:bool=true metadata:string=\"\"");
