/* SPDX-License-Identifier: Apache-2.0
 *
 * descriptors.c - descriptors.bin, which tools/descriptors wrote, as bytes of the program.
 */
#include "reflection.h"

__asm__(".section .rodata\n"
        ".global tn_descriptors, tn_descriptors_end\n"
        ".hidden tn_descriptors, tn_descriptors_end\n"
        ".balign 16\n"
        "tn_descriptors:\n"
        ".incbin \"" TN_DESCRIPTORS "\"\n"
        "tn_descriptors_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char tn_descriptors[] __attribute__((visibility("hidden")));
extern const char tn_descriptors_end[] __attribute__((visibility("hidden")));

tn_view tn_descriptor_set(void)
{
    return (tn_view){tn_descriptors, (size_t)(tn_descriptors_end - tn_descriptors)};
}
