/* SPDX-License-Identifier: Apache-2.0
 *
 * errors.c - errors that commands themselves find: wrong usage, no memory, files that cannot be opened.
 */
#include "cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

tn_code usage_error(tn_error *err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    return err->code = TN_INVALID_ARGUMENT;
}

tn_code no_memory(tn_error *err)
{
    usage_error(err, "out of memory");
    return err->code = TN_RESOURCE_EXHAUSTED;
}

void explain_uninitialized(const char *folder, tn_error *err)
{
    char path[4096];
    size_t n = strlen(err->message);
    if (err->code != TN_FAILED_PRECONDITION || !strstr(err->message, "uninitialized value")) return;
    snprintf(path, sizeof path, "%s/variables", folder ? folder : "");
    if (!folder)
        snprintf(err->message + n, sizeof err->message - n, " (no --checkpoint gives it one)");
    else if (access(path, F_OK))
        snprintf(err->message + n, sizeof err->message - n, " (there is no folder %.500s)", path);
}

tn_code file_error(const char *path, tn_error *err)
{
    int errnum = errno;
    usage_error(err, "%s: %s", path, strerror(errnum));
    return err->code = tn_code_of_errno(errnum);
}
