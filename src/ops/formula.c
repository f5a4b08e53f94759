/* SPDX-License-Identifier: Apache-2.0
 *
 * formula.c - gradients written as formulas in postfix notation (op_math.h tells the words). Most gradients
 * of element-wise operators are a line of mathematics; this turns the line into nodes of the graph.
 *
 * Invariant: a formula is part of the program, so a malformed one is INTERNAL, and a test walks them all.
 */
#include <stdlib.h>

#include "op_math.h"

enum { DEPTH = 16, WORD = 40 };

typedef struct stack {
    tn_node v[DEPTH];
    int n;
} stack;

static bool named_value(tn_grad *g, const char *word, tn_node *out)
{
    char name[WORD];
    size_t n = strlen(word);
    bool conj = n > 1 && word[n - 1] == '~';
    memcpy(name, word, n + 1);
    if (conj) name[n - 1] = 0;
    static const char *const inputs[] = {"x", "y", "z"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, inputs[i]) || i >= g->op->n_in) continue;
        *out = tn_grad_in(g, i);
        if (conj) *out = tn_g_conj(g->b, *out);
        return true;
    }
    if (!strcmp(name, "dy"))
        *out = tn_grad_dy(g, 0);
    else if (!strcmp(name, "out"))
        *out = tn_grad_out(g, 0);
    else
        return false;
    if (conj) *out = tn_g_conj(g->b, *out);
    return true;
}

static bool change_top(tn_grad *g, const char *word, stack *s)
{
    if (s->n < 1) return false;
    tn_node *top = &s->v[s->n - 1];
    *top = *word == '~' ? tn_g_conj(g->b, *top)
                        : tn_grad_cast(g->b, *top, tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0))));
    return true;
}

/* Between complex and real numbers the result's dtype is an attribute with a default. */
static int result_dtype(const tn_sig *sig, tn_node x, tn_attr *attr)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    bool single = t == TN_FLOAT || t == TN_COMPLEX64;
    if (!sig->out[0].type_attr || strcmp(sig->out[0].type_attr, "Tout")) return 0;
    *attr = tn_attr_type("Tout", tn_dtype_is_complex(t) ? (single ? TN_FLOAT : TN_DOUBLE)
                                                        : (single ? TN_COMPLEX64 : TN_COMPLEX128));
    return 1;
}

/* An operator's name: takes its inputs off the stack. */
static bool apply(tn_grad *g, const char *word, stack *s)
{
    if (!strcmp(word, "Cast") || !strcmp(word, "~")) return change_top(g, word, s);
    const tn_op *op = tn_op_find(word);
    const tn_sig *sig = op ? tn_op_sig(op) : NULL;
    if (!sig || sig->n_in < 1 || s->n < sig->n_in) return false;
    s->n -= sig->n_in;
    tn_attr attr;
    int n_attrs = result_dtype(sig, s->v[s->n], &attr);
    s->v[s->n] = tn_output_of(tn_add_operation(g->b, word, NULL, s->v + s->n, sig->n_in, &attr, n_attrs), 0);
    s->n++;
    return true;
}

static bool step(tn_grad *g, const char *word, stack *s)
{
    tn_node v;
    char *end;
    if (s->n == DEPTH) return false;
    if (named_value(g, word, &v)) {
        s->v[s->n++] = v;
        return true;
    }
    double number = strtod(word, &end);
    if (end != word && !*end) {
        s->v[s->n++] = tn_scalar(g->b, tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0))), number);
        return true;
    }
    return apply(g, word, s);
}

tn_node tn_formula(tn_grad *g, const char *formula, tn_error *err)
{
    stack s = {.n = 0};
    for (const char *p = formula; *p;) {
        size_t n = strcspn(p, " ");
        char word[WORD];
        if (n == 0 || n >= WORD) break;
        memcpy(word, p, n);
        word[n] = 0;
        if (!step(g, word, &s)) {
            tn_fail(err, TN_INTERNAL, "gradient of %s: '%s' in \"%s\" is no word", g->op->type, word,
                    formula);
            return (tn_node){NULL, 0};
        }
        p += n + (p[n] == ' ');
    }
    if (s.n == 1) return s.v[0];
    tn_fail(err, TN_INTERNAL, "gradient of %s: \"%s\" leaves %d values", g->op->type, formula, s.n);
    return (tn_node){NULL, 0};
}

tn_code tn_grad_formulas(tn_grad *g, int n, const char *const *formulas, bool broadcast, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        if (!formulas[i]) continue;
        tn_error failed = {.code = TN_OK};
        tn_node dx = tn_formula(g, formulas[i], &failed);
        if (failed.code != TN_OK) return tn_fail(err, failed.code, "%s", failed.message);
        if (broadcast)
            tn_grad_set_unbroadcast(g, i, dx, 1 - i);
        else
            tn_grad_set(g, i, dx);
    }
    return TN_OK;
}

tn_node tn_g_sum_to(tn_builder *b, tn_node dx, tn_node like, tn_node full)
{
    tn_shape a = tn_node_shape(like), f = tn_node_shape(full);
    if (tn_shape_known(&a) && tn_shape_equal(&a, &f)) return dx;
    tn_node shape = tn_shape_of(b, like), axes;
    if (tn_shape_known(&a) && tn_shape_known(&f) && a.rank <= f.rank) {
        int64_t list[TN_MAX_RANK];
        int n = 0, added = f.rank - a.rank;
        for (int i = 0; i < f.rank; i++)
            if (i < added || (a.dim[i - added] == 1 && f.dim[i] != 1)) list[n++] = i;
        axes = tn_ints(b, list, n);
    } else {
        axes = tn_g2(b, "BroadcastGradientArgs", shape, tn_shape_of(b, full));
    }
    return tn_g2(b, "Reshape", tn_g2(b, "Sum", dx, axes), shape);
}
