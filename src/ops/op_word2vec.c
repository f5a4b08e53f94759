/* SPDX-License-Identifier: Apache-2.0
 *
 * op_word2vec.c - words of a text with words near them, and training vectors of words by them, without going through a
 * gradient. The text is read once in a session; words as frequent as others are numbered as they come.
 */
#include "../plan/files.h"
#include "../plan/state.h"
#include "op_move.h"
#include "random_words.h"
#include "sampler.h"

#include <math.h>
#include <stdlib.h>

/* ==== Skipgram ==== */

enum { SENTENCE = 1000, AHEAD = 3000, MOST_WORDS = 1 << 30 };

typedef struct word {
    tn_view text;
    int32_t count, number;
} word;

typedef struct corpus {
    tn_resource base;
    pthread_mutex_t lock;
    tn_buf text;
    word *words; /* by number once they are sorted; those that are rare last */
    int n_words, cap_words, n_kept;
    int32_t *said; /* the text as numbers of words, 0: a rare one */
    int n_said, cap_said, at, epoch, rare;
    int64_t window, passed;
    float subsample;
    tn_words random;
    int32_t sentence[SENTENCE], ahead[AHEAD][2];
    int centre, near, near_end, next; /* in the sentence; in what is ahead */
    bool ready, stopped;
    const tn_run *run; /* that it is looked at for */
} corpus;

static void release(tn_resource *self)
{
    corpus *c = (corpus *)self;
    pthread_mutex_destroy(&c->lock);
    tn_buf_free(&c->text);
    tn_free(c->words);
    tn_free(c->said);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    corpus *c = tn_resource_new(sizeof *c, TN_RES_CORPUS, "corpus", release);
    if (!c) return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->window = tn_attr_i(r->attrs, "window_size");
    c->subsample = tn_attr_f(r->attrs, "subsample");
    return &c->base;
}

static tn_view next_word(const char **p, const char *end)
{
    while (*p < end && strchr(" \t\n\v\f\r", **p) && **p) ++*p;
    const char *start = *p;
    while (*p < end && !(strchr(" \t\n\v\f\r", **p) && **p)) ++*p;
    return (tn_view){start, (size_t)(*p - start)};
}

/* Where a word is in c->words, counted once more. */
static tn_code count_word(corpus *c, tn_map *seen, tn_view text, int32_t *out, tn_error *err)
{
    uintptr_t at = (uintptr_t)tn_map_get_view(seen, text);
    if (!at) {
        if (!TN_ROOM(NULL, c->words, c->n_words, c->cap_words)) return tn_no_memory(err, 0);
        c->words[c->n_words++] = (word){.text = text, .number = c->n_words - 1};
        at = (uintptr_t)c->n_words;
        if (!tn_map_put_view(seen, text, (void *)at)) return tn_no_memory(err, 0);
    }
    c->words[at - 1].count++;
    *out = (int32_t)(at - 1);
    return TN_OK;
}

static tn_code count_words(corpus *c, tn_map *seen, tn_error *err)
{
    const char *p = c->text.data, *end = p + c->text.n;
    for (tn_view w; p && (w = next_word(&p, end)).n; c->n_said++) {
        if (c->n_said == MOST_WORDS)
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "a text of more than %d words", MOST_WORDS);
        if (!TN_ROOM(NULL, c->said, c->n_said, c->cap_said)) return tn_no_memory(err, 0);
        TN_TRY(count_word(c, seen, w, &c->said[c->n_said], err));
    }
    return TN_OK;
}

static int by_count(const void *x, const void *y)
{
    const word *a = x, *b = y;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->number - b->number;
}

/* Numbers from 1 on for those that are kept, in the text as well. */
static tn_code number_words(corpus *c, int64_t least, tn_error *err)
{
    int32_t *number = tn_calloc((size_t)c->n_words + 1, sizeof *number);
    if (!number) return tn_no_memory(err, 0);
    if (c->n_words) qsort(c->words, (size_t)c->n_words, sizeof *c->words, by_count);
    c->rare = c->n_said;
    for (; c->n_kept < c->n_words && c->words[c->n_kept].count >= least; c->n_kept++) {
        number[c->words[c->n_kept].number] = c->n_kept + 1;
        c->rare -= c->words[c->n_kept].count;
    }
    for (int i = 0; i < c->n_said; i++) c->said[i] = number[c->said[i]];
    tn_free(number);
    return TN_OK;
}

/* How likely a word stays, by how often it comes. */
static bool stays(corpus *c, int32_t number)
{
    if (c->subsample <= 0) return true;
    const float often = (float)(number ? c->words[number - 1].count : c->rare), part = c->subsample * (float)c->n_said;
    return tn_word_float(&c->random) <= (sqrtf(often / part) + 1) * part / often;
}

