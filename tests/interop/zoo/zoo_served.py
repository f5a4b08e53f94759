# SPDX-License-Identifier: Apache-2.0
"""Models as products serve them: speech, cameras, feeds, agents; with what they bring besides layers (decoders of bytes, tables,
caches, searches), and graphs that former tools have rewritten."""
import numpy as np
import tensorflow as tf

from zoo import entry, v1
from zoo_v1 import dense, old


def variable(z, *shape, scale=0.3):
    return tf.Variable(z.f32(*shape) * np.float32(scale))


@old
def served_speech_commands(z):
    """A WAV file's bytes to words: decoded, spectrogram, MFCC, two convolutions; frozen as it was published."""
    wav = v1.placeholder(tf.string, [], "wav_data")
    audio, rate = tf.audio.decode_wav(wav, desired_channels=1, desired_samples=1600)
    s = tf.raw_ops.AudioSpectrogram(input=audio, window_size=480, stride=160, magnitude_squared=True)
    x = tf.raw_ops.Mfcc(spectrogram=s, sample_rate=rate, dct_coefficient_count=20, upper_frequency_limit=3800.0)
    x = tf.reshape(x, [-1, 8, 20, 1])
    h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, v1.get_variable("a", [5, 4, 1, 6]), 1, "SAME"), v1.get_variable("ab", [6])))
    h = tf.nn.max_pool2d(h, 2, 2, "SAME")
    h = tf.nn.relu(tf.nn.conv2d(h, v1.get_variable("b", [3, 3, 6, 8]), 1, "SAME"))
    y = tf.nn.softmax(dense(tf.reshape(h, [-1, 4 * 10 * 8]), 5, "out"), name="labels_softmax")
    value, where = tf.nn.top_k(y, 3)
    words = tf.gather(tf.constant(["_silence_", "yes", "no", "up", "down"]), where)
    sound = tf.audio.encode_wav(np.sin(np.arange(1500)[:, None] * 0.05).astype(np.float32) * 0.7, 8000)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        data = session.run(sound)
        names = [t.name for t in (y, value, words)]
        want = session.run(names, {wav: data})
        frozen = v1.graph_util.convert_variables_to_constants(session, v1.get_default_graph().as_graph_def(), [n.split(":")[0] for n in names])
    z.tol = (1e-3, 1e-4)
    z.graph_def(frozen, {"wav_data:0": np.array(data, object)}, names, want)


