/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_images.c - `turnery predict --images`: images of an IDX file as the input, drawn beside the answers.
 */
#include "predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 64, LINE = 160 };

/* What stands beside the picture: integers as they are, a vector of shares as bars. */
static int describe(const strings *wanted, const answers *out, char (*lines)[LINE], int most)
{
    int n = 0;
    for (int i = 0; i < out->n; i++) {
        const tn_tensor *t = out->values[i];
        const char *name = out->names[i];
        int64_t count = tn_tensor_count(t);
        if (!is_wanted(wanted, name) || tn_tensor_dtype(t) == TN_STRING) continue;
        if (count == 1 && n < most) snprintf(lines[n++], LINE, "%s: %.6g", name, tn_tensor_number(t, 0));
        for (int64_t k = 0; count > 1 && k < count && n < most; k++) {
            double v = tn_tensor_number(t, k);
            int bar = (int)fmin(30, fmax(0, v * 30 + 0.5));
            snprintf(lines[n++], LINE, "%2lld %6.3f %.*s", (long long)k, v, bar,
                     "##############################");
        }
        if (count > most && n == most)
            snprintf(lines[most - 1], LINE, "... %lld of %s in all", (long long)count, name);
    }
    return n;
}

/* The picture's lines to the left, what is said of it to the right. */
static void print_beside(char *picture, int width, char (*said)[LINE], int n)
{
    for (int i = 0; picture || i < n; i++) {
        char *end = picture ? strchr(picture, '\n') : NULL;
        if (end) *end = 0;
        printf("  %-*s   %s\n", width, picture ? picture : "", i < n ? said[i] : "");
        picture = end ? end + 1 : NULL;
    }
    putchar('\n');
}

static void print_image(const predict_values *v, const answers *out, const tn_tensor *images, int64_t image,
                        const tn_tensor *labels)
{
    char said[MOST_LINES][LINE];
    char *drawn = tn_image_text(images, image);
    int n = describe(&v->wanted, out, said + 1, MOST_LINES - 1) + 1;
    if (labels)
        snprintf(said[0], LINE, "image %lld, truly %.6g", (long long)image, tn_tensor_number(labels, image));
    else
        snprintf(said[0], LINE, "image %lld", (long long)image);
    print_beside(drawn, drawn ? (int)tn_tensor_shape(images)->dim[2] : 0, said, n);
    tn_text_free(drawn);
}

static tn_code ask_image(const predict_values *v, asked *a, const tn_tensor *images, int64_t image,
                         const tn_tensor *labels, tn_error *err)
{
    const tn_shape *s = tn_tensor_shape(images);
    tn_tensor *in;
    int64_t each = s->dim[1] * s->dim[2];
    tn_spec one = a->in[0]; /* an image is a row of a batch, never many */
    if (one.shape.rank > 1 && one.shape.dim[0] < 0) one.shape.dim[0] = 1;
    tn_code code = input_of_numbers(&one, images, image * each, each, &in, err);
    if (code != TN_OK) return code;
    const tn_tensor *ins[] = {in};
    code = a->run(a, ins, err);
    if (code == TN_OK && v->json)
        code = print_json(stdout, &v->wanted, &a->out) ? TN_OK : no_memory(err);
    else if (code == TN_OK)
        print_image(v, &a->out, images, image, labels);
    tn_tensor_unref(in);
    return code;
}

tn_code ask_images(const predict_values *v, asked *a, tn_error *err)
{
    tn_tensor *images = NULL, *labels = NULL;
    char *end = NULL;
    int64_t first = v->index ? strtoll(v->index, &end, 10) : 0;
    if (a->n_in != 1) return usage_error(err, "the model has %d inputs; images can be given to one", a->n_in);
    if (first < 0 || (end && *end) || v->count < 1 || first > INT64_MAX - v->count)
        return usage_error(err, "--index and --count take whole numbers");
    tn_code code = tn_idx_load(v->images, first + v->count, 0, &images, err);
    if (code == TN_OK && v->labels) code = tn_idx_load(v->labels, first + v->count, 0, &labels, err);
    if (code == TN_OK && tn_tensor_shape(images)->rank != 3)
        code = usage_error(err, "%s does not hold images", v->images);
    if (code == TN_OK && labels && tn_tensor_shape(labels)->rank != 1)
        code = usage_error(err, "%s does not hold labels", v->labels);
    int64_t have = code == TN_OK ? tn_tensor_shape(images)->dim[0] : 0;
    if (code == TN_OK && (first >= have || (labels && tn_tensor_count(labels) < have)))
        code = usage_error(err, "image %lld: %s has %lld", (long long)first, v->images, (long long)have);
    for (int64_t i = first; code == TN_OK && i < first + v->count && i < have; i++)
        code = ask_image(v, a, images, i, labels, err);
    tn_tensor_unref(images);
    tn_tensor_unref(labels);
    return code;
}