static void next_sentence(corpus *c)
{
    uint32_t tries = 0;
    for (int i = 0; i < SENTENCE && !c->stopped; c->at++) {
        c->stopped = ++tries % 65536 == 0 && tn_run_cancelled(c->run);
        if (c->at >= c->n_said) {
            c->epoch++;
            c->at = 0;
        }
        if (stays(c, c->said[c->at])) c->sentence[i++] = c->said[c->at];
    }
}

static void next_example(corpus *c, int32_t out[2])
{
    for (;; c->near++) {
        if (c->near >= c->near_end) {
            c->passed++;
            if (++c->centre >= SENTENCE) {
                next_sentence(c);
                c->centre = 0;
            }
            const uint32_t within = (uint32_t)c->window, drawn = within ? tn_word_below(&c->random, within) : 0;
            const int reach = 1 + (int)TN_MIN(drawn, (uint32_t)SENTENCE);
            if (!within) tn_word(&c->random);
            c->near = TN_MAX(0, c->centre - reach);
            c->near_end = TN_MIN(SENTENCE, c->centre + reach + 1);
        }
        if (c->near != c->centre) break;
    }
    out[0] = c->sentence[c->centre];
    out[1] = c->sentence[c->near++];
}

static void look_ahead(corpus *c)
{
    for (int i = 0; i < AHEAD; i++) next_example(c, c->ahead[i]);
    c->next = 0;
}

static tn_code forget(corpus *c, tn_code code)
{
    tn_buf_free(&c->text);
    c->n_words = c->n_kept = c->n_said = 0;
    return code;
}

static tn_code read_corpus(corpus *c, const tn_run *r, tn_error *err)
{
    tn_view name = {"", 0};
    tn_attr_get_string(r->attrs, "filename", &name);
    if (c->window < 0 || c->window > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "window_size: %lld", (long long)c->window);
    tn_map *seen = tn_map_new();
    tn_code code = seen ? tn_files_read(tn_run_files(r), r->name, name, &c->text, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = count_words(c, seen, err);
    tn_map_free(seen);
    if (code == TN_OK && (c->n_said < 10 * c->window || !c->n_said))
        code = tn_fail(err, TN_INVALID_ARGUMENT, "The text file %.*s contains too little data: %d words",
                       (int)TN_MIN(name.n, (size_t)200), name.p, c->n_said);
    if (code == TN_OK) code = number_words(c, tn_attr_i(r->attrs, "min_count"), err);
    if (code != TN_OK) return forget(c, code);
    c->random = (tn_words){.used = 4};
    c->centre = SENTENCE;
    look_ahead(c);
    c->ready = true;
    return TN_OK;
}

static tn_code give(tn_run *r, corpus *c, tn_error *err)
{
    const tn_shape shape = tn_shape_vector(c->n_kept + 1);
    for (int o = 0; o < 2; o++) TN_TRY(tn_run_output(r, o, &shape, err));
    TN_TRY(tn_string_set(r->out[0], 0, "UNK", 3, err));
    TN_INT32S(r->out[1])[0] = c->rare;
    for (int i = 0; i < c->n_kept; i++) {
        TN_TRY(tn_string_set(r->out[0], i + 1, c->words[i].text.p, c->words[i].text.n, err));
        TN_INT32S(r->out[1])[i + 1] = c->words[i].count;
    }
    for (int64_t i = 0; i < tn_tensor_count(r->out[5]); i++) {
        for (int k = 0; k < 2; k++) TN_INT32S(r->out[5 + k])[i] = c->ahead[c->next][k];
        if (++c->next == AHEAD) look_ahead(c);
    }
    TN_INT64S(r->out[2])[0] = c->n_said;
    TN_INT32S(r->out[3])[0] = c->epoch;
    TN_INT64S(r->out[4])[0] = c->passed;
    return TN_OK;
}

static tn_code skipgram_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_CORPUS, "corpus:", make, &res, err));
    corpus *c = (corpus *)res;
    pthread_mutex_lock(&c->lock);
    c->run = r;
    c->stopped = false;
    tn_code code = c->ready ? TN_OK : read_corpus(c, r, err);
    if (code == TN_OK) code = give(r, c, err);
    if (code == TN_OK && c->stopped) code = tn_fail(err, TN_CANCELLED, "the run was cancelled");
    pthread_mutex_unlock(&c->lock);
    tn_resource_unref(res);
    return code;
}

static tn_code skipgram_infer(tn_infer *c, tn_error *err)
{
    const int64_t n = tn_attr_i(c->attrs, "batch_size");
    if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "batch_size: %lld", (long long)n);
    for (int o = 0; o < 7; o++) c->out[o].shape = TN_SHAPE();
    for (int o = 0; o < 2; o++) tn_infer_set_rank(c, o, 1);
    for (int o = 5; o < 7; o++) c->out[o].shape = TN_SHAPE(n);
    return TN_OK;
}
TN_STATE_OP(Skipgram, skipgram_run, skipgram_infer, 0, TN_BIT(0) | TN_BIT(1),
            "-> vocab_word:string vocab_freq:int32 words_per_epoch:int64 current_epoch:int32 "
            "total_words_processed:int64 examples:int32 labels:int32; filename:string batch_size:int "
            "window_size:int=5 min_count:int=5 "
            "subsample:float=0.0010000000474974513");

