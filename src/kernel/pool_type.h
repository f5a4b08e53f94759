/* SPDX-License-Identifier: Apache-2.0
 *
 * pool_type.h - pooling of one element type, vectorised over channels: included once per type with M (in
 * memory), A (for arithmetic), GET, PUT and NAME defined, and POOL for a table of it. Deliberately without a guard.
 */
#define CHUNK 64 /* channels at a time */

static void NAME(max_rows)(const tn_pool_desc *d, const void *in, void *out, int64_t from, int64_t to)
{
    const int64_t c = d->channels, row = d->in[1] * c;
    for (int64_t r = from; r < to; r++) {
        const M *image = (const M *)in + r / d->out[0] * d->in[0] * row;
        for (int64_t ox = 0; ox < d->out[1]; ox++) {
            const tn_window w = tn_window_at(d, r % d->out[0], ox);
            M *o = (M *)out + (r * d->out[1] + ox) * c;
            for (int64_t k = 0; k < c; k += CHUNK) {
                const int n = (int)TN_MIN(CHUNK, c - k);
                A best[CHUNK];
                const M *x = image + w.y0 * row + w.x0 * c + k;
                for (int i = 0; i < n; i++) best[i] = GET(x[i]);
                for (int64_t y = w.y0; y < w.y1; y++)
                    for (int64_t v = w.x0; v < w.x1; v++) {
                        x = image + y * row + v * c + k;
                        for (int i = 0; i < n; i++)
                            best[i] = GET(x[i]) > best[i] || best[i] != best[i] ? GET(x[i]) : best[i];
                    }
                for (int i = 0; i < n; i++) o[k + i] = PUT(best[i]);
            }
        }
    }
}

/* The places (counted within the window) of the first maxima of n channels at x. */
static inline __attribute__((always_inline)) void NAME(places)(const tn_window *w, int64_t row, int64_t c,
                                                               const M *x, int n, A *best, int32_t *at)
{
    for (int i = 0; i < n; i++) best[i] = GET(x[i]), at[i] = 0;
    int32_t place = 0;
    for (int64_t y = 0; y < w->y1 - w->y0; y++)
        for (int64_t v = 0; v < w->x1 - w->x0; v++, place++) {
            const M *p = x + y * row + v * c;
            for (int i = 0; i < n; i++) {
                const A g = GET(p[i]);
                const int better = g > best[i] || best[i] != best[i];
                best[i] = better ? g : best[i];
                at[i] = better ? place : at[i];
            }
        }
}

static void NAME(max_back)(const tn_pool_desc *d, const void *in, const void *grad, void *grad_in,
                           int64_t from, int64_t to)
{
    const int64_t c = d->channels, row = d->in[1] * c, image = d->in[0] * row;
    if (from < to) memset((M *)grad_in + from * image, 0, (size_t)((to - from) * image) * sizeof(M));
    for (int64_t r = from * d->out[0]; r < to * d->out[0]; r++)
        for (int64_t ox = 0; ox < d->out[1]; ox++) {
            const tn_window w = tn_window_at(d, r % d->out[0], ox);
            const int64_t first = r / d->out[0] * image + w.y0 * row + w.x0 * c;
            const M *g = (const M *)grad + (r * d->out[1] + ox) * c;
            for (int64_t k = 0; k < c; k += CHUNK) {
                const int n = (int)TN_MIN(CHUNK, c - k);
                A best[CHUNK];
                int32_t at[CHUNK], place = 0;
                NAME(places)(&w, row, c, (const M *)in + first + k, n, best, at);
                for (int64_t y = 0; y < w.y1 - w.y0; y++)
                    for (int64_t v = 0; v < w.x1 - w.x0; v++, place++) {
                        M *o = (M *)grad_in + first + y * row + v * c + k;
                        for (int i = 0; i < n; i++)
                            o[i] = at[i] == place ? PUT(GET(o[i]) + GET(g[k + i])) : o[i];
                    }
            }
        }
}

