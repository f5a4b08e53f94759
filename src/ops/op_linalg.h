/* SPDX-License-Identifier: Apache-2.0
 *
 * op_linalg.h - what the operators of linear algebra share: batches of matrices are taken one by one into
 * double (or complex double) precision, computed by kernel/, and put back. What is computed of one is the
 * operator's row.
 */
#ifndef TN_OP_LINALG_H
#define TN_OP_LINALG_H

#include "../kernel/linalg.h"
#include "op_math.h"

enum { TN_LINALG_OUTS = 3 };

/* One matrix's work: a[m,n], b[rows,k], results o, all of one type of element; tmp as much as the row asked
 * for. */
typedef struct tn_linalg_job {
    const tn_linalg *la;
    const tn_stop *stop;
    int64_t m, n, rows, k;
    bool adjoint, lower, full, vectors, fast;
    bool only_real; /* results that are not real numbers are NaN */
    int64_t out_columns[TN_LINALG_OUTS];
    double l2;
    void *a, *b, *o[TN_LINALG_OUTS], *tmp;
    int64_t *perm; /* room for m numbers */
    double *e;     /* for max(m, n) + 1 numbers */
} tn_linalg_job;

/* An operator: found by its name without "Batch" in front. */
typedef struct tn_linalg_rule {
    const char *name;
    tn_code (*run)(tn_linalg_job *j, tn_error *err);
    int matrices;    /* inputs that are matrices: 1 or 2 */
    int tmp;         /* times max(m, n, 1)^2 elements; there are 6 max(m, n, 1) more */
    bool is_complex; /* computed with complex numbers always */
    bool broadcast;  /* the batches of both inputs are broadcast */
} tn_linalg_rule;
const tn_linalg_rule *tn_linalg_rule_of(const char *op); /* op_linalg.c */

tn_code tn_linalg_prepare(tn_prepare *p, tn_error *err); /* linalg_batch.c */
tn_code tn_linalg_run(tn_run *r, tn_error *err);

/* Element i of an array of j's type. */
static inline double _Complex tn_linalg_get(const tn_linalg_job *j, const void *a, int64_t i)
{
    return j->la->is_complex ? ((const double _Complex *)a)[i] : ((const double *)a)[i];
}
void tn_linalg_set(const tn_linalg_job *j, void *a, int64_t i, double _Complex x);
void tn_linalg_copy(const tn_linalg_job *j, void *to, const void *from, int64_t n);
void tn_linalg_identity(const tn_linalg_job *j, void *a, int64_t n);

#endif
