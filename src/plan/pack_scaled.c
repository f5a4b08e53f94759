/* SPDX-License-Identifier: Apache-2.0
 *
 * pack_scaled.c - weights with factors in them, as tensors that programs of a store share, and weights that are in
 * memory only so: a float that was multiplied and divided again is a step at most from what it was, and the product
 * says where that may be.
 *
 * Products of size are made when somebody looks at them, as a rule to pack them, and go when nobody does.
 *
 * Invariant: who looks at such a tensor while preparing is between tn_packs_look and tn_packs_looked (or is
 * tn_pack_take); what runs look at is looked at once more when the program is made, to stay.
 */
#include "pack.h"

/* ==== divided again ==== */

enum { LEAST_BITS = 0x01000000 }; /* twice the least normal float: no thread takes it for zero */
enum { PART = 512 };              /* loops of known length become vectors */

typedef struct part {
    float factor[PART], scaled[PART];
    int32_t near[PART], which[PART];
} part;

/* The factors of weights from..from + n. */
static void factors_of(const tn_pack_factors *f, int64_t from, int n, float *out)
{
    const int64_t step = f->count == 1 ? 0 : 1;
    int64_t k = from % f->inner, c = from / f->inner % f->channels;
    for (int i = 0; i < n; i++) {
        out[i] = f->factor[step * c];
        if (++k < f->inner) continue;
        k = 0;
        if (++c == f->channels) c = 0;
    }
}

static int32_t bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* What the products may have been made of: the number before near (1), near (2), the one after (4). 0: they do not
 * tell. */
static void find_near(part *p)
{
    for (int i = 0; i < PART; i++) {
        const int32_t is = bits_of(p->scaled[i] / p->factor[i]), now = bits_of(p->scaled[i]);
        const int32_t before = -(bits_of(float_of((uint32_t)is - 1) * p->factor[i]) == now) & 1;
        const int32_t same = -(bits_of(float_of((uint32_t)is) * p->factor[i]) == now) & 2;
        const int32_t after = -(bits_of(float_of((uint32_t)is + 1) * p->factor[i]) == now) & 4;
        const int32_t zero = -(((is | now) & INT32_MAX) == 0);
        const int32_t least = -((is & INT32_MAX) < LEAST_BITS) | -((now & INT32_MAX) < LEAST_BITS);
        const int32_t factor = -((bits_of(p->factor[i]) & INT32_MAX) >= LEAST_BITS);
        p->near[i] = is;
        p->which[i] = factor & ((zero & 2) | (~zero & ~least & (before | same | after)));
    }
}

static void look_near(const tn_pack_factors *f, const float *scaled, int64_t at, int n, part *p)
{
    for (int i = n; i < PART; i++) p->factor[i] = p->scaled[i] = 1;
    factors_of(f, at, n, p->factor);
    memcpy(p->scaled, scaled + at, (size_t)n * sizeof *scaled);
    find_near(p);
}

/* Of several that may have been, which it was: so many bits, and by the bits how far it is from near, by that and 1 the
 * bits (9: it is none of them). */
static const uint8_t bits_for[8] = {0, 0, 0, 1, 0, 1, 1, 2};
static const int8_t chosen[8][4] = {{0}, {-1}, {0}, {-1, 0}, {1}, {-1, 1}, {0, 1}, {-1, 0, 1}};
static const uint8_t choice[8][3] = {
    {9, 9, 9}, {0, 9, 9}, {9, 0, 9}, {0, 1, 9}, {9, 9, 0}, {0, 9, 1}, {9, 0, 1}, {0, 1, 2}};

/* Bits from bit *at of v on; there are some bytes more. */
static void put_bits(char *v, size_t *at, unsigned value, int n)
{
    uint16_t word;
    memcpy(&word, v + *at / 8, sizeof word);
    word = (uint16_t)(word | value << *at % 8);
    memcpy(v + *at / 8, &word, sizeof word);
    *at += (size_t)n;
}

static unsigned get_bits(const char *v, size_t *at, int n)
{
    uint16_t word;
    memcpy(&word, v + *at / 8, sizeof word);
    const unsigned value = (unsigned)word >> *at % 8 & ((1U << n) - 1);
    *at += (size_t)n;
    return value;
}

