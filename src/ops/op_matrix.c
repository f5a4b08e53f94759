/* SPDX-License-Identifier: Apache-2.0
 *
 * op_matrix.c - diagonals of matrices in the last two dimensions: MatrixDiag*, MatrixDiagPart*,
 * MatrixSetDiag*, in their three versions (V1: the main diagonal; V2: a band of diagonals, aligned left;
 * V3: aligned as said). Diag, DiagPart and MatrixBandPart are in op_diag.c.
 *
 * Invariant: a band holds diagonals hi, hi - 1, ..., lo as rows of max_len elements; shorter ones are
 * padded at the end, or in front where they are aligned right.
 */
#include "op_math.h"

typedef struct band {
    int64_t rows, cols, lo, hi, max_len, batch;
    bool single;                 /* one diagonal without a dimension for diagonals */
    bool right_super, right_sub; /* alignment above and below the main diagonal */
    size_t elem;
} band;

/* ==== what the inputs and attributes say ==== */

static void read_align(const tn_attrs *attrs, band *b)
{
    b->right_super = tn_attr_is(attrs, "align", "RIGHT_LEFT") || tn_attr_is(attrs, "align", "RIGHT_RIGHT");
    b->right_sub = tn_attr_is(attrs, "align", "LEFT_RIGHT") || tn_attr_is(attrs, "align", "RIGHT_RIGHT");
}

/* k: one diagonal, or the lowest and the highest. NULL (V1): the main one. */
static tn_code read_k(const tn_tensor *k, band *b, tn_error *err)
{
    b->lo = b->hi = 0;
    b->single = true;
    if (!k) return TN_OK;
    int64_t n = tn_shape_count(&k->shape);
    if (k->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "diag_index must be a scalar or vector, received rank %d",
                       k->shape.rank);
    if (n < 1 || n > 2)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "diag_index must have only one or two elements, received %lld elements.",
                       (long long)n);
    b->lo = tn_tensor_int(k, 0);
    b->hi = tn_tensor_int(k, n - 1);
    b->single = b->lo == b->hi;
    if (b->lo <= b->hi) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "lower_diag_index must not be larger than upper_diag_index: %lld > %lld", (long long)b->lo,
                   (long long)b->hi);
}

static int64_t length_of(const band *b, int64_t d)
{
    return TN_MIN(b->rows + TN_MIN(d, 0), b->cols - TN_MAX(d, 0));
}

static tn_code check_index(const band *b, int64_t d, const char *which, tn_error *err)
{
    if (d == 0 || (d > -b->rows && d < b->cols)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "%s_diag_index is out of bound: %lld. It must be between %lld and %lld", which,
                   (long long)d, -(long long)b->rows, (long long)b->cols);
}

/* A band of a matrix that is there. */
static tn_code band_of_matrix(const tn_shape *matrix, const tn_tensor *k, band *b, tn_error *err)
{
    char text[160];
    if (matrix->rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must be at least 2-dim, received shape: %s",
                       tn_shape_text(matrix, text, sizeof text));
    TN_TRY(read_k(k, b, err));
    b->rows = matrix->dim[matrix->rank - 2];
    b->cols = matrix->dim[matrix->rank - 1];
    if (b->rows < 0 || b->cols < 0) return TN_OK;
    TN_TRY(check_index(b, b->lo, "lower", err));
    TN_TRY(check_index(b, b->hi, "upper", err));
    b->max_len = TN_MIN(b->rows + TN_MIN(b->hi, 0), b->cols - TN_MAX(b->lo, 0));
    return TN_OK;
}

/* The matrix that a band is put into; rows, cols: as asked for, -1: the smallest. */
static tn_code matrix_of_band(band *b, int64_t rows, int64_t cols, tn_error *err)
{
    int64_t least_rows = b->max_len - TN_MIN(b->hi, 0), least_cols = b->max_len + TN_MAX(b->lo, 0);
    if (rows == -1 && cols == -1) rows = cols = TN_MAX(least_rows, least_cols);
    if (rows == -1) rows = least_rows;
    if (cols == -1) cols = least_cols;
    if (rows < least_rows) return tn_fail(err, TN_INVALID_ARGUMENT, "The number of rows is too small.");
    if (cols < least_cols) return tn_fail(err, TN_INVALID_ARGUMENT, "The number of columns is too small.");
    if (rows != least_rows && cols != least_cols)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The number of rows or columns is not consistent with the specified "
                       "d_lower, d_upper, and diagonal.");
    b->rows = rows;
    b->cols = cols;
    return TN_OK;
}

