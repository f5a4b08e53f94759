/* SPDX-License-Identifier: Apache-2.0
 *
 * access_log.c - a JSON line for each request, to a file or standard error. Writing is the spool's; where lines are
 * lost the next one says how many.
 */
#include "serve.h"
#include "spool.h"

#include <time.h>

struct tn_access_log {
    tn_spool *spool;
};

tn_code tn_access_log_open(const char *path, tn_access_log **out, tn_error *err)
{
    tn_access_log *l = tn_calloc(1, sizeof *l);
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_spool_options o = {.path = strcmp(path, "-") == 0 ? NULL : path};
    tn_code code = tn_spool_open(&o, &l->spool, err);
    if (code != TN_OK) {
        tn_wrap(err, "access_log");
        tn_free(l);
        return code;
    }
    *out = l;
    return TN_OK;
}

/* ==== a line ==== */

static void put_time(tn_json_writer *w)
{
    struct timespec now;
    struct tm tm;
    char when[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when + n, sizeof when - n, ".%06ldZ", now.tv_nsec / 1000);
    tn_json_key(w, "time");
    tn_json_cstr(w, when);
}

static void put_text(tn_json_writer *w, const char *key, const char *value)
{
    if (!value || !*value) return;
    tn_json_key(w, key);
    tn_json_cstr(w, value);
}

static void put_number(tn_json_writer *w, const char *key, int64_t value)
{
    tn_json_key(w, key);
    tn_json_int(w, value);
}

static void put_line(const tn_request_facts *f, int64_t lost, tn_buf *out)
{
    tn_json_writer w = {.out = out};
    tn_json_begin(&w, '{');
    put_time(&w);
    put_text(&w, "peer", f->peer);
    put_text(&w, "api", f->rest ? "REST" : "gRPC");
    put_text(&w, "path", f->path);
    put_text(&w, "model", f->model);
    if (f->version) put_number(&w, "version", f->version);
    put_text(&w, "signature", f->signature);
    put_text(&w, "code", tn_code_name(f->code));
    if (f->code != TN_OK) put_text(&w, "message", f->message);
    put_number(&w, "bytes_in", f->bytes_in);
    put_number(&w, "bytes_out", f->bytes_out);
    if (f->examples) put_number(&w, "examples", f->examples);
    put_number(&w, "queue_us", f->queued_us);
    put_number(&w, "decode_us", f->decode_us);
    put_number(&w, "compute_us", f->run_us);
    put_number(&w, "encode_us", f->encode_us);
    put_number(&w, "total_us", f->total_us);
    if (lost) put_number(&w, "lines_lost_before", lost);
    tn_json_end(&w, '}');
    tn_buf_char(out, '\n');
}

void tn_access_log_put(tn_access_log *l, const tn_request_facts *f)
{
    tn_buf line = {0};
    put_line(f, tn_spool_take_lost(l->spool), &line);
    if (!line.failed) tn_spool_put(l->spool, (tn_view){line.data, line.n});
    tn_buf_free(&line);
}

void tn_access_log_close(tn_access_log *l)
{
    if (!l) return;
    tn_spool_close(l->spool);
    tn_free(l);
}
