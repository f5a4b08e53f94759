/* SPDX-License-Identifier: Apache-2.0
 *
 * base.h - what every other module stands on: errors, memory, byte buffers, maps, files, JSON, log.
 *
 * Knows nothing of tensors, graphs or TensorFlow. Nothing here prints or exits; nothing here keeps
 * global mutable state except the allocation test hook, which only tests set.
 *
 * Invariants: a function that can fail returns a tn_code and takes a caller-owned tn_error last
 * (may be NULL); results are written only on success. Returned pointers are borrowed, out-parameters
 * are owned by the caller. Every free accepts NULL.
 */
#ifndef TN_BASE_H
#define TN_BASE_H

#include <turnery.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "banned.h"

#define TN_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define TN_MAX(a, b) ((a) > (b) ? (a) : (b))
#define TN_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Returns from the calling function when an expression fails. */
#define TN_TRY(expr)                                                                              \
    do {                                                                                          \
        tn_code tn_try_code_ = (expr);                                                            \
        if (tn_try_code_ != TN_OK) return tn_try_code_;                                           \
    } while (0)

/* ==== errors (error.c) ==== the codes, tn_error and tn_code_name are in turnery.h */

/* Sets *err (when not NULL) to code and the formatted message; returns code. */
tn_code tn_fail(tn_error *err, tn_code code, const char *fmt, ...) TN_PRINTF(3, 4);
tn_code tn_vfail(tn_error *err, tn_code code, const char *fmt, va_list ap);
/* Puts "<formatted>: " before the message already in *err; returns its code (UNKNOWN when err is NULL:
 * where the code matters, return the one at hand). */
tn_code tn_wrap(tn_error *err, const char *fmt, ...) TN_PRINTF(2, 3);
/* Appends " <formatted>" to the message already in *err; returns its code. */
tn_code tn_note(tn_error *err, const char *fmt, ...) TN_PRINTF(2, 3);
/* RESOURCE_EXHAUSTED "out of memory (<n> bytes)". */
tn_code tn_no_memory(tn_error *err, size_t n);
/* "<formatted>: <what errnum means>", with tn_code_of_errno. */
tn_code tn_fail_errno(tn_error *err, int errnum, const char *fmt, ...) TN_PRINTF(3, 4);

/* ==== memory (memory.c) ==== the one allocator entry; may return NULL, zeroes nothing unless said */

void *tn_malloc(size_t n);
void *tn_calloc(size_t n, size_t size); /* zeroed; overflow gives NULL */
void *tn_realloc(void *p, size_t n);
void *tn_aligned_alloc(size_t n); /* 64-byte aligned; released by tn_free */
char *tn_strdup(const char *s);
void tn_free(void *p);
/* Whole pages of these bytes go back to the system: who looks at them again sees zeros, or the file's. */
void tn_pages_forget(void *p, size_t n);
void tn_pages_want(void *p, size_t n); /* a file's pages, at once: they come a few at a time otherwise */
/* Whether the system may make large pages of what this process has. Of one that waits it would fill with zeros what was
 * just given back between what is there. */
void tn_memory_large_pages(bool may);
/* What is mapped of the program and its libraries and can be read from their files again: of a process that waits. */
void tn_memory_forget_code(void);
void tn_memory_trim(void); /* what the allocator has and nobody uses goes back to the system, if it can */
/* Test hook: makes the n-th allocation from now (1 = the next) in this process fail, once; 0 = off. */
void tn_malloc_fail_at(int64_t n);
/* Test hook: how many allocations were asked for since the hook was last set. */
int64_t tn_malloc_count(void);

/* ==== budgets (budget.c) ==== what a session's values may take together */

