/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection.h - the answers of gRPC's server reflection; tests ask them without a server.
 */
#ifndef TN_SERVE_REFLECTION_H
#define TN_SERVE_REFLECTION_H

#include "serve.h"

/* A google.protobuf.FileDescriptorSet: a file comes after those it depends on. */
tn_view tn_descriptor_set(void);

/* What cannot be found is an error_response. */
tn_code tn_reflection_answer(const tn_service *s, const tn_ServerReflectionRequest *in, tn_arena *a,
                             tn_ServerReflectionResponse **out, tn_error *err);

#endif
