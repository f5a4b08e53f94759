/* SPDX-License-Identifier: Apache-2.0
 *
 * inputs.c - inputs as they are typed, made tensors of the dtype and shape that a signature or a graph wants.
 */
#include "inputs.h"

#include "literal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { MOST_WARNINGS = 40 };

size_t input_name(const char *text)
{
    const char *equal = strchr(text, '=');
    return equal ? (size_t)(equal - text) : 0;
}

static bool is_file(const char *name)
{
    struct stat st;
    return !stat(name, &st) && !S_ISDIR(st.st_mode);
}

/* ==== --input_exprs ==== */

/* Up to the next ';' that is in no quotes. */
static size_t one_expression(const char *s)
{
    size_t n = 0;
    for (char quote = 0; s[n] && (quote || s[n] != ';'); n++) {
        if (quote && s[n] == '\\' && s[n + 1])
            n++;
        else if (quote ? s[n] == quote : s[n] == '"' || s[n] == '\'')
            quote = quote ? 0 : s[n];
    }
    return n;
}

static const char *after(const char *s, const char *word)
{
    size_t n = strlen(word);
    return strncmp(s, word, n) ? NULL : s + n;
}

/* An expression as NumPy has it, in place: np.ones((2,3)) is ones((2,3)), np.array([1]) is [1],
 * np.random.rand(2) is random(2). */
static const char *plainly(char *s)
{
    const char *rest;
    s += strspn(s, " ");
    for (size_t n = strlen(s); n && s[n - 1] == ' ';) s[--n] = 0;
    if ((rest = after(s, "numpy.")) || (rest = after(s, "np."))) s += rest - s;
    size_t n = strlen(s);
    if ((rest = after(s, "array(")) && s[n - 1] == ')') {
        s[n - 1] = 0;
        return rest;
    }
    if ((rest = after(s, "random.rand("))) {
        s += strlen("rand."); /* "m.rand(" has the room: "random(" ends where it does */
        memcpy(s, "random", strlen("random"));
    }
    return s;
}

static tn_code take_apart(input_values *v, const char *text, tn_error *err)
{
    while (*text) {
        size_t n = one_expression(text);
        if (v->inputs.n == (int)(sizeof v->inputs.v / sizeof *v->inputs.v))
            return usage_error(err, "too many inputs");
        char *one = strndup(text, n), *equal = one ? strchr(one, '=') : NULL;
        if (!one) return no_memory(err);
        if (equal) {
            const char *value = plainly(equal + 1);
            memmove(equal + 1, value, strlen(value) + 1);
        }
        v->inputs.v[v->inputs.n++] = one;
        text += n + (text[n] == ';');
    }
    return TN_OK;
}

tn_code inputs_check(input_values *v, tn_error *err)
{
    tn_code code = TN_OK;
    if (v->batch < 1) return usage_error(err, "--batch=%lld: at least 1 is wanted", (long long)v->batch);
    if (v->seed < -1) return usage_error(err, "--seed=%lld is negative", (long long)v->seed);
    for (int i = 0; code == TN_OK && i < v->exprs.n; i++) code = take_apart(v, v->exprs.v[i], err);
    return code;
}

/* ==== what a dtype can hold ==== */

static bool is_whole(double v, double least, double most)
{
    return v >= least && v <= most && v == floor(v);
}

/* Nothing is cut or wrapped around silently. */
static bool fits(tn_dtype t, double v)
{
    switch (t) {
    case TN_INT8: return is_whole(v, INT8_MIN, INT8_MAX);
    case TN_INT16: return is_whole(v, INT16_MIN, INT16_MAX);
    case TN_INT32: return is_whole(v, INT32_MIN, INT32_MAX);
    case TN_INT64: return is_whole(v, -9223372036854775808.0, 9223372036854774784.0);
    case TN_UINT8: return is_whole(v, 0, UINT8_MAX);
    case TN_UINT16: return is_whole(v, 0, UINT16_MAX);
    case TN_UINT32: return is_whole(v, 0, UINT32_MAX);
    case TN_UINT64: return is_whole(v, 0, 18446744073709549568.0);
    case TN_BOOL: return is_whole(v, 0, 1);
    default: return true;
    }
}

static bool is_number(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT:
    case TN_DOUBLE:
    case TN_HALF:
    case TN_BFLOAT16:
    case TN_COMPLEX64:
    case TN_COMPLEX128: return true;
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64:
    case TN_BOOL: return true;
    case TN_UINT8:
    case TN_UINT16:
    case TN_UINT32:
    case TN_UINT64: return true;
    default: return false;
    }
}