typedef struct tn_budget tn_budget;
tn_budget *tn_budget_new(size_t limit); /* bytes; NULL: no memory */
tn_budget *tn_budget_keep(tn_budget *b); /* another reference */
void tn_budget_free(tn_budget *b);       /* it stays until the last charge is gone */
tn_budget *tn_budget_now(void);          /* what is in force for the calling thread */
/* Puts a budget (NULL: none) in force for the calling thread; what was before. */
tn_budget *tn_budget_enter(tn_budget *b);
size_t tn_budget_limit(const tn_budget *b); /* 0: no budget */
size_t tn_budget_used(const tn_budget *b);
size_t tn_budget_room(size_t most); /* what the one in force, if there is one, has left: 1 to most */
/* What something has taken. {0} to begin with; charged to the budget in force at the first add, if there is one. */
typedef struct tn_charge {
    tn_budget *budget;
    size_t n;
} tn_charge;
bool tn_charge_add(tn_charge *c, size_t n); /* false: over the limit, nothing is charged */
void tn_charge_less(tn_charge *c, size_t n);
void tn_charge_drop(tn_charge *c);

/* ==== arena (arena.c) ==== memory of one phase, freed at once; tn_arena_alloc aborts never: NULL
 * when the system or the arena's limit has no more. Not thread-safe. */

typedef struct tn_arena tn_arena;
tn_arena *tn_arena_new(size_t limit); /* limit in bytes, 0 = none; NULL when there is no memory */
void tn_arena_free(tn_arena *a);
/* Little or nothing more is to come: pages that nobody was given go back to the system until somebody is. */
void tn_arena_settle(tn_arena *a);
void tn_arena_reset(tn_arena *a);                         /* forgets everything, keeps one chunk */
void *tn_arena_alloc(tn_arena *a, size_t n);              /* 16-byte aligned, zeroed */
void *tn_arena_array(tn_arena *a, size_t n, size_t size); /* n * size with overflow check, zeroed */
char *tn_arena_strdup(tn_arena *a, const char *s);
char *tn_arena_strndup(tn_arena *a, const char *s, size_t n); /* always NUL-terminated */
char *tn_arena_printf(tn_arena *a, const char *fmt, ...) TN_PRINTF(2, 3);
size_t tn_arena_used(const tn_arena *a);

#define TN_NEW(a, T) ((T *)tn_arena_alloc((a), sizeof(T)))
#define TN_ARRAY(a, n, T) ((T *)tn_arena_array((a), (size_t)(n), sizeof(T)))
/* Room for one more element in an array of n, which grows by doubling: the arena's memory, or with NULL
 * tn_realloc's. array is where the pointer to the first element is. false: no memory, and nothing has changed. */
bool tn_grow(tn_arena *a, void *array, int n, int *cap, size_t size);
#define TN_ROOM(a, array, n, cap) tn_grow((a), &(array), (n), &(cap), sizeof *(array))

/* ==== views and buffers (buf.c) ==== */

typedef struct tn_view { /* borrowed bytes, not NUL-terminated */
    const char *p;
    size_t n;
} tn_view;
#define TN_VIEW(lit) ((tn_view){(lit), sizeof(lit) - 1})
static inline tn_view tn_view_of(const char *s) { return (tn_view){s, s ? strlen(s) : 0}; }
bool tn_view_eq(tn_view a, tn_view b);
bool tn_view_is(tn_view a, const char *s);
bool tn_view_starts(tn_view a, const char *prefix);

/* A growing byte buffer that keeps its first failure (out of memory, over its limit): later calls
 * do nothing, and tn_buf_check reports it once at the end. data is always NUL-terminated when
 * n > 0. Initialise with {0}; limit 0 = none. */
typedef struct tn_buf {
    char *data;
    size_t n, cap, limit;
    tn_code failed;
} tn_buf;
void tn_buf_free(tn_buf *b); /* leaves it {0} but for the limit */
void tn_buf_clear(tn_buf *b);
bool tn_buf_reserve(tn_buf *b, size_t more);
void tn_buf_add(tn_buf *b, const void *p, size_t n);
void tn_buf_str(tn_buf *b, const char *s);
void tn_buf_char(tn_buf *b, char c);
void tn_buf_printf(tn_buf *b, const char *fmt, ...) TN_PRINTF(2, 3);
char *tn_buf_take(tn_buf *b, size_t *n); /* caller tn_free()s it; b becomes empty; NULL if failed */
tn_code tn_buf_check(const tn_buf *b, tn_error *err);

