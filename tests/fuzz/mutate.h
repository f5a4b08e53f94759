/* SPDX-License-Identifier: Apache-2.0
 *
 * mutate.h - changes of inputs that keep their form, for the fuzzing engine's mutators: what has lengths and checksums would never be
 * got past by changes of bytes alone.
 */
#ifndef TN_FUZZ_MUTATE_H
#define TN_FUZZ_MUTATE_H

#include "base/base.h"

#ifndef TN_FUZZ_CHOICE
#define TN_FUZZ_CHOICE 0 /* bytes of choice before an input */
#endif

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* Appends these bytes, changed by the engine. */
void tn_mutate_bytes(tn_view in, tn_buf *out);
/* Appends this message with one of its fields, or of those within, changed; lengths around it are made right. */
void tn_mutate_message(tn_view in, unsigned seed, tn_buf *out);

#endif