/* ==== copying ==== */

/* All diagonals of one matrix, into it or out of it. */
static void copy_diagonals(const band *b, char *matrix, char *diagonals, bool into)
{
    for (int64_t d = b->hi; d >= b->lo; d--) {
        int64_t n = length_of(b, d);
        bool left = (d >= 0 && !b->right_super) || (d <= 0 && !b->right_sub);
        char *line = diagonals + (size_t)((b->hi - d) * b->max_len + (left ? 0 : b->max_len - n)) * b->elem;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (i + TN_MAX(-d, 0)) * b->cols + i + TN_MAX(d, 0);
            char *m = matrix + (size_t)at * b->elem, *v = line + (size_t)i * b->elem;
            memcpy(into ? m : v, into ? v : m, b->elem);
        }
    }
}

static void copy_batches(const band *b, void *matrix, void *diagonals, bool into)
{
    size_t matrix_size = (size_t)(b->rows * b->cols) * b->elem;
    size_t band_size = (size_t)((b->hi - b->lo + 1) * b->max_len) * b->elem;
    for (int64_t i = 0; i < b->batch; i++)
        copy_diagonals(b, (char *)matrix + (size_t)i * matrix_size, (char *)diagonals + (size_t)i * band_size,
                       into);
}

static int64_t batch_count(const tn_shape *s, int inner)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank - inner; i++) n *= s->dim[i];
    return n;
}

static tn_code plain_elements(const tn_prepare *p, band *b, tn_error *err)
{
    tn_dtype t = tn_dtype_base(p->in[0]->dtype);
    b->elem = tn_dtype_size(t);
    if (tn_dtype_is_pod(t)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s is not supported", p->op->name, tn_dtype_name(t));
}

static void fill(const tn_tensor *value, const band *b, tn_tensor *out)
{
    if (value)
        tn_fill((int)b->elem, value->data, tn_shape_count(&out->shape), out->data, 1);
    else
        memset(out->data, 0, tn_tensor_bytes(out));
}

/* ==== MatrixDiag ==== */

static tn_code band_size(const tn_shape *diagonal, band *b, tn_error *err)
{
    if (!b->single && diagonal->rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "diagonal must be at least 2-dim, received rank %d",
                       diagonal->rank);
    b->max_len = diagonal->dim[diagonal->rank - 1];
    if (b->single || diagonal->dim[diagonal->rank - 2] < 0 ||
        diagonal->dim[diagonal->rank - 2] == b->hi - b->lo + 1)
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "The number of diagonals provided in the input does not match the "
                   "lower_diag_index and upper_diag_index range.");
}

static tn_code diag_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *d = &c->in[0]->shape;
    int64_t rows = -1, cols = -1;
    band b = {0};
    if (d->rank == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "diagonal must be at least 1-dim, received shape: []");
    if (d->rank < 0) return TN_OK;
    for (int i = 2; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    if (c->n_in > 1) {
        if (!c->in[1]->value) return TN_OK;
        if (!tn_infer_int(c, 2, &rows) || !tn_infer_int(c, 3, &cols)) rows = cols = -2;
    }
    TN_TRY(read_k(c->n_in > 1 ? c->in[1]->value : NULL, &b, err));
    TN_TRY(band_size(d, &b, err));
    tn_shape out = *d;
    out.rank -= b.single ? 1 : 2;
    if (out.rank + 2 > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: a result of too high a rank", c->op->name);
    b.rows = b.cols = -1;
    if (b.max_len >= 0 && rows != -2) TN_TRY(matrix_of_band(&b, rows, cols, err));
    out.dim[out.rank++] = b.rows;
    out.dim[out.rank++] = b.cols;
    c->out[0].shape = out;
    return TN_OK;
}

static tn_code diag_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, band, b);
    TN_TRY(plain_elements(p, b, err));
    TN_TRY(read_k(p->n_in > 1 ? p->in[1] : NULL, b, err));
    TN_TRY(band_size(&p->in[0]->shape, b, err));
    TN_TRY(matrix_of_band(b, p->n_in > 1 ? tn_tensor_int(p->in[2], 0) : -1,
                          p->n_in > 1 ? tn_tensor_int(p->in[3], 0) : -1, err));
    read_align(p->attrs, b);
    b->batch = batch_count(&p->out[0]->shape, 2);
    return TN_OK;
}

