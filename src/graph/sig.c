/* SPDX-License-Identifier: Apache-2.0
 *
 * sig.c - signatures: the one line of a record (tools/op-sig's form) parsed into tn_sig, once an operator.
 * What a signature implies for an operation that is being added is complete.c's.
 *
 * Invariant: a parsed signature is one block of memory; once published it never changes and lives as
 * long as the process. Parsing never reads outside the line, whatever it holds.
 */
#include "op.h"
#include "registry.h"

/* The block's unused rest, and the text that is still to be read. */
typedef struct parser {
    char *free, *end;
    const char *at;
} parser;

static void *take(parser *p, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if ((size_t)(p->end - p->free) < n) return NULL;
    void *r = p->free;
    p->free += n;
    return r;
}

static const char *take_text(parser *p, const char *s, size_t n)
{
    char *r = take(p, n + 1);
    if (r) memcpy(r, s, n);
    return r; /* the block is zeroed */
}

/* No item is larger than this for each ':' and ',' of the line. */
static size_t block_size(const char *line)
{
    size_t items = 2, n = strlen(line);
    for (const char *s = line; *s; s++) items += *s == ':' || *s == ',';
    return sizeof(tn_sig) + items * (sizeof(tn_sig_attr) + sizeof(tn_sig_arg) + sizeof(tn_shape) + 64) +
           2 * n + 256;
}

static void skip_spaces(parser *p)
{
    while (*p->at == ' ') p->at++;
}

static bool accept(parser *p, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(p->at, text, n)) return false;
    p->at += n;
    return true;
}

/* A run of characters up to one of `stop` or the end. */
static const char *word(parser *p, const char *stop)
{
    size_t n = strcspn(p->at, stop);
    if (!n) return NULL;
    const char *r = take_text(p, p->at, n);
    p->at += n;
    return r;
}

/* ==== arguments ==== */

static bool parse_type(parser *p, tn_sig_arg *arg)
{
    const char *type = word(p, " ;");
    if (!type) return false;
    arg->type = tn_dtype_named(type);
    if (arg->type == TN_INVALID_DTYPE) arg->type_attr = type;
    return true;
}

static bool parse_arg(parser *p, tn_sig_arg *arg)
{
    if (!(arg->name = word(p, ": ;")) || !accept(p, ":")) return false;
    arg->is_ref = accept(p, "&");
    if (accept(p, "[")) return (arg->type_list_attr = word(p, "] ;")) && accept(p, "]");
    size_t n = strcspn(p->at, " ;*");
    if (p->at[n] != '*') return parse_type(p, arg);
    return (arg->number_attr = word(p, "*")) && accept(p, "*") && parse_type(p, arg);
}

static int count_words(const char *s, const char *end)
{
    int n = 0;
    for (bool in = false; s < end; s++) {
        if (*s != ' ' && !in) n++;
        in = *s != ' ';
    }
    return n;
}

static bool parse_args(parser *p, const char *end, tn_sig_arg **out, int *n)
{
    *n = count_words(p->at, end);
    if (!(*out = take(p, (size_t)*n * sizeof **out + 1))) return false;
    for (int i = 0; i < *n; i++) {
        skip_spaces(p);
        if (!parse_arg(p, &(*out)[i])) return false;
    }
    skip_spaces(p);
    return p->at == end;
}

/* ==== attributes ==== */

static bool parse_kind(parser *p, tn_sig_attr *attr)
{
    static const char *const names[] = {"string", "int", "float", "bool", "type", "shape", "tensor", "func"};
    attr->is_list = accept(p, "list(");
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        size_t n = strlen(names[i]);
        if (strncmp(p->at, names[i], n) || (p->at[n] >= 'a' && p->at[n] <= 'z')) continue;
        p->at += n;
        attr->kind = (tn_attr_kind)i;
        return !attr->is_list || accept(p, ")");
    }
    return false;
}

static uint32_t type_bits(const char *const *names, size_t n)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) bits |= 1u << tn_dtype_named(names[i]);
    return bits;
}

/* TensorFlow's numbertype and realnumbertype. */
static uint32_t set_bits(const char *name)
{
    static const char *const real[] = {"float", "double",   "int32",  "uint8", "int16",  "int8",
                                       "int64", "bfloat16", "uint16", "half",  "uint32", "uint64"};
    static const char *const more[] = {"complex64", "complex128", "qint8",  "quint8",
                                       "qint32",    "qint16",     "quint16"};
    uint32_t bits = type_bits(real, TN_COUNT(real));
    if (!strcmp(name, "realnumbertype")) return bits;
    return strcmp(name, "numbertype") ? 0 : bits | type_bits(more, TN_COUNT(more));
}

