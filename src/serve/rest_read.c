/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_read.c - the JSON body of a predict request -> tensors, without a tree in between.
 *
 * A body is read in one go, syntax and values together, with shapes taken from the nesting. Where anything is
 * unusual (an error, or the signature named behind the values) it is read again the way TensorFlow Serving
 * does it: all of the syntax first, then the members in its order, so that of several mistakes the same one
 * is told in the same words.
 */
#include "rest.h"

#include "rest_scan.h"
#include "rest_text.h"

#include <float.h>
#include <math.h>

typedef struct item { /* one value: a tensor, or a row of one */
    int rank;         /* -1: its first elements are still being entered */
    int64_t dim[TN_MAX_RANK];
    int64_t n; /* elements */
} item;

typedef struct column { /* an input being filled */
    const tn_loaded_value *input;
    tn_dtype dtype;
    size_t size; /* of an element in data */
    char *data;
    int64_t n, cap; /* elements */
    tn_buf text;    /* strings' bytes; data has their places */
    item first;     /* the shape of every item */
    int64_t items;
    bool taken; /* its name has been seen in this object */
} column;
typedef struct place {
    size_t at, n;
} place;

typedef struct reader {
    tn_scanner s;
    const tn_rest_reading *how;
    const tn_loaded_signature *signature; /* NULL: not known yet */
    column *columns;
    bool columnar;
    tn_view late; /* the signature that is named behind the values; NULL p: none */
    bool exact;   /* the syntax is known to be right: what is wrong gets a message */
    tn_error error;
    tn_arena *arena;
} reader;

static bool wrong(reader *r, tn_code code, const char *fmt, ...) TN_PRINTF(3, 4);
static bool wrong(reader *r, tn_code code, const char *fmt, ...)
{
    if (!r->exact && code != TN_RESOURCE_EXHAUSTED) return false;
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(&r->error, code, fmt, ap);
    va_end(ap);
    return false;
}

/* "JSON Value: <value> <what>"; "%s" of fmt is the value. */
static bool wrong_value(reader *r, const char *value, tn_code code, const char *fmt, const char *what)
{
    if (!r->exact) return false;
    tn_buf echo = {0};
    tn_rest_echo(value, &echo);
    tn_buf text = {0};
    const char *at = strstr(fmt, "%s");
    tn_buf_add(&text, fmt, (size_t)(at - fmt));
    tn_buf_str(&text, echo.data ? echo.data : "");
    tn_buf_str(&text, at + 2);
    tn_buf_str(&text, what);
    wrong(r, code, "%s", text.data ? text.data : "");
    tn_buf_free(&text);
    tn_buf_free(&echo);
    return false;
}

/* ==== single values ==== */

static const char *type_name(char first)
{
    switch (first) {
    case 'n': return "Null";
    case 't': return "True";
    case 'f': return "False";
    case '{': return "Object";
    case '[': return "Array";
    case '"': return "String";
    default: return "Number";
    }
}

static bool wrong_type(reader *r, const column *c, const char *value)
{
    char what[96];
    if (!r->exact) return false;
    snprintf(what, sizeof what, " Type: %s is not of expected type: %s", type_name(*value),
             tn_dtype_name(c->dtype));
    return wrong_value(r, value, TN_INVALID_ARGUMENT, "JSON Value: %s", what);
}

/* Room for one more element. */
static bool grow(reader *r, column *c)
{
    int64_t cap = c->cap ? c->cap * 2 : 1024;
    char *data = tn_realloc(c->data, (size_t)cap * c->size);
    if (!data) return wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory (%zu bytes)", (size_t)cap * c->size);
    c->data = data;
    c->cap = cap;
    return true;
}

static inline bool is_number(char c)
{
    return (unsigned char)(c - '0') < 10 || c == '-' || c == 'N' || c == 'I';
}

/* Whole numbers must fit the significand, others the range. */
static bool fits_real(const tn_scanned *n, uint64_t most, double largest)
{
    if (n->special || (n->whole && n->m <= most && !n->many)) return true;
    uint64_t whole;
    int64_t negative;
    if (tn_scanned_uint64(n, &whole) || tn_scanned_int64(n, &negative)) return false;
    return fabs(tn_scanned_double(n)) <= largest;
}

static bool put_float(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    float v = tn_scanned_float(&n);
    bool plain = n.whole ? n.m <= 16777215 && !n.many : fabsf(v) < FLT_MAX;
    if (!plain && !fits_real(&n, 16777215, (double)FLT_MAX))
        return wrong_value(r, value, TN_INVALID_ARGUMENT, "Cannot convert JSON value: %s to ",
                           "float without loss of precision.");
    ((float *)(void *)c->data)[c->n] = v;
    return true;
}

static bool put_double(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    if (!fits_real(&n, (UINT64_C(1) << 53) - 1, DBL_MAX))
        return wrong_value(r, value, TN_INVALID_ARGUMENT, "Cannot convert JSON value: %s to ",
                           "double without loss of precision.");
    ((double *)(void *)c->data)[c->n] = tn_scanned_double(&n);
    return true;
}

