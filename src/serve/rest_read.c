/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_read.c - the JSON body of a predict request -> tensors, without a tree in between.
 *
 * A body is read in one go, syntax and values together, with shapes taken from the nesting. Where anything is
 * unusual (an error, or the signature named behind the values) it is read again the way TensorFlow Serving
 * does it: all of the syntax first, then the members in its order, so that of several mistakes the same one
 * is told in the same words.
 */
#include "rest_fill.h"
#include "rest_text.h"

typedef tn_rest_item item;
typedef tn_rest_column column;
typedef tn_rest_reader reader;

static const char *item_shape(const item *it, char *buf, size_t n)
{
    tn_shape s = {.rank = it->rank};
    memcpy(s.dim, it->dim, sizeof s.dim);
    return tn_shape_text(&s, buf, n);
}

/* One row of an input. */
static bool fill_row(reader *r, column *c)
{
    item it = {.rank = -1, .n = -c->n};
    char wanted[192], got[192];
    if (!tn_rest_fill(r, c, &it)) return false;
    it.n += c->n;
    if (c->items++ == 0) c->first = it;
    if (it.n != c->first.n)
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Expecting tensor size: %lld but got: %lld",
                             (long long)c->first.n, (long long)it.n);
    if (it.rank != c->first.rank ||
        memcmp(it.dim, c->first.dim, (size_t)TN_MAX(it.rank, 0) * sizeof it.dim[0]) != 0)
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Expecting shape %s but got: %s",
                             item_shape(&c->first, wanted, sizeof wanted), item_shape(&it, got, sizeof got));
    return true;
}

/* ==== "instances" ==== */

/* Whether a value is an object of named ones, not {"b64": ...}. */
static bool is_named(const char *value)
{
    tn_view raw;
    bool plain;
    const char *end;
    return *value == '{' && !tn_scan_base64(value, &raw, &plain, &end);
}

static column *column_named(reader *r, tn_view name)
{
    for (int i = 0; i < r->signature->n_in; i++)
        if (tn_view_is(name, r->columns[i].input->key)) return &r->columns[i];
    return NULL;
}

/* Puts what went wrong with an element behind where it did. */
static bool wrong_row(reader *r, int64_t row, const char *key)
{
    char cause[sizeof r->error.message];
    if (!r->exact || r->error.code == TN_RESOURCE_EXHAUSTED) return false;
    memcpy(cause, r->error.message, sizeof cause);
    return tn_rest_wrong(
        r, TN_INVALID_ARGUMENT, "Failed to process element: %lld%s%s of 'instances' list. Error: %s: %s",
        (long long)row, key ? " key: " : "", key ? key : "", tn_code_name(r->error.code), cause);
}

static bool wrong_keys(reader *r, const char *element, int64_t row)
{
    tn_buf echo = {0}, names = {0};
    tn_rest_echo(element, &echo);
    for (int i = 0; i < r->signature->n_in; i++) {
        if (i) tn_buf_char(&names, ',');
        tn_buf_str(&names, r->signature->in[i].key);
    }
    tn_rest_wrong(
        r, TN_INVALID_ARGUMENT,
        "Failed to process element: %lld of 'instances' list. JSON object: %s keys must be equal to: %s",
        (long long)row, echo.data ? echo.data : "", names.data ? names.data : "");
    tn_buf_free(&echo);
    tn_buf_free(&names);
    return false;
}

/* A member of an element: a row of the input it names. */
static bool fill_member(reader *r, int64_t row)
{
    tn_view raw;
    bool plain;
    if (!tn_scan_key(&r->s, &raw, &plain)) return false;
    tn_view name = tn_scan_text(raw, plain, r->arena);
    column *c = column_named(r, name);
    bool good = c && !c->taken;
    if (good) {
        c->taken = true;
        if (fill_row(r, c)) return true;
    } else if (c) {
        tn_rest_wrong(r, TN_INVALID_ARGUMENT, "tensor parsing error: %s",
                      c->input->key); /* it is there twice */
    } else {
        tn_rest_wrong(r, TN_INVALID_ARGUMENT, "JSON object: does not have named input: %.*s",
                      (int)TN_MIN(name.n, 512), name.p);
    }
    if (!r->exact) return false;
    return wrong_row(r, row, tn_arena_strndup(r->arena, name.p, TN_MIN(name.n, 512)));
}

