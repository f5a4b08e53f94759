/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm_tile.h - the tile, strip, packing and dot product of isa_gemm.c for one element type. Included once
 * per type with T, VEC, PART, PUT, NAME and MASK defined; deliberately without a guard.
 */
#define VL ((int)(VBYTES / sizeof(T)))
#define MOST 6 /* vectors in a row of a tile */

static inline __attribute__((always_inline)) VEC NAME(load)(const T *p)
{
    return *(const VEC *)p;
}

/* Where a tile begins to fetch what is wanted next: a line for each step, so that a few tiles fetch all of it. *step 0:
 * nothing is left; then the address is one that does no harm. */
static inline const char *NAME(ahead)(const tn_gemm_strip *s, int64_t i0, int64_t *step)
{
    const int64_t lines = s->k * s->b_row * (int64_t)sizeof(T) / 64, from = i0 / MR * s->k;
    *step = s->ahead && from + s->k <= lines ? 64 : 0;
    return *step ? (const char *)s->ahead + from * 64 : s->b;
}

/* What one row of b, and elements `at` of a's rows, add to rows x nv sums. */
static inline __attribute__((always_inline)) void NAME(step)(const tn_gemm_strip *s, const T *b, const T *const *ap,
                                                             int64_t at, int rows, int nv, int each, bool partial,
                                                             VEC (*acc)[MOST])
{
    const int last = s->cols - (nv - 1) * VL;
    VEC bv[MOST];
    for (int v = 0; v < nv; v++) {
        const T *from = b + v / each * s->b_panel + v % each * VL;
        bv[v] = partial && v == nv - 1 ? PART(from, last) : NAME(load)(from);
    }
    for (int i = 0; i < rows; i++) {
        T x = ap[i][at];
        for (int v = 0; v < nv; v++) acc[i][v] += x * bv[v];
    }
}

/* One row and one vector: with one sum each step would wait for the one before, so there are four. */
static inline __attribute__((always_inline)) void NAME(single)(const tn_gemm_strip *s, const T *b, const T *const *ap,
                                                               bool partial, VEC (*acc)[MOST])
{
    VEC sums[4][1][MOST];
    int64_t p = 0;
    for (int w = 0; w < 4; w++) sums[w][0][0] = (VEC){0};
    for (; p + 4 <= s->k; p += 4)
        for (int w = 0; w < 4; w++, b += s->b_row) NAME(step)(s, b, ap, (p + w) * s->a_col, 1, 1, 1, partial, sums[w]);
    for (; p < s->k; p++, b += s->b_row) NAME(step)(s, b, ap, p * s->a_col, 1, 1, 1, partial, sums[0]);
    acc[0][0] = (sums[0][0][0] + sums[1][0][0]) + (sums[2][0][0] + sums[3][0][0]);
}

/* rows x nv vectors of c at row i0, of which a panel of b has each. The compiler unrolls all of it: rows, nv and each
 * are constants. */
static inline __attribute__((always_inline)) void NAME(panels)(const tn_gemm_strip *s, int64_t i0, int rows, int nv,
                                                               int each, bool partial)
{
    const int64_t k = s->k, col = s->a_col, brow = s->b_row, crow = s->c_row;
    const int last = s->cols - (nv - 1) * VL;
    const T *b = s->b, *ap[MR];
    T *c = (T *)s->c + i0 * crow;
    VEC acc[MR][MOST];
    for (int i = 0; i < rows; i++) ap[i] = (const T *)s->a + (i0 + i) * s->a_row;
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < nv; v++) acc[i][v] = (VEC){0};
    int64_t ahead_step;
    const char *ahead = NAME(ahead)(s, i0, &ahead_step);
    if (rows * nv == 1) NAME(single)(s, b, ap, partial, acc);
    for (int64_t p = 0; p < k && rows * nv > 1; p++, b += brow) {
        if (rows > 1) __builtin_prefetch(ahead, 0, 2), ahead += ahead_step;
        NAME(step)(s, b, ap, p * col, rows, nv, each, partial, acc);
    }
    for (int v = 0; v < nv; v++) {
        const T *bias = s->bias;
        const bool whole = v < nv - 1 || last == VL;
        VEC z = {0};
        if (bias) bias += i0 * s->bias_row + v * VL;
        for (int i = 0; i < rows; i++) {
            if (bias && (i == 0 || s->bias_row)) z = whole ? NAME(load)(bias) : PART(bias, last);
            if (bias) bias += s->bias_row;
            T *to = c + i * crow + v * VL;
            VEC x = acc[i][v] + z;
            if (s->add) x += whole ? NAME(load)(to) : PART(to, last);
            if (s->relu) x = (VEC)((__typeof__(x < x))x & ~(x < (VEC){0})); /* a NaN stays */
            if (whole)
                *(VEC *)to = x;
            else
                PUT(to, x, last);
        }
    }
}

