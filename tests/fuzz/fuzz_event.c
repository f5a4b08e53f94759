/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_event.c - any bytes as an event file, and as records that hold tf.Examples.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_examples(tn_view bytes)
{
    tn_records *r;
    tn_view record;
    tn_error err;
    if (tn_records_open(bytes, TN_PLAIN, 1 << 20, &r, &err) != TN_OK) return;
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    while (tn_records_next(r, &record, &err) == TN_OK) {
        tn_Example *e;
        if (TN_DECODE(Example, record, a, &e, &err) == TN_OK) tn_example_feature(e, "x");
    }
    tn_records_close(r);
    tn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    tn_event_reader *r;
    const tn_Event *e;
    tn_error err;
    tn_fuzz_path(path, sizeof path, "event");
    tn_fuzz_write(path, data, size);
    if (tn_event_reader_open(path, &r, &err) == TN_OK) {
        while (tn_event_reader_next(r, &e, &err) == TN_OK) {
        }
        tn_event_reader_close(r);
    }
    tn_remove_file(path, NULL);
    read_examples((tn_view){(const char *)data, size});
    return 0;
}
