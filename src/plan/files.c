/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c - what operators do with files and where Print's text goes: by the hooks that the session was
 * given, never by calls of its own. Patterns of paths are taken apart here, folder by folder.
 */
#include "files.h"

#include "../wire/wire.h"
#include "plan.h"

#define FILE_LIMIT ((size_t)1 << 32) /* expanded, too */
enum { MOST_PATHS = 1 << 20 };

const tn_files *tn_run_files(const tn_run *r)
{
    const tn_store *store = r->context ? r->context->program->store : NULL; /* none while folding */
    return store ? &store->files : NULL;
}

static tn_code path_of(const tn_files *f, const char *owner, tn_view path, char **out, tn_error *err)
{
    if (!f || !f->outside)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': this session has no access to files ('%.*s')",
                       owner, (int)TN_MIN(path.n, (size_t)200), path.p);
    if (path.n && memchr(path.p, 0, path.n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': a path with a zero byte: '%.*s'", owner,
                       (int)TN_MIN(path.n, (size_t)200), path.p);
    char *copy = tn_malloc(path.n + 1);
    if (!copy) return tn_no_memory(err, path.n);
    if (path.n) memcpy(copy, path.p, path.n);
    copy[path.n] = 0;
    *out = copy;
    return TN_OK;
}

tn_code tn_files_read(const tn_files *f, const char *owner, tn_view path, tn_buf *out, tn_error *err)
{
    char *p;
    TN_TRY(path_of(f, owner, path, &p, err));
    tn_code code = f->outside->read(f->outside->payload, p, tn_budget_room(FILE_LIMIT), out, err);
    tn_free(p);
    return code;
}

static tn_code expand(tn_buf *bytes, tn_packing p, tn_error *err)
{
    tn_buf plain = {0};
    tn_view in = {bytes->n ? bytes->data : "", bytes->n};
    const size_t limit = tn_budget_room(FILE_LIMIT);
    tn_code code = p == TN_PACK_SNAPPY ? tn_snappy_expand(in, limit, &plain, err)
                                       : tn_inflate(in, (tn_compression)p, limit, &plain, err);
    tn_buf_free(code == TN_OK ? bytes : &plain);
    if (code == TN_OK) *bytes = plain;
    return code;
}

tn_code tn_files_hold(const tn_files *f, const char *owner, tn_view path, tn_packing p, tn_buf *bytes,
                      tn_charge *charge, tn_error *err)
{
    tn_code code = tn_files_read(f, owner, path, bytes, err);
    if (code == TN_OK && p != TN_PACK_NONE && (code = expand(bytes, p, err)) != TN_OK)
        tn_wrap(err, "%.*s", (int)TN_MIN(path.n, (size_t)1000), path.p);
    if (code == TN_OK && !tn_charge_add(charge, bytes->n)) code = tn_no_memory(err, bytes->n);
    if (code != TN_OK) tn_files_drop(bytes, charge);
    return code;
}

void tn_files_drop(tn_buf *bytes, tn_charge *charge)
{
    tn_buf_free(bytes);
    tn_charge_drop(charge);
}

tn_code tn_files_write(const tn_files *f, const char *owner, tn_view path, tn_view bytes, bool append,
                       tn_error *err)
{
    char *p;
    TN_TRY(path_of(f, owner, path, &p, err));
    tn_code code = f->outside->write(f->outside->payload, p, bytes, append, err);
    tn_free(p);
    return code;
}

tn_code tn_files_look(const tn_files *f, const char *owner, tn_view path, bool *is_there, bool *is_folder,
                      tn_error *err)
{
    char *p;
    TN_TRY(path_of(f, owner, path, &p, err));
    tn_code code = f->outside->look ? f->outside->look(f->outside->payload, p, is_there, is_folder, err)
                                    : tn_fail(err, TN_UNIMPLEMENTED, "'%s': files cannot be looked for", owner);
    tn_free(p);
    return code;
}

tn_code tn_files_prefix(const tn_files *f, const char *owner, tn_view prefix, const tn_checkpoint_hooks **hooks,
                        char **out, tn_error *err)
{
    if (!f || !f->checkpoints)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s': this session has no access to checkpoints", owner);
    TN_TRY(path_of(f, owner, prefix, out, err));
    *hooks = f->checkpoints;
    return TN_OK;
}

tn_code tn_files_tensor(const tn_files *f, const char *owner, tn_view prefix, tn_view name, tn_tensor **out,
                        tn_error *err)
{
    const tn_checkpoint_hooks *hooks = NULL;
    char *p, *n;
    TN_TRY(tn_files_prefix(f, owner, prefix, &hooks, &p, err));
    tn_code code = path_of(f, owner, name, &n, err);
    if (code == TN_OK) {
        code = hooks->tensor(p, n, out, err);
        tn_free(n);
    }
    tn_free(p);
    return code;
}

tn_code tn_files_print(const tn_files *f, const char *stream, tn_view text, tn_error *err)
{
    if (!strncmp(stream, "file://", 7))
        return tn_files_write(f, "PrintV2", tn_view_of(stream), text, true, err);
    if (f && f->print) f->print(f->print_payload, stream, text.n ? text.p : "", text.n);
    return TN_OK;
}

