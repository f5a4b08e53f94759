/* SPDX-License-Identifier: Apache-2.0
 *
 * driver.c - stands in for a fuzzing engine: hands the files given, and those in the folders given, to the
 * target, each in a block of exactly its size so that a sanitizer sees every byte read too far.
 *
 * To fuzz for real (with clang and libomp-dev): CC=clang meson setup build-fuzz -Dfuzzing=true -Db_lundef=false
 * -Db_sanitize=address,undefined, then build-fuzz/tests/fuzz_NAME FOUND tests/fuzz/corpus/NAME, where FOUND is
 * an empty folder for the inputs found.
 */
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tn_code replay_file(const char *path, tn_error *err)
{
    tn_buf bytes = {0};
    TN_TRY(tn_file_read(path, 0, &bytes, err));
    uint8_t *copy = malloc(bytes.n ? bytes.n : 1);
    if (copy && bytes.n) memcpy(copy, bytes.data, bytes.n);
    if (copy) LLVMFuzzerTestOneInput(copy, bytes.n);
    free(copy);
    tn_buf_free(&bytes);
    return copy ? TN_OK : tn_no_memory(err, bytes.n);
}

static tn_code replay(const char *path, tn_arena *a, int *count, tn_error *err)
{
    char **names = NULL;
    size_t n = 0;
    if (!tn_is_folder(path)) {
        ++*count;
        return replay_file(path, err);
    }
    TN_TRY(tn_list_folder(path, a, &names, &n, err));
    for (size_t i = 0; i < n; i++) {
        char *inner = tn_path_join(a, path, names[i]);
        TN_TRY(inner ? replay(inner, a, count, err) : tn_no_memory(err, 0));
    }
    return TN_OK;
}

int main(int argc, char **argv)
{
    tn_error err = {0};
    int count = 0;
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? TN_OK : TN_RESOURCE_EXHAUSTED;
    for (int i = 1; i < argc && code == TN_OK; i++) code = replay(argv[i], a, &count, &err);
    tn_arena_free(a);
    if (code != TN_OK) fprintf(stderr, "%s\n", err.message);
    if (code == TN_OK && count == 0) fprintf(stderr, "usage: %s FILE_OR_FOLDER...\n", argv[0]);
    if (code != TN_OK || count == 0) return 1;
    printf("%d inputs\n", count);
    return 0;
}
