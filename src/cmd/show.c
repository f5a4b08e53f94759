/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c - `turnery show`: what is in a file. A checkpoint: its tensors.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct values {
    const char *tensors;
} values;

static const flag flags[] = {
    {"tensors", FLAG_STRING, offsetof(values, tensors), "DIR", "write every tensor of a checkpoint as DIR/NAME.npy"},
    FLAGS_END,
};

static tn_code write_tensor(const char *dir, const char *name, const tn_tensor *t, tn_error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/", dir);
    for (; *name && n + 16 < (int)sizeof path; name++) {
        if (*name == '/' || *name == ':') n += snprintf(path + n, sizeof path - (size_t)n, *name == '/' ? "__" : "_c");
        else path[n++] = *name;
    }
    snprintf(path + n, sizeof path - (size_t)n, tn_tensor_dtype(t) == TN_STRING ? ".json" : ".npy");
    return tn_tensor_save(path, t, err);
}

static tn_code show_tensor(const values *v, const char *name, const tn_tensor *t, tn_error *err)
{
    char shape[128];
    if (v->tensors) return write_tensor(v->tensors, name, t, err);
    printf("%-60s %-10s %s\n", name, tn_dtype_name(tn_tensor_dtype(t)), tn_shape_text(tn_tensor_shape(t), shape, sizeof shape));
    return TN_OK;
}

static tn_code show_checkpoint(const values *v, const char *prefix, tn_error *err)
{
    tn_bundle *b;
    tn_tensor *t;
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code != TN_OK) return code;
    if (v->tensors && mkdir(v->tensors, 0777) != 0 && errno != EEXIST)
        code = usage_error(err, "%s: %s", v->tensors, strerror(errno));
    for (int i = 0; code == TN_OK && i < tn_bundle_count(b); i++) {
        code = tn_bundle_read(b, tn_bundle_name(b, i), &t, err);
        if (code != TN_OK) break;
        code = show_tensor(v, tn_bundle_name(b, i), t, err);
        tn_tensor_unref(t);
    }
    tn_bundle_close(b);
    return code;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {0};
    strings rest = {.n = 0};
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if (rest.n != 1) return usage_error(err, "one checkpoint is wanted, %d are given", rest.n);
    return show_checkpoint(&v, rest.v[0], err);
}

const command cmd_show = {
    .name = "show",
    .summary = "Shows what a checkpoint holds",
    .usage = "CHECKPOINT [FLAGS]",
    .flags = flags,
    .run = run,
};
