/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_settings.c - any bytes as a settings file; settings that are accepted are read again from what a run's settings.json would be.
 */
#include "scratch_file.h"
#include "train/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct own {
    int64_t units, sizes[4];
    double rate;
    bool wide;
    const char *kind, *text;
} own;

static const tn_option rows[] = {TN_OPTION(own, units, .def = "10", .min = 1, .max = 1e6),
                                 TN_OPTION(own, rate, .def = "0.5", .min = 0, .max = 1),
                                 TN_OPTION(own, wide, .def = "no"),
                                 TN_OPTION(own, kind, .def = "a", .choices = "a|b"),
                                 TN_OPTION(own, text),
                                 TN_OPTIONS_END};

static void write_settings(const tn_all_settings *s, tn_buf *out)
{
    tn_json_writer w = {.out = out};
    tn_json_begin(&w, '{');
    tn_settings_json(s, &w);
    tn_json_end(&w, '}');
}

static void check_round_trip(const tn_all_settings *s, const tn_experiment *e, const char *path)
{
    tn_all_settings again;
    tn_error err;
    tn_buf text = {0}, same = {0};
    write_settings(s, &text);
    tn_fuzz_write(path, text.data, text.n);
    if (tn_settings_new(e, NULL, &again, &err) != TN_OK || tn_settings_load(&again, path, &err) != TN_OK) __builtin_trap();
    write_settings(&again, &same);
    if (text.n != same.n || memcmp(text.data, same.data, same.n) != 0) __builtin_trap();
    tn_settings_free(&again);
    tn_buf_free(&text);
    tn_buf_free(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const tn_experiment e = {.name = "e", .options = rows};
    char path[64];
    tn_all_settings s;
    tn_error err;
    tn_fuzz_path(path, sizeof path, "settings");
    tn_fuzz_write(path, data, size);
    if (tn_settings_new(&e, NULL, &s, &err) != TN_OK) __builtin_trap();
    if (tn_settings_load(&s, path, &err) == TN_OK) check_round_trip(&s, &e, path);
    tn_settings_free(&s);
    unlink(path);
    return 0;
}
