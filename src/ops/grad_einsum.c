/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_einsum.c - Einsum's gradient, by Einsums. Of "A,B->C" by A it is "C,B->A". Labels of A that were
 * summed alone come back by an outer product with ones; axes under an ellipsis that A was stretched along
 * are summed.
 */
#include "einsum.h"
#include "op_math.h"

enum { TEXT = 64 };

static tn_node einsum(tn_builder *b, const char *equation, const tn_node *in, int n)
{
    tn_attr attrs[] = {tn_attr_str("equation", equation), tn_attr_int("N", n)};
    return tn_output_of(tn_add_operation(b, "Einsum", NULL, in, n, attrs, 2), 0);
}

static bool contains(tn_view part, char label)
{
    return part.n && memchr(part.p, label, part.n) != NULL;
}

static bool to_text(char *text, tn_view v)
{
    if (v.n + 4 > TEXT) return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    return true;
}

/* Splits A's labels: those that `c` or `b` has, and, each once, those it has alone. */
static void split_alone(const char *a, tn_view c, tn_view b, char *shared, char *alone)
{
    int n = 0, k = 0;
    for (const char *p = a; *p; p++) {
        if (*p == '.' || contains(c, *p) || contains(b, *p)) {
            shared[n++] = *p;
        } else {
            alone[k] = 0;
            if (!strchr(alone, *p)) alone[k++] = *p;
        }
    }
    shared[n] = alone[k] = 0;
}

/* Ones of the sizes that the labels have in x, whose subscripts are a. */
static tn_node ones(tn_builder *b, tn_node x, const char *a, const char *labels)
{
    tn_node axes[TEXT], shape = tn_shape_of(b, x);
    const char *dots = strstr(a, "...");
    int n = (int)strlen(labels);
    for (int i = 0; i < n; i++) {
        const char *at = strchr(a, labels[i]);
        bool behind = dots && at > dots; /* counted from the end */
        tn_node axis = tn_g_int(b, behind ? at - (a + strlen(a)) : at - a);
        axes[i] = behind ? tn_g2(b, "AddV2", tn_g1(b, "Rank", x), axis) : axis;
    }
    tn_node list = tn_output_of(tn_add_operation(b, "Pack", NULL, axes, n, TN_ATTRS(tn_attr_int("N", n))), 0);
    tn_node sizes = tn_g3(b, "GatherV2", shape, list, tn_g_int(b, 0));
    return tn_g2(b, "Fill", sizes, tn_scalar(b, tn_dtype_base(tn_node_dtype(x)), 1));
}

/* dx with "a" as subscripts, stretched axes under the ellipsis summed. They are brought to the front for
 * that, where the rules of broadcasting hold. */
static tn_node unstretch(tn_builder *b, tn_node dx, tn_node x, const char *a)
{
    char front[TEXT], there[2 * TEXT + 4], back[2 * TEXT + 4];
    const char *dots = strstr(a, "...");
    if (dots == a) return tn_g_sum_to(b, dx, x, dx);
    snprintf(front, sizeof front, "...%.*s%s", (int)(dots - a), a, dots + 3);
    snprintf(there, sizeof there, "%s->%s", a, front);
    snprintf(back, sizeof back, "%s->%s", front, a);
    tn_node sum = tn_g_sum_to(b, einsum(b, there, &dx, 1), einsum(b, there, &x, 1), einsum(b, there, &dx, 1));
    return einsum(b, back, &sum, 1);
}

static bool unique_labels(const char *a)
{
    for (const char *p = a; *p; p++)
        if (*p != '.' && strchr(p + 1, *p)) return false;
    return true;
}

/* Subscripts with each label once. */
static void once(const char *a, char *out)
{
    int n = 0;
    for (const char *p = a; *p; p++) {
        out[n] = 0;
        if (*p == '.' || !strchr(out, *p)) out[n++] = *p;
    }
    out[n] = 0;
}

static tn_node reduced(tn_builder *b, tn_node x, const char *a, const char *single)
{
    char equation[2 * TEXT + 4];
    snprintf(equation, sizeof equation, "%s->%s", a, single);
    return einsum(b, equation, &x, 1);
}

static tn_code by_operand(tn_grad *g, const tn_view part[3], int i, int n_in, tn_error *err)
{
    tn_builder *b = g->b;
    char a[TEXT], shared[TEXT], alone[TEXT], single[TEXT], equation[4 * TEXT];
    tn_view c = part[TN_EINSUM_OUT], other = n_in == 2 ? part[1 - i] : (tn_view){"", 0};
    if (!to_text(a, part[i]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Einsum: subscripts of %d characters", (int)part[i].n);
    tn_node x = tn_grad_in(g, i), in[2] = {tn_grad_dy(g, 0), {NULL, 0}};
    if (n_in == 2) in[1] = tn_g_conj(b, tn_grad_in(g, 1 - i));
    if (tn_einsum_ellipsis(c) >= 0 && !strstr(a, "...")) memcpy(a + strlen(a), "...", 4); /* of no axes */
    split_alone(a, c, other, shared, alone);
    once(shared, single);
    snprintf(equation, sizeof equation, "%.*s%s%.*s->%s", (int)c.n, c.p, n_in == 2 ? "," : "", (int)other.n,
             other.p, single);
    tn_node dx = einsum(b, equation, in, n_in);
    if (strstr(a, "...")) dx = unstretch(b, dx, strcmp(a, single) ? reduced(b, x, a, single) : x, single);
    if (*alone) {
        tn_node parts[] = {dx, ones(b, x, a, alone)};
        snprintf(equation, sizeof equation, "%s,%s->%s", single, alone, a);
        dx = einsum(b, equation, parts, 2);
    } else if (!unique_labels(a)) {
        snprintf(equation, sizeof equation, "%s->%s", single, a);
        dx = einsum(b, equation, &dx, 1);
    }
    tn_grad_set(g, i, dx);
    return TN_OK;
}

tn_code tn_grad_einsum(tn_grad *g, tn_error *err)
{
    tn_view equation = {"", 0}, part[3];
    int n_in;
    tn_attr_get_string(&g->op->attrs, "equation", &equation);
    TN_TRY(tn_einsum_split(equation, part, &n_in, err));
    for (int i = 0; i < n_in; i++) TN_TRY(by_operand(g, part, i, n_in, err));
    return TN_OK;
}
