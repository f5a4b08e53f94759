/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_stream.c - `turnery predict --stdin`: a line of JSON in, a line of JSON out, in the same order; --csv: rows
 * of a table in. A server is asked the next questions while it still answers the former ones.
 *
 * Invariants: lines are read and asked by the main thread, answers are put into their slots by whoever has them, and
 * printed by a thread of their own: neither a slow reader nor a slow writer holds up answers on their way.
 */
#include "predict.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct stream stream;
typedef struct slot { /* a line: asked, answered, printed */
    stream *s;
    char *text; /* the answer; NULL: not there yet */
    size_t n;
} slot;

struct stream {
    const predict_values *v;
    asked *a;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot *slots; /* line i is in slot i % n */
    int64_t n, asked, printed, failed;
    bool ended;
    tn_tensor **in;
};

/* ==== answers ==== */

static void print_failure(FILE *to, tn_code code, const char *message)
{
    fputs("{\"error\":{\"code\":", to);
    json_text(to, tn_code_name(code));
    fputs(",\"message\":", to);
    json_text(to, message);
    fputs("}}\n", to);
}

static void settle(slot *p, tn_code code, const char *message, const answers *out)
{
    stream *s = p->s;
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    bool printed = to && (code != TN_OK || print_json(to, &s->v->wanted, out));
    if (to && code != TN_OK) print_failure(to, code, message);
    if ((to && fclose(to)) || !printed) {
        free(text);
        text = strdup("{\"error\":{\"code\":\"RESOURCE_EXHAUSTED\",\"message\":\"out of memory\"}}\n");
        n = text ? strlen(text) : 0;
        code = TN_RESOURCE_EXHAUSTED;
    }
    pthread_mutex_lock(&s->lock);
    p->text = text;
    p->n = n;
    s->failed += code != TN_OK;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void answered(void *payload, tn_code code, const char *message, const tn_answer *a)
{
    answers out = {NULL, NULL, 0};
    if (a) out = (answers){a->names, (const tn_tensor *const *)a->values, a->n};
    settle(payload, code, message, &out);
}

static void *print_all(void *payload)
{
    stream *s = payload;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        slot *p = &s->slots[s->printed % s->n];
        while (!p->text && !(s->ended && s->printed == s->asked)) pthread_cond_wait(&s->changed, &s->lock);
        if (!p->text) break;
        pthread_mutex_unlock(&s->lock);
        fwrite(p->text, 1, p->n, stdout);
        fflush(stdout);
        free(p->text);
        pthread_mutex_lock(&s->lock);
        p->text = NULL;
        s->printed++;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ==== questions ==== */

static tn_code bind_member(stream *s, const literal *l, tn_error *err)
{
    int i = l->key ? inputs_find(s->a->in, s->a->n_in, l->key, strlen(l->key)) : 0;
    if (i < 0 && inputs_are_parts(s->a->in, s->a->n_in, l->key))
        return inputs_bind_parts(&s->v->in, s->a->in, s->a->n_in, l->key, l, s->in, err);
    if (i < 0) return usage_error(err, "the model has no input '%.100s'", l->key);
    if (s->in[i]) return usage_error(err, "input '%s' is given twice", s->a->in[i].name);
    return input_literal(&s->v->in, &s->a->in[i], l, &s->in[i], err);
}

/* {"x": [1, 2]}; or, where there is one input, its value alone. */
static tn_code bind_line(stream *s, const char *line, tn_error *err)
{
    literal *l;
    tn_code code = literal_parse(line, &l, err);
    if (code != TN_OK) return code;
    if (l->kind == LITERAL_OBJECT)
        for (const literal *m = l->first; code == TN_OK && m; m = m->next) code = bind_member(s, m, err);
    else if (s->a->n_in == 1)
        code = bind_member(s, l, err);
    else
        code = usage_error(err, "a line is an object of inputs, {\"%s\": ...}", s->a->n_in ? s->a->in[0].name : "");
    literal_free(l);
    return code == TN_OK ? inputs_missing(s->a->in, s->a->n_in, s->in, "", err) : code;
}

static slot *next_slot(stream *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->asked - s->printed >= s->n) pthread_cond_wait(&s->changed, &s->lock);
    slot *p = &s->slots[s->asked++ % s->n];
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void ask_line(void *payload, const char *line)
{
    stream *s = payload;
    tn_error err = {TN_OK, ""};
    asked *a = s->a;
    slot *p = next_slot(s);
    const tn_tensor *const *in = (const tn_tensor *const *)s->in;
    tn_code code = bind_line(s, line, &err);
    bool later = code == TN_OK && a->begin;
    if (code == TN_OK) code = later ? a->begin(a, in, answered, p, &err) : a->run(a, in, &err);
    if (!later || code != TN_OK) settle(p, code, err.message, &a->out);
    for (int i = 0; i < a->n_in; i++) tn_tensor_unref(s->in[i]);
    memset(s->in, 0, (size_t)a->n_in * sizeof(tn_tensor *));
}

static void read_lines(stream *s)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) >= 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[strspn(line, " \t")]) ask_line(s, line);
    }
    free(line);
}

static tn_code stream_all(stream *s, tn_error *err)
{
    pthread_t printer;
    if (pthread_create(&printer, NULL, print_all, s)) return usage_error(err, "a thread cannot be started");
    tn_code code = TN_OK;
    if (s->v->csv)
        code = csv_questions(s->v->csv, s->v->in.batch, s->a, ask_line, s, err);
    else
        read_lines(s);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(printer, NULL);
    if (code != TN_OK || !s->failed) return code;
    return usage_error(err, "%lld of %lld questions have no answer", (long long)s->failed, (long long)s->asked);
}

tn_code ask_lines(const predict_values *v, asked *a, tn_error *err)
{
    stream s = {.v = v, .a = a, .n = v->pipelined, .lock = PTHREAD_MUTEX_INITIALIZER,
                .changed = PTHREAD_COND_INITIALIZER};
    s.slots = calloc((size_t)s.n, sizeof *s.slots);
    s.in = calloc((size_t)a->n_in + 1, sizeof(tn_tensor *));
    tn_code code = s.slots && s.in ? TN_OK : no_memory(err);
    for (int64_t i = 0; code == TN_OK && i < s.n; i++) s.slots[i].s = &s;
    if (code == TN_OK) code = stream_all(&s, err);
    free(s.slots);
    free(s.in);
    return code;
}