static bool parse_allowed_types(parser *p, tn_sig_attr *attr)
{
    do {
        const char *name = word(p, ",} ");
        if (!name) return false;
        tn_dtype t = tn_dtype_named(name);
        uint32_t bits = t == TN_INVALID_DTYPE ? set_bits(name) : 1u << t;
        if (!bits) return false;
        attr->allowed_types |= bits;
    } while (accept(p, ","));
    return accept(p, "}");
}

static bool parse_allowed(parser *p, tn_sig_attr *attr)
{
    if (attr->kind == TN_ATTR_TYPE) return parse_allowed_types(p, attr);
    char *text = (char *)word(p, "}");
    if (!text || attr->kind != TN_ATTR_STRING) return false;
    attr->allowed_strings = text;
    for (; *text; text++) {
        if (*text == ',') *text = '|';
    }
    return accept(p, "}");
}

static bool parse_int(parser *p, int64_t *out)
{
    char *end;
    *out = strtoll(p->at, &end, 10);
    bool ok = end != p->at;
    p->at = end;
    return ok;
}

/* One escape of a JSON string, below U+0080. */
static bool parse_escape(parser *p, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known = *p->at ? strchr(from, *p->at) : NULL;
    if (known) {
        *out = to[known - from];
        p->at++;
        return true;
    }
    if (!accept(p, "u00")) return false;
    unsigned c = 0;
    for (int i = 0; i < 2; i++, p->at++) {
        const char *hex = "0123456789abcdef", *digit = *p->at ? strchr(hex, *p->at | 32) : NULL;
        if (!digit) return false;
        c = c * 16 + (unsigned)(digit - hex);
    }
    *out = (char)c;
    return c < 128;
}

static bool parse_string(parser *p, tn_bytes *out)
{
    if (!accept(p, "\"")) return false;
    size_t most = strcspn(p->at, "\"") + 1;
    for (const char *s = p->at; *s && *s != '"'; s++) {
        if (*s == '\\' && s[1]) s++;
        most = (size_t)(s - p->at) + 2;
    }
    char *text = take(p, most), *t = text;
    if (!text) return false;
    while (*p->at && *p->at != '"') {
        if (*p->at != '\\')
            *t++ = *p->at++;
        else if (p->at++, !parse_escape(p, t++))
            return false;
    }
    *out = (tn_bytes){text, (size_t)(t - text)};
    return accept(p, "\"");
}

static bool parse_shape(parser *p, tn_shape *out)
{
    *out = tn_shape_unknown();
    if (accept(p, "unknown")) return true;
    if (!accept(p, "[")) return false;
    out->rank = 0;
    while (!accept(p, "]")) {
        if (out->rank == TN_MAX_RANK) return false;
        int64_t *dim = &out->dim[out->rank++];
        *dim = -1;
        if (!accept(p, "?") && !parse_int(p, dim)) return false;
        if (!accept(p, ",") && *p->at != ']') return false;
    }
    return true;
}

static bool parse_float(parser *p, float *out)
{
    char *end;
    *out = strtof(p->at, &end);
    bool ok = end != p->at;
    p->at = end;
    return ok;
}

static bool parse_bool(parser *p, bool *out)
{
    *out = accept(p, "true");
    return *out || accept(p, "false");
}

static bool parse_dtype(parser *p, tn_dtype *out)
{
    const char *name = word(p, " ,]");
    *out = name ? tn_dtype_named(name) : TN_INVALID_DTYPE;
    return *out != TN_INVALID_DTYPE;
}

static bool parse_value(parser *p, tn_attr *a)
{
    switch (a->kind) {
    case TN_ATTR_STRING: return parse_string(p, &a->s);
    case TN_ATTR_INT: return parse_int(p, &a->i);
    case TN_ATTR_FLOAT: return parse_float(p, &a->f);
    case TN_ATTR_BOOL: return parse_bool(p, &a->b);
    case TN_ATTR_TYPE: return parse_dtype(p, &a->type);
    case TN_ATTR_SHAPE: return parse_shape(p, &a->shape);
    default: return false; /* TensorFlow has no default tensor or function but in its own tests */
    }
}