static tn_code diag_run(tn_run *r, tn_error *err)
{
    const band *b = r->params;
    (void)err;
    fill(r->n_in > 4 ? r->in[4] : NULL, b, r->out[0]);
    copy_batches(b, r->out[0]->data, r->in[0]->data, true);
    return TN_OK;
}

/* ==== MatrixDiagPart ==== */

static tn_code part_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *m = &c->in[0]->shape;
    band b = {0};
    if (c->n_in > 2) TN_TRY(tn_infer_rank(c, 2, 0, err));
    if (m->rank < 0 || (c->n_in > 1 && !c->in[1]->value)) return TN_OK;
    b.max_len = -1;
    TN_TRY(band_of_matrix(m, c->n_in > 1 ? c->in[1]->value : NULL, &b, err));
    tn_shape out = *m;
    out.rank -= 2;
    if (!b.single) out.dim[out.rank++] = b.hi - b.lo + 1;
    out.dim[out.rank++] = b.max_len;
    c->out[0].shape = out;
    return TN_OK;
}

static tn_code part_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, band, b);
    TN_TRY(plain_elements(p, b, err));
    TN_TRY(band_of_matrix(&p->in[0]->shape, p->n_in > 1 ? p->in[1] : NULL, b, err));
    read_align(p->attrs, b);
    b->batch = batch_count(&p->in[0]->shape, 2);
    return TN_OK;
}

static tn_code part_run(tn_run *r, tn_error *err)
{
    const band *b = r->params;
    (void)err;
    fill(r->n_in > 2 ? r->in[2] : NULL, b, r->out[0]);
    copy_batches(b, r->in[0]->data, r->out[0]->data, false);
    return TN_OK;
}

/* ==== MatrixSetDiag ==== */

static tn_code set_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, band, b);
    char x[160], y[160], z[160];
    const tn_shape *m = &p->in[0]->shape, *d = &p->in[1]->shape;
    TN_TRY(plain_elements(p, b, err));
    TN_TRY(band_of_matrix(m, p->n_in > 2 ? p->in[2] : NULL, b, err));
    read_align(p->attrs, b);
    b->batch = batch_count(m, 2);
    tn_shape want = *m;
    want.rank -= 2;
    if (!b->single) want.dim[want.rank++] = b->hi - b->lo + 1;
    want.dim[want.rank++] = b->max_len;
    if (tn_shape_equal(&want, d)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Either first dimensions of diagonal don't match input.shape[:-2], or "
                   "diagonal.shape[:-1] is not equal to the longests diagonal in range "
                   "[lower_diag_index:upper_diag_index].\nInput shape: %s\nDiagonal shape: %s\nExpected "
                   "diagonal shape: %s",
                   tn_shape_text(m, x, sizeof x), tn_shape_text(d, y, sizeof y),
                   tn_shape_text(&want, z, sizeof z));
}

static tn_code set_run(tn_run *r, tn_error *err)
{
    (void)err;
    memmove(r->out[0]->data, r->in[0]->data, tn_tensor_bytes(r->out[0]));
    copy_batches(r->params, r->out[0]->data, r->in[1]->data, true);
    return TN_OK;
}

/* ==== gradients, by the third versions ==== */

static tn_attr align_of(const tn_grad *g)
{
    tn_attr a = tn_attr_str("align", "LEFT_LEFT");
    tn_view said;
    if (tn_attr_get_string(&g->op->attrs, "align", &said)) a.s = (tn_bytes){said.p, said.n};
    return a;
}

static tn_node zero_like(tn_grad *g, tn_node x)
{
    return tn_scalar(g->b, tn_dtype_base(tn_node_dtype(x)), 0);
}

static tn_node k_of(tn_grad *g, int input)
{
    return g->op->n_in > input ? tn_grad_in(g, input) : tn_g_int(g->b, 0);
}

