/* SPDX-License-Identifier: Apache-2.0
 * Regular expressions: what matches, which part, what is put in its place, and what is refused; as RE2 does.
 */
#include "op_case.h"

#include "ops/pattern.h"

typedef struct row {
    const char *pattern, *text;
    bool matches;
} row;

static tn_code compile(tn_arena *a, const char *pattern, tn_pattern *p, tn_error *err)
{
    return tn_pattern_compile(a, tn_view_of(pattern), p, err);
}

static void test_full(void **state)
{
    (void)state;
    static const row rows[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"a|ab", "ab", true},
        {"a*", "aaaa", true},
        {"(a*)*", "aaaab", false},
        {"(a|b)*c", "ababc", true},
        {"a{2,3}", "a", false},
        {"a{2,3}", "aaa", true},
        {"a{2,3}", "aaaa", false},
        {"a{2,}", "aaaaaa", true},
        {"a{,3}", "a{,3}", true},
        {"a+?b", "aaab", true},
        {"[a-z]+.*", "hello World", true},
        {"[a-z]+.*", "Hello", false},
        {"^s3://.*", "s3://bucket", true},
        {"^s3://.*", "/tmp/s3://", false},
        {".", "\n", false},
        {"(?s).", "\n", true},
        {".", "\xc3\xa9", true},
        {"..", "\xc3\xa9", false},
        {"[^a]", "\xe2\x82\xac", true},
        {"[\xc3\xa0-\xc3\xbf]+", "\xc3\xa9\xc3\xa8", true},
        {"[\xc3\xa0-\xc3\xbf]+", "\xc3\x80", false},
        {"\\x{20AC}\\x41", "\xe2\x82\xac" "A", true},
        {"(?i)straSSe", "STRASSE", true},
        {"(?i)[a-c]+", "aBC", true},
        {"(?i:a)b", "AB", false},
        {"(?i:a)b", "Ab", true},
        {"\\d\\D\\w\\W\\s\\S", "1a_- x", true},
        {"[\\d\\-x]+", "1-x", true},
        {"[]a]+", "]a", true},
        {"[^]a]", "b", true},
        {"[[:alpha:][:^digit:]]+", "ab-", true},
        {"[[:punct:]]+", "!~", true},
        {"\\bab\\b", "ab", true},
        {"a\\Bb", "ab", true},
        {"a\\bb", "ab", false},
        {"a$", "a", true},
        {"(?m)a$\\n^b", "a\nb", true},
        {"a$\\nb", "a\nb", false},
        {"\\Aa\\z", "a", true},
        {"a|", "", true},
        {"(?P<x>a)(?:b)", "ab", true},
        {"\\*\\+\\.\\\\", "*+.\\", true},
        {"[+--]+", "+,-", true},
        {"\\t\\n\\f", "\t\n\f", true},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_arena *a = tn_arena_new(0);
        tn_pattern p;
        tn_pattern_run *r;
        tn_error err;
        assert_ok(compile(a, rows[i].pattern, &p, &err), &err);
        assert_ok(tn_pattern_run_new(&p, TN_PATTERN_GROUPS - 1, &r, &err), &err);
        if (tn_pattern_full(r, tn_view_of(rows[i].text)) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
        tn_pattern_run_free(r);
        tn_arena_free(a);
    }
}