@entry
def served_whisper(z):
    """Log-mel features, a convolutional stem, an encoder, and a decoder with caches that a loop fills greedily."""
    m = tf.Module()
    d, heads, vocabulary, most = 8, 2, 13, 6
    m.c1, m.c2 = variable(z, 3, 10, d), variable(z, 3, d, d)
    m.enc = [variable(z, d, 3 * d), variable(z, d, d), variable(z, d, 2 * d), variable(z, 2 * d, d)]
    m.dec = [variable(z, d, 3 * d), variable(z, d, d), variable(z, d, d), variable(z, d, 2 * d), variable(z, d, d)]
    m.emb, m.pos = variable(z, vocabulary, d, scale=1), variable(z, most, d)
    mel = tf.constant(np.abs(z.f32(65, 10)))

    def split(x):
        return tf.transpose(tf.reshape(x, [tf.shape(x)[0], -1, heads, d // heads]), [0, 2, 1, 3])

    def attend(q, k, v, mask=None):
        s = tf.einsum("bhqd,bhkd->bhqk", q, k) / np.float32(np.sqrt(d // heads))
        s = s if mask is None else tf.where(mask, s, -1e9)
        y = tf.einsum("bhqk,bhkd->bhqd", tf.nn.softmax(s), v)
        return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [tf.shape(y)[0], -1, d])

    def norm(x):
        mean, var = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(var + 1e-5)

    def f(audio):
        spec = tf.abs(tf.signal.stft(audio, 100, 40, 128)) ** 2
        x = tf.math.log(tf.maximum(spec @ mel, 1e-10)) / np.float32(np.log(10))
        x = (tf.maximum(x, tf.reduce_max(x, [1, 2], keepdims=True) - 8.0) + 4.0) / 4.0
        x = tf.nn.gelu(tf.nn.conv1d(x, m.c1, 1, "SAME"))
        x = tf.nn.gelu(tf.nn.conv1d(x, m.c2, 2, "SAME"))
        q, k, v = tf.split(norm(x) @ m.enc[0], 3, -1)
        x = x + attend(split(q), split(k), split(v)) @ m.enc[1]
        x = norm(x + tf.nn.gelu(norm(x) @ m.enc[2]) @ m.enc[3])
        ck, cv = (split(t) for t in tf.split(x @ m.dec[3], 2, -1))
        b = tf.shape(audio)[0]

        def body(t, tokens, kc, vc, logp):
            h = tf.gather(m.emb, tokens[:, t])[:, None] + m.pos[t]
            q, k, v = (split(u) for u in tf.split(norm(h) @ m.dec[0], 3, -1))
            kc = tf.where((tf.range(most) == t)[None, None, :, None], k, kc)
            vc = tf.where((tf.range(most) == t)[None, None, :, None], v, vc)
            h = h + attend(q, kc, vc, tf.range(most) <= t) @ m.dec[1]
            h = h + attend(split(norm(h) @ m.dec[2]), ck, cv) @ m.dec[4]
            p = tf.nn.log_softmax(norm(h)[:, 0] @ tf.transpose(m.emb))
            new = tf.argmax(p, -1, output_type=tf.int32)
            tokens = tf.tensor_scatter_nd_update(tokens, tf.stack([tf.range(b), tf.fill([b], t + 1)], 1), new)
            return t + 1, tokens, kc, vc, logp + tf.reduce_max(p, -1)
        zeros = tf.zeros([b, heads, most, d // heads])
        out = tf.while_loop(lambda t, tokens, *_: (t < most - 1) & ~tf.reduce_all(tokens[:, t] == 2), body,
                            [0, tf.concat([tf.ones([b, 1], tf.int32), tf.zeros([b, most - 1], tf.int32)], 1), zeros, zeros, tf.zeros([b])])
        return {"tokens": out[1], "logp": out[4], "steps": out[0]}
    z.tol = (1e-3, 1e-3)
    z.function(f, z.f32(2, 700), module=m)


@old
def served_deeplab(z):
    """Any image of bytes: padded, atrous convolutions through batches and by themselves, pyramid, resized with corners aligned."""
    image = v1.placeholder(tf.uint8, [1, None, None, 3], "ImageTensor")
    x = tf.cast(image, tf.float32)
    size = tf.shape(x)[1:3]
    x = tf.pad(x - 127.5, [[0, 0], [0, tf.maximum(33 - size[0], 0)], [0, tf.maximum(33 - size[1], 0)], [0, 0]]) / 127.5
    x.set_shape([1, None, None, 3])
    h = tf.nn.relu6(tf.nn.conv2d(x, v1.get_variable("w0", [3, 3, 3, 8]), 2, "SAME"))
    h = tf.nn.depthwise_conv2d(h, v1.get_variable("d0", [3, 3, 8, 1]), [1, 1, 1, 1], "SAME", dilations=[2, 2])
    h = tf.nn.relu6(tf.nn.conv2d(h, v1.get_variable("p0", [1, 1, 8, 8]), 1, "SAME"))
    pooled = tf.nn.conv2d(tf.reduce_mean(h, [1, 2], keepdims=True), v1.get_variable("p1", [1, 1, 8, 4]), 1, "SAME")
    parts = [v1.image.resize_bilinear(pooled, tf.shape(h)[1:3], align_corners=True)]
    parts += [tf.nn.atrous_conv2d(h, v1.get_variable("a%d" % r, [3, 3, 8, 4]), r, "SAME") for r in (2, 3, 6)]
    parts.append(tf.nn.conv2d(h, v1.get_variable("a1", [3, 3, 8, 4]), 1, "SAME", dilations=4))
    y = tf.nn.conv2d(tf.concat(parts, -1), v1.get_variable("out", [1, 1, 20, 5]), 1, "SAME")
    y = v1.image.resize_bilinear(y, tf.shape(x)[1:3], align_corners=True)
    near = v1.image.resize_nearest_neighbor(tf.cast(tf.argmax(y, 3)[..., None], tf.int32), [20, 20], align_corners=True)
    cut = tf.slice(tf.argmax(y, 3), [0, 0, 0], tf.stack([1, size[0], size[1]]), name="SemanticPredictions")
    with v1.Session() as s:
        s.run(v1.global_variables_initializer())
        z.saved_model(s, {"image": image}, {"labels": cut, "logits": y, "near": near}, [{"image": (z.rng.random((1, a, b, 3)) * 255).astype(np.uint8)} for a, b in ((40, 37), (20, 50))])


@entry
def served_mask_rcnn(z):
    """Boxes by CombinedNonMaxSuppression, cut out of the feature map with crop_and_resize, masks pasted back into the image."""
    m = tf.Module()
    m.stem, m.b, m.s, m.k, m.up = variable(z, 3, 3, 3, 6), variable(z, 6, 4), variable(z, 6, 3, scale=1), variable(z, 3, 3, 6, 6), variable(z, 2, 2, 3, 6)

    def f(image):
        n = tf.shape(image)[0]
        fmap = tf.nn.relu(tf.nn.conv2d(image, m.stem, 2, "SAME"))
        flat = tf.reshape(fmap, [n, -1, 6])
        at = tf.sigmoid(flat @ m.b)
        boxes = tf.concat([tf.minimum(at[..., :2], at[..., 2:]), tf.maximum(at[..., :2], at[..., 2:])], -1)
        b, s, c, valid = tf.image.combined_non_max_suppression(boxes[:, :, None], tf.sigmoid(flat @ m.s), 4, 6, 0.5, 0.3, clip_boxes=False)
        where = tf.repeat(tf.range(n), 6)
        rois = tf.image.crop_and_resize(fmap, tf.reshape(b, [-1, 4]), where, [4, 4], "bilinear", 0.1)
        near = tf.image.crop_and_resize(fmap, tf.reshape(b, [-1, 4]), where, [2, 2], "nearest")
        h = tf.nn.relu(tf.nn.conv2d(rois, m.k, 1, "SAME"))
        masks = tf.nn.conv2d_transpose(h, m.up, [tf.shape(h)[0], 8, 8, 3], 2)
        masks = tf.reshape(tf.transpose(masks, [0, 3, 1, 2]), [n, 6, 3, 8, 8])
        picked = tf.gather(masks, tf.cast(c, tf.int32), axis=2, batch_dims=2)

        def paste(args):
            box, mask, on = args
            y0, x0, y1, x1 = tf.unstack(tf.cast(tf.round(box * 16.0), tf.int32))
            h, w = tf.maximum(y1 - y0, 1), tf.maximum(x1 - x0, 1)
            small = tf.image.resize(mask[..., None], [h, w])[..., 0]
            small = small[:tf.minimum(h, 16 - y0), :tf.minimum(w, 16 - x0)]
            return tf.pad(small, [[y0, 16 - y0 - tf.shape(small)[0]], [x0, 16 - x0 - tf.shape(small)[1]]]) * on
        on = tf.cast(tf.sequence_mask(valid, 6), tf.float32)
        pasted = tf.map_fn(lambda e: tf.map_fn(paste, e, fn_output_signature=tf.TensorSpec([16, 16])), (tf.clip_by_value(b, 0.0, 0.9), picked, on),
                           fn_output_signature=tf.TensorSpec([None, 16, 16]))
        return {"boxes": b, "scores": s, "classes": c, "valid": valid, "near": near, "masks": tf.sigmoid(pasted)}
    z.tol = (1e-3, 1e-4)
    z.function(f, z.f32(2, 12, 12, 3), module=m)


@entry
def served_centers(z):
    """Peaks of a heat map that survive a maximum around them, the best of them, offsets gathered at their places."""
    def f(heat, offset):
        peaks = tf.where(tf.equal(tf.nn.max_pool2d(heat, 3, 1, "SAME"), heat), heat, tf.zeros_like(heat))
        s = tf.shape(heat)
        score, at = tf.math.top_k(tf.reshape(peaks, [s[0], -1]), 5)
        c, place = at % s[3], at // s[3]
        y, x = place // s[2], place % s[2]
        b = tf.tile(tf.range(s[0])[:, None], [1, 5])
        o = tf.gather_nd(offset, tf.stack([b, y, x], -1))
        o2 = tf.gather(tf.reshape(offset, [s[0], -1, 2]), place, batch_dims=1)
        return {"score": score, "class": c, "xy": tf.cast(tf.stack([x, y], -1), tf.float32) + o, "same": tf.reduce_all(o == o2)}
    z.function(f, z.f32(2, 7, 9, 3), z.f32(2, 7, 9, 2))


@entry
def served_dlrm(z):
    """Dense numbers and many tables of ragged ids, crossed pairwise."""
    m = tf.Module()
    m.tables = [variable(z, 11 + i, 4) for i in range(3)]
    m.bottom, m.top = variable(z, 5, 4), variable(z, 4 + 6, 1)

    def f(x, ids0, n0, ids1, n1, words):
        r0, r1 = tf.RaggedTensor.from_row_lengths(ids0, n0), tf.RaggedTensor.from_row_lengths(ids1, n1)
        e = [tf.nn.relu(x @ m.bottom), tf.nn.embedding_lookup_sparse(m.tables[0], r0.to_sparse(), None, combiner="sum"),
             tf.nn.safe_embedding_lookup_sparse(m.tables[1], r1.to_sparse(), None, combiner="mean", default_id=3),
             tf.gather(m.tables[2], tf.strings.to_hash_bucket_strong(words, 13, [7, 9]))]
        t = tf.stack(e, 1)
        dots = tf.matmul(t, t, transpose_b=True)
        lower = tf.linalg.band_part(tf.ones([4, 4]), -1, 0) - tf.eye(4)
        flat = tf.reshape(tf.boolean_mask(dots, tf.tile((lower > 0)[None], [tf.shape(x)[0], 1, 1])), [-1, 6])
        y = tf.concat([e[0], flat], 1) @ m.top
        mean = tf.reduce_mean(tf.ragged.map_flat_values(tf.nn.embedding_lookup, m.tables[0], r0), 1)
        return {"p": tf.sigmoid(y), "flat": flat, "mean": mean, "counts": tf.math.bincount(ids0, minlength=11), "rows": r1.to_tensor(-1)}
    z.function(f, z.f32(3, 5), np.int64([1, 5, 5, 10, 2]), np.int64([2, 1, 2]), np.int64([4, 0]), np.int64([0, 2, 0]), np.array(["a", "", "ü"], object), module=m)


@entry
def served_retrieval(z):
    """A tower for the query, answers scored by brute force, streamed in blocks that a loop merges, seen ones excluded."""
    m = tf.Module()
    names = np.array(["item%d" % i for i in range(40)], object)
    m.index = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.constant(["ann", "bob", "eve"]), tf.constant([1, 2, 3], tf.int64)), 0)
    m.seen = tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, -1, -2)
    m.seen.insert(tf.constant([1, 2], tf.int64), tf.constant([7, 30], tf.int64))
    m.users, m.items, m.ids = variable(z, 4, 6), variable(z, 40, 6), tf.Variable(names)

    def f(user):
        k = m.index.lookup(user)
        q = tf.math.l2_normalize(tf.gather(m.users, k), 1)
        seen = m.seen.lookup(k)

        def body(i, best, at):
            s = tf.matmul(q, m.items[i * 10:(i + 1) * 10], transpose_b=True)
            ids = tf.cast(tf.range(i * 10, (i + 1) * 10), tf.int64)
            s = tf.where(ids[None] == seen[:, None], tf.float32.min, s)
            both, where = tf.concat([best, s], 1), tf.concat([at, tf.broadcast_to(ids, tf.shape(s))], 1)
            best, pick = tf.math.top_k(both, 5)
            return i + 1, best, tf.gather(where, pick, batch_dims=1)
        n = tf.shape(user)[0]
        _, best, at = tf.while_loop(lambda i, *_: i < 4, body, [0, tf.fill([n, 5], -np.inf), tf.zeros([n, 5], tf.int64)],
                                    shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 5]), tf.TensorShape([None, 5])])
        return {"scores": best, "items": tf.gather(m.ids, at), "size": m.seen.size()}
    z.function(f, np.array(["bob", "zed", "ann"], object), module=m)


