/* SPDX-License-Identifier: Apache-2.0
 *
 * flags.c - a command's flags: parsing into its struct of values, and help. TensorFlow's manner: --name=value.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const flag *named(const flag *flags, const char *name, size_t n)
{
    for (const flag *f = flags; f->name; f++)
        if (strlen(f->name) == n && memcmp(f->name, name, n) == 0) return f;
    return NULL;
}

const flag *flags_find(const flag *flags, const char *name, size_t n, bool *negated)
{
    const flag *f = named(flags, name, n);
    *negated = !f && n > 2 && strncmp(name, "no", 2) == 0;
    if (!*negated) return f;
    f = named(flags, name + 2, n - 2);
    return f && f->kind == FLAG_BOOL ? f : NULL;
}

const char *flags_nearest(const flag *flags, const char *name, size_t n)
{
    const char *names[256];
    char wanted[100];
    size_t count = 0;
    for (const flag *f = flags; f->name && count < sizeof names / sizeof *names; f++) names[count++] = f->name;
    snprintf(wanted, sizeof wanted, "%.*s", (int)n, name);
    return tn_nearest(wanted, names, count);
}

/* argument: as it was typed, "--name=value"; the first n bytes of it are told. */
static tn_code unknown(const flag *flags, const char *argument, size_t n, tn_error *err)
{
    size_t dashes = strspn(argument, "-");
    const char *near = flags_nearest(flags, argument + dashes, n - dashes);
    if (near) return usage_error(err, "unknown flag %.*s (did you mean --%s?)", (int)n, argument, near);
    return usage_error(err, "unknown flag %.*s (see --help)", (int)n, argument);
}

static tn_code set_bool(const flag *f, const char *value, bool *out, tn_error *err)
{
    bool yes = !value || !strcmp(value, "true") || !strcmp(value, "1");
    if (!yes && strcmp(value, "false") && strcmp(value, "0"))
        return usage_error(err, "--%s takes true or false, not '%s'", f->name, value);
    *out = yes;
    return TN_OK;
}

/* A number of bytes: "500000", "64kB", "512MB", "2GB"; a kB is 1024 bytes. */
static tn_code set_size(const flag *f, const char *value, size_t *out, tn_error *err)
{
    static const char *const units[] = {"", "kB", "MB", "GB", "TB"};
    char *end;
    errno = 0;
    double n = strtod(value, &end), scale = 1;
    for (size_t i = 0; i < sizeof units / sizeof *units && end != value; i++, scale *= 1024)
        if (strcasecmp(end, units[i]) == 0 && n >= 0 && n * scale < 1e18) {
            *out = (size_t)(n * scale);
            return TN_OK;
        }
    return usage_error(err, "--%s takes a number of bytes (500000, 64kB, 512MB, 2GB), not '%s'", f->name, value);
}

static tn_code set_seconds(const flag *f, const char *value, double *out, tn_error *err)
{
    char *end;
    double n = strtod(value, &end);
    if (end == value || *end || !(n >= 0 && n < 1e9))
        return usage_error(err, "--%s takes seconds, not '%s'", f->name, value);
    *out = n;
    return TN_OK;
}

static tn_code set_number(const flag *f, const char *value, double *out, tn_error *err)
{
    char *end;
    double n = strtod(value, &end);
    if (end == value || *end || !(n > -1e9 && n < 1e9))
        return usage_error(err, "--%s takes a number, not '%s'", f->name, value);
    *out = n;
    return TN_OK;
}

static tn_code set(const flag *f, const char *value, void *values, tn_error *err)
{
    void *at = (char *)values + f->offset;
    char *end;
    strings *list;
    switch (f->kind) {
    case FLAG_BOOL: return set_bool(f, value, at, err);
    case FLAG_INT:
        errno = 0;
        *(int64_t *)at = strtoll(value, &end, 10);
        if (errno || end == value || *end)
            return usage_error(err, "--%s takes a whole number, not '%s'", f->name, value);
        return TN_OK;
    case FLAG_SIZE: return set_size(f, value, at, err);
    case FLAG_SECONDS: return set_seconds(f, value, at, err);
    case FLAG_NUMBER: return set_number(f, value, at, err);
    case FLAG_STRING: *(const char **)at = value; return TN_OK;
    case FLAG_STRINGS:
        list = at;
        if (list->n == (int)(sizeof list->v / sizeof *list->v))
            return usage_error(err, "--%s is given more than %d times", f->name, list->n);
        list->v[list->n++] = value;
        return TN_OK;
    }
    return TN_OK;
}