static tn_code add_path(tn_arena *a, tn_paths *v, const char *path, tn_error *err)
{
    if (!path) return tn_no_memory(err, 0);
    if (v->n >= MOST_PATHS)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "more than %d paths match", MOST_PATHS);
    if (v->n == v->cap) {
        size_t cap = v->cap ? 2 * v->cap : 16;
        const char **at = TN_ARRAY(a, cap, const char *);
        if (!at) return tn_no_memory(err, cap * sizeof *at);
        if (v->n) memcpy(at, v->at, v->n * sizeof *at);
        v->at = at;
        v->cap = cap;
    }
    v->at[v->n++] = path;
    return TN_OK;
}

tn_code tn_files_list(const tn_files *f, const char *owner, tn_view folder, tn_arena *a, tn_paths *out, tn_error *err)
{
    char *p, **names = NULL;
    size_t n = 0;
    TN_TRY(path_of(f, owner, folder, &p, err));
    tn_code code = f->outside->list ? f->outside->list(f->outside->payload, p, a, &names, &n, err)
                                    : tn_fail(err, TN_UNIMPLEMENTED, "'%s': folders cannot be listed", owner);
    tn_free(p);
    if (code == TN_NOT_FOUND) return TN_OK;
    for (size_t i = 0; code == TN_OK && i < n; i++) code = add_path(a, out, names[i], err);
    return code;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void tn_paths_sort(tn_paths *v, size_t from)
{
    if (v->n > from) qsort(v->at + from, v->n - from, sizeof *v->at, by_bytes);
}

/* ==== patterns ==== */

/* One character of s against what stands at *p, which moves on: a character, \ and a character, ?, [..]. */
static bool one_matches(const char **p, char c)
{
    const char *at = *p;
    if (*at == '\\' && at[1])
        at++;
    else if (*at == '?') {
        *p = at + 1;
        return true;
    } else if (*at == '[') {
        const char *q = at + 1;
        bool no = *q == '!' || *q == '^', found = false;
        q += no;
        for (const char *first = q; *q && (*q != ']' || q == first); q++) {
            bool is_range = q[1] == '-' && q[2] && q[2] != ']';
            found |= is_range
                         ? (unsigned char)*q <= (unsigned char)c && (unsigned char)c <= (unsigned char)q[2]
                         : *q == c;
            if (is_range) q += 2;
        }
        if (*q == ']') {
            *p = q + 1;
            return found != no;
        }
    }
    *p = at + 1;
    return *at == c;
}

/* A * that takes more is only tried at the last one: those before it have what they need. */
static bool matches(const char *p, const char *s)
{
    const char *star = NULL, *rest = NULL;
    while (*s) {
        const char *next = p;
        if (*p == '*') {
            star = ++p;
            rest = s;
        } else if (*p && one_matches(&next, *s)) {
            p = next;
            s++;
        } else if (star) {
            p = star;
            s = ++rest;
        } else {
            return false;
        }
    }
    while (*p == '*') p++;
    return *p == 0;
}

/* What is in a folder and matches; a folder that cannot be read has nothing. last: files, too. */
static tn_code match_in(const tn_outside *o, const char *folder, const char *pattern, bool last, tn_arena *a,
                        tn_paths *out, tn_error *err)
{
    char **names;
    size_t n;
    bool is_there, is_folder;
    tn_code code = o->list(o->payload, folder, a, &names, &n, err);
    if (code == TN_UNIMPLEMENTED || code == TN_RESOURCE_EXHAUSTED) return code;
    for (size_t i = 0; code == TN_OK && i < n; i++) {
        if (!matches(pattern, names[i])) continue;
        const char *path = tn_arena_printf(a, "%s%s%s", folder, strcmp(folder, "/") ? "/" : "", names[i]);
        if (!path) return tn_no_memory(err, 0);
        if (!last && (o->look(o->payload, path, &is_there, &is_folder, err) != TN_OK || !is_folder)) continue;
        TN_TRY(add_path(a, out, path, err));
    }
    return TN_OK;
}

static tn_code match_below(const tn_outside *o, const char *folder, char *pattern, tn_arena *a, tn_paths *out,
                           tn_error *err)
{
    tn_paths at = {0};
    TN_TRY(add_path(a, &at, folder, err));
    for (char *part = pattern, *end; part; part = end) {
        if ((end = strchr(part, '/'))) *end++ = 0;
        if (end && !*end) end = NULL;
        tn_paths next = {0};
        for (size_t i = 0; i < at.n; i++)
            TN_TRY(match_in(o, at.at[i], part, !end, a, end ? &next : out, err));
        at = next;
    }
    return TN_OK;
}

/* Folders before the first special character are taken as they are written. */
static tn_code match(const tn_files *f, char *pattern, tn_arena *a, tn_paths *out, tn_error *err)
{
    const tn_outside *o = f->outside;
    bool is_there = false, is_folder;
    size_t plain = strcspn(pattern, "*?[\\");
    if (!pattern[plain]) {
        TN_TRY(o->look(o->payload, pattern, &is_there, &is_folder, err));
        return is_there && *pattern ? add_path(a, out, tn_arena_strdup(a, pattern), err) : TN_OK;
    }
    while (plain && pattern[plain - 1] != '/') plain--;
    const char *folder = plain > 1 ? tn_arena_strndup(a, pattern, plain - 1) : plain ? "/" : ".";
    if (!folder) return tn_no_memory(err, plain);
    return match_below(o, folder, pattern + plain, a, out, err);
}

tn_code tn_files_match(const tn_files *f, const char *owner, tn_view pattern, tn_arena *a, tn_paths *out,
                       tn_error *err)
{
    char *p;
    TN_TRY(path_of(f, owner, pattern, &p, err));
    tn_code code = match(f, p, a, out, err);
    tn_free(p);
    return code;
}