static bool is_floating(tn_dtype t)
{
    return t == TN_FLOAT || t == TN_DOUBLE || t == TN_HALF || t == TN_BFLOAT16 || t == TN_COMPLEX64 ||
           t == TN_COMPLEX128;
}

static tn_code set_literal(const tn_spec *spec, tn_tensor *t, int64_t i, const literal *l, tn_error *err)
{
    tn_dtype type = tn_tensor_dtype(t);
    if (type == TN_STRING) {
        if (l->kind == LITERAL_STRING) return tn_string_set(t, i, l->text, l->n, err);
        return usage_error(err, "input '%s' is of strings; '%s' is none (quotes are missing)", spec->name,
                           l->text ? l->text : "this");
    }
    if (l->kind != LITERAL_NUMBER && l->kind != LITERAL_BOOL)
        return usage_error(err, "input '%s' is of %s: neither a file nor numbers are given", spec->name,
                           tn_dtype_name(type));
    double v = l->kind == LITERAL_BOOL ? l->boolean : l->number;
    if (l->is_int && (type == TN_INT64 || (type == TN_UINT64 && l->integer >= 0))) { /* to the unit */
        ((int64_t *)tn_tensor_data(t))[i] = l->integer;
        return TN_OK;
    }
    if (!fits(type, v))
        return usage_error(err, "input '%s': number %lld is %.17g, which is no %s", spec->name, (long long)i,
                           v, tn_dtype_name(type));
    tn_tensor_set_number(t, i, v);
    return TN_OK;
}

/* ==== shapes ==== */

static bool compatible(const tn_shape *wanted, const tn_shape *is)
{
    if (wanted->rank < 0) return true;
    if (wanted->rank != is->rank) return false;
    for (int d = 0; d < is->rank; d++)
        if (wanted->dim[d] >= 0 && wanted->dim[d] != is->dim[d]) return false;
    return true;
}

static tn_code misfit(const tn_spec *spec, const char *what, const tn_shape *is, tn_error *err)
{
    char a[200], b[200];
    return usage_error(err, "input '%s' has shape %s; %s of shape %s does not fit it", spec->name,
                       tn_shape_text(&spec->shape, a, sizeof a), what, tn_shape_text(is, b, sizeof b));
}

static tn_code new_of(const tn_spec *spec, const tn_shape *shape, tn_tensor **out, tn_error *err)
{
    if (spec->dtype != TN_STRING && !is_number(spec->dtype))
        return usage_error(err, "input '%s' is of %s: give a file", spec->name, tn_dtype_name(spec->dtype));
    return tn_tensor_new(spec->dtype, shape, out, err);
}

/* The input's shape, unknown dimensions being the batch. */
static tn_code batched(const input_values *v, const tn_spec *spec, tn_shape *out, tn_error *err)
{
    if (spec->shape.rank < 0)
        return usage_error(err, "input '%s' has no shape of its own: tell it, as in zeros(2,3)", spec->name);
    *out = spec->shape;
    for (int d = 0; d < out->rank; d++)
        if (out->dim[d] < 0) out->dim[d] = v->batch;
    return TN_OK;
}

/* ==== zeros, ones, random ==== */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static tn_code random_string(tn_tensor *t, int64_t i, uint64_t *state, tn_error *err)
{
    char text[8];
    for (size_t k = 0; k < sizeof text; k++) text[k] = (char)('a' + next_random(state) % 26);
    return tn_string_set(t, i, text, sizeof text, err);
}

/* Floats from 0 to 1, whole numbers from 0 to 9, booleans, words. An input's numbers depend on seed and name
 * alone. */
static tn_code fill_random(input_values *v, const char *command, const tn_spec *spec, tn_tensor *t,
                           tn_error *err)
{
    if (v->seed < 0) {
        v->seed = (int64_t)time(NULL) % 1000000;
        fprintf(stderr, "turnery %s: random inputs: --seed=%lld gives the same again\n", command,
                (long long)v->seed);
    }
    uint64_t state = (uint64_t)v->seed;
    for (const char *s = spec->name; *s; s++) state = state * 31 + (unsigned char)*s;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        tn_code code = TN_OK;
        if (spec->dtype == TN_STRING)
            code = random_string(t, i, &state, err);
        else if (is_floating(spec->dtype))
            tn_tensor_set_number(t, i, (double)(next_random(&state) >> 40) / 16777216);
        else
            tn_tensor_set_number(t, i, (double)(next_random(&state) % (spec->dtype == TN_BOOL ? 2 : 10)));
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

static tn_code fill_ones(const tn_spec *spec, tn_tensor *t, tn_error *err)
{
    if (spec->dtype == TN_STRING)
        return usage_error(err, "input '%s' is of strings, which have no ones", spec->name);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) tn_tensor_set_number(t, i, 1);
    return TN_OK;
}