class Policy(tf.Module):
    def __init__(self, z):
        super().__init__()
        self.w, self.c, self.out = variable(z, 9, 12), variable(z, 3, 12), variable(z, 3, 4)
        self.steps = tf.Variable(17, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None, 6], name="position"), tf.TensorSpec([None, 4], tf.bool, "mask"), tf.TensorSpec([None], tf.int32, "step_type"),
                                  tf.TensorSpec([None, 3], name="h"), tf.TensorSpec([None, 3], name="c"), tf.TensorSpec([2], tf.int32, "seed")])
    def action(self, position, mask, step_type, h, c, seed):
        first = tf.equal(step_type, 0)[:, None]
        h, c = tf.where(first, tf.zeros_like(h), h), tf.where(first, tf.zeros_like(c), c)
        i, j, f, o = tf.split(tf.concat([position, h], 1) @ self.w + c @ self.c, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
        logits = tf.where(mask, h @ self.out, tf.constant(-np.inf, tf.float32))
        a = tf.random.stateless_categorical(logits, 1, seed)[:, 0]
        greedy = tf.argmax(logits, -1)
        explore = tf.random.stateless_uniform(tf.shape(a), seed) < 0.25
        p = tf.nn.log_softmax(logits)
        return {"action": tf.where(explore, a, greedy), "h": h, "c": c, "log_probability": tf.gather(p, a, batch_dims=1), "entropy": -tf.reduce_sum(tf.math.multiply_no_nan(p, tf.exp(p)), -1)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "batch_size")])
    def get_initial_state(self, batch_size):
        return {"h": tf.zeros([batch_size, 3]), "c": tf.zeros([batch_size, 3])}

    @tf.function(input_signature=[])
    def get_train_step(self):
        return {"int64": self.steps.read_value()}