static tn_code parse_one(const flag *flags, int argc, char **argv, int *i, void *values, tn_error *err)
{
    const char *argument = argv[*i], *name = argument + (argument[1] == '-' ? 2 : 1), *equal = strchr(name, '=');
    size_t n = equal ? (size_t)(equal - name) : strlen(name);
    bool negated;
    const flag *f = flags_find(flags, name, n, &negated);
    if (!f || (negated && equal)) return unknown(flags, argument, (size_t)(name - argument) + n, err);
    if (negated) return set(f, "false", values, err);
    if (equal || f->kind == FLAG_BOOL) return set(f, equal ? equal + 1 : NULL, values, err);
    if (++*i >= argc) return usage_error(err, "--%s wants a value (%s)", f->name, f->value ? f->value : "VALUE");
    return set(f, argv[*i], values, err);
}

tn_code flags_parse_one(const flag *flags, const char *argument, void *values, tn_error *err)
{
    const char *name = argument + strspn(argument, "-"), *equal = strchr(name, '=');
    const flag *f = *argument == '-' ? named(flags, name, equal ? (size_t)(equal - name) : strlen(name)) : NULL;
    if (!f || (!equal && f->kind != FLAG_BOOL)) {
        usage_error(err, "unknown argument: %s", argument);
        return err->code = TN_NOT_FOUND;
    }
    return set(f, equal ? equal + 1 : NULL, values, err);
}

tn_code flags_parse(const flag *flags, int argc, char **argv, void *values, strings *rest, tn_error *err)
{
    for (int i = 0; i < argc; i++) {
        bool is_flag = argv[i][0] == '-' && argv[i][1] && !(argv[i][1] >= '0' && argv[i][1] <= '9');
        if (is_flag) {
            tn_code code = parse_one(flags, argc, argv, &i, values, err);
            if (code != TN_OK) return code;
        } else {
            if (rest->n == (int)(sizeof rest->v / sizeof *rest->v)) return usage_error(err, "too many arguments");
            rest->v[rest->n++] = argv[i];
        }
    }
    return TN_OK;
}

enum { HELP_COLUMN = 35, HELP_WIDTH = 100 };

/* Words from HELP_COLUMN on, in as many lines as they need; the cursor is at column `at`. */
static void help_text(const char *text, int at)
{
    if (at + 2 > HELP_COLUMN) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", HELP_COLUMN - at, "");
    at = HELP_COLUMN;
    for (const char *word = text; *word;) {
        int n = (int)strcspn(word, " ");
        if (at > HELP_COLUMN && at + 1 + n > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            putchar(' ');
            at++;
        }
        at += printf("%.*s", n, word);
        word += n + strspn(word + n, " ");
    }
    putchar('\n');
}

static void help_rows(const flag *flags)
{
    for (const flag *f = flags; f && f->name; f++) {
        int at = f->kind == FLAG_BOOL ? printf("  --%s%s", f->value ? f->value : "", f->name)
                                      : printf("  --%s=%s", f->name, f->value ? f->value : "VALUE");
        help_text(f->help, at);
    }
}

tn_code load_tagged(const char *folder, const char *tag_set, const tn_session_options *o, tn_loaded **out,
                    tn_error *err)
{
    const char *tags[16];
    int n = 0;
    char *text = strdup(tag_set ? tag_set : "");
    if (!text) return no_memory(err);
    for (char *p = text; p && *p && n < 16; n++) {
        tags[n] = p;
        p = strchr(p, ',');
        if (p) *p++ = 0;
    }
    tn_code code = tn_load_saved_model(folder, tags, n, o, out, err);
    free(text);
    return code;
}

void flags_help(const command *c)
{
    printf("usage: turnery %s %s\n", c->name, c->usage);
    if (c->usage_more) printf("       turnery %s %s\n", c->name, c->usage_more);
    printf("\n%s.\n\n", c->summary);
    help_rows(c->flags);
    if (c->more) printf("\n%s\n\n", c->more_title);
    help_rows(c->more);
}
