/* SPDX-License-Identifier: Apache-2.0
 *
 * op_string.c - strings put together, measured, cut and changed. Numbers as text are op_text.c's, patterns
 * op_regex.c's. UTF-8 is only looked into where an attribute asks for it.
 */
#include "op_move.h"
#include "unicode.h"

#include <locale.h>
#include <wctype.h>

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

/* ==== StringJoin ==== scalars stand for all elements */

static tn_code join_infer(tn_infer *c, tn_error *err)
{
    tn_shape s = {.rank = 0};
    char a[96], b[96];
    bool unknown = false, any = false;
    for (int i = 0; i < c->n_in; i++) {
        const tn_shape *in = &c->in[i]->shape;
        unknown |= in->rank < 0;
        if (in->rank <= 0) continue;
        if (any && !tn_shape_compatible(&s, in))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Input shapes do not match: %s vs. %s",
                           tn_shape_text(&s, a, sizeof a), tn_shape_text(in, b, sizeof b));
        if (any)
            TN_TRY(tn_shape_merge(&s, in, &s, err));
        else
            s = *in;
        any = true;
    }
    if (any || !unknown) c->out[0].shape = s;
    return TN_OK;
}

static tn_code join_run(tn_run *r, tn_error *err)
{
    tn_view sep = {"", 0};
    tn_buf text = {0};
    tn_code code = TN_OK;
    tn_attr_get_string(r->attrs, "separator", &sep);
    for (int64_t i = 0, n = tn_tensor_count(r->out[0]); i < n && code == TN_OK; i++) {
        tn_buf_clear(&text);
        for (int k = 0; k < r->n_in; k++) {
            const tn_string *s = TN_STRINGS(r->in[k]) + (r->in[k]->shape.rank == 0 ? 0 : i);
            if (k) tn_buf_add(&text, sep.p, sep.n);
            tn_buf_add(&text, s->p, s->n);
        }
        code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.data ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_StringJoin = {
    .name = "StringJoin",
    .sig = "inputs:N*string -> output:string; N:int>=0 separator:string=\"\"",
    .infer = join_infer,
    .run = join_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== StringLength, Substr ==== */

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static int64_t characters(const tn_string *s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += !is_tail(s->p[i]);
    return n;
}

static tn_code length_run(tn_run *r, tn_error *err)
{
    (void)err;
    bool utf8 = tn_attr_is(r->attrs, "unit", "UTF8_CHAR");
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        const tn_string *s = TN_STRINGS(r->in[0]) + i;
        TN_INT32S(r->out[0])[i] = (int32_t)(utf8 ? characters(s) : (int64_t)s->n);
    }
    return TN_OK;
}

const tn_op tn_op_StringLength = {
    .name = "StringLength",
    .sig = "input:string -> output:int32; unit:string{BYTE,UTF8_CHAR}=\"BYTE\"",
    .infer = like_infer,
    .run = length_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code substr_infer(tn_infer *c, tn_error *err)
{
    char pos[128], len[128];
    if (!tn_shape_compatible(&c->in[1]->shape, &c->in[2]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "pos and len should have the same shape, got: %s vs. %s",
                       tn_shape_text(&c->in[1]->shape, pos, sizeof pos),
                       tn_shape_text(&c->in[2]->shape, len, sizeof len));
    return tn_infer_broadcast(c, err);
}

/* The byte at which character k begins. */
static size_t byte_of(const tn_string *s, int64_t k)
{
    size_t i = 0;
    for (; i < s->n; i++)
        if (!is_tail(s->p[i]) && k-- == 0) break;
    return i;
}

static tn_code substr_one(tn_run *r, const tn_string *s, int64_t i, int64_t pos, int64_t len, bool utf8,
                          tn_error *err)
{
    int64_t n = utf8 ? characters(s) : (int64_t)s->n, from = pos < 0 ? pos + n : pos;
    if (from < 0 || from > n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "pos %lld out of range for string b'%.*s' at index %lld",
                       (long long)pos, (int)TN_MIN(s->n, (size_t)200), s->p, (long long)i);
    int64_t to = len < 0 ? from : len > n - from ? n : from + len;
    size_t a = utf8 ? byte_of(s, from) : (size_t)from, b = utf8 ? byte_of(s, to) : (size_t)to;
    return tn_string_set(r->out[0], i, s->p + a, b - a, err);
}

static tn_code substr_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *operands[2] = {&p->in[0]->shape, &p->in[1]->shape};
    TN_PARAMS(p, tn_walk, w);
    return tn_walk_prepare(&p->out[0]->shape, operands, 2, w, err);
}

static tn_code substr_run(tn_run *r, tn_error *err)
{
    const tn_walk *w = r->params;
    bool utf8 = tn_attr_is(r->attrs, "unit", "UTF8_CHAR");
    for (int64_t i = 0, n = tn_tensor_count(r->out[0]); i < n; i++) {
        int64_t rest = i, at[2] = {0, 0};
        for (int k = w->rank - 1; k >= 0; k--) {
            int64_t c = rest % w->dim[k];
            rest /= w->dim[k];
            at[0] += c * w->stride[0][k];
            at[1] += c * w->stride[1][k];
        }
        TN_TRY(substr_one(r, TN_STRINGS(r->in[0]) + at[0], i, tn_tensor_int(r->in[1], at[1]),
                          tn_tensor_int(r->in[2], at[1]), utf8, err));
    }
    return TN_OK;
}

const tn_op tn_op_Substr = {
    .name = "Substr",
    .sig = "input:string pos:T len:T -> output:string; T:type{int32,int64} "
           "unit:string{BYTE,UTF8_CHAR}=\"BYTE\"",
    .infer = substr_infer,
    .prepare = substr_prepare,
    .run = substr_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== StringLower, StringUpper ==== ASCII letters; with encoding utf-8 all letters */

static tn_code ascii_case(tn_run *r, bool lower, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        TN_TRY(tn_move_row(r->out[0], i, r->in[0], i, 1, err));
        tn_string *s = TN_STRINGS(r->out[0]) + i;
        for (size_t k = 0; k < s->n; k++) {
            char c = s->p[k];
            if (lower ? c >= 'A' && c <= 'Z' : c >= 'a' && c <= 'z') s->p[k] = (char)(c ^ 32);
        }
    }
    return TN_OK;
}

/* As TensorFlow's ICU: the text ends at its first zero byte, and what is no UTF-8 becomes U+FFFD, one for a
 * character that was cut short. */
static void change_text(const tn_string *s, bool lower, locale_t letters, tn_buf *out)
{
    size_t used, n = strnlen(s->p, s->n);
    uint32_t upper[3];
    int several;
    tn_buf_clear(out);
    for (size_t k = 0; k < n; k += used) {
        int32_t c;
        used = tn_utf8_next((tn_view){s->p + k, n - k}, &c);
        if (c < 0)
            tn_buf_utf8(out, 0xfffd);
        else if (lower && (c == 0x3a3 || c == 0x130))
            tn_buf_str(out, c == 0x130                                      ? "i\u0307"
                            : tn_unicode_final_sigma((tn_view){s->p, n}, k) ? "\u03c2"
                                                                            : "\u03c3");
        else if (!lower && (several = tn_unicode_upper((uint32_t)c, upper)))
            for (int i = 0; i < several; i++) tn_buf_utf8(out, upper[i]);
        else
            tn_buf_utf8(out,
                        (uint32_t)(lower ? towlower_l((wint_t)c, letters) : towupper_l((wint_t)c, letters)));
    }
}

static tn_code utf8_case(tn_run *r, bool lower, tn_error *err)
{
    tn_buf text = {0};
    tn_code code = TN_OK;
    locale_t letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!letters) return tn_fail(err, TN_UNIMPLEMENTED, "%s: the system has no locale C.UTF-8", r->op->name);
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        change_text(TN_STRINGS(r->in[0]) + i, lower, letters, &text);
        code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    freelocale(letters);
    return code;
}

static tn_code change_case(tn_run *r, bool lower, tn_error *err)
{
    tn_view encoding = {"", 0};
    tn_attr_get_string(r->attrs, "encoding", &encoding);
    return tn_view_is(encoding, "utf-8") ? utf8_case(r, lower, err) : ascii_case(r, lower, err);
}
static tn_code lower_run(tn_run *r, tn_error *err)
{
    return change_case(r, true, err);
}
static tn_code upper_run(tn_run *r, tn_error *err)
{
    return change_case(r, false, err);
}

const tn_op tn_op_StringLower = {
    .name = "StringLower",
    .sig = "input:string -> output:string; encoding:string=\"\"",
    .infer = like_infer,
    .run = lower_run,
    .flags = TN_NO_GRADIENT,
};
const tn_op tn_op_StringUpper = {
    .name = "StringUpper",
    .sig = "input:string -> output:string; encoding:string=\"\"",
    .infer = like_infer,
    .run = upper_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== StringStrip ==== */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static tn_code strip_run(tn_run *r, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        const tn_string *s = TN_STRINGS(r->in[0]) + i;
        size_t a = 0, b = s->n;
        while (a < b && is_space(s->p[a])) a++;
        while (b > a && is_space(s->p[b - 1])) b--;
        TN_TRY(tn_string_set(r->out[0], i, s->n ? s->p + a : "", b - a, err));
    }
    return TN_OK;
}

const tn_op tn_op_StringStrip = {
    .name = "StringStrip",
    .sig = "input:string -> output:string;",
    .infer = like_infer,
    .run = strip_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== ShardedFilename, ShardedFilespec ==== */

static tn_code sharded_run(tn_run *r, tn_error *err)
{
    const tn_string *base = TN_STRINGS(r->in[0]);
    int64_t shard, shards;
    TN_TRY(tn_int_of(r->in[1], "shard", &shard, err));
    TN_TRY(tn_int_of(r->in[2], "num_shards", &shards, err));
    if (tn_tensor_count(r->in[0]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "basename must be a scalar");
    tn_buf text = {0};
    tn_buf_add(&text, base->p, base->n);
    tn_buf_printf(&text, "-%05lld-of-%05lld", (long long)shard, (long long)shards);
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, text.data, text.n, err);
    tn_buf_free(&text);
    return code;
}

static tn_code sharded_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    return tn_infer_scalar(c, err);
}

const tn_op tn_op_ShardedFilename = {
    .name = "ShardedFilename",
    .sig = "basename:string shard:int32 num_shards:int32 -> filename:string;",
    .infer = sharded_infer,
    .run = sharded_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code filespec_run(tn_run *r, tn_error *err)
{
    const tn_string *base = TN_STRINGS(r->in[0]);
    int64_t shards;
    TN_TRY(tn_int_of(r->in[1], "num_shards", &shards, err));
    if (tn_tensor_count(r->in[0]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "basename must be a scalar");
    tn_buf text = {0};
    tn_buf_add(&text, base->p, base->n);
    tn_buf_printf(&text, "-%s-of-%05lld", "?????", (long long)shards);
    tn_code code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, text.data, text.n, err);
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_ShardedFilespec = {
    .name = "ShardedFilespec",
    .sig = "basename:string num_shards:int32 -> filename:string;",
    .infer = sharded_infer,
    .run = filespec_run,
    .flags = TN_NO_GRADIENT,
};