@entry
def served_policy(z):
    """An agent's policy with a recurrent state: three signatures, one without inputs."""
    m = Policy(z)
    folder = z.path("policy")
    tf.saved_model.save(m, folder, {"action": m.action, "get_initial_state": m.get_initial_state, "get_train_step": m.get_train_step})
    z.loaded(folder, {"position": z.f32(3, 6), "mask": np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]], bool), "step_type": np.int32([0, 1, 1]),
                      "h": z.f32(3, 3), "c": z.f32(3, 3), "seed": np.int32([3, 4])}, "action")
    z.loaded(folder, {"batch_size": np.int32(3)}, "get_initial_state")
    z.ask(folder, "get_train_step", {}, {"int64": np.int64(17)})


@entry
def served_mirrored(z):
    """Saved under a strategy: variables of several replicas are one each in the file."""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        import keras
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(2)])
        m = tf.Module()
        m.v, m.mean = tf.Variable(z.f32(2, 3)), tf.Variable([1.0, 2.0, 3.0], aggregation=tf.VariableAggregation.MEAN, synchronization=tf.VariableSynchronization.ON_READ)
    z.keras(model, z.f32(3, 4))
    z.function(lambda x: x @ m.v + m.mean, z.f32(2, 2), module=m)


@entry
def served_batched_function(z):
    """Work that TensorFlow batches inside of the graph."""
    m = tf.Module()
    m.w = variable(z, 3, 2)

    @tf.nondifferentiable_batch_function(1, 8, 10, allowed_batch_sizes=[4, 8], autograph=False)
    def work(x, y):
        return tf.tanh(x @ m.w), y + 1

    def f(x, y):
        a, b = work(x, y)
        return {"a": a, "b": b, "n": tf.shape(a)[0]}
    z.function(f, z.f32(3, 3), z.ints(9, 3), module=m)


