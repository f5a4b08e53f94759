/* SPDX-License-Identifier: Apache-2.0
 *
 * test_base.c - errors, memory, arena, buffers, maps, hints, paths, text, log, clock.
 */
#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* ==== errors ==== */

static void codes_have_names_and_exits(void **state)
{
    (void)state;
    assert_string_equal(tn_code_name(TN_OK), "OK");
    assert_string_equal(tn_code_name(TN_INVALID_ARGUMENT), "INVALID_ARGUMENT");
    assert_string_equal(tn_code_name((tn_code)99), "UNKNOWN");
    assert_int_equal(tn_code_exit(TN_OK), 0);
    assert_int_equal(tn_code_exit(TN_NOT_FOUND), 3);
    assert_int_equal(tn_code_exit((tn_code)99), 1);
    assert_string_equal(tn_version(), TN_VERSION);
}

static void messages_are_wrapped_and_noted(void **state)
{
    (void)state;
    tn_error err = {0};
    assert_code(tn_fail(&err, TN_NOT_FOUND, "no %s", "thing"), TN_NOT_FOUND);
    assert_code(tn_wrap(&err, "box %d", 7), TN_NOT_FOUND);
    assert_code(tn_note(&err, "(try %s)", "again"), TN_NOT_FOUND);
    assert_string_equal(err.message, "box 7: no thing (try again)");
    assert_code(tn_fail(&err, TN_INTERNAL, "inner: %s", err.message), TN_INTERNAL);
    assert_string_equal(err.message, "inner: box 7: no thing (try again)");
}

static void errors_may_be_unwanted(void **state)
{
    (void)state;
    assert_code(tn_fail(NULL, TN_ABORTED, "x"), TN_ABORTED);
    assert_code(tn_wrap(NULL, "x"), TN_UNKNOWN);
    assert_code(tn_note(NULL, "x"), TN_UNKNOWN);
    assert_code(tn_fail_errno(NULL, ENOENT, "x"), TN_NOT_FOUND);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    tn_error err = {0};
    tn_fail(&err, TN_INTERNAL, "%4000d", 1);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_string_equal(err.message + sizeof err.message - 5, " ...");
    tn_wrap(&err, "outer");
    assert_int_equal(strncmp(err.message, "outer:  ", 8), 0);
    assert_string_equal(err.message + sizeof err.message - 4, "...");
    tn_note(&err, "more");
    assert_string_equal(err.message + sizeof err.message - 4, "...");
}

static void cuts_keep_characters_whole(void **state)
{
    (void)state;
    for (int lead = 0; lead < 4; lead++) {
        char text[4200];
        tn_error err;
        memset(text, 'a', (size_t)lead);
        for (size_t i = (size_t)lead; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC", 4);
        tn_fail(&err, TN_INTERNAL, "%s", text);
        assert_true(tn_utf8_valid(tn_view_of(err.message)));
        assert_true(strlen(err.message) >= sizeof err.message - 4);
    }
}

static void errno_becomes_a_code(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        tn_code code;
    } rows[] = {
        {ENOENT, TN_NOT_FOUND},
        {EACCES, TN_PERMISSION_DENIED},
        {ENOSPC, TN_RESOURCE_EXHAUSTED},
        {EEXIST, TN_ALREADY_EXISTS},
        {EISDIR, TN_FAILED_PRECONDITION},
        {EIO, TN_DATA_LOSS},
        {0, TN_UNKNOWN},
    };
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        assert_code(tn_fail_errno(&err, rows[i].errnum, "%s", "/a"), rows[i].code);
    tn_fail_errno(&err, ENOSPC, "/a/b");
    assert_string_equal(err.message, "/a/b: No space left on device");
}

/* ==== memory ==== */

static void any_allocation_can_be_made_to_fail(void **state)
{
    (void)state;
    tn_malloc_fail_at(2);
    void *first = tn_malloc(8), *second = tn_calloc(2, 8), *third = tn_strdup("abc");
    assert_int_equal(tn_malloc_count(), 3);
    tn_malloc_fail_at(0);
    assert_non_null(first);
    assert_null(second);
    assert_string_equal(third, "abc");
    tn_free(first);
    tn_free(third);
}

