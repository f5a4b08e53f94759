/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - formats a line and hands it to the callback. Where lines go is the callback's business.
 */
#include "base.h"

void tn_logf(const tn_log *log, tn_log_level level, const char *fmt, ...)
{
    if (!log || !log->write || level < log->least) return;
    char line[1024], *longer = NULL;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    if (n >= (int)sizeof line && (longer = tn_malloc((size_t)n + 1)))
        vsnprintf(longer, (size_t)n + 1, fmt, again);
    if (n >= 0) log->write(log->payload, level, longer ? longer : line);
    tn_free(longer);
    va_end(again);
    va_end(ap);
}
