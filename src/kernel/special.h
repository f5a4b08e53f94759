/* SPDX-License-Identifier: Apache-2.0
 *
 * special.h - functions <math.h> lacks, in double (special.c).
 */
#ifndef TN_SPECIAL_H
#define TN_SPECIAL_H

double tn_digamma(double x);
double tn_ndtri(double p); /* the normal distribution's quantile */
double tn_erfinv(double x);
float tn_erfinv_float(float x);
double tn_lgamma(double x);              /* lgamma without its global sign */
double tn_floor_mod(double x, double y); /* the remainder with the sign of y */
float tn_floor_mod_float(float x, float y);

#endif
