# SPDX-License-Identifier: Apache-2.0
"""The layers of Keras, one by one and combined, exported by Keras 3."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

from zoo import entry


def rows(name, table):
    """An entry for each row: (name, makes the layer, input's shapes or arrays)."""
    for row in table:
        def one(z, row=row):
            xs = [z.f32(*s) if isinstance(s, tuple) else s for s in row[2:]]
            z.layer(row[1](), *xs)
        one.__name__ = "%s_%s" % (name, row[0])
        entry(one)


rows("layer", [
    ("dense", lambda: L.Dense(5, activation="gelu"), (3, 4)),
    ("dense_3d", lambda: L.Dense(5, activation="swish"), (3, 2, 4)),
    ("einsum_dense", lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d"), (2, 3, 4)),
    ("conv1d", lambda: L.Conv1D(4, 3, strides=2, padding="same", activation="relu"), (2, 9, 3)),
    ("conv1d_causal", lambda: L.Conv1D(4, 3, dilation_rate=2, padding="causal"), (2, 9, 3)),
    ("conv1d_groups", lambda: L.Conv1D(4, 3, groups=2), (2, 9, 4)),
    ("conv2d", lambda: L.Conv2D(4, (3, 2), strides=(2, 1), padding="same"), (2, 7, 8, 3)),
    ("conv2d_dilated", lambda: L.Conv2D(4, 3, dilation_rate=2, padding="valid"), (2, 9, 8, 3)),
    ("conv2d_groups", lambda: L.Conv2D(6, 3, groups=3, padding="same"), (2, 7, 8, 3)),
    ("conv3d", lambda: L.Conv3D(4, 2, strides=2, padding="same"), (2, 5, 6, 7, 3)),
    ("conv3d_dilated", lambda: L.Conv3D(4, 2, dilation_rate=2), (2, 5, 6, 7, 3)),
    ("conv1d_transpose", lambda: L.Conv1DTranspose(4, 3, strides=2, padding="same"), (2, 5, 3)),
    ("conv2d_transpose", lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same"), (2, 5, 4, 3)),
    ("conv2d_transpose_output", lambda: L.Conv2DTranspose(4, 3, strides=2, padding="valid", output_padding=1), (2, 5, 4, 3)),
    ("conv3d_transpose", lambda: L.Conv3DTranspose(4, 3, strides=2, padding="same"), (1, 3, 4, 3, 2)),
    ("separable_conv1d", lambda: L.SeparableConv1D(4, 3, padding="same"), (2, 9, 3)),
    ("separable_conv2d", lambda: L.SeparableConv2D(4, 3, depth_multiplier=2), (2, 9, 8, 3)),
    ("depthwise_conv1d", lambda: L.DepthwiseConv1D(3, depth_multiplier=2, padding="same"), (2, 9, 3)),
    ("depthwise_conv2d", lambda: L.DepthwiseConv2D(3, strides=2, padding="same"), (2, 9, 8, 3)),
    ("depthwise_conv2d_dilated", lambda: L.DepthwiseConv2D(3, dilation_rate=2, padding="valid"), (2, 9, 8, 3)),
    ("max_pool1d", lambda: L.MaxPooling1D(2, padding="same"), (2, 9, 3)),
    ("max_pool2d", lambda: L.MaxPooling2D(3, 2, padding="same"), (2, 9, 8, 3)),
    ("max_pool3d", lambda: L.MaxPooling3D(2), (2, 5, 6, 7, 3)),
    ("avg_pool1d", lambda: L.AveragePooling1D(2), (2, 9, 3)),
    ("avg_pool2d", lambda: L.AveragePooling2D(3, 2, padding="same"), (2, 9, 8, 3)),
    ("avg_pool3d", lambda: L.AveragePooling3D(2, padding="same"), (2, 5, 6, 7, 3)),
    ("global_avg1d", lambda: L.GlobalAveragePooling1D(), (2, 9, 3)),
    ("global_avg2d", lambda: L.GlobalAveragePooling2D(keepdims=True), (2, 9, 8, 3)),
    ("global_avg3d", lambda: L.GlobalAveragePooling3D(), (2, 5, 6, 7, 3)),
    ("global_max1d", lambda: L.GlobalMaxPooling1D(), (2, 9, 3)),
    ("global_max2d", lambda: L.GlobalMaxPooling2D(), (2, 9, 8, 3)),
    ("global_max3d", lambda: L.GlobalMaxPooling3D(), (2, 5, 6, 7, 3)),
    ("adaptive_avg1d", lambda: L.AdaptiveAveragePooling1D(3), (2, 7, 3)),
    ("adaptive_avg2d", lambda: L.AdaptiveAveragePooling2D((3, 2)), (2, 9, 8, 3)),
    ("adaptive_max2d", lambda: L.AdaptiveMaxPooling2D((3, 2)), (2, 9, 8, 3)),
    ("adaptive_max3d", lambda: L.AdaptiveMaxPooling3D(2), (2, 5, 6, 7, 3)),
    ("batch_norm", lambda: L.BatchNormalization(), (4, 3)),
    ("batch_norm_2d", lambda: L.BatchNormalization(scale=False), (2, 9, 8, 3)),
    ("batch_norm_axis1", lambda: L.BatchNormalization(axis=1), (2, 9, 8, 3)),
    ("layer_norm", lambda: L.LayerNormalization(), (2, 5, 8)),
    ("layer_norm_axes", lambda: L.LayerNormalization(axis=[1, 2]), (2, 5, 8)),
    ("group_norm", lambda: L.GroupNormalization(2), (2, 4, 4, 6)),
    ("rms_norm", lambda: L.RMSNormalization(), (2, 5, 8)),
    ("unit_norm", lambda: L.UnitNormalization(), (2, 5, 8)),
    ("spectral_norm", lambda: L.SpectralNormalization(L.Dense(3)), (2, 5)),
    ("attention", lambda: (lambda *a: L.Attention(use_scale=True)(list(a))), (2, 5, 4), (2, 6, 4)),
    ("additive_attention", lambda: (lambda *a: L.AdditiveAttention()(list(a))), (2, 5, 4), (2, 6, 4)),
    ("multi_head", lambda: L.MultiHeadAttention(2, 3), (2, 5, 4), (2, 6, 4)),
    ("multi_head_causal", lambda: (lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)), (2, 5, 4)),
    ("multi_head_scores", lambda: (lambda x: L.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)), (2, 5, 4)),
    ("multi_head_axes", lambda: (lambda x: L.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x)), (2, 3, 4, 5)),
    ("group_query", lambda: (lambda x: L.GroupQueryAttention(4, 4, 2)(x, x)), (2, 5, 8)),
    ("simple_rnn", lambda: L.SimpleRNN(4), (2, 5, 3)),
    ("gru", lambda: L.GRU(4, return_sequences=True), (2, 5, 3)),
    ("gru_reset_before", lambda: L.GRU(4, reset_after=False, go_backwards=True), (2, 5, 3)),
    ("lstm", lambda: L.LSTM(4), (2, 5, 3)),
    ("lstm_state", lambda: L.LSTM(4, return_sequences=True, return_state=True, unit_forget_bias=False), (2, 5, 3)),
    ("lstm_unroll", lambda: L.LSTM(4, unroll=True), (2, 5, 3)),
    ("lstm_backwards", lambda: L.LSTM(4, go_backwards=True, return_sequences=True), (2, 5, 3)),
    ("rnn_cells", lambda: L.RNN([L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(5)], return_sequences=True), (2, 5, 3)),
    ("rnn_stacked", lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(4), L.LSTMCell(3)])), (2, 5, 3)),
    ("bidirectional_gru", lambda: L.Bidirectional(L.GRU(4, return_sequences=True)), (2, 5, 3)),
    ("bidirectional_sum", lambda: L.Bidirectional(L.LSTM(4), merge_mode="sum"), (2, 5, 3)),
    ("time_distributed", lambda: L.TimeDistributed(L.Conv2D(3, 3)), (2, 4, 6, 6, 2)),
    ("conv_lstm1d", lambda: L.ConvLSTM1D(3, 3, padding="same"), (2, 4, 7, 2)),
    ("conv_lstm2d", lambda: L.ConvLSTM2D(3, 3, return_sequences=True), (2, 4, 7, 6, 2)),
    ("conv_lstm3d", lambda: L.ConvLSTM3D(2, 2, padding="same"), (1, 3, 3, 4, 3, 2)),
    ("relu", lambda: L.ReLU(6.0, 0.1, 0.2), (3, 4)),
    ("leaky_relu", lambda: L.LeakyReLU(0.2), (3, 4)),
    ("prelu", lambda: L.PReLU(alpha_initializer="uniform", shared_axes=[1]), (3, 4, 5)),
    ("elu", lambda: L.ELU(0.7), (3, 4)),
    ("softmax", lambda: L.Softmax(axis=1), (3, 4, 5)),
    ("concatenate", lambda: (lambda *a: L.Concatenate(axis=1)(list(a))), (2, 3, 4), (2, 5, 4)),
    ("dot", lambda: (lambda *a: L.Dot(axes=2, normalize=True)(list(a))), (2, 3, 4), (2, 5, 4)),
    ("maximum", lambda: (lambda *a: L.Maximum()([*a, L.Minimum()(list(a)), L.Average()(list(a)), L.Subtract()(list(a))])), (2, 3), (2, 3)),
    ("multiply", lambda: (lambda *a: L.Multiply()(list(a))), (2, 3, 4), (2, 1, 4)),
    ("cropping1d", lambda: L.Cropping1D((1, 2)), (2, 7, 3)),
    ("cropping2d", lambda: L.Cropping2D(((1, 2), (0, 3))), (2, 7, 8, 3)),
    ("cropping3d", lambda: L.Cropping3D(1), (2, 4, 5, 6, 3)),
    ("padding1d", lambda: L.ZeroPadding1D(2), (2, 4, 3)),
    ("padding2d", lambda: L.ZeroPadding2D(((1, 0), (2, 1))), (2, 4, 5, 3)),
    ("padding3d", lambda: L.ZeroPadding3D(1), (2, 2, 3, 2, 3)),
    ("up1d", lambda: L.UpSampling1D(3), (2, 4, 3)),
    ("up2d", lambda: L.UpSampling2D((2, 3)), (2, 4, 5, 3)),
    ("up2d_bilinear", lambda: L.UpSampling2D(2, interpolation="bilinear"), (2, 4, 5, 3)),
    ("up2d_bicubic", lambda: L.UpSampling2D(2, interpolation="bicubic"), (2, 4, 5, 3)),
    ("up2d_lanczos", lambda: L.UpSampling2D(2, interpolation="lanczos3"), (2, 4, 5, 3)),
    ("up3d", lambda: L.UpSampling3D(2), (1, 2, 3, 2, 3)),
    ("permute", lambda: L.Permute((3, 1, 2)), (2, 4, 5, 3)),
    ("reshape", lambda: L.Reshape((-1, 6)), (2, 4, 3)),
    ("flatten", lambda: L.Flatten(data_format="channels_first"), (2, 4, 3)),
    ("repeat", lambda: L.RepeatVector(3), (2, 4)),
    ("dropout", lambda: L.Dropout(0.5), (2, 4)),
    ("noise", lambda: (lambda x: L.GaussianNoise(1.0)(L.GaussianDropout(0.3)(L.AlphaDropout(0.2)(L.SpatialDropout1D(0.1)(x))))), (2, 4, 3)),
    ("embedding", lambda: L.Embedding(10, 4), np.array([[1, 2, 9], [0, 3, 3]], np.int32)),
    ("embedding_masked_lstm", lambda: (lambda x: L.LSTM(3, return_sequences=True)(L.Embedding(10, 4, mask_zero=True)(x))), np.array([[1, 2, 9, 0], [3, 0, 0, 0]])),
    ("embedding_masked_bi", lambda: (lambda x: L.Bidirectional(L.GRU(3, return_sequences=True))(L.Embedding(10, 4, mask_zero=True)(x))), np.array([[1, 2, 9, 0], [3, 4, 0, 0]])),
    ("embedding_mean", lambda: (lambda x: L.GlobalAveragePooling1D()(L.Embedding(10, 4, mask_zero=True)(x))), np.array([[1, 2, 9, 0], [3, 0, 0, 0]])),
    ("reversible_embedding", lambda: L.ReversibleEmbedding(10, 4), np.array([[1, 2, 9], [0, 3, 3]], np.int32)),
    ("masking", lambda: (lambda x: L.LSTM(3)(L.Masking()(x))), np.array([[[1, 2.], [0, 0], [3, 1]], [[1, 1], [0, 0], [0, 0]]], np.float32)),
    ("lambda", lambda: L.Lambda(lambda x: tf.math.cumsum(x, 1) * 2), (2, 5)),
    ("mel", lambda: L.MelSpectrogram(fft_length=64, sequence_stride=32, sequence_length=64, num_mel_bins=8, sampling_rate=400, max_freq=200), (2, 200)),
    ("rescaling", lambda: L.Rescaling(1 / 127.5, -1), np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)),
    ("resizing", lambda: L.Resizing(5, 7), (2, 8, 6, 3)),
    ("resizing_crop", lambda: L.Resizing(5, 7, crop_to_aspect_ratio=True), (2, 8, 6, 3)),
    ("resizing_pad", lambda: L.Resizing(8, 8, pad_to_aspect_ratio=True, interpolation="nearest"), (2, 8, 6, 3)),
    ("center_crop", lambda: L.CenterCrop(4, 3), (2, 8, 6, 3)),
    ("center_crop_up", lambda: L.CenterCrop(10, 9), (2, 8, 6, 3)),
    ("random_flip", lambda: L.RandomFlip(), (2, 8, 6, 3)),
    ("random_rotation", lambda: L.RandomRotation(0.2), (2, 8, 6, 3)),
    ("random_crop", lambda: L.RandomCrop(4, 3), (2, 8, 6, 3)),
    ("random_zoom", lambda: L.RandomZoom(0.2), (2, 8, 6, 3)),
    ("random_many", lambda: (lambda x: L.RandomBrightness(0.2)(L.RandomContrast(0.2)(L.RandomTranslation(0.1, 0.1)(L.RandomHue(0.2)(x))))), (2, 8, 6, 3)),
    ("normalization", lambda: L.Normalization(mean=[1., 2, 3], variance=[1., 4, 9]), (2, 3)),
    ("discretization", lambda: L.Discretization([-1., 0, 1]), (2, 3)),
    ("discretization_hot", lambda: L.Discretization([-1., 0, 1], output_mode="multi_hot"), (2, 3)),
    ("discretization_one_hot", lambda: L.Discretization([-1., 0, 1], output_mode="one_hot"), (2, 1)),
    ("category_one_hot", lambda: L.CategoryEncoding(5, "one_hot"), np.array([[1], [4]])),
    ("category_multi_hot", lambda: L.CategoryEncoding(5, "multi_hot"), np.array([[1, 2], [4, 4]])),
    ("category_count", lambda: L.CategoryEncoding(5, "count"), np.array([[1, 2], [4, 4]])),
    ("hashing", lambda: L.Hashing(7), np.array([["a"], ["bc"]], object)),
    ("hashing_salt", lambda: L.Hashing(7, salt=[3, 4], output_mode="multi_hot"), np.array([["a", "x"], ["bc", "q"]], object)),
    ("hashing_int", lambda: L.Hashing(7, mask_value=2), np.array([[1], [2], [99]])),
    ("hashed_crossing", lambda: (lambda *a: L.HashedCrossing(9)(a)), np.array([["a"], ["b"]], object), np.array([[1], [2]])),
    ("hashed_crossing_hot", lambda: (lambda *a: L.HashedCrossing(9, output_mode="one_hot")(a)), np.array([["a"], ["b"]], object), np.array([[1], [2]])),
    ("string_lookup", lambda: L.StringLookup(vocabulary=["a", "b", "c"]), np.array([["a", "x"], ["c", ""]], object)),
    ("string_lookup_oov", lambda: L.StringLookup(vocabulary=["a", "b", "c"], num_oov_indices=3, mask_token=""), np.array([["a", "x"], ["q", ""]], object)),
    ("string_lookup_multi", lambda: L.StringLookup(vocabulary=["a", "b", "c"], output_mode="multi_hot"), np.array([["a", "x"], ["c", "c"]], object)),
    ("string_lookup_count", lambda: L.StringLookup(vocabulary=["a", "b", "c"], output_mode="count"), np.array([["a", "x"], ["c", "c"]], object)),
    ("string_lookup_tf_idf", lambda: L.StringLookup(vocabulary=["a", "b", "c"], output_mode="tf_idf", idf_weights=[.1, .2, .3]), np.array([["a", "x"], ["c", "c"]], object)),
    ("string_lookup_invert", lambda: L.StringLookup(vocabulary=["a", "b", "c"], invert=True), np.array([[0, 1], [3, 2]])),
    ("integer_lookup", lambda: L.IntegerLookup(vocabulary=[10, 20, 30], num_oov_indices=2), np.array([[10, 11], [30, 5]])),
    ("integer_lookup_mask", lambda: L.IntegerLookup(vocabulary=[10, 20, 30], mask_token=0, output_mode="one_hot"), np.array([[10], [0]])),
])

