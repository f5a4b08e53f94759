/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_api.h - methods that have files of their own: grpc.health.v1.Health, grpc.reflection.
 */
#ifndef TN_SERVE_GRPC_API_H
#define TN_SERVE_GRPC_API_H

#include "serve.h"

/* The path of the i-th method; "": it is switched off; NULL: no more. */
const char *tn_grpc_path_at(const tn_service *s, size_t i);

/* health.c. NOT_FOUND: no such service. */
tn_code tn_health_check(tn_turn *t, const tn_HealthCheckRequest *in, tn_HealthCheckResponse **out, tn_error *err);
tn_code tn_health_list(tn_turn *t, const tn_HealthListRequest *in, tn_HealthListResponse **out, tn_error *err);
void tn_health_watch(tn_service *s, tn_grpc_call *call);
tn_code tn_watchers_new(tn_watchers **out, tn_error *err);
void tn_watchers_free(tn_watchers *w);

/* reflection.c: ServerReflectionInfo of v1 and v1alpha, whose messages are the same. */
void tn_reflect(tn_service *s, tn_grpc_call *call);

#endif