static void allocations_of_nothing_and_too_much(void **state)
{
    (void)state;
    void *nothing[] = {tn_malloc(0), tn_calloc(0, 8), tn_realloc(NULL, 0), tn_aligned_alloc(0)};
    for (size_t i = 0; i < TN_COUNT(nothing); i++) {
        assert_non_null(nothing[i]);
        tn_free(nothing[i]);
    }
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(tn_calloc(huge, 4));
    assert_null(tn_aligned_alloc(SIZE_MAX - 1));
    void *aligned = tn_aligned_alloc(100);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    tn_free(aligned);
}

/* Addresses that were set when the program was loaded, and what was written since, are still there. */
static void forgotten_code_is_read_again(void **state)
{
    static const char *const words[] = {"read", "again"};
    static int written;
    written = 17;
    for (int i = 0; i < 3; i++) {
        tn_memory_forget_code();
        assert_string_equal(words[i % 2], i % 2 ? "again" : "read");
        assert_int_equal(written, 17);
        char *copy = tn_strdup(words[1]);
        assert_string_equal(copy, "again");
        tn_free(copy);
    }
    (void)state;
}

/* ==== arena ==== */

static bool all_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            size_t n = i * 41 % 9000;
            char *p = tn_arena_alloc(a, n);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(all_zero(p, n));
            memset(p, 0xAA, n);
        }
        tn_arena_reset(a);
        assert_int_equal(tn_arena_used(a), 0);
    }
    tn_arena_free(a);
    tn_arena_free(NULL);
}

static void arena_keeps_its_limit(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(100);
    assert_non_null(tn_arena_alloc(a, 90));
    assert_null(tn_arena_alloc(a, 90));
    assert_int_equal(tn_arena_used(a), 96);
    assert_null(tn_arena_alloc(a, SIZE_MAX));
    assert_null(tn_arena_array(a, SIZE_MAX / 2, 4));
    tn_arena_free(a);
}

/* Large pieces get chunks of their own and leave the room of the newest for small ones. */
static void arena_mixes_large_and_small(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    char *before = tn_arena_alloc(a, 16), *large = tn_arena_alloc(a, 100000), *after = tn_arena_alloc(a, 16);
    assert_ptr_equal(after, before + 16);
    assert_true(all_zero(large, 100000));
    memset(large, 1, 100000);
    memset(before, 1, 32);
    tn_arena_reset(a);
    assert_true(all_zero(tn_arena_alloc(a, 4000), 4000));
    tn_arena_free(a);
}

static int resident_pages(const char *p, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there[1024] = {0};
    int pages = 0;
    char *first = (char *)(((uintptr_t)p + page - 1) / page * page);
    assert_true(n / page < sizeof there);
    assert_int_equal(mincore(first, n / page * page - page, there), 0);
    for (size_t i = 0; i < n / page - 1; i++) pages += there[i] & 1;
    return pages;
}

static void arena_settles(void **state)
{
    (void)state;
    enum { PIECE = 1000, FAR = 100000 };
    tn_arena *a = tn_arena_new(0);
    tn_arena_settle(a); /* of an empty one, nothing */
    for (int i = 0; i < 1500; i++) memset(tn_arena_alloc(a, PIECE), 1, PIECE);
    tn_arena_reset(a);
    char *p = tn_arena_alloc(a, PIECE);
    memset(p, 1, PIECE);
    assert_true(resident_pages(p + PIECE, FAR) > 0);
    tn_arena_settle(a);
    assert_int_equal(resident_pages(p + PIECE, FAR), 0);
    char *next = tn_arena_alloc(a, FAR);
    assert_ptr_equal(next, p + PIECE + 8); /* 16-byte aligned */
    assert_true(all_zero(next, FAR));
    for (int i = 0; i < PIECE; i++) assert_int_equal(p[i], 1);
    tn_arena_free(a);
}

static void arena_texts(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    assert_string_equal(tn_arena_strndup(a, "abcdef", 3), "abc");
    assert_string_equal(tn_arena_strdup(a, ""), "");
    assert_string_equal(tn_arena_printf(a, "%s-%d", "x", 12), "x-12");
    tn_malloc_fail_at(1);
    assert_null(tn_arena_alloc(a, 1 << 20));
    tn_malloc_fail_at(1);
    assert_null(tn_arena_new(0));
    tn_malloc_fail_at(0);
    tn_arena_free(a);
}

/* ==== buffers ==== */