TEXT = np.array([["The quick, brown Fox!"], ["the lazy dog; the end."]], object)
WORDS = ["the", "quick", "fox", "dog", "brown fox", "the lazy"]
rows("text", [
    ("plain", lambda: L.TextVectorization(vocabulary=WORDS), TEXT),
    ("length", lambda: L.TextVectorization(vocabulary=WORDS, output_sequence_length=6), TEXT),
    ("ngrams", lambda: L.TextVectorization(vocabulary=WORDS, ngrams=2), TEXT),
    ("ngrams_tuple", lambda: L.TextVectorization(vocabulary=WORDS, ngrams=(2,), output_mode="count"), TEXT),
    ("multi_hot", lambda: L.TextVectorization(vocabulary=WORDS, output_mode="multi_hot"), TEXT),
    ("tf_idf", lambda: L.TextVectorization(vocabulary=WORDS, idf_weights=[.1, .2, .3, .4, .5, .6], output_mode="tf_idf", ngrams=2), TEXT),
    ("character", lambda: L.TextVectorization(vocabulary=["a", "e", "t"], split="character"), TEXT),
    ("no_standard", lambda: L.TextVectorization(vocabulary=WORDS, standardize=None), TEXT),
    ("lower", lambda: L.TextVectorization(vocabulary=WORDS, standardize="lower"), TEXT),
    ("strip", lambda: L.TextVectorization(vocabulary=WORDS, standardize="strip_punctuation"), TEXT),
    ("function", lambda: L.TextVectorization(vocabulary=["the ", "the"], standardize=lambda s: tf.strings.regex_replace(tf.strings.lower(s), "[^a-z]+", " "), split=lambda s: tf.strings.split(s, "q")), TEXT),
    ("embedded", lambda: (lambda x: L.Dense(2)(L.Bidirectional(L.LSTM(3))(L.Embedding(20, 4, mask_zero=True)(L.TextVectorization(vocabulary=WORDS)(x))))), TEXT),
])