@entry
def served_data_inside(z):
    """A data set that the model makes, maps, batches and folds for each question; a lookup of parsed lines."""
    def f(lines, n):
        d = tf.data.Dataset.from_tensor_slices(lines).map(lambda s: tf.io.decode_csv(s, [0.0, 0, "none"])).filter(lambda a, b, c: b > 0)
        d = d.map(lambda a, b, c: (a * tf.cast(b, tf.float32), tf.strings.length(c))).batch(2)
        total = d.reduce((0.0, 0), lambda s, e: (s[0] + tf.reduce_sum(e[0]), s[1] + tf.reduce_max(e[1])))
        squares = tf.data.Dataset.range(n).map(lambda i: i * i).reduce(np.int64(0), lambda s, i: s + i)
        return {"sum": total[0], "longest": total[1], "squares": squares}
    z.function(f, np.array(["1.5,2,abc", ",3,", "2,0,skipped", "4,1,x"], object), np.int64(5), specs=[tf.TensorSpec([None], tf.string, "lines"), tf.TensorSpec([], tf.int64, "n")])


@entry
def served_image_pipeline(z):
    """From bytes to bytes: decoded, turned, coloured, standardized, compressed again."""
    jpeg = [tf.io.encode_jpeg((z.rng.random((9 + i, 12, 3)) * 255).astype(np.uint8), quality=90).numpy() for i in range(2)]

    def one(s):
        x = tf.io.decode_image(s, 3, expand_animations=False)
        x.set_shape([None, None, 3])
        x = tf.image.resize_with_pad(tf.image.convert_image_dtype(x, tf.float32), 20, 24)
        y = tf.image.central_crop(tf.image.rot90(tf.image.flip_left_right(x), 3), 0.6)
        hsv = tf.image.rgb_to_hsv(tf.image.resize_with_crop_or_pad(x, 8, 18))
        grey = tf.image.rgb_to_grayscale(tf.image.hsv_to_rgb(hsv))
        turned = tf.raw_ops.ImageProjectiveTransformV3(images=x[None], transforms=[[0.8, -0.3, 2.0, 0.3, 0.8, -1.0, 0.001, 0.002]], output_shape=[10, 11], fill_value=0.5, interpolation="BILINEAR", fill_mode="CONSTANT")
        q = tf.image.adjust_jpeg_quality(x, 60)
        g = tf.image.stateless_random_brightness(x, 0.3, [1, 2])
        g = tf.image.stateless_random_contrast(tf.image.stateless_random_saturation(tf.image.stateless_random_hue(g, 0.2, [3, 4]), 0.5, 1.5, [5, 6]), 0.5, 1.5, [7, 8])
        crop = tf.image.stateless_random_crop(x, [5, 6, 3], [9, 1])
        dy, dx = tf.image.image_gradients(x[None])
        return {"std": tf.image.per_image_standardization(x), "y": y, "grey": grey, "turned": turned[0], "q": q, "g": tf.image.adjust_gamma(tf.clip_by_value(g, 0.0, 1.0), 0.7, 1.1), "crop": crop,
                "tv": tf.image.total_variation(x), "dx": dx[0], "psnr": tf.image.psnr(x, q, 1.0), "yuv": tf.image.rgb_to_yuv(x), "yiq": tf.image.yiq_to_rgb(x)}

    def f(image_bytes):
        spec = {k: tf.TensorSpec(None, tf.float32) for k in ("std", "y", "grey", "turned", "q", "g", "crop", "tv", "dx", "psnr", "yuv", "yiq")}
        out = tf.map_fn(one, image_bytes, fn_output_signature=spec)
        boxes = tf.image.draw_bounding_boxes(out["std"], tf.constant([[[0.1, 0.1, 0.8, 0.9]]] * 2), [[1.0, 0.5, 0.2]])
        png = tf.map_fn(lambda x: tf.io.encode_png(tf.image.convert_image_dtype(x, tf.uint8, saturate=True)), out["yuv"], fn_output_signature=tf.string)
        return {**out, "boxes": boxes, "back": tf.map_fn(lambda s: tf.io.decode_png(s), png, fn_output_signature=tf.uint8)}
    z.tol = (2e-3, 2e-3)
    z.function(f, np.array(jpeg, object), specs=[tf.TensorSpec([None], tf.string, "image_bytes")])