static inline __attribute__((always_inline)) void NAME(tile)(const tn_gemm_strip *s, int64_t i0, int rows, int nv,
                                                             bool partial)
{
    NAME(panels)(s, i0, rows, nv, nv, partial);
}

#define ROWS(nv, partial)                                                      \
    do {                                                                       \
        int64_t i = 0;                                                         \
        for (; i + MR <= s->m; i += MR) NAME(tile)(s, i, MR, nv, partial);     \
        if (MR > 4 && s->m - i >= 4) NAME(tile)(s, i, 4, nv, partial), i += 4; \
        if (s->m - i >= 2) NAME(tile)(s, i, 2, nv, partial), i += 2;           \
        if (s->m - i >= 1) NAME(tile)(s, i, 1, nv, partial);                   \
    } while (0)

static void NAME(full1)(const tn_gemm_strip *s)
{
    ROWS(1, false);
}
static void NAME(full2)(const tn_gemm_strip *s)
{
    ROWS(2, false);
}
static void NAME(full3)(const tn_gemm_strip *s)
{
    ROWS(3, false);
}
/* One row and two panels: with one alone the sums would wait for each other. */
static void NAME(pair)(const tn_gemm_strip *s)
{
    if (s->vecs == 1)
        NAME(panels)(s, 0, 1, 2, 1, false);
    else if (s->vecs == 2)
        NAME(panels)(s, 0, 1, 4, 2, false);
    else
        NAME(panels)(s, 0, 1, 6, 3, false);
}
#if MASK
static void NAME(part1)(const tn_gemm_strip *s)
{
    ROWS(1, true);
}
static void NAME(part2)(const tn_gemm_strip *s)
{
    ROWS(2, true);
}
static void NAME(part3)(const tn_gemm_strip *s)
{
    ROWS(3, true);
}
#endif
#undef ROWS

static void NAME(strip)(const tn_gemm_strip *s)
{
#if MASK
    if (!s->b_padded && s->cols != s->vecs * VL) {
        if (s->vecs == 1)
            NAME(part1)(s);
        else if (s->vecs == 2)
            NAME(part2)(s);
        else
            NAME(part3)(s);
        return;
    }
#endif
    if (s->b_panel)
        NAME(pair)(s);
    else if (s->vecs == 1)
        NAME(full1)(s);
    else if (s->vecs == 2)
        NAME(full2)(s);
    else
        NAME(full3)(s);
}

static void NAME(pack)(int64_t k, int cols, int width, const void *b, int64_t b_row, void *out)
{
    const T *from = b;
    T *to = out;
    for (int64_t p = 0; p < k; p++, from += b_row, to += width) {
        for (int j = 0; j < cols; j++) to[j] = from[j];
        for (int j = cols; j < width; j++) to[j] = 0;
    }
}

typedef T NAME(four) __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
#if defined(__clang__)
#define PICK(a, b, w, x, y, z) __builtin_shufflevector(a, b, w, x, y, z)
#elif VEC_IS_DOUBLE
#define PICK(a, b, w, x, y, z) __builtin_shuffle(a, b, (long4){w, x, y, z})
#else
#define PICK(a, b, w, x, y, z) __builtin_shuffle(a, b, (int4){w, x, y, z})
#endif