@entry
def adapted(z):
    """Vocabulary, means and bins learned from data."""
    text = L.TextVectorization(max_tokens=20, output_mode="tf_idf", ngrams=2)
    text.adapt(np.array(["a b c", "b c d e", "c d"]))
    norm = L.Normalization()
    norm.adapt(z.f32(50, 3))
    bins = L.Discretization(num_bins=4)
    bins.adapt(z.f32(100, 1))
    t, x = keras.Input((1,), dtype="string"), keras.Input((3,))
    z.keras(keras.Model([t, x], [text(t), norm(x), bins(x)]), (np.array([["b c"], ["zz a"]], object), z.f32(2, 3)))


@entry
def stateful_rnn(z):
    x = keras.Input(batch_shape=(2, 5, 3))
    y = L.LSTM(4, stateful=True, return_sequences=True)(L.GRU(3, stateful=True, return_sequences=True)(x))
    z.keras(keras.Model(x, y), z.f32(2, 5, 3))


@entry
def channels_first_free(z):
    x = keras.Input((None, None, 3))
    y = L.Conv2D(4, 3, strides=2, padding="same")(x)
    y = L.SeparableConv2D(5, 3, padding="same", activation="relu")(y)
    y = L.GlobalMaxPooling2D()(y)
    z.keras(keras.Model(x, L.Dense(3)(y)), [z.f32(2, 9, 8, 3), z.f32(1, 13, 20, 3)])