/* false: one of the source's numbers is none of those that may have been. */
static bool put_choices(const part *p, const float *source, int n, char *to, size_t *bits)
{
    unsigned bad = 0;
    for (int i = 0; i < n; i++) {
        const int64_t far = (int64_t)bits_of(source[i]) - p->near[i] + 1;
        const unsigned k = far < 0 || far > 2 ? 9 : choice[p->which[i]][far];
        bad |= k & 8;
        put_bits(to, bits, k & 3, bits_for[p->which[i]]);
    }
    return !bad;
}

/* What is to be known of source beside the products; NULL: it cannot be, or no memory. */
static char *note_choices(const tn_pack_factors *f, const float *scaled, const float *source)
{
    enum { MOST = PART * 2 / 8 + 8 }; /* bytes of a part */
    tn_buf b = {0};
    part p;
    size_t bits = 0;
    bool ok = true;
    for (int64_t at = 0; ok && at < f->all; at += PART) {
        const int n = (int)TN_MIN(f->all - at, PART);
        const size_t end = bits / 8 + MOST;
        if (!(ok = tn_buf_reserve(&b, end - b.n))) break;
        memset(b.data + b.n, 0, end - b.n);
        b.n = end;
        look_near(f, scaled, at, n, &p);
        ok = put_choices(&p, source + at, n, b.data, &bits);
    }
    char *choices = ok ? tn_buf_take(&b, NULL) : NULL;
    tn_buf_free(&b);
    return choices;
}

static void choose(const tn_pack_factors *f, const float *scaled, const char *choices, float *source)
{
    part p;
    size_t bits = 0;
    for (int64_t at = 0; at < f->all; at += PART) {
        const int n = (int)TN_MIN(f->all - at, PART);
        look_near(f, scaled, at, n, &p);
        for (int i = 0; i < n; i++) {
            const int which = p.which[i];
            source[at + i] = float_of((uint32_t)(p.near[i] + chosen[which][get_bits(choices, &bits, bits_for[which])]));
        }
    }
}

bool tn_pack_keep_source(tn_packs *all, tn_pack *p, const void *source)
{
    const tn_pack_factors *f = p->factors;
    tn_pack *base = f && p->hollow && !p->base ? tn_pack_with_undo(all, p->data, p->bytes) : NULL;
    if (!base) return false;
    if (!p->choices) {
        base->recipe.undo(base->how, base->data, p->data);
        p->choices = note_choices(f, p->data, source);
        tn_pages_forget(p->data, p->bytes);
    }
    if (!p->choices) return false;
    p->base = base;
    base->refs++;
    return true;
}

void tn_pack_undo_factors(tn_pack *p, void *source)
{
    if (p->hollow) p->base->recipe.undo(p->base->how, p->base->data, p->data);
    choose(p->factors, p->data, p->choices, source);
    if (p->hollow) tn_pages_forget(p->data, p->bytes);
}

/* ==== looked at ==== with the lock held, but for tn_packs_... */

static void multiply(const tn_pack_factors *f, const float *source, float *to)
{
    float factor[PART];
    for (int64_t at = 0; at < f->all; at += PART) {
        const int n = (int)TN_MIN(f->all - at, PART);
        factors_of(f, at, n, factor);
        for (int i = 0; i < n; i++) to[at + i] = source[at + i] * factor[i];
    }
}

static tn_pack *find_at(const tn_packs *all, const void *data)
{
    for (tn_pack *p = all->first; p; p = p->next)
        if (p->factors && (uintptr_t)data - (uintptr_t)p->data < p->bytes) return p;
    return NULL;
}

static void end_look(tn_pack *p)
{
    if (--p->looks || p->stays || p->bytes < TN_PACK_LEAST) return;
    p->hollow = true;
    tn_pages_forget(p->data, p->bytes);
}

/* Its source may be such a product itself. */
static void look(tn_packs *all, tn_pack *p)
{
    p->looks++;
    if (!p->hollow) return;
    tn_pack *source = find_at(all, p->source);
    if (source) look(all, source);
    const size_t bytes = (size_t)p->factors->all * sizeof(float);
    if (p->of_file) tn_pages_want((void *)p->source, bytes);
    multiply(p->factors, p->source, p->data);
    p->hollow = false;
    if (source) end_look(source);
    if (p->of_file) tn_pages_forget((void *)p->source, bytes);
}

