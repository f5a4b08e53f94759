/* SPDX-License-Identifier: Apache-2.0
 *
 * map.c - strings to pointers, in insertion order; the hash; the nearest of several names.
 *
 * Entries lie in one array in insertion order; a power-of-two table of entry numbers (0: free, i + 1:
 * entry i), probed linearly and at most half full, finds them. Removing closes the gap and rebuilds the
 * table, which makes it O(count): maps here are filled far more often than emptied.
 */
#include "base.h"

#include <ctype.h>

typedef struct entry {
    char *key;
    size_t n;
    uint64_t hash;
    void *value;
} entry;

struct tn_map {
    entry *entries;
    size_t count, cap;
    uint32_t *table;
    size_t mask; /* table size - 1; the table is missing while cap is 0 */
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 29;
    return h;
}

uint64_t tn_hash(const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n, word;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = mix(h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    }
    word = 0;
    if (n) memcpy(&word, s, n);
    return mix(mix(h ^ word));
}

tn_map *tn_map_new(void)
{
    return tn_calloc(1, sizeof(tn_map));
}

void tn_map_free(tn_map *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) tn_free(m->entries[i].key);
    tn_free(m->entries);
    tn_free(m->table);
    tn_free(m);
}

/* The slot of a key: the one that holds it, or the free one where it belongs. */
static size_t slot_of(const tn_map *m, tn_view key, uint64_t hash)
{
    size_t slot = hash & m->mask;
    for (; m->table[slot]; slot = (slot + 1) & m->mask) {
        const entry *e = &m->entries[m->table[slot] - 1];
        if (e->hash == hash && e->n == key.n && memcmp(e->key, key.p, key.n) == 0) break;
    }
    return slot;
}

static const entry *find(const tn_map *m, tn_view key)
{
    if (!m || m->count == 0 || (!key.p && key.n)) return NULL;
    if (!key.p) key.p = "";
    uint32_t i = m->table[slot_of(m, key, tn_hash(key.p, key.n))];
    return i ? &m->entries[i - 1] : NULL;
}

static void fill_table(tn_map *m)
{
    memset(m->table, 0, (m->mask + 1) * sizeof *m->table);
    for (size_t i = 0; i < m->count; i++) {
        size_t slot = m->entries[i].hash & m->mask;
        while (m->table[slot]) slot = (slot + 1) & m->mask;
        m->table[slot] = (uint32_t)(i + 1);
    }
}

static bool grow(tn_map *m)
{
    size_t cap = m->cap ? m->cap * 2 : 8;
    if (cap > UINT32_MAX / 2) return false;
    entry *entries = tn_realloc(m->entries, cap * sizeof *entries);
    if (!entries) return false;
    m->entries = entries;
    uint32_t *table = tn_malloc(2 * cap * sizeof *table);
    if (!table) return false;
    tn_free(m->table);
    m->table = table;
    m->mask = 2 * cap - 1;
    m->cap = cap;
    fill_table(m);
    return true;
}

bool tn_map_put(tn_map *m, const char *key, void *value)
{
    return tn_map_put_view(m, tn_view_of(key), value);
}

bool tn_map_put_view(tn_map *m, tn_view key, void *value)
{
    entry *old = (entry *)find(m, key);
    if (old) {
        old->value = value;
        return true;
    }
    if (m->count == m->cap && !grow(m)) return false;
    char *copy = tn_malloc(key.n + 1);
    if (!copy) return false;
    if (key.n) memcpy(copy, key.p, key.n);
    copy[key.n] = 0;
    uint64_t hash = tn_hash(copy, key.n);
    size_t slot = slot_of(m, (tn_view){copy, key.n}, hash);
    m->entries[m->count] = (entry){copy, key.n, hash, value};
    m->table[slot] = (uint32_t)++m->count;
    return true;
}

void *tn_map_get(const tn_map *m, const char *key)
{
    return tn_map_get_view(m, tn_view_of(key));
}

void *tn_map_get_view(const tn_map *m, tn_view key)
{
    const entry *e = find(m, key);
    return e ? e->value : NULL;
}

bool tn_map_has(const tn_map *m, const char *key)
{
    return find(m, tn_view_of(key)) != NULL;
}

bool tn_map_remove(tn_map *m, tn_view key)
{
    const entry *e = find(m, key);
    if (!e) return false;
    size_t i = (size_t)(e - m->entries);
    tn_free(m->entries[i].key);
    m->count--;
    memmove(m->entries + i, m->entries + i + 1, (m->count - i) * sizeof *m->entries);
    fill_table(m);
    return true;
}

void tn_map_remove_empty(tn_map *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->entries[i].value) m->entries[n++] = m->entries[i];
        else tn_free(m->entries[i].key);
    }
    if (n == m->count) return;
    m->count = n;
    fill_table(m);
}

size_t tn_map_count(const tn_map *m)
{
    return m ? m->count : 0;
}

const char *tn_map_key(const tn_map *m, size_t i)
{
    return m->entries[i].key;
}

tn_view tn_map_key_view(const tn_map *m, size_t i)
{
    return (tn_view){m->entries[i].key, m->entries[i].n};
}

void *tn_map_value(const tn_map *m, size_t i)
{
    return m->entries[i].value;
}

/* ==== the nearest of several names ==== */

#define LONGEST_NAME 80

static bool same_letter(char a, char b)
{
    if (a == '-') a = '_';
    if (b == '-') b = '_';
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edit distance (insert, delete, replace, swap of neighbours), letter case and -_ ignored. Both at most
 * LONGEST_NAME long. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][LONGEST_NAME + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++) last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t d = last[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            d = TN_MIN(d, TN_MIN(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
                d = TN_MIN(d, before[j - 2] + 1);
            now[j] = d;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *tn_nearest(const char *s, const char *const *names, size_t n)
{
    size_t length = strlen(s), best = (length + 2) / 3 + 1;
    const char *found = NULL;
    if (length == 0 || length > LONGEST_NAME) return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other > LONGEST_NAME) continue;
        size_t d = distance(s, length, names[i], other);
        if (d < best && d < TN_MAX(length, other)) {
            best = d;
            found = names[i];
        }
    }
    return found;
}