/* A 4 x 4 corner of b, transposed. */
static inline __attribute__((always_inline)) void NAME(turn)(const T *b, int64_t b_row, T *to, int64_t width)
{
    NAME(four) r[4], s[4];
    for (int i = 0; i < 4; i++) r[i] = *(const NAME(four) *)(b + i * b_row);
    s[0] = PICK(r[0], r[1], 0, 4, 1, 5);
    s[1] = PICK(r[0], r[1], 2, 6, 3, 7);
    s[2] = PICK(r[2], r[3], 0, 4, 1, 5);
    s[3] = PICK(r[2], r[3], 2, 6, 3, 7);
    *(NAME(four) *)(to) = PICK(s[0], s[2], 0, 1, 4, 5);
    *(NAME(four) *)(to + width) = PICK(s[0], s[2], 2, 3, 6, 7);
    *(NAME(four) *)(to + 2 * width) = PICK(s[1], s[3], 0, 1, 4, 5);
    *(NAME(four) *)(to + 3 * width) = PICK(s[1], s[3], 2, 3, 6, 7);
}
static void NAME(pack_t)(int64_t k, int cols, int width, const void *b, int64_t b_row, void *out)
{
    const T *from = b;
    T *to = out;
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
        int j = 0;
        for (; j + 4 <= cols; j += 4) NAME(turn)(from + j * b_row + p, b_row, to + p * width + j, width);
        for (; j < width; j++)
            for (int q = 0; q < 4; q++) to[(p + q) * width + j] = j < cols ? from[j * b_row + p + q] : 0;
    }
    for (; p < k; p++)
        for (int j = 0; j < width; j++) to[p * width + j] = j < cols ? from[j * b_row + p] : 0;
}

/* The sums of the elements of n <= 4 vectors, always added in the same order. */
static inline __attribute__((always_inline)) void NAME(sums)(const VEC *acc, int n, T *out)
{
    enum { QUADS = VL / 4 > 0 ? VL / 4 : 1 };
    NAME(four) q[4];
    for (int j = 0; j < 4; j++) {
        union {
            VEC v;
            T t[VL];
            NAME(four) f[QUADS];
        } u = {.f = {{0}}};
        if (j < n) u.v = acc[j];
        q[j] = u.f[0];
        for (int i = 1; i < QUADS; i++) q[j] += u.f[i];
    }
    const NAME(four) a = PICK(q[0], q[1], 0, 4, 1, 5) + PICK(q[0], q[1], 2, 6, 3, 7); /* q0, q1, q0, q1 */
    const NAME(four) b = PICK(q[2], q[3], 0, 4, 1, 5) + PICK(q[2], q[3], 2, 6, 3, 7);
    const NAME(four) s = PICK(a, b, 0, 1, 4, 5) + PICK(a, b, 2, 3, 6, 7);
    for (int j = 0; j < n; j++) out[j] = s[j];
}

/* The products of one row of a with four rows of b. */
static inline __attribute__((always_inline)) void NAME(dot)(int64_t k, const T *a, const T *b, int64_t b_row,
                                                            int n, T *out)
{
    VEC acc[4] = {{0}, {0}, {0}, {0}};
    int64_t p = 0;
    for (; p + VL <= k; p += VL) {
        VEC x = NAME(load)(a + p);
        for (int j = 0; j < n; j++) acc[j] += x * NAME(load)(b + j * b_row + p);
    }
    if (p < k) {
        VEC x = PART(a + p, (int)(k - p));
        for (int j = 0; j < n; j++) acc[j] += x * PART(b + j * b_row + p, (int)(k - p));
    }
    NAME(sums)(acc, n, out);
}

static void NAME(dots)(int64_t m, int64_t n, int64_t k, const void *av, int64_t a_row, const void *bv,
                       int64_t b_row, const void *biasv, int64_t bias_step, void *cv, int64_t c_row,
                       int64_t c_col, bool add)
{
    const T *a = av, *b = bv, *bias = biasv;
    T *c = cv;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j += 4) {
            T sum[4];
            int now = (int)TN_MIN(4, n - j);
            if (now == 4)
                NAME(dot)(k, a + i * a_row, b + j * b_row, b_row, 4, sum);
            else
                for (int q = 0; q < now; q++)
                    NAME(dot)(k, a + i * a_row, b + (j + q) * b_row, b_row, 1, sum + q);
            for (int q = 0; q < now; q++) {
                T *to = c + i * c_row + (j + q) * c_col, x = sum[q] + (bias ? bias[(j + q) * bias_step] : 0);
                *to = add ? *to + x : x;
            }
        }
}
#undef PICK
#undef MOST
#undef VL
