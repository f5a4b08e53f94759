/* SPDX-License-Identifier: Apache-2.0
 *
 * special_math.h - special functions in double that neither libm nor kernel/ has. Arguments outside a
 * function's domain give NaN, poles infinity, as TensorFlow's do.
 */
#ifndef TN_SPECIAL_MATH_H
#define TN_SPECIAL_MATH_H

double tn_zeta(double x, double q);          /* Hurwitz: sum of (q + k)^-x */
double tn_polygamma(double n, double x);     /* n-th derivative of digamma */
double tn_igamma(double a, double x);        /* regularized lower incomplete gamma function */
double tn_igammac(double a, double x);       /* the upper one */
double tn_igamma_grad_a(double a, double x); /* d igamma / da */
double tn_gamma_sample_grad(double a, double x); /* dx / da of a gamma-distributed x that keeps its igamma */
double tn_betainc(double a, double b, double x);

#endif