@entry
def dict_model(z):
    a, b, c = keras.Input((3,), name="a"), keras.Input((4,), name="b"), keras.Input((), dtype="int32", name="c")
    h = L.Concatenate()([L.Dense(3)(a), b, L.Embedding(5, 2)(c)])
    m = keras.Model({"a": a, "b": b, "c": c}, {"y": L.Dense(2, name="y")(h), "z": L.Dense(1, activation="sigmoid")(h), "same": a})
    z.keras(m, {"a": z.f32(2, 3), "b": z.f32(2, 4), "c": z.ints(5, 2)})


@entry
def shared_layers(z):
    a, b = keras.Input((6, 3)), keras.Input((None, 3))
    tower = keras.Sequential([L.Conv1D(4, 3, padding="same", activation="relu"), L.GRU(5), L.Dense(3)])
    z.keras(keras.Model([a, b], L.Dot(1, normalize=True)([tower(a), tower(b)])), (z.f32(2, 6, 3), z.f32(2, 4, 3)))


@entry
def inner_models(z):
    block = keras.Sequential([L.Dense(4, activation="relu"), L.BatchNormalization()])
    inner = keras.Sequential([block, L.Dense(4), block])
    x = keras.Input((4,))
    z.keras(keras.Model(x, [inner(x), keras.ops.softmax(inner(inner(x)))]), z.f32(3, 4))