static void views_compare(void **state)
{
    (void)state;
    assert_true(tn_view_is(TN_VIEW("abc"), "abc"));
    assert_false(tn_view_is(TN_VIEW("abc"), "ab"));
    assert_true(tn_view_is((tn_view){0}, ""));
    assert_true(tn_view_starts(TN_VIEW("abc"), "ab"));
    assert_true(tn_view_starts((tn_view){0}, ""));
    assert_false(tn_view_starts(TN_VIEW("ab"), "abc"));
}

static void buffers_grow_and_are_taken(void **state)
{
    (void)state;
    tn_buf b = {0};
    size_t n;
    for (int i = 0; i < 1000; i++) tn_buf_printf(&b, "%d,", i);
    tn_buf_char(&b, '\n');
    assert_int_equal(b.n, 3891);
    assert_int_equal(b.data[b.n], 0);
    assert_code(tn_buf_check(&b, NULL), TN_OK);
    char *text = tn_buf_take(&b, &n);
    assert_int_equal(n, 3891);
    assert_int_equal(strlen(text), 3891);
    tn_free(text);
    assert_null(b.data);
    text = tn_buf_take(&b, &n);
    assert_string_equal(text, "");
    tn_free(text);
}

static void buffers_keep_their_first_failure(void **state)
{
    (void)state;
    tn_buf b = {.limit = 10};
    tn_error err;
    tn_buf_str(&b, "12345678");
    tn_buf_str(&b, "abc");
    tn_buf_char(&b, 'd');
    assert_int_equal(b.n, 8);
    assert_code(tn_buf_check(&b, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "limit of 10 bytes");
    assert_null(tn_buf_take(&b, NULL));
    tn_buf_clear(&b);
    tn_buf_str(&b, "1234567890");
    assert_ok(tn_buf_check(&b, &err), &err);
    tn_buf_free(&b);
    assert_int_equal(b.limit, 10);
    tn_malloc_fail_at(1);
    tn_buf_str(&b, "x");
    tn_malloc_fail_at(0);
    assert_code(tn_buf_check(&b, &err), TN_RESOURCE_EXHAUSTED);
    assert_false(tn_buf_reserve(&b, SIZE_MAX));
    tn_buf_free(&b);
}

/* ==== maps ==== */

static void maps_find_what_was_put(void **state)
{
    (void)state;
    tn_map *m = tn_map_new();
    char key[16];
    int values[1000];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_true(tn_map_put(m, key, &values[i]));
    }
    assert_true(tn_map_put(m, "key7", &values[8]));
    assert_int_equal(tn_map_count(m), 1000);
    assert_ptr_equal(tn_map_get(m, "key7"), &values[8]);
    assert_ptr_equal(tn_map_get(m, "key999"), &values[999]);
    assert_null(tn_map_get(m, "key1000"));
    for (int i = 0; i < 1000; i += 3) {
        snprintf(key, sizeof key, "key%d", i);
        assert_true(tn_map_remove(m, tn_view_of(key)));
        assert_false(tn_map_remove(m, tn_view_of(key)));
    }
    assert_int_equal(tn_map_count(m), 666);
    assert_string_equal(tn_map_key(m, 0), "key1");
    assert_string_equal(tn_map_key(m, 2), "key4");
    assert_ptr_equal(tn_map_value(m, 665), &values[998]);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_int_equal(tn_map_has(m, key), i % 3 != 0);
    }
    for (int i = 1; i < 1000; i += 3) {
        snprintf(key, sizeof key, "key%d", i);
        assert_true(tn_map_put(m, key, NULL));
    }
    for (int k = 0; k < 2; k++) tn_map_remove_empty(m);
    assert_int_equal(tn_map_count(m), 333);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_ptr_equal(tn_map_get(m, key), i % 3 == 2 ? &values[i] : NULL);
        if (i % 3 == 2) assert_string_equal(tn_map_key(m, (size_t)i / 3), key);
    }
    tn_map_free(m);
}

static void maps_take_any_bytes_and_null_values(void **state)
{
    (void)state;
    tn_map *m = tn_map_new();
    assert_null(tn_map_get(m, "a"));
    assert_true(tn_map_put_view(m, (tn_view){"a\0b", 3}, m));
    assert_true(tn_map_put_view(m, (tn_view){0}, NULL));
    assert_null(tn_map_get(m, "a"));
    assert_ptr_equal(tn_map_get_view(m, (tn_view){"a\0b", 3}), m);
    assert_true(tn_map_has(m, ""));
    assert_null(tn_map_get(m, ""));
    tn_map_free(m);
    tn_map_free(NULL);
    assert_int_equal(tn_map_count(NULL), 0);
}

