/* SPDX-License-Identifier: Apache-2.0
 *
 * special_bessel.h - Bessel functions and integrals in double that libm does not have. `scaled`: times
 * e^-|x|, for K e^x.
 */
#ifndef TN_SPECIAL_BESSEL_H
#define TN_SPECIAL_BESSEL_H

#include <stdbool.h>

double tn_bessel_i(int order, double x, bool scaled); /* modified, of the first kind: order 0 or 1 */
double tn_bessel_k(int order, double x, bool scaled); /* of the second kind; NaN for x < 0 */
double tn_dawson(double x);
double tn_expint(double x); /* the integral of e^t / t from -infinity to x */
double tn_fresnel_cos(double x);
double tn_fresnel_sin(double x);
double tn_spence(double x); /* the dilogarithm of 1 - x */

#endif