@entry
def activations(z):
    x = keras.Input((5,))
    names = ["relu", "relu6", "sigmoid", "tanh", "softplus", "softsign", "softmax", "elu", "selu", "celu", "gelu", "silu", "swish", "mish",
             "exponential", "hard_sigmoid", "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "sparse_plus", "squareplus", "tanh_shrink",
             "glu", "log_softmax", "log_sigmoid", "linear", "sparsemax", "sparse_sigmoid", "leaky_relu"]
    x = keras.Input((6,))
    z.keras(keras.Model(x, [L.Activation(n)(x) for n in names]), z.f32(4, 6))


@entry
def feature_space(z):
    F = keras.utils.FeatureSpace
    data = {"age": z.f32(60), "word": np.array(["a", "b", "c"] * 20), "n": z.ints(9, 60, dtype=np.int64), "city": np.array(["x", "y"] * 30)}
    space = F({"age": F.float_normalized(), "word": F.string_categorical(num_oov_indices=1), "n": F.integer_hashed(num_bins=6),
               "city": F.string_hashed(num_bins=5)}, crosses=[F.cross(("word", "city"), crossing_dim=8)], output_mode="concat")
    space.adapt(tf.data.Dataset.from_tensor_slices(data).batch(10))
    inputs = space.get_inputs()
    z.keras(keras.Model(inputs, L.Dense(2)(space.get_encoded_features())),
            {"age": z.f32(3, 1), "word": np.array([["a"], ["q"], ["c"]], object), "n": z.ints(99, 3, 1, dtype=np.int64), "city": np.array([["x"], ["z"], ["y"]], object)})


