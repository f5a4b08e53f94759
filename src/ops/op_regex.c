/* SPDX-License-Identifier: Apache-2.0
 *
 * op_regex.c - operators with regular expressions: RegexFullMatch, RegexReplace and those whose pattern is
 * an attribute.
 */
#include "op_move.h"
#include "pattern.h"

typedef struct regex {
    tn_pattern pattern;
    tn_view rewrite;
    int groups; /* the last that the rewrite names */
    bool global;
} regex;

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    for (int i = 1; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_view text_of(const tn_tensor *t, int64_t i)
{
    return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
}

/* A rewrite has \0 to \9 for groups and \\ for itself. */
static tn_code read_rewrite(regex *x, tn_error *err)
{
    for (size_t i = 0; i < x->rewrite.n; i++) {
        if (x->rewrite.p[i] != '\\') continue;
        char c = ++i < x->rewrite.n ? x->rewrite.p[i] : 0;
        bool group = c >= '0' && c <= '9';
        if (group) x->groups = TN_MAX(x->groups, c - '0');
        if (c == '\\' || (group && x->groups <= x->pattern.groups)) continue;
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid rewrite pattern: %.*s",
                       (int)TN_MIN(x->rewrite.n, (size_t)300), x->rewrite.p);
    }
    return TN_OK;
}

static tn_code static_prepare(tn_prepare *p, tn_error *err)
{
    tn_view text = {"", 0};
    TN_PARAMS(p, regex, x);
    x->rewrite = (tn_view){"", 0};
    tn_attr_get_string(p->attrs, "pattern", &text);
    tn_attr_get_string(p->attrs, "rewrite", &x->rewrite);
    tn_attr_get_bool(p->attrs, "replace_global", &x->global);
    TN_TRY(tn_pattern_compile(p->arena, text, &x->pattern, err));
    return read_rewrite(x, err);
}

/* ==== full match ==== */

static tn_code match_all(tn_run *r, const regex *x, tn_error *err)
{
    tn_pattern_run *m;
    TN_TRY(tn_pattern_run_new(&x->pattern, x->groups, &m, err));
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++)
        ((bool *)r->out[0]->data)[i] = tn_pattern_full(m, text_of(r->in[0], i));
    tn_pattern_run_free(m);
    return TN_OK;
}

/* ==== replacing ==== */

static void put_rewrite(const regex *x, tn_view text, const int64_t *at, tn_buf *out)
{
    for (size_t i = 0; i < x->rewrite.n; i++) {
        char c = x->rewrite.p[i];
        if (c != '\\') {
            tn_buf_char(out, c);
            continue;
        }
        c = x->rewrite.p[++i];
        if (c == '\\') {
            tn_buf_char(out, c);
            continue;
        }
        const int64_t *group = at + 2 * (c - '0');
        if (group[0] >= 0) tn_buf_add(out, text.p + group[0], (size_t)(group[1] - group[0]));
    }
}

static size_t char_size(tn_view text, size_t i)
{
    size_t n = 1;
    while (i + n < text.n && ((unsigned char)text.p[i + n] & 0xc0) == 0x80) n++;
    return n;
}

static void replace(tn_pattern_run *m, const regex *x, tn_view text, tn_buf *out)
{
    size_t at = 0;
    int64_t last_end = -1, found[2 * TN_PATTERN_GROUPS];
    while (at <= text.n && tn_pattern_find(m, text, at, found)) {
        size_t begin = (size_t)found[0], end = (size_t)found[1];
        tn_buf_add(out, text.p + at, begin - at);
        if (found[0] == last_end && begin == end) { /* nothing right behind a match is none */
            size_t n = begin < text.n ? char_size(text, begin) : 0;
            tn_buf_add(out, text.p + begin, n);
            at = begin + TN_MAX(n, 1);
            last_end = -1;
            continue;
        }
        put_rewrite(x, text, found, out);
        at = end;
        last_end = found[1];
        if (!x->global) break;
    }
    if (at < text.n) tn_buf_add(out, text.p + at, text.n - at);
}

static tn_code replace_all(tn_run *r, const regex *x, tn_error *err)
{
    tn_pattern_run *m;
    tn_buf text = {0};
    tn_code code = TN_OK;
    TN_TRY(tn_pattern_run_new(&x->pattern, x->groups, &m, err));
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        tn_buf_clear(&text);
        replace(m, x, text_of(r->in[0], i), &text);
        code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    tn_pattern_run_free(m);
    return code;
}

/* ==== the operators ==== */

static tn_code static_match_run(tn_run *r, tn_error *err)
{
    return match_all(r, r->params, err);
}
static tn_code static_replace_run(tn_run *r, tn_error *err)
{
    return replace_all(r, r->params, err);
}

/* The pattern is an input: compiled in every run. */
static tn_code with_input(tn_run *r, tn_code (*f)(tn_run *, const regex *, tn_error *), tn_error *err)
{
    regex x = {.rewrite = {"", 0}};
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_attr_get_bool(r->attrs, "replace_global", &x.global);
    if (r->n_in > 2) x.rewrite = text_of(r->in[2], 0);
    tn_code code = tn_pattern_compile(a, text_of(r->in[1], 0), &x.pattern, err);
    if (code == TN_OK) code = read_rewrite(&x, err);
    if (code == TN_OK) code = f(r, &x, err);
    tn_arena_free(a);
    return code;
}
static tn_code match_run(tn_run *r, tn_error *err)
{
    return with_input(r, match_all, err);
}
static tn_code replace_run(tn_run *r, tn_error *err)
{
    return with_input(r, replace_all, err);
}

#define REGEX(NAME, PREPARE, RUN, SIG) \
    const tn_op tn_op_##NAME = {       \
        .name = #NAME,                 \
        .sig = SIG,                    \
        .infer = like_infer,           \
        .prepare = PREPARE,            \
        .run = RUN,                    \
        .flags = TN_NO_GRADIENT,       \
    }
REGEX(StaticRegexFullMatch, static_prepare, static_match_run, "input:string -> output:bool; pattern:string");
REGEX(StaticRegexReplace, static_prepare, static_replace_run,
      "input:string -> output:string; pattern:string rewrite:string replace_global:bool=true");
REGEX(RegexFullMatch, NULL, match_run, "input:string pattern:string -> output:bool;");
REGEX(RegexReplace, NULL, replace_run,
      "input:string pattern:string rewrite:string -> output:string; replace_global:bool=true");