tn_pack *tn_pack_look(tn_packs *all, const void *data)
{
    tn_pack *p = atomic_load_explicit(&all->n_scaled, memory_order_relaxed) ? find_at(all, data) : NULL;
    if (p) look(all, p);
    return p;
}

void tn_pack_looked(tn_pack *p)
{
    if (p) end_look(p);
}

tn_pack *tn_packs_look(tn_packs *all, const void *data)
{
    pthread_mutex_lock(&all->lock);
    tn_pack *p = tn_pack_look(all, data);
    pthread_mutex_unlock(&all->lock);
    return p;
}

void tn_packs_looked(tn_packs *all, tn_pack *p, bool stays)
{
    pthread_mutex_lock(&all->lock);
    if (p) p->stays = p->stays || stays;
    tn_pack_looked(p);
    pthread_mutex_unlock(&all->lock);
}

/* A product's pack of the same n numbers. */
static const tn_pack *find_known(const tn_packs *all, const void *data, int64_t n)
{
    const tn_pack *p = all->first;
    while (p && (p->source != data || p->splits == TN_SPLITS_UNKNOWN || p->key[0] * p->key[1] != n)) p = p->next;
    return p;
}

bool tn_packs_know_splits(tn_packs *all, const void *data, int64_t n, bool *splits)
{
    pthread_mutex_lock(&all->lock);
    const tn_pack *p = atomic_load_explicit(&all->n_scaled, memory_order_relaxed) ? find_at(all, data) : NULL;
    if (!p) p = find_known(all, data, n);
    const tn_pack_splits known = p ? p->splits : TN_SPLITS_UNKNOWN;
    pthread_mutex_unlock(&all->lock);
    *splits = known == TN_SPLITS;
    return known != TN_SPLITS_UNKNOWN;
}

void tn_packs_note_splits(tn_packs *all, tn_pack *p, bool splits)
{
    pthread_mutex_lock(&all->lock);
    if (p) p->splits = splits ? TN_SPLITS : TN_SPLITS_NOT;
    pthread_mutex_unlock(&all->lock);
}

/* ==== as tensors ==== */

typedef struct held { /* what a tensor's buffer keeps */
    tn_pack *pack;
    tn_tensor *source; /* NULL: it is nobody's, and stays */
} held;

static void let_go(tn_buffer *self)
{
    held *h = self->owner;
    tn_pack_release(h->pack);
    tn_tensor_unref(h->source);
    tn_free(h);
}

static tn_code take(tn_packs *all, const tn_tensor *source, const int64_t key[4], const tn_pack_factors *f,
                    tn_pack **out, tn_error *err)
{
    const size_t bytes = (size_t)TN_MAX(f->all, 1) * sizeof(float);
    const size_t of_factors = sizeof *f + (size_t)f->count * sizeof *f->factor;
    tn_pack_factors *own = tn_malloc(of_factors);
    if (!own) return tn_no_memory(err, of_factors);
    memcpy(own, f, of_factors);
    pthread_mutex_lock(&all->lock);
    tn_pack *p = tn_pack_get(all, source->data, key, bytes);
    if (p && !p->factors) {
        p->factors = own;
        p->of_file = source->buffer && source->buffer->of_file;
        atomic_fetch_add(&all->n_scaled, 1);
        own = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    tn_free(own);
    *out = p;
    return p ? TN_OK : tn_no_memory(err, bytes);
}

tn_code tn_pack_tensor(tn_packs *all, const tn_tensor *source, const int64_t key[4], const tn_pack_factors *f,
                       tn_tensor **out, tn_error *err)
{
    held *h = tn_calloc(1, sizeof *h);
    tn_buffer *b = tn_calloc(1, sizeof *b);
    tn_code code = h && b ? take(all, source, key, f, &h->pack, err) : tn_no_memory(err, sizeof *b);
    if (code != TN_OK) {
        tn_free(h);
        tn_free(b);
        return code;
    }
    if (atomic_load(&source->refs)) h->source = tn_tensor_ref((tn_tensor *)source);
    *b = (tn_buffer){.data = h->pack->data, .size = h->pack->bytes, .release = let_go, .owner = h};
    atomic_init(&b->refs, 1);
    code = tn_tensor_on(TN_FLOAT, &source->shape, b, h->pack->data, out, err);
    tn_buffer_unref(b);
    return code;
}