/* ==== map (map.c) ==== bytes -> pointer, open addressing, insertion order kept for iteration.
 * Keys are copied; values are the caller's. */

typedef struct tn_map tn_map;
tn_map *tn_map_new(void);
void tn_map_free(tn_map *m);
bool tn_map_put(tn_map *m, const char *key, void *value); /* replaces; false: no memory */
bool tn_map_put_view(tn_map *m, tn_view key, void *value);
void *tn_map_get(const tn_map *m, const char *key); /* NULL: absent (or a NULL value) */
void *tn_map_get_view(const tn_map *m, tn_view key);
bool tn_map_has(const tn_map *m, const char *key);
bool tn_map_remove(tn_map *m, tn_view key);
void tn_map_remove_empty(tn_map *m); /* all whose value is NULL: many at once cost as much as one */
size_t tn_map_count(const tn_map *m);
/* i-th entry in insertion order, 0 <= i < count (after removals order is still insertion order). */
const char *tn_map_key(const tn_map *m, size_t i);
tn_view tn_map_key_view(const tn_map *m, size_t i);
void *tn_map_value(const tn_map *m, size_t i);
uint64_t tn_hash(const void *p, size_t n); /* FarmHash-free 64-bit mix; not stable across versions */

/* ==== files (file.c) ==== the only place (with train/prefetch threads) that holds descriptors */

tn_code tn_file_read(const char *path, size_t limit, tn_buf *out, tn_error *err); /* limit 0: 2^40 */
typedef struct tn_mapped { /* a whole file mapped for reading; n = 0 has data NULL */
    const uint8_t *data;
    size_t n;
    bool is_copy; /* what was read into memory instead */
} tn_mapped;
tn_code tn_file_map(const char *path, tn_mapped *out, tn_error *err);
/* n > 0 bytes of a file, which may be changed in memory, where nobody else sees it; *at is where they begin. */
tn_code tn_file_map_part(const char *path, uint64_t offset, size_t n, tn_mapped *out, void **at, tn_error *err);
/* A file of at most limit bytes: a large one is mapped; a small one, or what is no regular file, is read. */
tn_code tn_file_map_limited(const char *path, size_t limit, tn_mapped *out, tn_error *err);
/* Whether the calling thread's files are read into memory where they would be mapped, so that nobody who cuts or
 * changes them later does harm; what was before. */
bool tn_file_copies_enter(bool copies);
bool tn_file_copies(void);
/* n bytes at offset; DATA_LOSS: the file is shorter. */
tn_code tn_file_read_at(const char *path, uint64_t offset, void *to, size_t n, tn_error *err);
tn_code tn_file_size(const char *path, uint64_t *size, tn_error *err);
/* What was looked at is no longer kept in memory; looking again brings it back. */
void tn_file_forget(const tn_mapped *m);
/* From now on large pieces that the calling thread takes over from this mapped file are forgotten as they are copied,
 * so that they are in memory once; what was before. */
const tn_mapped *tn_file_spend_enter(const tn_mapped *m);
void tn_file_take(void *to, const void *from, size_t n); /* memcpy; from: anywhere */
void tn_file_unmap(tn_mapped *m);
/* Replaces path by the bytes given, whole or not at all: temporary name in the same folder, fsync,
 * rename, fsync of the folder. */
tn_code tn_file_write(const char *path, const void *p, size_t n, tn_error *err);
/* The same in pieces. A writer keeps its first failure; commit reports it. abandon (or a failed
 * commit) removes the temporary file. */
typedef struct tn_writer tn_writer;
tn_code tn_writer_open(const char *path, tn_writer **out, tn_error *err);
void tn_writer_put(tn_writer *w, const void *p, size_t n);
uint64_t tn_writer_at(const tn_writer *w); /* bytes put so far */
tn_code tn_writer_commit(tn_writer *w, tn_error *err); /* frees w either way */
void tn_writer_abandon(tn_writer *w);
/* An append-only file (event files, logs): opened O_APPEND, flushed on request. */
typedef struct tn_appender tn_appender;
tn_code tn_appender_open(const char *path, tn_appender **out, tn_error *err);
tn_code tn_appender_put(tn_appender *a, const void *p, size_t n, tn_error *err); /* buffered */
tn_code tn_appender_flush(tn_appender *a, tn_error *err);
tn_code tn_appender_close(tn_appender *a, tn_error *err); /* flushes; frees a either way */