static void test_find(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        int64_t at[6];
    } rows[] = {
        {"b+", "abbb", {1, 4, -1, -1, -1, -1}},
        {"b+?", "abbb", {1, 2, -1, -1, -1, -1}},
        {"(a|ab)(c|bcd)", "xabcd", {1, 5, 1, 2, 2, 5}},
        {"(a)|(b)", "b", {0, 1, -1, -1, 0, 1}},
        {"x*", "aax", {0, 0, -1, -1, -1, -1}},
        {"(a*)(a+)", "aaa", {0, 3, 0, 2, 2, 3}},
        {"(a*?)(a+)", "aaa", {0, 3, 0, 0, 0, 3}},
        {"(?:(a)|b)*", "ab", {0, 2, 0, 1, -1, -1}},
        {"[^a-c ]", "a b\xc3\xa9" "d", {3, 5, -1, -1, -1, -1}},
        {"[,.]", "ab.,", {2, 3, -1, -1, -1, -1}},
        {"([,.])", "ab.,", {2, 3, 2, 3, -1, -1}},
        {"x|yz|y", "abyz", {2, 4, -1, -1, -1, -1}},
        {"\\bc", "bc c", {3, 4, -1, -1, -1, -1}},
        {"$", "abc", {3, 3, -1, -1, -1, -1}},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_arena *a = tn_arena_new(0);
        tn_pattern p;
        tn_pattern_run *r;
        tn_error err;
        int64_t at[2 * TN_PATTERN_GROUPS];
        assert_ok(compile(a, rows[i].pattern, &p, &err), &err);
        assert_ok(tn_pattern_run_new(&p, TN_PATTERN_GROUPS - 1, &r, &err), &err);
        assert_true(tn_pattern_find(r, tn_view_of(rows[i].text), 0, at));
        for (int k = 0; k < 6; k++)
            if (at[k] != rows[i].at[k]) fail_msg("'%s' in '%s': %d is %lld", rows[i].pattern, rows[i].text, k, (long long)at[k]);
        tn_pattern_run_free(r);
        tn_arena_free(a);
    }
}

