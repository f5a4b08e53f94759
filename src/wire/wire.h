/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - bytes <-> values: numbers and checksums, TFRecord, sorted tables, compression, images, sound.
 *
 * Everything here works on bytes in memory; files and sockets are left to others, and so is what the
 * values mean. Protobuf messages are in proto.h.
 *
 * Invariants: sizes found in the input are checked before memory is taken or bytes are touched; damage
 * is DATA_LOSS with the offset; views returned point into the caller's bytes unless said otherwise.
 */
#ifndef TN_WIRE_H
#define TN_WIRE_H

#include "../base/base.h"

/* ==== coding (coding.c, crc32c.c) ==== */

#define TN_VARINT_MOST 10
size_t tn_varint_size(uint64_t v);
size_t tn_varint_put(void *p, uint64_t v);     /* bytes written, at most TN_VARINT_MOST */
bool tn_varint_get_long(tn_view *in, uint64_t *v);
/* Takes it off the front; false: cut short or too long. */
static inline bool tn_varint_get(tn_view *in, uint64_t *v)
{
    if (!in->n || (uint8_t)*in->p >= 0x80) return tn_varint_get_long(in, v);
    *v = (uint8_t)*in->p;
    *in = (tn_view){in->p + 1, in->n - 1};
    return true;
}
static inline uint64_t tn_zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int64_t tn_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }
/* Little endian, any alignment. */
static inline uint32_t tn_get32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t tn_get64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void tn_put32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void tn_put64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

/* CRC-32C (Castagnoli) of crc's bytes followed by these; start with 0. */
uint32_t tn_crc32c(uint32_t crc, const void *p, size_t n);
/* The same without special instructions. */
uint32_t tn_crc32c_portable(uint32_t crc, const void *p, size_t n);
/* TensorFlow and LevelDB store a crc masked, since a crc of bytes that hold their own crc is weak. */
static inline uint32_t tn_crc_mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }
static inline uint32_t tn_crc_unmask(uint32_t masked) {
    uint32_t rot = masked - 0xa282ead8u;
    return (rot >> 17) | (rot << 15);
}

/* ==== compression (deflate.c) ==== */

typedef enum tn_compression { TN_PLAIN, TN_ZLIB, TN_GZIP } tn_compression;
/* Appends the expanded bytes to out. DATA_LOSS: damaged or cut short; RESOURCE_EXHAUSTED: more than
 * limit bytes would come out (0: 2^31). TN_GZIP takes several members one after another. */
tn_code tn_inflate(tn_view in, tn_compression c, size_t limit, tn_buf *out, tn_error *err);
tn_code tn_deflate(tn_view in, tn_compression c, int level, tn_buf *out, tn_error *err); /* level 0-9, -1 */

/* snappy_stream.c: blocks one after another, each after its length. The same as above. */
tn_code tn_snappy_expand(tn_view in, size_t limit, tn_buf *out, tn_error *err);
tn_code tn_snappy_squeeze(tn_view in, tn_buf *out, tn_error *err);
/* One block, without its length. */
tn_code tn_snappy_block_expand(tn_view in, size_t limit, tn_buf *out, tn_error *err);
tn_code tn_snappy_block_squeeze(tn_view in, tn_buf *out, tn_error *err);

/* ==== TFRecord (record.c) ==== length, crc of length, bytes, crc of bytes */

#define TN_RECORD_OVERHEAD 16
/* Takes the next record off the front of in. OUT_OF_RANGE: nothing left. DATA_LOSS: damaged, or cut
 * short; in is untouched then, so that a file still being written can be tried again when it has grown.
 * `at` is the offset of in's first byte, for messages. */
tn_code tn_record_next(tn_view *in, uint64_t at, tn_view *record, tn_error *err);
void tn_record_put(tn_buf *out, const void *p, size_t n);
void tn_record_header(uint8_t header[12], uint64_t n); /* what stands before a payload of n bytes */

/* A reader of a whole TFRecord file, compressed or not, which expands as it goes. */
typedef struct tn_records tn_records;
/* limit: bytes in one record, 0: 2^31. The bytes are borrowed until closed. */
tn_code tn_records_open(tn_view bytes, tn_compression c, size_t limit, tn_records **out, tn_error *err);
/* OUT_OF_RANGE at the end. The record is valid until the next call. */
tn_code tn_records_next(tn_records *r, tn_view *record, tn_error *err);
/* From now on, bytes at the end that are fewer than a header are no damage: nothing is left, as in TensorFlow. */
void tn_records_ignore_rest(tn_records *r);
uint64_t tn_records_at(const tn_records *r); /* where the next one begins, in the expanded bytes */
void tn_records_close(tn_records *r);

/* ==== sorted tables (sstable.c, sstable_write.c) ==== LevelDB's table format, as in a checkpoint's .index */

#define TN_TABLE_MAGIC 0xdb4775248b80fb57ull