/* ==== NegTrain ==== each example's vector is drawn to its label's, and away from those of words by chance */

typedef struct chances {
    tn_alias alias;
    int64_t samples;
} chances;

static tn_code neg_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, chances, c);
    const int64_t *count;
    const int n = tn_attr_list(p->attrs, "vocab_count", &count);
    c->samples = tn_attr_i(p->attrs, "num_negative_samples");
    if (c->samples < 0 || c->samples > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_negative_samples: %lld", (long long)c->samples);
    TN_TRY(tn_alias_new(p->arena, n, &c->alias, err));
    for (int i = 0; i < n; i++) c->alias.weight[i] = powf((float)count[i], 0.75f);
    return tn_alias_set(&c->alias, n, p->arena, err);
}

typedef struct training {
    float *in, *out, *change;
    int64_t size;
    float rate;
} training;

/* Towards what is wanted: 1, or 0. */
static void draw_near(const training *q, const float *v, float *u, float wanted)
{
    float dot = 0;
    for (int64_t k = 0; k < q->size; k++) dot += v[k] * u[k];
    const float by = q->rate * (wanted - 1 / (1 + expf(-dot)));
    for (int64_t k = 0; k < q->size; k++) {
        q->change[k] += by * u[k];
        u[k] += by * v[k];
    }
}

/* The words that chance has are drawn anew from what the two vectors are, which change each time. */
static tn_words words_for(const training *q, int64_t example, int64_t label)
{
    const size_t n = (size_t)q->size * sizeof(float);
    tn_words w = {.used = 4};
    tn_philox_init(&w.p, tn_hash(q->in + example * q->size, n), tn_hash(q->out + label * q->size, n));
    return w;
}

static tn_code train(const tn_run *r, const training *q, int64_t rows, tn_error *err)
{
    const chances *c = r->params;
    for (int64_t i = 0; i < tn_tensor_count(r->in[2]); i++) {
        const int64_t example = TN_INT32S(r->in[2])[i], label = TN_INT32S(r->in[3])[i];
        if (example < 0 || example >= rows || label < 0 || label >= rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "example %lld, label %lld: there are %lld words",
                           (long long)example, (long long)label, (long long)rows);
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        float *v = q->in + example * q->size;
        tn_words random = words_for(q, example, label);
        memset(q->change, 0, (size_t)q->size * sizeof *q->change);
        draw_near(q, v, q->out + label * q->size, 1);
        for (int64_t k = 0; k < c->samples; k++) {
            const float x = tn_word_float(&random);
            const int64_t at = tn_word_below(&random, (uint32_t)c->alias.n),
                          word = x < (float)c->alias.chance[at] ? at : c->alias.other[at];
            if (word != label) draw_near(q, v, q->out + word * q->size, 0);
        }
        for (int64_t k = 0; k < q->size; k++) v[k] += q->change[k];
    }
    return TN_OK;
}

static tn_code check_shapes(const tn_run *r, const tn_tensor *in, const tn_tensor *out, tn_error *err)
{
    const chances *c = r->params;
    if (in->shape.rank != 2 || !tn_shape_equal(&in->shape, &out->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "w_in and w_out must be matrices of one shape");
    if (in->shape.dim[0] != c->alias.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "vocab_size mismatches: %lld vs. %lld", (long long)in->shape.dim[0],
                       (long long)c->alias.n);
    if (r->in[2]->shape.rank != 1 || !tn_shape_equal(&r->in[2]->shape, &r->in[3]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "examples.shape == labels.shape, of one dimension, is wanted");
    return r->in[4]->shape.rank == 0 ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "lr must be a scalar");
}

static tn_code neg_run(tn_run *r, tn_error *err)
{
    tn_tensor *in, *out;
    TN_TRY(tn_run_variable_writable(r, 0, &in, err));
    TN_TRY(tn_run_variable_writable(r, 1, &out, err));
    TN_TRY(check_shapes(r, in, out, err));
    training q = {.in = in->data, .out = out->data, .size = in->shape.dim[1], .rate = *TN_FLOATS(r->in[4])};
    q.change = tn_calloc((size_t)q.size + 1, sizeof *q.change);
    if (!q.change) return tn_no_memory(err, (size_t)q.size * sizeof *q.change);
    tn_code code = train(r, &q, in->shape.dim[0], err);
    tn_free(q.change);
    return code;
}

const tn_op tn_op_NegTrain = {
    .name = "NegTrain",
    .sig = "w_in:&float w_out:&float examples:int32 labels:int32 lr:float -> ; vocab_count:list(int) "
           "num_negative_samples:int",
    .infer = tn_infer_none,
    .prepare = neg_prepare,
    .run = neg_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0) | TN_BIT(1),
};