@entry
def mixed_precision(z):
    x = keras.Input((8, 8, 3))
    p = "mixed_bfloat16"
    y = L.Conv2D(4, 3, dtype=p)(x)
    y = L.BatchNormalization(dtype=p)(y)
    y = L.Dense(3, dtype="float32")(L.Flatten(dtype=p)(L.ReLU(dtype=p)(y)))
    z.tol = (3e-2, 3e-2)
    z.keras(keras.Model(x, y), z.f32(2, 8, 8, 3))


@entry
def half_precision(z):
    x = keras.Input((5, 3))
    y = L.Dense(4, dtype="mixed_float16", activation="gelu")(x)
    y = L.LayerNormalization(dtype="mixed_float16")(y)
    y = L.Dense(3, dtype="float32")(L.LSTM(4, dtype="mixed_float16")(y))
    z.tol = (1e-2, 1e-2)
    z.keras(keras.Model(x, y), z.f32(2, 5, 3))


@entry
def double_precision(z):
    x = keras.Input((5, 3), dtype="float64")
    y = L.GRU(4, dtype="float64")(L.Conv1D(3, 2, dtype="float64")(x))
    z.keras(keras.Model(x, L.BatchNormalization(dtype="float64")(y)), z.rng.standard_normal((2, 5, 3)))


@entry
def quantized_int8(z):
    m = keras.Sequential([keras.Input((8,)), L.Dense(16, activation="relu"), L.Dense(4)])
    m.quantize("int8")
    z.tol = (1e-3, 1e-3)
    z.keras(m, z.f32(3, 8))