/* A table and one cursor in it, which starts before the first entry. For another thread open another. */
typedef struct tn_table tn_table;
tn_code tn_table_open(tn_view file, tn_table **out, tn_error *err); /* bytes are borrowed until closed */
void tn_table_close(tn_table *t);
/* The entry after the cursor; OUT_OF_RANGE at the end. Views are valid until the next call. */
tn_code tn_table_next(tn_table *t, tn_view *key, tn_view *value, tn_error *err);
/* Places the cursor before the first entry with a key >= this one (the empty key: before the first). */
tn_code tn_table_seek(tn_table *t, tn_view key, tn_error *err);
/* The value of exactly this key, which is valid until the next call; NOT_FOUND names it. */
tn_code tn_table_get(tn_table *t, tn_view key, tn_view *value, tn_error *err);

typedef struct tn_table_options { /* zeros: the defaults, which are TensorFlow's for a checkpoint */
    size_t block_size;    /* a block ends when it is at least so large: 262144 */
    int restart_interval; /* keys between two that are written whole: 16 */
    bool snappy;          /* blocks that shrink by an eighth are written compressed */
} tn_table_options;
/* Appends a table to out. A writer keeps its first failure (such as a key that does not ascend):
 * tn_table_finish reports it. out is borrowed until then; it may start non-empty. */
typedef struct tn_table_writer tn_table_writer;
tn_code tn_table_writer_new(const tn_table_options *o, tn_buf *out, tn_table_writer **w, tn_error *err);
void tn_table_add(tn_table_writer *w, tn_view key, tn_view value);
tn_code tn_table_finish(tn_table_writer *w, tn_error *err); /* frees w either way; NULL is OK */

/* ==== images (png.c, jpeg.c, gif.c, bmp.c) ==== limit: bytes of pixels, 0: 2^28 */

typedef struct tn_image {
    int width, height, channels; /* 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA */
    int frames;                  /* pictures one after another */
    uint8_t *pixels;             /* rows from the top without padding; tn_free. 16-bit ones in native order */
} tn_image;
/* channels 0: as in the file (a palette with transparency has 4, other transparent colours none); otherwise
 * converted to that many. Palettes and fewer or more than 8 bits come out as 8 bits. */
tn_code tn_png_decode(tn_view bytes, int channels, size_t limit, tn_image *out, tn_error *err);
tn_code tn_png_encode(const uint8_t *pixels, int width, int height, int channels, tn_buf *out, tn_error *err);
/* The same with bits 8 or 16, and level -1 (zlib's choice) to 9. */
tn_code tn_png_decode_bits(tn_view bytes, int channels, int bits, size_t limit, tn_image *out, tn_error *err);
tn_code tn_png_encode_bits(const void *pixels, int width, int height, int channels, int bits, int level, tn_buf *out,
                           tn_error *err);

typedef struct tn_jpeg_options {
    int channels;         /* 0: as in the file; 1 or 3 */
    int ratio;            /* the image shrunk by 1, 2, 4 or 8 */
    bool plain_upscaling; /* of the colours: each pixel repeated */
    bool fast_dct;
    bool recover;         /* a file that is cut short is taken as far as it goes */
    float acceptable;     /* else: the part of the lines that is enough; the others are black. 1: all */
    bool crop;
    int top, left, height, width; /* of crop */
    size_t limit;
} tn_jpeg_options;
tn_code tn_jpeg_decode(tn_view bytes, const tn_jpeg_options *o, tn_image *out, tn_error *err);
tn_code tn_jpeg_shape(tn_view bytes, tn_image *out, tn_error *err); /* sizes only, from the header */
typedef struct tn_jpeg_settings {
    int quality; /* 0 to 100 */
    bool progressive, optimize, full_colour; /* full_colour: colours at every pixel */
    bool per_cm; /* densities per cm instead of inch */
    int x_density, y_density;
    tn_view xmp;
} tn_jpeg_settings;
/* channels 1 or 3 */
tn_code tn_jpeg_encode(const uint8_t *pixels, int width, int height, int channels, const tn_jpeg_settings *s,
                       tn_buf *out, tn_error *err);

/* RGB. The canvas is as large as the largest frame, black where nothing was drawn, and each frame is drawn over
 * the one before. A damaged file gives the frames before the damage. first: only that frame is drawn. */
tn_code tn_gif_decode(tn_view bytes, bool first, size_t limit, tn_image *out, tn_error *err);
/* Uncompressed ones with 8, 24 or 32 bits. channels 0, 1, 3 or 4. */
tn_code tn_bmp_decode(tn_view bytes, int channels, size_t limit, tn_image *out, tn_error *err);

/* ==== sound (wav.c) ==== WAV files of 16-bit samples */

typedef struct tn_wav {
    int channels;
    uint32_t rate;       /* samples a second */
    int64_t count;       /* of each channel */
    const char *samples; /* in the file: little endian, the channels of a moment together */
} tn_wav;
tn_code tn_wav_decode(tn_view bytes, tn_wav *out, tn_error *err);
tn_code tn_wav_encode(const int16_t *samples, int64_t count, int channels, uint32_t rate, tn_buf *out, tn_error *err);

#endif
