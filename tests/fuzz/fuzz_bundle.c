/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_bundle.c - any bytes as the index of a checkpoint, and as one of Saver's V1; all its tensors are read.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const char *prefix)
{
    tn_bundle *b;
    tn_error err;
    if (tn_bundle_open(prefix, &b, &err) != TN_OK) return;
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_tensor *t;
        const char *name = tn_bundle_at(b, i)->name;
        if (tn_bundle_read(b, name, &t, &err) == TN_OK) tn_tensor_unref(t);
        if (tn_bundle_read_slice(b, name, &(tn_slice){1, {1}, {2}}, &t, &err) == TN_OK) tn_tensor_unref(t);
    }
    tn_bundle_close(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char prefix[64], path[128], shard[256] = {0};
    tn_fuzz_path(prefix, sizeof prefix, "bundle");
    snprintf(path, sizeof path, "%s.index", prefix);
    tn_fuzz_write(path, data, size);
    snprintf(path, sizeof path, "%s.data-00000-of-00001", prefix);
    tn_fuzz_write(path, shard, sizeof shard);
    read_all(prefix);
    tn_checkpoint_remove(prefix, NULL);
    tn_fuzz_write(prefix, data, size);
    read_all(prefix);
    tn_remove_file(prefix, NULL);
    return 0;
}
