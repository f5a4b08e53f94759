/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c - the codes' names and exit statuses, and the formatting of tn_error.
 *
 * Reporting never allocates: messages are formatted on the stack and cut, marked with "...", when they
 * are longer than tn_error holds. Arguments may point into the very message that is being replaced.
 */
#include "base.h"

#include <errno.h>

#define MESSAGE_SIZE sizeof(((tn_error *)0)->message)

static const char ellipsis[] = "...";

const char *tn_code_name(tn_code code)
{
    switch (code) {
#define ROW(name, number, exit, text)                                                             \
    case TN_##name: return text;
        TN_CODES(ROW)
#undef ROW
    }
    return "UNKNOWN";
}

int tn_code_exit(tn_code code)
{
    switch (code) {
#define ROW(name, number, exit, text)                                                             \
    case TN_##name: return exit;
        TN_CODES(ROW)
#undef ROW
    }
    return 1;
}

const char *tn_version(void)
{
    return TN_VERSION;
}

/* Ends a message that did not fit with "...", not in the middle of a UTF-8 character. */
static void mark_cut(char *message)
{
    size_t end = MESSAGE_SIZE - sizeof ellipsis;
    while (end > 0 && ((unsigned char)message[end] & 0xC0) == 0x80) end--;
    memcpy(message + end, ellipsis, sizeof ellipsis);
}

/* Formats into message from position at on; cuts what does not fit. Returns the new end. */
static size_t format_at(char *message, size_t at, const char *fmt, va_list ap)
{
    int n = vsnprintf(message + at, MESSAGE_SIZE - at, fmt, ap);
    if (n < 0) n = snprintf(message + at, MESSAGE_SIZE - at, "(a message that cannot be formatted)");
    if ((size_t)n < MESSAGE_SIZE - at) return at + (size_t)n;
    mark_cut(message);
    return MESSAGE_SIZE - 1;
}

static size_t append_at(char *message, size_t at, const char *s)
{
    size_t room = MESSAGE_SIZE - 1 - at, n = strlen(s);
    memcpy(message + at, s, TN_MIN(n, room));
    message[at + TN_MIN(n, room)] = 0;
    if (n <= room) return at + n;
    mark_cut(message);
    return MESSAGE_SIZE - 1;
}

tn_code tn_vfail(tn_error *err, tn_code code, const char *fmt, va_list ap)
{
    if (err) {
        char message[MESSAGE_SIZE];
        format_at(message, 0, fmt, ap);
        append_at(err->message, 0, message);
        err->code = code;
    }
    return code;
}

tn_code tn_fail(tn_error *err, tn_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(err, code, fmt, ap);
    va_end(ap);
    return code;
}

tn_code tn_wrap(tn_error *err, const char *fmt, ...)
{
    if (!err) return TN_UNKNOWN;
    char message[MESSAGE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    size_t at = format_at(message, 0, fmt, ap);
    va_end(ap);
    at = append_at(message, at, ": ");
    append_at(message, at, err->message);
    append_at(err->message, 0, message);
    return err->code;
}

tn_code tn_note(tn_error *err, const char *fmt, ...)
{
    if (!err) return TN_UNKNOWN;
    char message[MESSAGE_SIZE];
    size_t at = append_at(message, 0, err->message);
    at = append_at(message, at, " ");
    va_list ap;
    va_start(ap, fmt);
    format_at(message, at, fmt, ap);
    va_end(ap);
    append_at(err->message, 0, message);
    return err->code;
}

tn_code tn_no_memory(tn_error *err, size_t n)
{
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "out of memory (%zu bytes)", n);
}

tn_code tn_code_of_errno(int errnum)
{
    switch (errnum) {
    case 0: return TN_UNKNOWN;
    case ENOENT: return TN_NOT_FOUND;
    case EEXIST: return TN_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return TN_PERMISSION_DENIED;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EFBIG: return TN_RESOURCE_EXHAUSTED;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP: return TN_INVALID_ARGUMENT;
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EBUSY:
    case ETXTBSY: return TN_FAILED_PRECONDITION;
    case EIO: return TN_DATA_LOSS;
    case EAGAIN:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case ECONNREFUSED:
    case ECONNRESET: return TN_UNAVAILABLE;
    case ETIMEDOUT: return TN_DEADLINE_EXCEEDED;
    case ENOSYS:
    case EOPNOTSUPP: return TN_UNIMPLEMENTED;
    case EINTR:
    case ECANCELED: return TN_CANCELLED;
    default: return TN_UNKNOWN;
    }
}

tn_code tn_fail_errno(tn_error *err, int errnum, const char *fmt, ...)
{
    tn_code code = tn_code_of_errno(errnum);
    if (!err) return code;
    char text[128], message[MESSAGE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    size_t at = format_at(message, 0, fmt, ap);
    va_end(ap);
    at = append_at(message, at, ": ");
    append_at(message, at, strerror_r(errnum, text, sizeof text));
    append_at(err->message, 0, message);
    err->code = code;
    return code;
}
