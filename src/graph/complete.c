/* SPDX-License-Identifier: Apache-2.0
 *
 * complete.c - what a signature implies for an operation that is being added: attributes that follow from
 * its inputs (T, N, Tin), defaults, the dtypes of its outputs; and whether all of it is allowed.
 *
 * Invariant: the operation of a completed spec has every attribute its signature declares, each of the
 * declared kind and allowed value, and inputs of the dtypes these say.
 */
#include "inside.h"

typedef struct completion {
    const tn_op *def;
    const tn_sig *sig;
    const tn_operation_spec *spec;
    tn_arena *arena;
    tn_attr *v;
    int n;
} completion;

static tn_attr *find(completion *c, const char *name)
{
    const tn_attrs all = {c->v, c->n};
    return (tn_attr *)tn_attr_find(&all, name);
}

static void push(completion *c, tn_attr attr)
{
    c->v[c->n++] = attr;
}

/* ==== given attributes ==== */

static const char *kind_text(tn_attr_kind kind, bool is_list, char *buf, size_t n)
{
    static const char *const names[] = {"string", "int", "float", "bool", "type", "shape", "tensor", "func"};
    snprintf(buf, n, is_list ? "list(%s)" : "%s", names[kind]);
    return buf;
}

static const tn_sig_attr *declared(const tn_sig *sig, const char *name)
{
    for (int i = 0; i < sig->n_attrs; i++) {
        if (!strcmp(sig->attrs[i].name, name)) return &sig->attrs[i];
    }
    return NULL;
}

static tn_code check_type(const tn_sig_attr *d, tn_dtype t, tn_error *err)
{
    bool exists = t > TN_INVALID_DTYPE && t < TN_DTYPE_COUNT;
    if (exists && (!d->allowed_types || (d->allowed_types >> t & 1))) return TN_OK;
    tn_code code =
        tn_fail(err, TN_INVALID_ARGUMENT,
                "Value for attr '%s' of %s is not in the list of allowed values:", d->name, tn_dtype_name(t));
    for (int k = 1; k < TN_DTYPE_COUNT; k++) {
        if (d->allowed_types >> k & 1) tn_note(err, "%s", tn_dtype_name((tn_dtype)k));
    }
    return code;
}

static tn_code check_string(const tn_sig_attr *d, tn_bytes s, tn_error *err)
{
    for (const char *at = d->allowed_strings; at;) {
        size_t n = strcspn(at, "|");
        if (n == s.n && !memcmp(at, s.p, n)) return TN_OK;
        at = at[n] ? at + n + 1 : NULL;
    }
    if (!d->allowed_strings) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Value for attr '%s' of \"%.*s\" is not in the list of allowed values: %s", d->name,
                   (int)TN_MIN(s.n, (size_t)80), s.p, d->allowed_strings);
}

static tn_code check_min(const tn_sig_attr *d, const tn_attr *a, tn_error *err)
{
    if (!d->has_min) return TN_OK;
    if (a->is_list && a->n < d->min) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "Length for attr '%s' of %d must be at least minimum %lld",
                       d->name, a->n, (long long)d->min);
    }
    if (!a->is_list && a->kind == TN_ATTR_INT && a->i < d->min) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "Value for attr '%s' of %lld must be at least minimum %lld",
                       d->name, (long long)a->i, (long long)d->min);
    }
    return TN_OK;
}

static tn_code check_kind(const tn_sig_attr *d, tn_attr *a, tn_error *err)
{
    char is[32], wanted[32];
    if (a->is_list && d->is_list && a->n == 0) a->kind = d->kind; /* an empty list in a file has no kind */
    if (a->kind == d->kind && a->is_list == d->is_list) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "AttrValue had value with type '%s' when '%s' expected for attr '%s'",
                   kind_text(a->kind, a->is_list, is, sizeof is),
                   kind_text(d->kind, d->is_list, wanted, sizeof wanted), d->name);
}