static bool put_half(reader *r, column *c, const char *value)
{
    tn_scanned n;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    float v = tn_scanned_float(&n);
    ((uint16_t *)(void *)c->data)[c->n] = c->dtype == TN_HALF ? tn_float_to_half(v) : tn_float_to_bfloat16(v);
    return true;
}

static bool put_int(reader *r, column *c, const char *value)
{
    static const struct {
        tn_dtype dtype;
        int64_t least, most;
    } rows[] = {{TN_INT32, INT32_MIN, INT32_MAX}, {TN_INT64, INT64_MIN, INT64_MAX},
                {TN_INT16, INT16_MIN, INT16_MAX}, {TN_INT8, INT8_MIN, INT8_MAX},
                {TN_UINT8, 0, UINT8_MAX},         {TN_UINT16, 0, UINT16_MAX},
                {TN_UINT32, 0, UINT32_MAX}};
    tn_scanned n;
    int64_t v;
    size_t i = 0;
    if (!is_number(*value)) return wrong_type(r, c, value);
    if (!tn_scan_number(&r->s, &n)) return false;
    if (c->dtype == TN_UINT64)
        return tn_scanned_uint64(&n, &((uint64_t *)(void *)c->data)[c->n]) || wrong_type(r, c, value);
    while (rows[i].dtype != c->dtype) i++;
    if (!tn_scanned_int64(&n, &v) || v < rows[i].least || v > rows[i].most) return wrong_type(r, c, value);
    char *to = c->data + (size_t)c->n * c->size;
    switch (c->size) {
    case 1: *(int8_t *)to = (int8_t)v; break;
    case 2: *(int16_t *)(void *)to = (int16_t)v; break;
    case 4: *(int32_t *)(void *)to = (int32_t)v; break;
    default: *(int64_t *)(void *)to = v;
    }
    return true;
}

static bool put_bool(reader *r, column *c, const char *value)
{
    if (*value != 't' && *value != 'f') return wrong_type(r, c, value);
    c->data[c->n] = *value == 't';
    return tn_scan_word(&r->s, *value == 't' ? "true" : "false");
}

static bool is_named(const char *value)
{
    tn_view raw;
    bool plain;
    const char *end;
    return *value == '{' && !tn_scan_base64(value, &raw, &plain, &end);
}

static bool put_base64(reader *r, column *c, const char *value)
{
    tn_view raw;
    bool plain, good;
    tn_buf text = {0};
    if (!tn_scan_base64(value, &raw, &plain, &r->s.at))
        return wrong_value(r, value, TN_INVALID_ARGUMENT,
                           "JSON Value: %s not formatted correctly for base64 data", "");
    if (!plain) tn_scan_unescape(raw, &text);
    good = tn_base64_decode(plain ? raw : (tn_view){text.data ? text.data : "", text.n}, &c->text);
    tn_buf_free(&text);
    return good || wrong(r, TN_INVALID_ARGUMENT, "Unable to base64 decode");
}

static bool put_string(reader *r, column *c, const char *value)
{
    size_t before = c->text.n;
    tn_view raw;
    bool plain;
    if (*value == '{') {
        if (!put_base64(r, c, value)) return false;
    } else {
        if (*value != '"') return wrong_type(r, c, value);
        if (!tn_scan_string(&r->s, &raw, &plain)) return false;
        tn_scan_unescape(raw, &c->text);
    }
    if (c->text.failed) return wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory (%zu bytes)", before);
    ((place *)(void *)c->data)[c->n] = (place){before, c->text.n - before};
    return true;
}

static bool put_value(reader *r, column *c)
{
    const char *value = r->s.at;
    if (c->n == c->cap && !grow(r, c)) return false;
    switch (c->dtype) {
    case TN_FLOAT: return put_float(r, c, value);
    case TN_DOUBLE: return put_double(r, c, value);
    case TN_STRING: return put_string(r, c, value);
    case TN_BOOL: return put_bool(r, c, value);
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64:
    case TN_UINT8:
    case TN_UINT32:
    case TN_UINT64: return put_int(r, c, value);
    default: break;
    }
    if (*value == '{') return wrong_type(r, c, value);
    if (r->how->more_types && c->dtype == TN_UINT16) return put_int(r, c, value);
    if (r->how->more_types && (c->dtype == TN_HALF || c->dtype == TN_BFLOAT16)) return put_half(r, c, value);
    return wrong_value(r, value, TN_UNIMPLEMENTED,
                       "Conversion of JSON Value: %s to type: ", tn_dtype_name(c->dtype));
}

/* ==== values in lists ==== */

static bool fill(reader *r, column *c, item *it, int level);

/* Lists below the first elements give the shape, which all others must have. A list of the wrong length is
 * told before what is wrong inside it, and its length is known at its end only. */
