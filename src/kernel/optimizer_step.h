/* SPDX-License-Identifier: Apache-2.0
 *
 * optimizer_step.h - TensorFlow's update rules for one element type: included by isa_optimizer.c with T,
 * NAME, VECTORS (what the loop is asked for), SQRT, POW and ABS defined, and by optimizer_complex.c without POW and
 * ABS: the rules that compare are real numbers'. The scalars are T too, as TensorFlow's are. Deliberately without a
 * guard.
 */
#define STEP(name, setup, body)                                                             \
    static void NAME(name)(const tn_opt_params *p, int64_t n, void *var, void *const *slot, \
                           const void *grad)                                                \
    {                                                                                       \
        T *w = var, *s = slot[0], *t = slot[1], *u = slot[2];                               \
        const T *gradient = grad;                                                           \
        const T lr = (T)p->lr;                                                              \
        setup;                                                                              \
        (void)s, (void)t, (void)u, (void)lr;                                                \
        VECTORS for (int64_t i = 0; i < n; i++)                                             \
        {                                                                                   \
            const T g = gradient[i];                                                        \
            body;                                                                           \
        }                                                                                   \
    }

STEP(sgd, , w[i] -= lr * g)
STEP(momentum, const T momentum = (T)p->momentum, s[i] = s[i] * momentum + g; w[i] -= lr * s[i])
STEP(nesterov, const T momentum = (T)p->momentum, s[i] = s[i] * momentum + g;
     w[i] -= g * lr + s[i] * momentum * lr)
STEP(keras_momentum, const T momentum = (T)p->momentum, s[i] = s[i] * momentum - g * lr; w[i] += s[i])
STEP(keras_nesterov, const T momentum = (T)p->momentum, s[i] = s[i] * momentum - g * lr;
     w[i] += s[i] * momentum - g * lr)
STEP(adagrad, const T add = p->update_slots ? 1 : 0, s[i] += add * g * g; w[i] -= lr * g / SQRT(s[i]))
STEP(adagrad_v2, const T add = p->update_slots ? 1 : 0; const T eps = (T)p->epsilon, s[i] += add * g * g;
     w[i] -= lr * g / (SQRT(s[i]) + eps))

#define ADAM_SETUP                                                                             \
    const T c1 = 1 - (T)p->beta1, c2 = 1 - (T)p->beta2, b1 = (T)p->beta1, eps = (T)p->epsilon; \
    const T alpha = lr * SQRT(1 - (T)p->beta2_power) / (1 - (T)p->beta1_power);                \
    (void)b1
STEP(adam, ADAM_SETUP, s[i] += (g - s[i]) * c1; t[i] += (g * g - t[i]) * c2;
     w[i] -= s[i] * alpha / (SQRT(t[i]) + eps))
STEP(adam_nesterov, ADAM_SETUP, s[i] += (g - s[i]) * c1; t[i] += (g * g - t[i]) * c2;
     w[i] -= (s[i] * b1 + c1 * g) * alpha / (SQRT(t[i]) + eps))

#define RMS_SETUP const T c = 1 - (T)p->rho, momentum = (T)p->momentum, eps = (T)p->epsilon
STEP(rmsprop, RMS_SETUP, s[i] += (g * g - s[i]) * c; t[i] = t[i] * momentum + lr * g / SQRT(s[i] + eps);
     w[i] -= t[i])
STEP(centered, RMS_SETUP, t[i] += (g * g - t[i]) * c; s[i] += (g - s[i]) * c;
     u[i] = u[i] * momentum + lr * g / SQRT(t[i] - s[i] * s[i] + eps); w[i] -= u[i])
STEP(adadelta, const T rho = (T)p->rho; const T eps = (T)p->epsilon, s[i] = s[i] * rho + g * g * (1 - rho);
     const T change = SQRT(t[i] + eps) / SQRT(s[i] + eps) * g; w[i] -= change * lr;
     t[i] = t[i] * rho + change * change * (1 - rho))

#ifdef ABS
#define SIGN_OF(x) ((T)((x) > 0) - (T)((x) < 0))
/* Toward zero by l, not beyond it. */
#define SHRUNK(x, l) (ABS(x) > (l) ? (x)-SIGN_OF(x) * (l) : (T)0)

STEP(adamax, const T c1 = 1 - (T)p->beta1; const T b2 = (T)p->beta2; const T eps = (T)p->epsilon;
     const T alpha = lr / (1 - (T)p->beta1_power), s[i] += (g - s[i]) * c1; const T a = b2 * t[i];
     const T b = ABS(g); t[i] = a > b ? a : b; w[i] -= alpha * (s[i] / (t[i] + eps)))

#define FTRL_SETUP                                                                             \
    const bool by_lr = p->linear_by_lr;                                                        \
    const T step = by_lr ? lr : (T)1, over = by_lr ? (T)1 : lr, shrink = 2 * (T)p->l2_shrinkage; \
    const T l1 = (T)p->l1 * step, l2 = (T)p->l2 * step
#define FTRL_BODY(root)                                                               \
    const T more = s[i] + g * g, r = root(more);                                      \
    t[i] += step * (g + shrink * w[i]) - (r - root(s[i])) / over * w[i];              \
    w[i] = ABS(t[i]) > l1 ? (l1 * SIGN_OF(t[i]) - t[i]) / (r / over + 2 * l2) : (T)0; \
    s[i] = more
STEP(ftrl_root, FTRL_SETUP, FTRL_BODY(SQRT))
#define ROOT_OF(x) POW(x, power)
STEP(ftrl_power, FTRL_SETUP; const T power = -(T)p->lr_power, FTRL_BODY(ROOT_OF))
#undef ROOT_OF
static void NAME(ftrl_v2)(const tn_opt_params *p, int64_t n, void *var, void *const *slot, const void *grad)
{
    (p->lr_power == -0.5 ? NAME(ftrl_root) : NAME(ftrl_power))(p, n, var, slot, grad);
}
static void NAME(ftrl)(const tn_opt_params *p, int64_t n, void *var, void *const *slot, const void *grad)
{
    tn_opt_params plain = *p;
    plain.l2_shrinkage = 0;
    NAME(ftrl_v2)(&plain, n, var, slot, grad);
}

STEP(adagrad_da, const T l1 = (T)p->l1 * (T)p->global_step;
     const T l2 = (T)p->l2 * (T)p->global_step * lr, s[i] += g; t[i] += g * g;
     w[i] = -lr * SHRUNK(s[i], l1) / (l2 + SQRT(t[i])))
STEP(proximal_sgd, const T l1 = (T)p->l1 * lr; const T l2 = 1 + (T)p->l2 * lr, const T x = w[i] - lr * g;
     w[i] = SHRUNK(x, l1) / l2)
STEP(proximal_adagrad, const T l1 = (T)p->l1; const T l2 = (T)p->l2, s[i] += g * g;
     const T rate = lr / SQRT(s[i]); const T x = w[i] - g * rate;
     w[i] = SHRUNK(x, l1 *rate) / (1 + l2 * rate))
#endif