static tn_node part(tn_grad *g, tn_node matrix, tn_node k)
{
    return tn_op(g->b, "MatrixDiagPartV3", TN_INPUTS(matrix, k, zero_like(g, matrix)), TN_ATTRS(align_of(g)));
}

static tn_node set(tn_grad *g, tn_node matrix, tn_node diagonal, tn_node k)
{
    return tn_op(g->b, "MatrixSetDiagV3", TN_INPUTS(matrix, diagonal, k), TN_ATTRS(align_of(g)));
}

static tn_code diag_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, part(g, tn_grad_dy(g, 0), k_of(g, 1)));
    return TN_OK;
}

static tn_code part_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0), k = k_of(g, 1), x = tn_grad_in(g, 0);
    tn_shape s = tn_node_shape(x);
    if (s.rank < 2 || s.dim[s.rank - 1] < 0 || s.dim[s.rank - 2] < 0) {
        tn_grad_set(g, 0, set(g, tn_zeros_like(g->b, x), dy, k));
        return TN_OK;
    }
    tn_node rows = tn_g_int(g->b, s.dim[s.rank - 2]), cols = tn_g_int(g->b, s.dim[s.rank - 1]);
    tn_grad_set(
        g, 0,
        tn_op(g->b, "MatrixDiagV3", TN_INPUTS(dy, k, rows, cols, zero_like(g, dy)), TN_ATTRS(align_of(g))));
    return TN_OK;
}

static tn_code set_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0), k = k_of(g, 2);
    tn_grad_set(g, 0, set(g, dy, tn_zeros_like(g->b, tn_grad_in(g, 1)), k));
    tn_grad_set(g, 1, part(g, dy, k));
    return TN_OK;
}

/* ==== the operators ==== */

#define ALIGN " align:string{LEFT_RIGHT,RIGHT_LEFT,LEFT_LEFT,RIGHT_RIGHT}=\"RIGHT_LEFT\""
#define OPERATOR(Name, Sig, Infer, Prepare, Run, Grad, Values)                                               \
    const tn_op tn_op_##Name = {.name = #Name, .sig = Sig, .infer = Infer, .prepare = Prepare, .run = Run,   \
                                .grad = Grad, .values = Values}
#define DIAG(Name, Sig, Values) OPERATOR(Name, Sig, diag_infer, diag_prepare, diag_run, diag_grad, Values)
#define PART(Name, Sig, Values) OPERATOR(Name, Sig, part_infer, part_prepare, part_run, part_grad, Values)
#define SET(Name, Sig, Values) \
    OPERATOR(Name, Sig, tn_infer_like_first, set_prepare, set_run, set_grad, Values)
#define BAND_SIG "diagonal:T k:int32 num_rows:int32 num_cols:int32 padding_value:T -> output:T; T:type"

DIAG(MatrixDiag, "diagonal:T -> output:T; T:type", 0);
DIAG(BatchMatrixDiag, "diagonal:T -> output:T; T:type", 0);
DIAG(MatrixDiagV2, BAND_SIG, TN_BIT(1) | TN_BIT(2) | TN_BIT(3));
DIAG(MatrixDiagV3, BAND_SIG ALIGN, TN_BIT(1) | TN_BIT(2) | TN_BIT(3));
PART(MatrixDiagPart, "input:T -> diagonal:T; T:type", 0);
PART(BatchMatrixDiagPart, "input:T -> diagonal:T; T:type", 0);
PART(MatrixDiagPartV2, "input:T k:int32 padding_value:T -> diagonal:T; T:type", TN_BIT(1));
PART(MatrixDiagPartV3, "input:T k:int32 padding_value:T -> diagonal:T; T:type" ALIGN, TN_BIT(1));
SET(MatrixSetDiag, "input:T diagonal:T -> output:T; T:type", 0);
SET(BatchMatrixSetDiag, "input:T diagonal:T -> output:T; T:type", 0);
SET(MatrixSetDiagV2, "input:T diagonal:T k:int32 -> output:T; T:type", TN_BIT(2));
SET(MatrixSetDiagV3, "input:T diagonal:T k:int32 -> output:T; T:type" ALIGN, TN_BIT(2));