static bool fill_object(reader *r, int64_t row)
{
    const char *element = r->s.at++;
    bool more = true;
    int seen = 0;
    for (int i = 0; i < r->signature->n_in; i++) r->columns[i].taken = false;
    tn_scan_space(&r->s);
    if (*r->s.at == '}') {
        r->s.at++;
        more = false;
    }
    for (; more; seen++) {
        if (!fill_member(r, row)) return false;
        if (!tn_scan_next(&r->s, '}', &more)) return false;
    }
    return seen == r->signature->n_in || (r->exact && wrong_keys(r, element, row));
}

static bool fill_element(reader *r, int64_t row, bool objects)
{
    if (objects != is_named(r->s.at))
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT,
                             objects ? "Expecting object but got list at item %lld of input list"
                                     : "Expecting value/list but got object at item %lld of input list",
                             (long long)row);
    if (objects) return fill_object(r, row);
    return fill_row(r, &r->columns[0]) || wrong_row(r, row, NULL);
}

static bool read_instances(reader *r)
{
    bool more = true;
    if (*r->s.at++ != '[') return false; /* the exact way has looked */
    tn_scan_space(&r->s);
    if (*r->s.at == ']') return false;
    if (*r->s.at != '{' && r->signature->n_in > 1)
        return tn_rest_wrong(
            r, TN_INVALID_ARGUMENT,
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per "
            "tensorinfo_map");
    bool objects = is_named(r->s.at);
    for (int64_t row = 0; more; row++)
        if (!fill_element(r, row, objects) || !tn_scan_next(&r->s, ']', &more)) return false;
    return true;
}

/* ==== "inputs" ==== */

static bool read_whole(reader *r, column *c)
{
    c->first.rank = -1;
    c->items = 1;
    c->taken = true;
    return tn_rest_fill(r, c, &c->first);
}

static bool read_inputs(reader *r)
{
    bool more = true, plain;
    tn_view raw;
    if (!is_named(r->s.at)) {
        if (r->signature->n_in > 1)
            return tn_rest_wrong(
                r, TN_INVALID_ARGUMENT,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
                "per tensorinfo_map");
        return read_whole(r, &r->columns[0]);
    }
    r->s.at++;
    tn_scan_space(&r->s);
    if (*r->s.at == '}') {
        r->s.at++;
        more = false;
    }
    while (more) {
        if (!tn_scan_key(&r->s, &raw, &plain)) return false;
        column *c = column_named(r, tn_scan_text(raw, plain, r->arena));
        if (c && c->taken && !r->exact) return false;
        if (!(c && !c->taken ? read_whole(r, c) : tn_scan_value(&r->s))) return false;
        if (!tn_scan_next(&r->s, '}', &more)) return false;
    }
    for (int i = 0; i < r->signature->n_in; i++)
        if (!r->columns[i].taken)
            return tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Missing named input: %s in 'inputs' object.",
                                 r->columns[i].input->key);
    return true;
}

/* ==== the body ==== */

static void drop_columns(reader *r)
{
    for (int i = 0; r->columns && i < r->signature->n_in; i++) {
        tn_free(r->columns[i].data);
        tn_buf_free(&r->columns[i].text);
    }
    r->columns = NULL;
}