static void maps_survive_failing_memory(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 40; n++) {
        char key[16];
        tn_malloc_fail_at(n);
        tn_map *m = tn_map_new();
        size_t count = 0;
        for (int i = 0; m && i < 20; i++) {
            snprintf(key, sizeof key, "k%d", i);
            count += tn_map_put(m, key, m);
        }
        tn_malloc_fail_at(0);
        assert_int_equal(tn_map_count(m), count);
        if (m) assert_true(count >= 19);
        assert_true(!m || tn_map_put(m, "k0", m));
        tn_map_free(m);
    }
}

static void hashes_differ(void **state)
{
    (void)state;
    assert_true(tn_hash("a", 1) != tn_hash("b", 1));
    assert_true(tn_hash("a", 1) != tn_hash("a\0", 2));
    assert_true(tn_hash("abcdefgh1", 9) != tn_hash("abcdefgh2", 9));
    assert_true(tn_hash("abcdefghx", 8) == tn_hash("abcdefghy", 8));
}

static void hints_are_near(void **state)
{
    (void)state;
    static const char *const names[] = {"learning_rate", "hidden", "steps", "batch_size"};
    assert_string_equal(tn_nearest("lerning-rate", names, 4), "learning_rate");
    assert_string_equal(tn_nearest("HIDDEN", names, 4), "hidden");
    assert_string_equal(tn_nearest("setps", names, 4), "steps");
    assert_null(tn_nearest("zzzz", names, 4));
    assert_null(tn_nearest("", names, 4));
    assert_null(tn_nearest("x", NULL, 0));
    char long_name[500];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_null(tn_nearest(long_name, names, 4));
}

/* ==== paths, text ==== */

static void paths_come_apart_and_together(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    assert_string_equal(tn_path_join(a, "a", "b"), "a/b");
    assert_string_equal(tn_path_join(a, "a/", "b"), "a/b");
    assert_string_equal(tn_path_join(a, "", "b"), "b");
    assert_string_equal(tn_path_join(a, "a", "/b"), "/b");
    assert_string_equal(tn_path_base("a/b/c.txt"), "c.txt");
    assert_string_equal(tn_path_base("c"), "c");
    assert_string_equal(tn_path_dir(a, "a/b//c"), "a/b");
    assert_string_equal(tn_path_dir(a, "c"), ".");
    assert_string_equal(tn_path_dir(a, "/c"), "/");
    tn_arena_free(a);
    char host[256];
    tn_path_host(host, sizeof host);
    assert_true(*host && !strchr(host, '/'));
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC3",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xF0\x80\x80\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF"};
    for (size_t i = 0; i < TN_COUNT(good); i++) assert_true(tn_utf8_valid(tn_view_of(good[i])));
    for (size_t i = 0; i < TN_COUNT(bad); i++) assert_false(tn_utf8_valid(tn_view_of(bad[i])));
}

/* A character, or the longest beginning of one, which is one error. */
static void utf8_is_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int32_t c;
    } rows[] = {{"a\xC3", 1, 'a'},           {"\xC3\xA9x", 2, 0xE9},     {"\xE2\x82\xAC", 3, 0x20AC},
                {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF}, {"\x80", 1, -1},       {"\xC0\x80", 1, -1},
                {"\xE0\x80\x80", 1, -1},      {"\xED\xA0\x80", 1, -1},    {"\xE2\x82", 2, -1},
                {"\xE2\x82X", 2, -1},         {"\xF0\x9F\x98", 3, -1},    {"\xF4\x90\x80\x80", 1, -1},
                {"\xF8\x88\x80", 1, -1},      {"\xFF", 1, -1}};
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int32_t c;
        char back[4];
        assert_int_equal(tn_utf8_next(tn_view_of(rows[i].bytes), &c), rows[i].n);
        assert_int_equal(c, rows[i].c);
        if (c < 0) continue;
        assert_int_equal(tn_utf8_put(back, (uint32_t)c), rows[i].n);
        assert_memory_equal(back, rows[i].bytes, rows[i].n);
    }
    assert_int_equal(tn_utf8_step((tn_view){"", 0}), 0);
}