/* What a match that begins with a byte is; a pattern of many instructions is searched for plainly. */
static void test_begins(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        char byte;
        tn_pattern_begin begins;
    } rows[] = {
        {"[,.]", ',', TN_IS_A_MATCH}, {"[,.]", 'a', TN_BEGINS_NOTHING}, {"([,.])", ',', TN_MAY_BEGIN},
        {"a+", 'a', TN_MAY_BEGIN},    {"a|ab", 'a', TN_MAY_BEGIN},      {"a|bc", 'a', TN_IS_A_MATCH},
        {"a|bc", 'b', TN_MAY_BEGIN},  {"a*", 'b', TN_MAY_BEGIN},        {"a$", 'a', TN_MAY_BEGIN},
        {"^a", 'b', TN_BEGINS_NOTHING},{"[^a]", 'b', TN_IS_A_MATCH},     {"[^a]", (char)0xc3, TN_MAY_BEGIN},
        {"(?i)a", 'A', TN_IS_A_MATCH}, {"a{200}", 'b', TN_MAY_BEGIN},   {"", 'b', TN_MAY_BEGIN},
        {"\\ba", 'a', TN_MAY_BEGIN},  {"\\b|a", 'b', TN_MAY_BEGIN},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_arena *a = tn_arena_new(0);
        tn_pattern p;
        tn_error err;
        assert_ok(compile(a, rows[i].pattern, &p, &err), &err);
        if (p.begin[(uint8_t)rows[i].byte] != rows[i].begins) fail_msg("'%s' and '%c'", rows[i].pattern, rows[i].byte);
        tn_arena_free(a);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a(b", "Invalid pattern: a(b, error: missing ): a(b"},
        {"a)b", "unexpected ): a)b"},
        {"[a", "missing ]: [a"},
        {"*a", "no argument for repetition operator: *"},
        {"a{1001}", "invalid repetition size: {1001}"},
        {"a{3,2}", "invalid repetition size: {3,2}"},
        {"a**", "bad repetition operator: **"},
        {"a{2}+b", "bad repetition operator: {2}+"},
        {"[z-a]", "invalid character class range: z-a"},
        {"[[:foo:]]", "invalid character class range"},
        {"(?=a)", "invalid perl operator: (?="},
        {"\\1", "invalid escape sequence: \\1"},
        {"\\q", "invalid escape sequence: \\q"},
        {"a\\", "trailing \\"},
        {"\\x{110000}", "invalid escape sequence"},
        {"\xff", "invalid UTF-8"},
        {"\\p{Xx}", "invalid character class range: \\p{Xx}"},
        {"((((a{900}){900}){900}){900})", "pattern too large - compile failed"},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_arena *a = tn_arena_new(0);
        tn_pattern p;
        tn_error err;
        assert_code(compile(a, rows[i][0], &p, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, rows[i][1]);
        tn_arena_free(a);
    }
}

/* Patterns that take other engines exponential time or a deep stack. */
static void test_hostile(void **state)
{
    (void)state;
    tn_arena *a = tn_arena_new(0);
    tn_pattern p;
    tn_pattern_run *r;
    tn_error err;
    char text[2001], deep[1001];
    memset(text, 'a', 2000);
    text[2000] = 0;
    assert_ok(compile(a, "(a*)*(a|a)*(a?){30}b", &p, &err), &err);
    assert_ok(tn_pattern_run_new(&p, TN_PATTERN_GROUPS - 1, &r, &err), &err);
    assert_false(tn_pattern_full(r, tn_view_of(text)));
    tn_pattern_run_free(r);
    memset(deep, '(', 1000);
    deep[1000] = 0;
    assert_code(compile(a, deep, &p, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "nests too deeply");
    assert_ok(compile(a, text, &p, &err), &err);
    for (int64_t n = 1;; n++) { /* every allocation fails once */
        tn_malloc_fail_at(n);
        tn_code code = tn_pattern_run_new(&p, TN_PATTERN_GROUPS - 1, &r, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_int_equal(code, TN_RESOURCE_EXHAUSTED);
    }
    assert_true(tn_pattern_full(r, tn_view_of(text)));
    tn_pattern_run_free(r);
    tn_arena_free(a);
}

/* More states than a table holds, and beginnings that all read on to the end: by threads, with the same answers. */
static void test_large_tables(void **state)
{
    (void)state;
    enum { N = 20000, BACK = 16 };
    tn_arena *a = tn_arena_new(0);
    tn_pattern p;
    tn_pattern_run *r;
    tn_error err;
    int64_t at[2 * TN_PATTERN_GROUPS];
    char *text = tn_arena_alloc(a, N + 1);
    unsigned x = 1;
    for (int i = 0; i < N; i++) text[i] = (x = x * 1664525u + 1013904223u) >> 31 ? 'a' : 'b';
    assert_ok(compile(a, "[ab]*a[ab]{15}", &p, &err), &err);
    assert_ok(tn_pattern_run_new(&p, 0, &r, &err), &err);
    for (size_t n = N - 40; n <= N; n++)
        assert_int_equal(tn_pattern_full(r, (tn_view){text, n}), text[n - BACK] == 'a');
    size_t end = N;
    while (text[end - BACK] != 'a') end--;
    assert_true(tn_pattern_find(r, (tn_view){text, N}, 0, at));
    assert_true(at[0] == 0 && at[1] == (int64_t)end);
    tn_pattern_run_free(r);
    assert_ok(compile(a, "a[ab]*c|(b[ab]*)d", &p, &err), &err);
    assert_ok(tn_pattern_run_new(&p, 1, &r, &err), &err);
    assert_false(tn_pattern_find(r, (tn_view){text, N}, 0, at));
    text[N - 1] = 'd';
    int64_t first = strchr(text, 'b') - text;
    assert_true(tn_pattern_find(r, (tn_view){text, N}, 0, at));
    assert_true(at[0] == first && at[1] == N && at[2] == first && at[3] == N - 1);
    tn_pattern_run_free(r);
    tn_arena_free(a);
}

static void test_operators(void **state)
{
    (void)state;
    static const op_case cases[] = {
        {"StaticRegexFullMatch", "pattern=a.*", {"string[3] abc b ''"}, {"bool[3] 1 0 0"}},
        {"StaticRegexFullMatch", "pattern=a(b", {"string abc"}, {"!Invalid pattern: a(b, error: missing ): a(b"}},
        {"RegexFullMatch", "", {"string[2] abc b", "string [ab]"}, {"bool[2] 0 1"}},
        {"StaticRegexReplace", "pattern=[^a-z0-9] rewrite=", {"string[2] He,l-lo! ''"}, {"string[2] ello ''"}},
        {"StaticRegexReplace", "pattern=(a)(b*) rewrite=<\\2\\1\\\\>", {"string abb-a"}, {"string <bba\\>-<a\\>"}},
        {"StaticRegexReplace", "pattern=b* rewrite=-", {"string abc"}, {"string -a-c-"}},
        {"StaticRegexReplace", "pattern=b* rewrite=- replace_global=false", {"string abc"}, {"string -abc"}},
        {"StaticRegexReplace", "pattern=a rewrite=\\1", {"string a"}, {"!Invalid rewrite pattern: \\1"}},
        {"RegexReplace", "", {"string[2] \xc3\xa9x ''", "string x*", "string _"}, {"string[2] _\xc3\xa9_ _"}},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),    cmocka_unit_test(test_find), cmocka_unit_test(test_begins),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_large_tables), cmocka_unit_test(test_operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
