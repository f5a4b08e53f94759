/* SPDX-License-Identifier: Apache-2.0
 * W6: the peers' convolutional network with Adam on 6 batches of 128 made-up images of ten classes:
 *   turnery bench bench/training/w6_digits_cnn.c --w W6 --steps 6 --blocks 4 --json */
#include <math.h>
#include <stdlib.h>
#include <turnery.h>

enum { STEPS = 6, BATCH = 128, SIDE = 28 };

static void images(tn_data *d, const tn_settings *s)
{
    (void)s;
    unsigned short seed[3] = {7, 7, 7};
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, STEPS * BATCH, TN_SHAPE(SIDE, SIDE, 1));
    int32_t *y = tn_data_new(d, TN_LABEL, "y", TN_INT32, STEPS * BATCH, TN_SHAPE());
    for (int i = 0; i < STEPS * BATCH; i++) {
        y[i] = (int32_t)(10 * erand48(seed));
        for (int k = 0; k < SIDE * SIDE; k++) {
            double bell = sqrt(-2 * log(1 - erand48(seed))) * cos(6.283185307179586 * erand48(seed));
            int row = k / SIDE, column = k % SIDE;
            bool bar = row >= 2 * y[i] && row < 2 * y[i] + 6 && column >= 4 && column < 20;
            x[i * SIDE * SIDE + k] = (float)(0.3 * bell + bar);
        }
    }
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)s, (void)mode;
    tn_node x = tn_conv2d(b, "conv1", in->x, 32, 3, TN_RELU);
    x = tn_max_pool(b, tn_conv2d(b, "conv2", x, 64, 3, TN_RELU), 2, 2, TN_VALID);
    x = tn_dense(b, "hidden", tn_flatten(b, x), 128, TN_RELU);
    tn_output(out, "logits", tn_dense(b, "logits", x, 10, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_sparse_softmax_cross_entropy(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_constant_rate(b, 1e-3)), loss, step);
}

TN_EXPERIMENT = {
    .name = "mnist_cnn", .run = {.batch_size = BATCH}, .train = images,
    .model = model, .loss = loss, .optimizer = optimizer};