bool tn_file_exists(const char *path);
bool tn_file_ends_in(const char *path, const void *bytes, size_t n); /* a regular file's last bytes; n <= 64 */
bool tn_is_folder(const char *path);
tn_code tn_make_folders(const char *path, tn_error *err); /* mkdir -p */
tn_code tn_remove_file(const char *path, tn_error *err);  /* absent is OK */
tn_code tn_remove_tree(const char *path, tn_error *err);  /* absent is OK */
tn_code tn_rename(const char *from, const char *to, tn_error *err); /* and fsync of to's folder */
/* Names (not paths) in a folder, sorted bytewise, without "." and "..": in the arena. */
tn_code tn_list_folder(const char *path, tn_arena *a, char ***names, size_t *n, tn_error *err);
/* An advisory lock on a file (flock): held until closed or the process ends. FAILED_PRECONDITION
 * names the holder's pid (written into the file) when somebody else has it. */
tn_code tn_lock_file(const char *path, int *fd, tn_error *err);
void tn_unlock_file(int fd);
/* Path pieces; borrowed results point into path or the arena. */
char *tn_path_join(tn_arena *a, const char *dir, const char *name);
const char *tn_path_base(const char *path);
char *tn_path_dir(tn_arena *a, const char *path);
void tn_path_host(char *buf, size_t n); /* this machine's name, for a file's; "localhost" if it has none */
/* Test hook: makes the n-th open for writing, write, fsync or rename from now fail with errnum, once;
 * n = 0: off. */
void tn_file_fail_at(int64_t n, int errnum);

/* ==== access to files, handed in (outside.c) ==== what those go through who have no files of their own */

typedef struct tn_outside {
    void *payload;
    tn_code (*read)(void *payload, const char *path, size_t limit, tn_buf *out, tn_error *err);
    /* Replaces the file, whose folders are made, or (append) adds to it. */
    tn_code (*write)(void *payload, const char *path, tn_view bytes, bool append, tn_error *err);
    tn_code (*list)(void *payload, const char *folder, tn_arena *a, char ***names, size_t *n, tn_error *err);
    tn_code (*look)(void *payload, const char *path, bool *is_there, bool *is_folder, tn_error *err);
} tn_outside;
extern const tn_outside tn_outside_process; /* the process's own files */

/* ==== JSON (json_read.c, json_write.c) ==== a reader into a tree in an arena (strict RFC 8259, depth
 * and size limited; NaN, Infinity and -Infinity accepted bare as TensorFlow's REST API does), a streaming
 * writer. */

typedef enum {
    TN_JSON_NULL, TN_JSON_BOOL, TN_JSON_NUMBER, TN_JSON_STRING, TN_JSON_ARRAY, TN_JSON_OBJECT
} tn_json_kind;
typedef struct tn_json {
    tn_json_kind kind;
    bool boolean;
    double number;
    bool is_int;      /* the number had no fraction or exponent and fits integer */
    int64_t integer;
    tn_view text;     /* string, unescaped; NUL-terminated beyond n */
    tn_view key;      /* in an object: this member's name */
    struct tn_json *child, *next; /* first element or member; next sibling */
    size_t count;
} tn_json;
tn_code tn_json_parse(tn_view text, tn_arena *a, tn_json **out, tn_error *err); /* error: line:column */
const tn_json *tn_json_find(const tn_json *object, const char *key); /* NULL: absent or no object */

