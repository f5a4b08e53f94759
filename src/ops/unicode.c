/* SPDX-License-Identifier: Apache-2.0
 *
 * unicode.c - what characters are. The tables are generated (tools/unicode-tables); letters that only change
 * into one other are the system's business.
 */
#include "unicode.h"

#include "unicode_categories.h"
#include "unicode_scripts.h"

enum { LAST_CODE = 0x10ffff };

static int find_name(const char *const *names, size_t n, tn_view name)
{
    for (size_t i = 0; i < n; i++)
        if (tn_view_is(name, names[i])) return (int)i + 1;
    return 0;
}

/* The codes of "L" are those of "Lu" to "Lo". */
static void find_group(char letter, int *low, int *high)
{
    *low = *high = 0;
    for (size_t i = 0; i < TN_COUNT(category_names); i++) {
        if (category_names[i][0] != letter) continue;
        if (!*low) *low = (int)i + 1;
        *high = (int)i + 1;
    }
}

bool tn_unicode_find(tn_view name, tn_unicode_class *out)
{
    int code = find_name(category_names, TN_COUNT(category_names), name), low = code, high = code;
    if (!code && name.n == 1) find_group(*name.p, &low, &high);
    if (low) {
        *out = (tn_unicode_class){categories, TN_COUNT(categories), low, high};
        return true;
    }
    code = find_name(script_names, TN_COUNT(script_names), name);
    *out = (tn_unicode_class){scripts, TN_COUNT(scripts), code, code};
    return code != 0;
}

bool tn_unicode_next(const tn_unicode_class *c, int *at, uint32_t *first, uint32_t *last)
{
    for (int i = *at; i < c->n; i++) {
        int code = (int)(c->runs[i] & 0xff);
        if (code < c->low || code > c->high) continue;
        *first = c->runs[i] >> 8;
        *last = i + 1 < c->n ? (c->runs[i + 1] >> 8) - 1 : LAST_CODE;
        *at = i + 1;
        return true;
    }
    return false;
}

static int code_of(const uint32_t *runs, size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (runs[middle] >> 8 <= c)
            low = middle;
        else
            high = middle;
    }
    return (int)(runs[low] & 0xff);
}

int tn_unicode_script(int32_t c)
{
    if (c < 0 || c > LAST_CODE) return -1;
    return code_of(script_numbers, TN_COUNT(script_numbers), (uint32_t)c);
}

int tn_unicode_upper(uint32_t c, uint32_t out[3])
{
    for (size_t i = 0; i + 1 < TN_COUNT(uppers); i += 2 + uppers[i + 1]) {
        if (uppers[i] != c) continue;
        memcpy(out, uppers + i + 2, uppers[i + 1] * sizeof *out);
        return (int)uppers[i + 1];
    }
    return 0;
}

/* ==== sigma ==== it is a final one behind a letter that has cases, and before none; what may stand in words
 * is passed over */

static const char *category_name(uint32_t c)
{
    int code = code_of(categories, TN_COUNT(categories), c);
    return code ? category_names[code - 1] : "Cn";
}

static bool is_cased(uint32_t c)
{
    static const uint32_t others[][2] = {{0xaa, 0xaa},      {0xba, 0xba},       {0x2160, 0x217f},
                                         {0x24b6, 0x24e9},  {0x1f130, 0x1f149}, {0x1f150, 0x1f169},
                                         {0x1f170, 0x1f189}};
    const char *name = category_name(c);
    bool is = !strcmp(name, "Lu") || !strcmp(name, "Ll") || !strcmp(name, "Lt");
    for (size_t i = 0; i < TN_COUNT(others); i++) is |= others[i][0] <= c && c <= others[i][1];
    return is;
}

static bool is_passed_over(uint32_t c)
{
    static const uint32_t marks[] = {'\'',   '.',    ':',    '^',    '`',    0xa8,   0xb7,
                                     0x387,  0x55f,  0x5f4,  0x2018, 0x2019, 0x2024, 0x2027,
                                     0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    static const char *const kinds[] = {"Mn", "Me", "Cf", "Lm", "Sk"};
    const char *name = category_name(c);
    bool is = false;
    for (size_t i = 0; i < TN_COUNT(marks); i++) is |= marks[i] == c;
    for (size_t i = 0; i < TN_COUNT(kinds); i++) is |= !strcmp(kinds[i], name);
    return is;
}

static bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The character that begins at text[at]; what is none is U+FFFD. */
static uint32_t char_at(tn_view text, size_t at)
{
    unsigned char lead = (unsigned char)text.p[at];
    size_t n = tn_utf8_step((tn_view){text.p + at, text.n - at});
    if (n == 0) return 0xfffd;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t k = 1; k < n; k++) c = c << 6 | ((unsigned char)text.p[at + k] & 0x3f);
    return c;
}

static bool cased_before(tn_view text, size_t at)
{
    while (at > 0) {
        do at--;
        while (at > 0 && is_tail(text.p[at]));
        uint32_t c = char_at(text, at);
        if (!is_passed_over(c)) return is_cased(c);
    }
    return false;
}

static bool cased_behind(tn_view text, size_t at)
{
    while (at < text.n) {
        uint32_t c = char_at(text, at);
        if (!is_passed_over(c)) return is_cased(c);
        do at++;
        while (at < text.n && is_tail(text.p[at]));
    }
    return false;
}

bool tn_unicode_final_sigma(tn_view text, size_t at)
{
    return cased_before(text, at) && !cased_behind(text, at + 2);
}