static void NAME(max_args)(const tn_pool_desc *d, const void *in, void *out, int64_t *args, int64_t from,
                           int64_t to)
{
    const int64_t c = d->channels, row = d->in[1] * c;
    for (int64_t r = from; r < to; r++)
        for (int64_t ox = 0; ox < d->out[1]; ox++) {
            const tn_window w = tn_window_at(d, r % d->out[0], ox);
            const M *image = (const M *)in + r / d->out[0] * d->in[0] * row;
            const int64_t o = (r * d->out[1] + ox) * c, wide = TN_MAX(w.x1 - w.x0, 1);
            for (int64_t k = 0; k < c; k += CHUNK) {
                const int n = (int)TN_MIN(CHUNK, c - k);
                A best[CHUNK];
                int32_t at[CHUNK];
                NAME(places)(&w, row, c, image + w.y0 * row + w.x0 * c + k, n, best, at);
                for (int i = 0; i < n; i++) {
                    if (out) ((M *)out)[o + k + i] = PUT(best[i]);
                    args[o + k + i] = (w.y0 + at[i] / wide) * row + (w.x0 + at[i] % wide) * c + k + i;
                }
            }
        }
}

static void NAME(avg_rows)(const tn_pool_desc *d, const void *in, void *out, int64_t from, int64_t to)
{
    const int64_t c = d->channels, row = d->in[1] * c;
    for (int64_t r = from; r < to; r++) {
        const M *image = (const M *)in + r / d->out[0] * d->in[0] * row;
        for (int64_t ox = 0; ox < d->out[1]; ox++) {
            const tn_window w = tn_window_at(d, r % d->out[0], ox);
            const A count = (A)((w.y1 - w.y0) * (w.x1 - w.x0));
            M *o = (M *)out + (r * d->out[1] + ox) * c;
            for (int64_t k = 0; k < c; k += CHUNK) {
                const int n = (int)TN_MIN(CHUNK, c - k);
                A sum[CHUNK] = {0};
                for (int64_t y = w.y0; y < w.y1; y++)
                    for (int64_t v = w.x0; v < w.x1; v++) {
                        const M *x = image + y * row + v * c + k;
                        for (int i = 0; i < n; i++) sum[i] += GET(x[i]);
                    }
                for (int i = 0; i < n; i++) o[k + i] = PUT(sum[i] / count);
            }
        }
    }
}

static void NAME(avg_back)(const tn_pool_desc *d, const void *grad, void *grad_in, int64_t from, int64_t to)
{
    const int64_t c = d->channels, row = d->in[1] * c, image = d->in[0] * row;
    if (from < to) memset((M *)grad_in + from * image, 0, (size_t)((to - from) * image) * sizeof(M));
    for (int64_t r = from * d->out[0]; r < to * d->out[0]; r++)
        for (int64_t ox = 0; ox < d->out[1]; ox++) {
            const tn_window w = tn_window_at(d, r % d->out[0], ox);
            const A share = (A)1 / (A)((w.y1 - w.y0) * (w.x1 - w.x0));
            const M *g = (const M *)grad + (r * d->out[1] + ox) * c;
            for (int64_t y = w.y0; y < w.y1; y++)
                for (int64_t v = w.x0; v < w.x1; v++) {
                    M *o = (M *)grad_in + r / d->out[0] * image + y * row + v * c;
                    for (int64_t i = 0; i < c; i++) o[i] = PUT(GET(o[i]) + GET(g[i]) * share);
                }
        }
}

#define POOL_TYPE                                                                                 \
    {                                                                                             \
        NAME(max_rows), NAME(avg_rows), NAME(max_back), NAME(avg_back), NAME(max_args) \
    }
#undef CHUNK

#ifdef POOL /* the table's name: then nothing is left defined */
static const tn_pool_type POOL = POOL_TYPE;
#undef POOL_TYPE
#undef M
#undef A
#undef GET
#undef PUT
#undef NAME
#undef POOL
#endif