/* Element i of the list that starts at `list`. */
static bool parse_element(parser *p, tn_attr_kind kind, void *list, int i)
{
    tn_attr one = {.kind = kind};
    if (!parse_value(p, &one)) return false;
    switch (kind) {
    case TN_ATTR_STRING: ((tn_bytes *)list)[i] = one.s; break;
    case TN_ATTR_INT: ((int64_t *)list)[i] = one.i; break;
    case TN_ATTR_FLOAT: ((float *)list)[i] = one.f; break;
    case TN_ATTR_BOOL: ((bool *)list)[i] = one.b; break;
    case TN_ATTR_TYPE: ((tn_dtype *)list)[i] = one.type; break;
    default: ((tn_shape *)list)[i] = one.shape; break;
    }
    return true;
}

static bool parse_list(parser *p, tn_attr *a)
{
    static const size_t sizes[] = {sizeof(tn_bytes),    sizeof(int64_t),     sizeof(float),
                                   sizeof(bool),        sizeof(tn_dtype),    sizeof(tn_shape),
                                   sizeof(tn_tensor *), sizeof(tn_func_attr)};
    if (!accept(p, "[")) return false;
    size_t most = 1;
    for (const char *s = p->at; *s && *s != ' '; s++) most += *s == ',';
    void *list = take(p, most * sizes[a->kind]);
    if (!list) return false;
    a->ss = list; /* whichever member: all are pointers */
    while (!accept(p, "]")) {
        if ((size_t)a->n == most || !parse_element(p, a->kind, list, a->n)) return false;
        a->n++;
        if (!accept(p, ",") && *p->at != ']') return false;
    }
    return true;
}

static bool parse_attr(parser *p, tn_sig_attr *attr)
{
    if (!(attr->name = word(p, ": ")) || !accept(p, ":") || !parse_kind(p, attr)) return false;
    if (accept(p, "{") && !parse_allowed(p, attr)) return false;
    attr->has_min = accept(p, ">=");
    if (attr->has_min && !parse_int(p, &attr->min)) return false;
    attr->has_default = accept(p, "=");
    attr->def = (tn_attr){.name = attr->name, .kind = attr->kind, .is_list = attr->is_list};
    if (!attr->has_default) return true;
    return attr->is_list ? parse_list(p, &attr->def) : parse_value(p, &attr->def);
}

static bool parse_attrs(parser *p, tn_sig *sig)
{
    sig->n_attrs = count_words(p->at, p->at + strlen(p->at));
    if (!(sig->attrs = take(p, (size_t)sig->n_attrs * sizeof *sig->attrs + 1))) return false;
    for (int i = 0; i < sig->n_attrs; i++) {
        skip_spaces(p);
        if (!parse_attr(p, &sig->attrs[i]) || (*p->at && *p->at != ' ')) return false;
    }
    return true;
}

static bool parse_sections(parser *p, tn_sig *sig)
{
    const char *arrow = strstr(p->at, "->");
    const char *semicolon = arrow ? strchr(arrow, ';') : NULL;
    if (!semicolon || !parse_args(p, arrow, &sig->in, &sig->n_in)) return false;
    p->at += 2;
    if (!parse_args(p, semicolon, &sig->out, &sig->n_out)) return false;
    p->at++;
    return parse_attrs(p, sig);
}

tn_sig *tn_sig_parse(const char *line)
{
    size_t size = block_size(line);
    char *block = tn_calloc(1, size);
    if (!block) return NULL;
    parser p = {.free = block, .end = block + size, .at = line};
    tn_sig *sig = take(&p, sizeof *sig);
    if (sig && parse_sections(&p, sig)) return sig;
    tn_free(block);
    return NULL;
}

/* ==== the cache ==== */

/* Published once a row and never replaced; a thread that loses the race frees its own copy. */
static _Atomic(const tn_sig *) parsed[TN_MAX_OPS];

const tn_sig *tn_op_sig(const tn_op *op)
{
    int row = tn_op_row(op->name);
    if (row < 0) return NULL;
    const tn_sig *sig = atomic_load_explicit(&parsed[row], memory_order_acquire);
    if (sig) return sig;
    tn_sig *mine = tn_sig_parse(op->sig);
    if (!mine) return NULL;
    if (atomic_compare_exchange_strong(&parsed[row], &sig, (const tn_sig *)mine)) return mine;
    tn_free(mine);
    return sig;
}
