/* SPDX-License-Identifier: Apache-2.0
 *
 * flags.c - a command's flags: parsing into its struct of values, and help. TensorFlow's manner: --name=value.
 */
#include "cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

tn_code usage_error(tn_error *err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    err->code = TN_INVALID_ARGUMENT;
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    return TN_INVALID_ARGUMENT;
}

static const flag *find(const flag *flags, const char *name, size_t n)
{
    for (const flag *f = flags; f->name; f++)
        if (strlen(f->name) == n && memcmp(f->name, name, n) == 0) return f;
    return NULL;
}

/* How many leading letters two names share: good enough for a hint. */
static const flag *nearest(const flag *flags, const char *name, size_t n)
{
    const flag *best = NULL;
    size_t most = 2;
    for (const flag *f = flags; f->name; f++) {
        size_t k = 0;
        while (k < n && f->name[k] && f->name[k] == name[k]) k++;
        if (k > most) {
            most = k;
            best = f;
        }
    }
    return best;
}

static tn_code unknown(const flag *flags, const char *name, size_t n, tn_error *err)
{
    const flag *near = nearest(flags, name, n);
    if (near) return usage_error(err, "unknown flag --%.*s (did you mean --%s?)", (int)n, name, near->name);
    return usage_error(err, "unknown flag --%.*s (see --help)", (int)n, name);
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

static bool is_boolean(const flag *f)
{
    return f && f->kind == FLAG_BOOL;
}

static tn_code parse_one(const flag *flags, int argc, char **argv, int *i, void *values, tn_error *err)
{
    const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1), *equal = strchr(name, '=');
    size_t n = equal ? (size_t)(equal - name) : strlen(name);
    const flag *f = find(flags, name, n), *no;
    if (!f && n > 2 && !equal && strncmp(name, "no", 2) == 0 && is_boolean(no = find(flags, name + 2, n - 2)))
        return set(no, "false", values, err);
    if (!f) return unknown(flags, name, n, err);
    if (equal || f->kind == FLAG_BOOL) return set(f, equal ? equal + 1 : NULL, values, err);
    if (++*i >= argc) return usage_error(err, "--%s wants a value (%s)", f->name, f->value ? f->value : "VALUE");
    return set(f, argv[*i], values, err);
}

tn_code flags_parse_one(const flag *flags, const char *argument, void *values, tn_error *err)
{
    const char *name = argument + strspn(argument, "-"), *equal = strchr(name, '=');
    const flag *f = *argument == '-' ? find(flags, name, equal ? (size_t)(equal - name) : strlen(name)) : NULL;
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

static void help_rows(const flag *flags)
{
    for (const flag *f = flags; f && f->name; f++) {
        char left[80];
        snprintf(left, sizeof left, f->kind == FLAG_BOOL ? "--%s" : "--%s=%s", f->name, f->value ? f->value : "VALUE");
        printf("  %-32s %s\n", left, f->help);
    }
}

void flags_help(const command *c)
{
    printf("usage: turnery %s %s\n\n%s.\n\n", c->name, c->usage, c->summary);
    help_rows(c->flags);
    if (c->more) printf("\n%s\n\n", c->more_title);
    help_rows(c->more);
}