static void base64_goes_both_ways(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                           {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xFF\xFE\xFD", "//79"}};
    for (size_t i = 0; i < TN_COUNT(pairs); i++) {
        tn_buf text = {0}, bytes = {0};
        tn_base64_encode(tn_view_of(pairs[i][0]), &text);
        assert_true(tn_view_is((tn_view){text.data, text.n}, pairs[i][1]));
        assert_true(tn_base64_decode((tn_view){text.data, text.n}, &bytes));
        assert_true(tn_view_is((tn_view){bytes.data, bytes.n}, pairs[i][0]));
        tn_buf_free(&text);
        tn_buf_free(&bytes);
    }
}

static void base64_refuses_what_is_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z", "Zg=", "Zg==Zg==", "Z*==", "=", "Zg===", "Zm9v=", "Zg=..", "_-8="};
    tn_buf bytes = {0};
    tn_buf_str(&bytes, "kept");
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        assert_false(tn_base64_decode(tn_view_of(bad[i]), &bytes));
        assert_string_equal(bytes.data, "kept");
    }
    assert_true(tn_base64_decode(TN_VIEW("Zm9v\r\nYg"), &bytes));
    assert_string_equal(bytes.data, "keptfoob");
    tn_buf_free(&bytes);
}

static void base64_takes_what_Abseil_takes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"Zg", "f"},    {"Zg..", "f"},  {"Zg=.", "f"},     {"Zm8.", "fo"},
                                          {"Zh==", "f"},  {"Zm9=", "fo"}, {"Z\v\fg =\t=", "f"}, {" ", ""}};
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_buf bytes = {0};
        assert_true(tn_base64_decode(tn_view_of(rows[i][0]), &bytes));
        assert_string_equal(bytes.data, rows[i][1]);
        tn_buf_free(&bytes);
    }
}

/* ==== log, clock ==== */

static void keep_line(void *payload, tn_log_level level, const char *line)
{
    tn_buf_printf(payload, "%d %s\n", (int)level, line);
}

static void log_lines_reach_the_callback(void **state)
{
    (void)state;
    tn_buf lines = {0};
    tn_log log = {.write = keep_line, .payload = &lines, .least = TN_INFO};
    tn_logf(&log, TN_DEBUG, "unseen");
    tn_logf(&log, TN_WARNING, "x=%d", 3);
    tn_logf(NULL, TN_ERROR, "nowhere");
    tn_logf(&(tn_log){0}, TN_ERROR, "nowhere");
    assert_string_equal(lines.data, "2 x=3\n");
    tn_logf(&log, TN_INFO, "%5000d", 1);
    assert_int_equal(lines.n, 6 + 5003);
    tn_buf_free(&lines);
}

static void the_clock_goes_forward(void **state)
{
    (void)state;
    int64_t before = tn_now_us();
    assert_true(tn_now_us() >= before);
    assert_true(tn_wall_time() > 1.6e9);
    assert_true(tn_core_count() >= 1);
    assert_true(tn_peak_rss() > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names_and_exits),
        cmocka_unit_test(messages_are_wrapped_and_noted),
        cmocka_unit_test(errors_may_be_unwanted),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(cuts_keep_characters_whole),
        cmocka_unit_test(errno_becomes_a_code),
        cmocka_unit_test(any_allocation_can_be_made_to_fail),
        cmocka_unit_test(allocations_of_nothing_and_too_much), cmocka_unit_test(forgotten_code_is_read_again),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_keeps_its_limit),
        cmocka_unit_test(arena_mixes_large_and_small), cmocka_unit_test(arena_settles),
        cmocka_unit_test(arena_texts),
        cmocka_unit_test(views_compare),
        cmocka_unit_test(buffers_grow_and_are_taken),
        cmocka_unit_test(buffers_keep_their_first_failure),
        cmocka_unit_test(maps_find_what_was_put),
        cmocka_unit_test(maps_take_any_bytes_and_null_values),
        cmocka_unit_test(maps_survive_failing_memory),
        cmocka_unit_test(hashes_differ),
        cmocka_unit_test(hints_are_near),
        cmocka_unit_test(paths_come_apart_and_together),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(utf8_is_read_and_written),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(base64_refuses_what_is_malformed),
        cmocka_unit_test(base64_takes_what_Abseil_takes),
        cmocka_unit_test(log_lines_reach_the_callback),
        cmocka_unit_test(the_clock_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