static tn_code check_attr(const tn_sig_attr *d, tn_attr *a, tn_error *err)
{
    TN_TRY(check_kind(d, a, err));
    TN_TRY(check_min(d, a, err));
    int n = a->is_list ? a->n : 1;
    for (int i = 0; i < n; i++) {
        if (a->kind == TN_ATTR_TYPE) TN_TRY(check_type(d, a->is_list ? a->types[i] : a->type, err));
        if (a->kind == TN_ATTR_STRING) TN_TRY(check_string(d, a->is_list ? a->ss[i] : a->s, err));
    }
    if (a->kind == TN_ATTR_TENSOR && !a->is_list && !a->tensor) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "attr '%s' has no tensor", d->name);
    }
    return TN_OK;
}

static tn_code check_given(completion *c, tn_error *err)
{
    for (int i = 0; i < c->spec->n_attrs; i++) {
        tn_attr *a = &c->v[i];
        const tn_sig_attr *d = declared(c->sig, a->name);
        if (d)
            TN_TRY(check_attr(d, a, err));
        else if (a->name[0] != '_' && !c->spec->is_file) {
            return tn_fail(err, TN_INVALID_ARGUMENT, "mentions attr '%s' not in Op<name=%s; signature=%s>",
                           a->name, c->def->name, c->def->sig);
        }
    }
    return TN_OK;
}

/* ==== inputs ==== */

/* Inputs of an argument; -1: an attribute says, which is not there. */
static int64_t length_of(completion *c, const tn_sig_arg *arg)
{
    const char *name = arg->number_attr ? arg->number_attr : arg->type_list_attr;
    if (!name) return 1;
    const tn_attr *a = find(c, name);
    if (!a) return -1;
    return arg->number_attr ? a->i : a->n;
}

/* Attribute N (or the length of Tin) that follows from how many inputs are left for the lists. */
static tn_code imply_length(completion *c, tn_error *err)
{
    const tn_sig_arg *open = NULL;
    int64_t rest = c->spec->n_in, lists = 0;
    for (int i = 0; i < c->sig->n_in; i++) {
        const tn_sig_arg *arg = &c->sig->in[i];
        int64_t n = length_of(c, arg);
        if (n < 0 && arg->number_attr && find(c, arg->number_attr))
            rest = -1;
        else if (n >= 0)
            rest = n > rest ? -1 : rest - n;
        else if (!open ||
                 (open->number_attr && arg->number_attr && !strcmp(open->number_attr, arg->number_attr))) {
            open = arg;
            lists++;
        } else {
            return tn_fail(err, TN_INVALID_ARGUMENT, "attr '%s' must be given",
                           arg->number_attr ? arg->number_attr : arg->type_list_attr);
        }
        if (rest < 0) break;
    }
    if (rest < 0 || (!open && rest) || (open && rest % lists)) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d inputs specified do not match signature \"%s\"",
                       c->spec->n_in, c->def->sig);
    }
    if (!open) return TN_OK;
    if (open->number_attr) {
        push(c, tn_attr_int(open->number_attr, rest / lists));
        return TN_OK;
    }
    tn_dtype *types = TN_ARRAY(c->arena, TN_MAX(rest, 1), tn_dtype);
    if (!types) return tn_no_memory(err, (size_t)rest * sizeof *types);
    push(c, tn_attr_types(open->type_list_attr, types, (int)rest)); /* filled as the inputs are seen */
    return TN_OK;
}

static tn_code wrong_type(const tn_sig_arg *arg, tn_dtype is, tn_dtype wanted, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "input '%s' has type %s that does not match expected type of %s",
                   arg->name, tn_dtype_name(is), tn_dtype_name(wanted));
}

/* The dtype an argument's element must have; implies the attribute that names it when it is open. */
static tn_code check_input(completion *c, const tn_sig_arg *arg, int element, tn_dtype type, tn_error *err)
{
    tn_dtype base = tn_dtype_base(type), wanted = arg->type;
    if (base == TN_INVALID_DTYPE)
        return TN_OK; /* of an operator we do not have: the attributes must be given */
    if (arg->is_ref && !tn_dtype_is_ref(type)) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "input '%s' must be a reference to a variable, not a %s",
                       arg->name, tn_dtype_name(type));
    }
    if (arg->type_list_attr) {
        const tn_attr *list = find(c, arg->type_list_attr);
        wanted = list->types[element];
        if (wanted == TN_INVALID_DTYPE) ((tn_dtype *)list->types)[element] = wanted = base;
    } else if (arg->type_attr) {
        const tn_attr *a = find(c, arg->type_attr);
        if (!a) push(c, tn_attr_type(arg->type_attr, base));
        wanted = a ? a->type : base;
    }
    return base == wanted ? TN_OK : wrong_type(arg, base, wanted, err);
}

