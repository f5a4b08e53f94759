/* SPDX-License-Identifier: Apache-2.0
 *
 * einsum.c - reads Einsum's equation: splits it, labels every axis, finds each label's size.
 */
#include "einsum.h"

enum { UNDER_ELLIPSIS = 256 };

/* ==== the text ==== */

tn_code tn_einsum_split(tn_view equation, tn_view part[3], int *n_in, tn_error *err)
{
    const char *arrow = NULL, *end = equation.p + equation.n;
    int arrows = 0, commas = 0;
    for (const char *p = equation.p; p + 1 < end; p++)
        if (p[0] == '-' && p[1] == '>' && ++arrows == 1) arrow = p;
    if (arrows != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expecting exactly one '->' in einsum equation: %.*s",
                       (int)equation.n, equation.p);
    const char *comma = arrow;
    for (const char *p = arrow - 1; p >= equation.p; p--) {
        if (*p != ',') continue;
        comma = p;
        commas++;
    }
    if (commas > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expecting 1 or 2 input subscripts in equation '%.*s' but got: %d", (int)equation.n,
                       equation.p, commas + 1);
    *n_in = commas + 1;
    part[0] = (tn_view){equation.p, (size_t)(comma - equation.p)};
    part[1] = commas ? (tn_view){comma + 1, (size_t)(arrow - comma - 1)} : (tn_view){arrow, 0};
    part[TN_EINSUM_OUT] = (tn_view){arrow + 2, (size_t)(end - arrow - 2)};
    return TN_OK;
}

int tn_einsum_ellipsis(tn_view part)
{
    for (size_t i = 0; i + 3 <= part.n; i++)
        if (!memcmp(part.p + i, "...", 3)) return (int)i;
    return -1;
}

/* ==== labels ==== */

static int label_of(tn_einsum *e, int name)
{
    for (int i = 0; i < e->n_labels; i++)
        if (e->name[i] == name) return i;
    if (e->n_labels == TN_EINSUM_LABELS) return -1;
    e->name[e->n_labels] = name;
    e->dim[e->n_labels] = -1;
    return e->n_labels++;
}

bool tn_einsum_has(const tn_einsum *e, int operand, int label)
{
    for (int i = 0; i < e->rank[operand]; i++)
        if (e->label[operand][i] == label) return true;
    return false;
}

static tn_code add_axis(tn_einsum *e, int operand, int name, tn_error *err)
{
    int label = label_of(e, name);
    if (label < 0 || e->rank[operand] == TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: more than %d axes or too many labels", TN_MAX_RANK);
    e->label[operand][e->rank[operand]++] = label;
    return TN_OK;
}

/* Labels of one part; `under` axes are under its ellipsis. */
static tn_code label_part(tn_einsum *e, int operand, tn_view part, int under, tn_error *err)
{
    int ellipsis = tn_einsum_ellipsis(part);
    for (int i = 0; i < (int)part.n; i++) {
        if (i == ellipsis) {
            for (int k = under - 1; k >= 0; k--) TN_TRY(add_axis(e, operand, UNDER_ELLIPSIS + k, err));
            i += 2;
        } else if (part.p[i] == '.') {
            return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: '.' that is no ellipsis in '%.*s'", (int)part.n,
                           part.p);
        } else {
            TN_TRY(add_axis(e, operand, (unsigned char)part.p[i], err));
        }
    }
    return TN_OK;
}

static int letters(tn_view part)
{
    return (int)part.n - (tn_einsum_ellipsis(part) >= 0 ? 3 : 0);
}

static tn_code operand_rank(tn_view part, const tn_shape *s, int i, int *under, tn_error *err)
{
    bool open = tn_einsum_ellipsis(part) >= 0;
    int n = letters(part);
    *under = s->rank - n;
    if (open ? *under >= 0 : *under == 0) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected input %d to have rank %s%d but got: %d", i,
                   open ? "at least " : "", n, s->rank);
}

/* ==== sizes ==== */

static bool merge_size(int64_t *size, int64_t d, bool stretches)
{
    if (d < 0 || *size == d) return true;
    if (*size < 0 || (stretches && *size == 1)) {
        *size = d;
        return true;
    }
    return stretches && d == 1;
}

static tn_code read_sizes(tn_einsum *e, int operand, const tn_shape *s, tn_error *err)
{
    char text[160];
    for (int i = 0; i < s->rank; i++) {
        int label = e->label[operand][i];
        if (merge_size(&e->dim[label], s->dim[i], e->name[label] >= UNDER_ELLIPSIS)) continue;
        if (e->name[label] >= UNDER_ELLIPSIS)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid broadcasting dimensions: %lld vs. %lld",
                           (long long)e->dim[label], (long long)s->dim[i]);
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected dimension %lld at axis %d of the input shaped %s but got "
                       "dimension %lld",
                       (long long)e->dim[label], i, tn_shape_text(s, text, sizeof text),
                       (long long)s->dim[i]);
    }
    return TN_OK;
}

static tn_code read_result(tn_einsum *e, tn_view part, int under, tn_error *err)
{
    int known = e->n_labels;
    if (under > 0 && tn_einsum_ellipsis(part) < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Output contains %d broadcasting dimension(s) but no ellipsis (...) was "
                       "found in the output subscripts.",
                       under);
    TN_TRY(label_part(e, TN_EINSUM_OUT, part, under, err));
    if (e->n_labels == known) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: label '%c' of the output is in no input",
                   e->name[known]);
}

tn_code tn_einsum_read(tn_view equation, const tn_shape *const *shapes, int n_shapes, tn_einsum *e,
                       tn_error *err)
{
    tn_view part[3];
    int under, widest = 0;
    memset(e, 0, sizeof *e);
    TN_TRY(tn_einsum_split(equation, part, &e->n_in, err));
    if (e->n_in != n_shapes)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %d inputs but got: %d", e->n_in, n_shapes);
    for (int i = 0; i < e->n_in; i++) {
        TN_TRY(operand_rank(part[i], shapes[i], i, &under, err));
        TN_TRY(label_part(e, i, part[i], under, err));
        TN_TRY(read_sizes(e, i, shapes[i], err));
        widest = TN_MAX(widest, under);
    }
    return read_result(e, part[TN_EINSUM_OUT], widest, err);
}