/* "(2,3)", "()"; text: after the word. */
static tn_code told_shape(const tn_spec *spec, const char *text, tn_shape *out, tn_error *err)
{
    literal *l;
    tn_code code = literal_parse(text, &l, err);
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK) return usage_error(err, "input '%s': '%.100s' is no shape", spec->name, text);
    *out = (tn_shape){.rank = 0};
    const literal *dims = l->count == 1 && l->first->kind == LITERAL_LIST ? l->first : l; /* ones((2,3)) */
    for (const literal *d = dims->first; d && code == TN_OK; d = d->next) {
        if (d->kind != LITERAL_NUMBER || !d->is_int || d->integer < 0 || out->rank == TN_MAX_RANK)
            code = usage_error(err, "input '%s': %s is no shape", spec->name, text);
        else
            out->dim[out->rank++] = d->integer;
    }
    if (code == TN_OK && !compatible(&spec->shape, out)) code = misfit(spec, "a value", out, err);
    literal_free(l);
    return code;
}

/* Whether text is the word, with a shape or without. */
static bool is_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return !strncmp(text, word, n) && (!text[n] || text[n] == '(');
}

static tn_code from_word(input_values *v, const char *command, const tn_spec *spec, const char *text,
                         tn_tensor **out, tn_error *err)
{
    tn_shape shape;
    tn_tensor *t;
    const char *dims = strchr(text, '(');
    tn_code code = dims ? told_shape(spec, dims, &shape, err) : batched(v, spec, &shape, err);
    if (code == TN_OK) code = new_of(spec, &shape, &t, err);
    if (code != TN_OK) return code;
    if (*text == 'o') code = fill_ones(spec, t, err);
    if (*text == 'r') code = fill_random(v, command, spec, t, err);
    if (code == TN_OK)
        *out = t;
    else
        tn_tensor_unref(t);
    return code;
}

/* ==== literals ==== */

static tn_code literal_shape(const tn_spec *spec, const literal *l, tn_shape *out, tn_error *err)
{
    *out = (tn_shape){.rank = 0};
    for (; l && l->kind == LITERAL_LIST; l = l->first) {
        if (out->rank == TN_MAX_RANK)
            return usage_error(err, "input '%s': lists nest deeper than %d", spec->name, TN_MAX_RANK);
        out->dim[out->rank++] = l->count;
    }
    return TN_OK;
}

