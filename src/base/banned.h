/* SPDX-License-Identifier: Apache-2.0
 *
 * banned.h - functions that have no safe use here are compile errors. Included by base.h, so by all.
 */
#ifndef TN_BANNED_H
#define TN_BANNED_H

#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets strncpy atoi atol atof

#endif