static tn_code check_inputs(completion *c, tn_error *err)
{
    int at = 0;
    for (int i = 0; i < c->sig->n_in; i++) {
        const tn_sig_arg *arg = &c->sig->in[i];
        int n = (int)length_of(c, arg);
        for (int k = 0; k < n; k++, at++) {
            if (!c->spec->in[at].op) continue; /* a back edge, set later */
            TN_TRY(check_input(c, arg, k, tn_node_dtype(c->spec->in[at]), err));
        }
    }
    return TN_OK;
}

/* ==== the rest ==== */

static tn_code fill_defaults(completion *c, tn_error *err)
{
    for (int i = 0; i < c->sig->n_attrs; i++) {
        const tn_sig_attr *d = &c->sig->attrs[i];
        tn_attr *a = find(c, d->name);
        if (!a && !d->has_default) {
            return tn_fail(err, TN_INVALID_ARGUMENT, "missing attr '%s' (%s)", d->name, c->def->sig);
        }
        if (!a)
            push(c, d->def);
        else if (a >= c->v + c->spec->n_attrs)
            TN_TRY(check_attr(d, a, err)); /* implied by inputs */
    }
    return TN_OK;
}

static tn_dtype output_type(completion *c, const tn_sig_arg *arg, int element)
{
    tn_dtype t = arg->type;
    if (arg->type_list_attr)
        t = find(c, arg->type_list_attr)->types[element];
    else if (arg->type_attr)
        t = find(c, arg->type_attr)->type;
    return arg->is_ref ? (tn_dtype)(t + TN_REF) : t;
}

static tn_code find_outputs(completion *c, tn_completed *out, tn_error *err)
{
    int64_t n = 0;
    for (int i = 0; i < c->sig->n_out; i++) {
        int64_t more = length_of(c, &c->sig->out[i]);
        n = more < 0 || more > TN_MAX_OUTPUTS ? TN_MAX_OUTPUTS + 1 : n + more;
        if (n > TN_MAX_OUTPUTS)
            return tn_fail(err, TN_INVALID_ARGUMENT, "more than %d outputs", TN_MAX_OUTPUTS);
    }
    out->out_types = TN_ARRAY(c->arena, TN_MAX(n, 1), tn_dtype);
    if (!out->out_types) return tn_no_memory(err, (size_t)n * sizeof(tn_dtype));
    for (int i = 0, at = 0; i < c->sig->n_out; i++) {
        const tn_sig_arg *arg = &c->sig->out[i];
        int64_t length = length_of(c, arg);
        for (int k = 0; k < length; k++) out->out_types[at++] = output_type(c, arg, k);
    }
    out->n_out = (int)n;
    return TN_OK;
}

tn_code tn_complete(const tn_op *def, const tn_operation_spec *spec, tn_arena *a, tn_completed *out,
                    tn_error *err)
{
    completion c = {.def = def, .sig = tn_op_sig(def), .spec = spec, .arena = a, .n = spec->n_attrs};
    if (!c.sig) return tn_no_memory(err, strlen(def->sig));
    c.v = TN_ARRAY(a, TN_MAX(spec->n_attrs + c.sig->n_attrs, 1), tn_attr);
    if (!c.v) return tn_no_memory(err, (size_t)(spec->n_attrs + c.sig->n_attrs) * sizeof(tn_attr));
    if (spec->n_attrs) memcpy(c.v, spec->attrs, (size_t)spec->n_attrs * sizeof(tn_attr));
    TN_TRY(check_given(&c, err));
    TN_TRY(imply_length(&c, err));
    TN_TRY(check_inputs(&c, err));
    TN_TRY(fill_defaults(&c, err));
    TN_TRY(find_outputs(&c, out, err));
    out->attrs = c.v;
    out->n_attrs = c.n;
    return TN_OK;
}