/* Depth first; every list on a level is as long as the first. */
static tn_code fill(const tn_spec *spec, tn_tensor *t, const tn_shape *lists, int level, const literal *l,
                    int64_t *at, tn_error *err)
{
    bool is_list = l->kind == LITERAL_LIST;
    if (is_list != (level < lists->rank) || (is_list && l->count != lists->dim[level]))
        return usage_error(err, "input '%s': lists are ragged at element %lld", spec->name, (long long)*at);
    if (!is_list) return set_literal(spec, t, (*at)++, l, err);
    for (const literal *c = l->first; c; c = c->next) {
        tn_code code = fill(spec, t, lists, level + 1, c, at, err);
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

/* The shape a flat list of n takes: the first unknown dimension is what is left, the others are 1. */
static bool shape_of_flat(const tn_spec *spec, int64_t n, tn_shape *out)
{
    int open = -1;
    int64_t rest = 1;
    *out = spec->shape;
    for (int d = 0; d < out->rank; d++) {
        if (out->dim[d] < 0 && open < 0)
            open = d;
        else
            rest *= out->dim[d] = out->dim[d] < 0 ? 1 : out->dim[d];
    }
    if (open >= 0 && rest > 0) out->dim[open] = n / rest;
    return out->rank >= 0 && tn_shape_count(out) == n;
}

tn_code input_of_numbers(const tn_spec *spec, const tn_tensor *from, int64_t first, int64_t n,
                         tn_tensor **out, tn_error *err)
{
    tn_shape flat = {.rank = 1, .dim = {n}}, shape;
    tn_tensor *t;
    if (!shape_of_flat(spec, n, &shape)) return misfit(spec, "a list", &flat, err);
    tn_code code = new_of(spec, &shape, &t, err);
    for (int64_t i = 0; code == TN_OK && i < n; i++) {
        literal l = {.kind = LITERAL_NUMBER, .number = tn_tensor_number(from, first + i)};
        code = set_literal(spec, t, i, &l, err);
        if (code != TN_OK) tn_tensor_unref(t);
    }
    if (code == TN_OK) *out = t;
    return code;
}

tn_code input_literal(const input_values *v, const tn_spec *spec, const literal *l, tn_tensor **out,
                      tn_error *err)
{
    tn_shape lists, shape;
    tn_tensor *t;
    int64_t at = 0;
    tn_code code = literal_shape(spec, l, &lists, err);
    if (code != TN_OK) return code;
    bool everywhere = lists.rank == 0 && spec->shape.rank > 0;
    if (everywhere)
        code = batched(v, spec, &shape, err);
    else if (compatible(&spec->shape, &lists))
        shape = lists;
    else if (lists.rank != 1 || !shape_of_flat(spec, l->count, &shape))
        code = misfit(spec, "a literal", &lists, err);
    if (code == TN_OK) code = new_of(spec, &shape, &t, err);
    if (code != TN_OK) return code;
    if (everywhere)
        for (int64_t i = 0; code == TN_OK && i < tn_tensor_count(t); i++)
            code = set_literal(spec, t, i, l, err);
    else
        code = fill(spec, t, &lists, 0, l, &at, err);
    if (code == TN_OK)
        *out = t;
    else
        tn_tensor_unref(t);
    return code;
}

/* "1,2" is a list as well; words without quotes are a string where strings are wanted. */
static tn_code parse(const tn_spec *spec, const char *text, literal **out, tn_error *err)
{
    const char *first = text + strspn(text, " ");
    if (*first && strchr("[({\"'", *first)) return literal_parse(text, out, err);
    size_t n = strlen(text) + 3;
    char *whole = malloc(spec->dtype == TN_STRING ? 2 * n : n);
    if (!whole) return no_memory(err);
    if (spec->dtype == TN_STRING) {
        char *to = whole;
        *to++ = '"';
        for (const char *s = text; *s; s++) {
            if (*s == '"' || *s == '\\') *to++ = '\\';
            *to++ = *s;
        }
        memcpy(to, "\"", 2);
    } else {
        snprintf(whole, n, strchr(text, ',') ? "[%s]" : "%s", text);
    }
    tn_code code = literal_parse(whole, out, err);
    free(whole);
    return code;
}

static bool names_a_file(const char *text)
{
    size_t n = strlen(text);
    return (n > 4 && !strcmp(text + n - 4, ".npy")) || (n > 5 && !strcmp(text + n - 5, ".json"));
}

tn_code input_tensor(input_values *v, const char *command, const tn_spec *spec, const char *text,
                     tn_tensor **out, tn_error *err)
{
    static const char *const words[] = {"zeros", "ones", "random"};
    literal *l;
    if (names_an_image(text) && (is_file(text) || spec->dtype != TN_STRING)) return input_image(spec, text, out, err);
    if (is_file(text) || names_a_file(text)) return tn_tensor_load(text, out, err);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(text, words[i])) return from_word(v, command, spec, text, out, err);
    tn_code code = parse(spec, text, &l, err);
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK) {
        char why[300];
        snprintf(why, sizeof why, "%.299s", err->message);
        return usage_error(err, "input '%s': '%.100s' is neither a file nor numbers, zeros, ones, random: %s",
                           spec->name, text, why);
    }
    code = input_literal(v, spec, l, out, err);
    literal_free(l);
    return code;
}

tn_code input_examples(const tn_spec *spec, const char *text, tn_tensor **out, tn_error *err)
{
    char *file = NULL;
    if (spec->dtype != TN_STRING)
        return usage_error(err, "input '%s' is of %s; tf.Examples are strings", spec->name,
                           tn_dtype_name(spec->dtype));
    tn_code code = is_file(text) ? text_of_file(text, &file, err) : TN_OK;
    if (code == TN_OK) code = tn_examples_from_json(file ? file : text, out, err);
    free(file);
    if (code == TN_OK && !compatible(&spec->shape, tn_tensor_shape(*out))) {
        code = misfit(spec, "a list", tn_tensor_shape(*out), err);
        tn_tensor_unref(*out);
    }
    return code;
}

/* ==== operators that are not there ==== */

void warn_missing(const char *command, const tn_missing *missing, int n)
{
    for (int i = 0; i < n && i < MOST_WARNINGS; i++)
        fprintf(stderr, "turnery %s: warning: operator '%s' is not there; node '%s'%s%s%s needs it\n",
                command, missing[i].type, missing[i].node, missing[i].function ? " in function '" : "",
                missing[i].function ? missing[i].function : "", missing[i].function ? "'" : "");
    if (n > MOST_WARNINGS)
        fprintf(stderr,
                "turnery %s: warning: %d more nodes need operators that are not there (turnery show lists "
                "them)\n",
                command, n - MOST_WARNINGS);
}
