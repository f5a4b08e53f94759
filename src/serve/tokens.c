/* SPDX-License-Identifier: Apache-2.0
 *
 * tokens.c - who may ask which model: bearer tokens from a file.
 *
 * A line is a token and, behind white space, the models it is for; none or "*": all. "#" begins a comment
 * line.
 *
 * Invariant: how long a check takes says nothing of the tokens but their number and lengths.
 */
#include "serve.h"

enum { MOST_FILE = 1 << 20, LEAST_TOKEN = 8 };

typedef struct entry {
    tn_view token;
    tn_view *models;
    int n_models; /* 0: all */
} entry;

struct tn_tokens {
    tn_arena *arena;
    entry *entries;
    int n;
};

/* Takes the next word off the front of a line. */
static tn_view next_word(tn_view *line)
{
    size_t from = 0, to;
    while (from < line->n && strchr(" \t\r", line->p[from])) from++;
    for (to = from; to < line->n && !strchr(" \t\r", line->p[to]);) to++;
    tn_view word = {line->p + from, to - from};
    *line = (tn_view){line->p + to, line->n - to};
    return word;
}

static tn_code read_models(tn_tokens *t, tn_view line, entry *e, tn_error *err)
{
    tn_view rest = line, word;
    int n = 0;
    while (next_word(&rest).n) n++;
    e->models = TN_ARRAY(t->arena, n + 1, tn_view);
    if (!e->models) return tn_no_memory(err, 0);
    bool all = n == 0;
    for (n = 0; (word = next_word(&line)).n; n++) {
        e->models[n] = word;
        all |= tn_view_is(word, "*");
    }
    e->n_models = all ? 0 : n;
    return TN_OK;
}

static tn_code read_line(tn_tokens *t, tn_view line, const char *path, int number, tn_error *err)
{
    tn_view token = next_word(&line);
    if (token.n == 0 || token.p[0] == '#') return TN_OK;
    if (token.n < LEAST_TOKEN)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s, line %d: a token has at least %d characters", path,
                       number, LEAST_TOKEN);
    entry *e = &t->entries[t->n++];
    e->token = token;
    return read_models(t, line, e, err);
}

static tn_code read_lines(tn_tokens *t, tn_view text, const char *path, tn_error *err)
{
    int lines = 1, number = 1;
    for (size_t i = 0; i < text.n; i++) lines += text.p[i] == '\n';
    t->entries = TN_ARRAY(t->arena, lines, entry);
    if (!t->entries) return tn_no_memory(err, 0);
    for (size_t i = 0; i < text.n; number++) {
        const char *end = memchr(text.p + i, '\n', text.n - i);
        size_t n = end ? (size_t)(end - text.p) - i : text.n - i;
        TN_TRY(read_line(t, (tn_view){text.p + i, n}, path, number, err));
        i += n + 1;
    }
    if (t->n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "%s: no token is in it", path);
    return TN_OK;
}

tn_code tn_tokens_load(const char *path, tn_tokens **out, tn_error *err)
{
    tn_buf text = {0};
    TN_TRY(tn_file_read(path, MOST_FILE, &text, err));
    tn_tokens *t = tn_calloc(1, sizeof *t);
    tn_code code = t && (t->arena = tn_arena_new(0)) ? TN_OK : tn_no_memory(err, sizeof *t);
    char *kept = code == TN_OK ? tn_arena_strndup(t->arena, text.data ? text.data : "", text.n) : NULL;
    if (code == TN_OK)
        code = kept ? read_lines(t, (tn_view){kept, text.n}, path, err) : tn_no_memory(err, text.n);
    tn_buf_free(&text);
    if (code == TN_OK)
        *out = t;
    else
        tn_tokens_free(t);
    return code;
}

void tn_tokens_free(tn_tokens *t)
{
    if (!t) return;
    tn_arena_free(t->arena);
    tn_free(t);
}

static bool same(tn_view a, tn_view b)
{
    unsigned char differ = a.n != b.n;
    for (size_t i = 0; i < b.n; i++) differ |= (unsigned char)(a.n ? a.p[i < a.n ? i : 0] ^ b.p[i] : 1);
    return differ == 0;
}

static const entry *find(const tn_tokens *t, const char *authorization)
{
    const entry *found = NULL;
    const char *token =
        authorization && strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : "";
    tn_view given = tn_view_of(token + strspn(token, " "));
    for (int i = 0; i < t->n; i++)
        if (same(given, t->entries[i].token)) found = &t->entries[i];
    return found;
}

tn_code tn_tokens_check(const tn_tokens *t, const char *authorization, tn_view model, tn_error *err)
{
    const entry *e = find(t, authorization);
    if (!e)
        return tn_fail(err, TN_UNAUTHENTICATED,
                       authorization ? "The token is not known."
                                     : "A token is required: Authorization: Bearer TOKEN");
    for (int i = 0; model.p && i < e->n_models; i++)
        if (tn_view_eq(e->models[i], model)) return TN_OK;
    if (e->n_models == 0) return TN_OK;
    if (!model.p) return tn_fail(err, TN_PERMISSION_DENIED, "The token is not for all models.");
    return tn_fail(err, TN_PERMISSION_DENIED, "The token is not for model %.*s.", (int)TN_MIN(model.n, 256),
                   model.p);
}