static bool fill_list(reader *r, column *c, item *it, int level)
{
    bool first = it->rank < 0, more = true, good = true;
    int64_t n = 0;
    if (!first && level >= it->rank)
        return wrong(r, TN_INVALID_ARGUMENT, "Encountered list at unexpected level: %d expected < %d", level,
                     it->rank);
    if (level == TN_MAX_RANK)
        return wrong(r, TN_INVALID_ARGUMENT,
                     "Lists are nested deeper than the %d dimensions that a tensor may have", TN_MAX_RANK);
    r->s.at++;
    tn_scan_space(&r->s);
    if (*r->s.at == ']') {
        r->s.at++;
        more = false;
        if (first) it->rank = level + 1;
    }
    for (; more; n++) {
        const char *element = r->s.at;
        if (good) good = fill(r, c, it, level + 1);
        if (!good) {
            if (!r->exact || first) return false;
            r->s.at = element;
            tn_scan_value(&r->s);
        }
        if (!tn_scan_next(&r->s, ']', &more)) return false;
    }
    if (first)
        it->dim[level] = n;
    else if (n != it->dim[level])
        return wrong(r, TN_INVALID_ARGUMENT,
                     "Encountered list at unexpected size: %lld at level: %d expected size: %lld",
                     (long long)n, level, (long long)it->dim[level]);
    return good;
}

static bool fill(reader *r, column *c, item *it, int level)
{
    if (*r->s.at == '[') return fill_list(r, c, it, level);
    if (it->rank < 0) it->rank = level;
    if (level != it->rank) {
        char what[96];
        snprintf(what, sizeof what, "%d in the JSON DOM. Expected at level: %d", level + 1, it->rank);
        return wrong_value(r, r->s.at, TN_INVALID_ARGUMENT,
                           "JSON Value: %s found at incorrect level: ", what);
    }
    if (!put_value(r, c)) return false;
    c->n++;
    return true;
}

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
    if (!fill(r, c, &it, 0)) return false;
    it.n += c->n;
    if (c->items++ == 0) c->first = it;
    if (it.n != c->first.n)
        return wrong(r, TN_INVALID_ARGUMENT, "Expecting tensor size: %lld but got: %lld",
                     (long long)c->first.n, (long long)it.n);
    if (it.rank != c->first.rank ||
        memcmp(it.dim, c->first.dim, (size_t)TN_MAX(it.rank, 0) * sizeof it.dim[0]) != 0)
        return wrong(r, TN_INVALID_ARGUMENT, "Expecting shape %s but got: %s",
                     item_shape(&c->first, wanted, sizeof wanted), item_shape(&it, got, sizeof got));
    return true;
}

/* ==== "instances" ==== */

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
    return wrong(r, TN_INVALID_ARGUMENT,
                 "Failed to process element: %lld%s%s of 'instances' list. Error: %s: %s", (long long)row,
                 key ? " key: " : "", key ? key : "", tn_code_name(r->error.code), cause);
}

static bool wrong_keys(reader *r, const char *element, int64_t row)
{
    tn_buf echo = {0}, names = {0};
    tn_rest_echo(element, &echo);
    for (int i = 0; i < r->signature->n_in; i++) {
        if (i) tn_buf_char(&names, ',');
        tn_buf_str(&names, r->signature->in[i].key);
    }
    wrong(r, TN_INVALID_ARGUMENT,
          "Failed to process element: %lld of 'instances' list. JSON object: %s must only have keys: %s",
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
        wrong(r, TN_INVALID_ARGUMENT, "tensor parsing error: %s", c->input->key); /* it is there twice */
    } else {
        wrong(r, TN_INVALID_ARGUMENT, "JSON object: does not have named input: %.*s",
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
        return wrong(r, TN_INVALID_ARGUMENT,
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
        return wrong(r, TN_INVALID_ARGUMENT,
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
    return fill(r, c, &c->first, 0);
}

static bool read_inputs(reader *r)
{
    bool more = true, plain;
    tn_view raw;
    if (!is_named(r->s.at)) {
        if (r->signature->n_in > 1)
            return wrong(
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
            return wrong(r, TN_INVALID_ARGUMENT, "Missing named input: %s in 'inputs' object.",
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
        return wrong(r, TN_INVALID_ARGUMENT, "Failed to get input map for signature: %.*s",
                     name.n ? (int)name.n : 7, name.n ? name.p : "DEFAULT");
    r->columns = TN_ARRAY(r->arena, found->n_in, column);
    if (!r->columns) return wrong(r, TN_RESOURCE_EXHAUSTED, "out of memory");
    for (int i = 0; i < found->n_in; i++) {
        column *c = &r->columns[i];
        c->input = &found->in[i];
        c->dtype = c->input->dtype;
        c->size = c->dtype == TN_STRING ? sizeof(place) : TN_MAX(tn_dtype_size(c->dtype), 1);
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
    return wrong_value(r, body, TN_INVALID_ARGUMENT, "JSON Value: %s ", what);
}

static bool check_form(reader *r, const members *m, const char *body)
{
    if (!m->instances)
        return m->inputs || wrong(r, TN_INVALID_ARGUMENT, "Missing 'inputs' or 'instances' key");
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
    const place *p = (const place *)(const void *)c->data;
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