static bool find_signature(reader *r, tn_view name)
{
    const tn_loaded_signature *found = NULL;
    if (r->how->find(r->how->payload, name, &found, &r->error) != TN_OK) return false;
    if (found->n_in == 0)
        return tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Failed to get input map for signature: %.*s",
                             name.n ? (int)name.n : 7, name.n ? name.p : "DEFAULT");
    r->columns = TN_ARRAY(r->arena, found->n_in, column);
    if (!r->columns) return tn_rest_wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory");
    for (int i = 0; i < found->n_in; i++) {
        column *c = &r->columns[i];
        c->input = &found->in[i];
        c->dtype = c->input->dtype;
        c->size = c->dtype == TN_STRING ? sizeof(tn_rest_place) : TN_MAX(tn_dtype_size(c->dtype), 1);
    }
    r->signature = found;
    return true;
}

typedef struct members { /* of the body: where their values begin; NULL: not there */
    const char *signature, *instances, *inputs;
} members;

static const char **member_named(const reader *r, members *m, tn_view name)
{
    if (r->how->answer) return tn_view_is(name, "outputs") ? &m->inputs : NULL;
    if (tn_view_is(name, "signature_name")) return &m->signature;
    if (tn_view_is(name, "instances")) return &m->instances;
    return tn_view_is(name, "inputs") ? &m->inputs : NULL;
}

static bool read_name(reader *r, tn_view *name)
{
    tn_view raw;
    bool plain;
    if (*r->s.at != '"' || !tn_scan_string(&r->s, &raw, &plain)) return false;
    *name = tn_scan_text(raw, plain, r->arena);
    return name->p != NULL;
}

static bool read_values(reader *r, bool columnar)
{
    r->columnar = columnar;
    return columnar ? read_inputs(r) : read_instances(r);
}

/* One member of the body, in one go. */
static bool quick_member(reader *r, members *m, tn_view *name)
{
    tn_view raw;
    bool plain;
    if (!tn_scan_key(&r->s, &raw, &plain) || !plain) return false;
    const char **known = member_named(r, m, raw);
    if (!known) return tn_scan_value(&r->s);
    if (*known) return false;
    *known = r->s.at;
    if (known == &m->signature) {
        if (!read_name(r, name)) return false;
        tn_view meant = name->n ? *name : TN_VIEW(TN_DEFAULT_SIGNATURE);
        if (r->signature && !tn_view_is(meant, r->signature->name)) r->late = *name;
        return true;
    }
    return !r->signature && find_signature(r, *name) && read_values(r, known == &m->inputs);
}

/* name: the signature's as far as it is known; "": the default one. */
static bool read_quickly(reader *r, tn_view name)
{
    members m = {0};
    bool more = true;
    tn_scan_space(&r->s);
    if (*r->s.at++ != '{') return false;
    for (tn_scan_space(&r->s); more;)
        if (!quick_member(r, &m, &name) || !tn_scan_next(&r->s, '}', &more)) return false;
    tn_scan_space(&r->s);
    return r->s.at == r->s.end && r->signature;
}

/* Where the members are that mean something; of equal names the first. */
static void find_members(reader *r, members *m)
{
    tn_view raw;
    bool plain, more = true;
    r->s.at++;
    tn_scan_space(&r->s);
    if (*r->s.at == '}') return;
    while (more) {
        tn_scan_key(&r->s, &raw, &plain);
        const char **known = member_named(r, m, tn_scan_text(raw, plain, r->arena));
        if (known && !*known) *known = r->s.at;
        tn_scan_value(&r->s);
        tn_scan_next(&r->s, '}', &more);
    }
}

static bool wrong_body(reader *r, const char *body, const char *what)
{
    return tn_rest_wrong_value(r, body, TN_INVALID_ARGUMENT, "JSON Value: %s ", what);
}