@old
def served_quantized_graph(z):
    """As transform_graph's quantize_nodes left graphs: eight bits between ranges, requantized after each product."""
    r = tf.raw_ops
    x = v1.placeholder(tf.float32, [1, 8, 8, 3], "x")
    w = tf.constant(z.rng.integers(0, 255, (3, 3, 3, 4)).astype(np.uint8))
    q = r.QuantizeV2(input=x, min_range=tf.reduce_min(x), max_range=tf.reduce_max(x), T=tf.quint8, mode="MIN_FIRST")
    c = r.QuantizedConv2D(input=q[0], filter=tf.bitcast(w, tf.quint8), min_input=q[1], max_input=q[2], min_filter=-1.0, max_filter=1.2, strides=[1, 1, 1, 1], padding="SAME", out_type=tf.qint32)
    lo, hi = r.RequantizationRange(input=c[0], input_min=c[1], input_max=c[2])
    h = r.Requantize(input=c[0], input_min=c[1], input_max=c[2], requested_output_min=lo, requested_output_max=hi, out_type=tf.quint8)
    h = r.QuantizedRelu(features=h[0], min_features=h[1], max_features=h[2], out_type=tf.quint8)
    h = r.QuantizedMaxPool(input=h[0], min_input=h[1], max_input=h[2], ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    h = r.QuantizedReshape(tensor=h[0], shape=[1, 64], input_min=h[1], input_max=h[2])
    k = tf.bitcast(tf.constant(z.rng.integers(0, 255, (64, 5)).astype(np.uint8)), tf.quint8)
    p = r.QuantizedMatMul(a=h[0], b=k, min_a=h[1], max_a=h[2], min_b=-0.5, max_b=0.5, Toutput=tf.qint32)
    s = r.QuantizeDownAndShrinkRange(input=p[0], input_min=p[1], input_max=p[2], out_type=tf.quint8)
    b = r.QuantizedBiasAdd(input=s[0], bias=tf.bitcast(tf.constant([1, 2, 3, 4, 250], tf.uint8), tf.quint8), min_input=s[1], max_input=s[2], min_bias=-1.0, max_bias=1.0, out_type=tf.qint32)
    y = r.Dequantize(input=s[0], min_range=s[1], max_range=s[2], mode="MIN_FIRST")
    z.tol = (1e-3, 1e-3)
    z.session([y, r.Dequantize(input=b[0], min_range=b[1], max_range=b[2], mode="MIN_FIRST"), s[1], s[2]], {x: z.f32(1, 8, 8, 3)})


@old
def served_optimized_graph(z):
    """As optimize_for_inference left graphs: FusedResizeAndPadConv2D, FusedPadConv2D."""
    r = tf.raw_ops
    x = v1.placeholder(tf.float32, [None, 7, 9, 3], "x")
    w = tf.constant(z.f32(3, 3, 3, 4))
    a = r.FusedResizeAndPadConv2D(input=x[:1], size=[12, 14], paddings=[[0, 0], [1, 1], [2, 1], [0, 0]], filter=w, mode="REFLECT", strides=[1, 2, 2, 1], padding="VALID")
    b = r.FusedPadConv2D(input=x[1:], paddings=[[0, 0], [1, 2], [1, 1], [0, 0]], filter=w, mode="SYMMETRIC", strides=[1, 1, 1, 1], padding="VALID")
    z.session([a, b, tf.nn.lrn(b, 2, 1.0, 2e-4, 0.75)], {x: z.f32(2, 7, 9, 3)})