typedef struct tn_json_writer { /* commas and nesting are the writer's business */
    tn_buf *out;
    int depth;
    bool pretty, need_comma, after_key;
} tn_json_writer;
void tn_json_begin(tn_json_writer *w, char open);           /* '{' or '[' */
void tn_json_end(tn_json_writer *w, char close);            /* '}' or ']' */
void tn_json_key(tn_json_writer *w, const char *key);
void tn_json_string(tn_json_writer *w, tn_view s);          /* invalid UTF-8 becomes U+FFFD */
void tn_json_cstr(tn_json_writer *w, const char *s);
void tn_json_int(tn_json_writer *w, int64_t v);
void tn_json_double(tn_json_writer *w, double v);           /* shortest that reads back; NaN, Infinity bare */
void tn_json_float(tn_json_writer *w, float v);
void tn_json_bool(tn_json_writer *w, bool v);
void tn_json_null(tn_json_writer *w);
bool tn_base64_decode(tn_view in, tn_buf *out); /* false: malformed */
void tn_base64_encode(tn_view in, tn_buf *out);
bool tn_utf8_valid(tn_view s);
size_t tn_utf8_step(tn_view s); /* bytes of the character s begins with; 0: none or malformed */
/* The bytes of the character that s, which is not empty, begins with; or of the longest beginning of one, as
 * the Unicode standard recommends to count errors, and *c is -1. */
size_t tn_utf8_next(tn_view s, int32_t *c);
size_t tn_utf8_put(char *to, uint32_t c); /* c <= 0x10ffff as up to 4 bytes; how many */
void tn_buf_utf8(tn_buf *b, uint32_t c);

/* ==== numbers as text (number.c) ==== the same in every locale */

/* The shortest decimal that reads back as the same double / float, as Python writes it ("64", "0.001",
 * "1e-05", "NaN", "-Infinity"), and its length. buf of at least 32. */
int tn_format_double(char *buf, double v);
int tn_format_float(char *buf, float v);
/* All of s must be a decimal number: [+-]digits[.digits][e[+-]digits], or inf, infinity, nan in any case
 * (tn_parse_int: [+-]digits that fit). Rounded to nearest. false: it is not, *out is as it was. */
bool tn_parse_double(tn_view s, double *out);
bool tn_parse_int(tn_view s, int64_t *out);

/* ==== option rows (option.c) ==== tn_option, in turnery.h, describes a field of a settings struct;
 * these walk the rows. Errors name the row and the nearest one for an unknown name. */

/* Takes settings as uninitialised. Fails when memory ends or a default is no value for its row; then
 * the settings hold nothing to be freed. */
tn_code tn_options_defaults(const tn_option *rows, void *settings, tn_error *err);
tn_code tn_option_set(const tn_option *rows, void *settings, const char *name, const char *value,
                      tn_error *err);
const tn_option *tn_option_find(const tn_option *rows, const char *name);
/* The value as text, in the form tn_option_set reads. */
void tn_option_text(const tn_option *row, const void *settings, tn_buf *out);
void tn_options_json(const tn_option *rows, const void *settings, tn_json_writer *w); /* members only */
/* --help's table: "  --name=DEFAULT  help (range, unit)". */
void tn_options_help(const tn_option *rows, const char *prefix, tn_buf *out);
/* Checks a row's own consistency (used on rows that come from a user's experiment file). */
tn_code tn_option_check_row(const tn_option *row, size_t settings_size, tn_error *err);
void tn_options_free(const tn_option *rows, void *settings); /* frees string fields */

/* ==== log (log.c) ==== lines to a callback; the default writes nothing. */

typedef enum { TN_DEBUG, TN_INFO, TN_WARNING, TN_ERROR } tn_log_level;
typedef struct tn_log {
    void (*write)(void *payload, tn_log_level level, const char *line);
    void *payload;
    tn_log_level least;
} tn_log;
/* log may be NULL. */
void tn_logf(const tn_log *log, tn_log_level level, const char *fmt, ...) TN_PRINTF(3, 4);

/* ==== clock (clock.c) ==== */

int64_t tn_now_us(void);    /* monotonic, microseconds */
double tn_wall_time(void);  /* seconds since 1970 */
int tn_core_count(void);    /* cores this process may use */
size_t tn_half_of_memory(void); /* bytes: of the machine's; what hostile peers may make a server take */
size_t tn_peak_rss(void);   /* bytes */

#endif