static bool check_form(reader *r, const members *m, const char *body)
{
    if (!m->instances)
        return m->inputs || tn_rest_wrong(r, TN_INVALID_ARGUMENT, "Missing 'inputs' or 'instances' key");
    if (m->inputs)
        return wrong_body(
            r, body, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ");
    if (*m->instances != '[') return wrong_body(r, body, "Excepting 'instances' to be an list/array");
    r->s.at = m->instances + 1;
    tn_scan_space(&r->s);
    return *r->s.at != ']' || wrong_body(r, body, "No values in 'instances' array");
}

static bool read_exactly(reader *r)
{
    members m = {0};
    tn_view name = TN_VIEW("");
    const char *body;
    if (tn_scan_document(&r->s, &body, &r->error) != TN_OK) return false;
    r->exact = true;
    if (*body != '{') return wrong_body(r, body, "Is not object");
    r->s.at = body;
    find_members(r, &m);
    r->s.at = m.signature;
    if (m.signature && !read_name(r, &name))
        return wrong_body(r, body, "not formatted correctly. 'signature_name' key must be a string value.");
    if (!find_signature(r, name) || !check_form(r, &m, body)) return false;
    r->s.at = m.instances ? m.instances : m.inputs;
    return read_values(r, !m.instances);
}

/* ==== tensors ==== */

static tn_code make_strings(const column *c, tn_tensor *t, tn_error *err)
{
    const tn_rest_place *p = (const tn_rest_place *)(const void *)c->data;
    for (int64_t i = 0; i < c->n; i++)
        TN_TRY(tn_string_set(t, i, c->text.data ? c->text.data + p[i].at : "", p[i].n, err));
    return TN_OK;
}

static tn_code make_tensor(const column *c, bool columnar, tn_tensor **out, tn_error *err)
{
    tn_shape shape = {.rank = c->first.rank + !columnar};
    if (shape.rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Lists are nested deeper than the %d dimensions that a tensor may have", TN_MAX_RANK);
    if (!columnar) shape.dim[0] = c->items;
    memcpy(shape.dim + !columnar, c->first.dim, (size_t)c->first.rank * sizeof shape.dim[0]);
    if (c->dtype != TN_STRING) {
        TN_TRY(tn_tensor_alloc(c->dtype, &shape, out, err));
        if (c->n) memcpy((*out)->data, c->data, (size_t)c->n * c->size);
        return TN_OK;
    }
    TN_TRY(tn_tensor_new(TN_STRING, &shape, out, err));
    tn_code code = make_strings(c, *out, err);
    if (code != TN_OK) {
        tn_tensor_unref(*out);
        *out = NULL;
    }
    return code;
}

void tn_rest_inputs_drop(tn_rest_inputs *in)
{
    for (int i = 0; in->in && i < in->signature->n_in; i++) tn_tensor_unref(in->in[i]);
    in->in = NULL;
}

static tn_code make_inputs(reader *r, tn_rest_inputs *out, tn_error *err)
{
    tn_rest_inputs made = {.signature = r->signature, .columnar = r->columnar};
    tn_code code = TN_OK;
    made.in = TN_ARRAY(r->arena, r->signature->n_in, tn_tensor *);
    if (!made.in) return tn_no_memory(err, sizeof *made.in);
    for (int i = 0; code == TN_OK && i < r->signature->n_in; i++)
        code = make_tensor(&r->columns[i], r->columnar, &made.in[i], err);
    if (code == TN_OK)
        *out = made;
    else
        tn_rest_inputs_drop(&made);
    return code;
}

tn_code tn_rest_read_predict(tn_view json, const tn_rest_reading *how, tn_arena *a, tn_rest_inputs *out,
                             tn_error *err)
{
    if (json.n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "JSON Parse error: The document is empty");
    const char *begin = tn_scan_start(json);
    reader first = {.s = {.begin = json.p, .at = begin, .end = json.p + json.n}, .how = how, .arena = a},
           r = first;
    bool good = read_quickly(&r, TN_VIEW(""));
    if (good && r.late.p) { /* what was read was for another signature */
        tn_view late = r.late;
        drop_columns(&r);
        r = first;
        good = read_quickly(&r, late) && !r.late.p;
    }
    if (!good) {
        drop_columns(&r);
        r = first;
        good = read_exactly(&r);
    }
    if (!good && r.error.code == TN_OK) tn_no_memory(&r.error, json.n);
    tn_code code = good ? make_inputs(&r, out, err) : r.error.code;
    if (!good && err) *err = r.error;
    drop_columns(&r);
    return code;
}
