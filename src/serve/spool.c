/* SPDX-License-Identifier: Apache-2.0
 *
 * spool.c - records appended to a file by a thread of their own.
 *
 * Invariants: records are whole and never mixed. Where they cannot be written (a full disk, too many waiting) they are
 * lost and counted; whoever puts them never waits for the disk, and the file holds no part of one.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct batch { /* records one after another, and where each ends */
    tn_buf bytes, ends;
} batch;

struct tn_spool {
    char *path, *ending;
    size_t most_file, most_gathered;
    int fd, n_files;
    bool closing;
    pthread_mutex_t lock;
    pthread_cond_t more;
    batch gathered;
    int64_t lost;
    pthread_t writer;
};

/* ==== the file ==== */

static tn_code file_name(const tn_spool *s, char *out, size_t size, tn_error *err)
{
    char when[32];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    int n = s->ending ? snprintf(out, size, "%s-%s-%d-%d%s", s->path, when, (int)getpid(), s->n_files, s->ending)
                      : snprintf(out, size, "%s", s->path);
    return n >= 0 && (size_t)n < size ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "%s: the path is too long", s->path);
}

static tn_code open_file(tn_spool *s, tn_error *err)
{
    char name[4300];
    TN_TRY(file_name(s, name, sizeof name, err));
    int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return tn_fail_errno(err, errno, "%s cannot be written", name);
    s->fd = fd;
    s->n_files++;
    return TN_OK;
}

static void close_file(tn_spool *s)
{
    if (s->fd >= 0 && s->fd != STDERR_FILENO) close(s->fd);
    s->fd = -1;
}

static size_t file_size(const tn_spool *s)
{
    struct stat st;
    return fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
}

/* The next file when this one is large enough; a file that could not be opened is tried again. */
static bool have_file(tn_spool *s)
{
    if (s->fd >= 0 && s->most_file && file_size(s) >= s->most_file) close_file(s);
    return s->fd >= 0 || open_file(s, NULL) == TN_OK;
}

/* ==== writing ==== */

static size_t write_all(int fd, const char *p, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t k = write(fd, p + done, n - done);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        done += (size_t)k;
    }
    return done;
}

/* How many records were lost. What was written of the record that was cut is taken back from a regular file. */
static int64_t write_batch(tn_spool *s, const batch *b)
{
    const size_t *ends = (const size_t *)(const void *)b->ends.data;
    size_t n = b->ends.n / sizeof *ends, whole = 0;
    if (!have_file(s)) return (int64_t)n;
    size_t before = file_size(s), done = write_all(s->fd, b->bytes.data, b->bytes.n);
    while (whole < n && ends[whole] <= done) whole++;
    struct stat st;
    if (whole < n && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) &&
        ftruncate(s->fd, (off_t)(before + (whole ? ends[whole - 1] : 0))) != 0)
        close_file(s); /* what is cut stays at the end of that file, and nothing follows it */
    return (int64_t)(n - whole);
}

static void batch_clear(batch *b)
{
    tn_buf_clear(&b->bytes);
    tn_buf_clear(&b->ends);
}

static void batch_free(batch *b)
{
    tn_buf_free(&b->bytes);
    tn_buf_free(&b->ends);
}

static void *write_on(void *spool)
{
    tn_spool *s = spool;
    batch spare = {0};
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->gathered.ends.n && !s->closing) pthread_cond_wait(&s->more, &s->lock);
        if (!s->gathered.ends.n) break;
        batch full = s->gathered;
        s->gathered = spare;
        pthread_mutex_unlock(&s->lock);
        int64_t lost = write_batch(s, &full);
        batch_clear(&full);
        spare = full;
        pthread_mutex_lock(&s->lock);
        s->lost += lost;
    }
    pthread_mutex_unlock(&s->lock);
    batch_free(&spare);
    return NULL;
}

/* ==== the spool ==== */

tn_code tn_spool_open(const tn_spool_options *o, tn_spool **out, tn_error *err)
{
    tn_spool *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->fd = o->path ? -1 : STDERR_FILENO;
    s->path = tn_strdup(o->path ? o->path : "");
    s->ending = o->ending ? tn_strdup(o->ending) : NULL;
    s->most_file = o->most_file;
    s->most_gathered = o->most_gathered ? o->most_gathered : (size_t)8 << 20;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    tn_code code = s->path && (s->ending || !o->ending) ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK && o->path) code = open_file(s, err);
    if (code == TN_OK && pthread_create(&s->writer, NULL, write_on, s) != 0)
        code = tn_fail(err, TN_RESOURCE_EXHAUSTED, "no thread could be started to write %s", s->path);
    if (code == TN_OK) {
        *out = s;
        return TN_OK;
    }
    close_file(s);
    tn_free(s->path);
    tn_free(s->ending);
    tn_free(s);
    return code;
}

bool tn_spool_put(tn_spool *s, tn_view record)
{
    pthread_mutex_lock(&s->lock);
    batch *b = &s->gathered;
    bool ok = b->bytes.n + record.n <= s->most_gathered && tn_buf_reserve(&b->ends, sizeof(size_t)) &&
              tn_buf_reserve(&b->bytes, record.n);
    if (ok) {
        tn_buf_add(&b->bytes, record.p, record.n);
        tn_buf_add(&b->ends, &b->bytes.n, sizeof b->bytes.n);
        pthread_cond_signal(&s->more);
    } else {
        s->lost++;
        b->bytes.failed = b->ends.failed = TN_OK;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

int64_t tn_spool_take_lost(tn_spool *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t lost = s->lost;
    s->lost = 0;
    pthread_mutex_unlock(&s->lock);
    return lost;
}

void tn_spool_close(tn_spool *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->writer, NULL);
    close_file(s);
    batch_free(&s->gathered);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->more);
    tn_free(s->path);
    tn_free(s->ending);
    tn_free(s);
}
