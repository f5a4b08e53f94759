/* SPDX-License-Identifier: Apache-2.0
 *
 * test_file.c - files read, mapped, replaced whole or not at all, appended; folders; locks.
 */
#include "place.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t files_in(void **state, const char *folder)
{
    place *p = *state;
    char **names;
    size_t n = 999;
    tn_error err;
    assert_ok(tn_list_folder(folder, p->arena, &names, &n, &err), &err);
    return n;
}

static void expect_content(const char *path, const char *text)
{
    tn_buf b = {0};
    tn_error err;
    assert_ok(tn_file_read(path, 0, &b, &err), &err);
    assert_string_equal(b.n ? b.data : "", text);
    assert_int_equal(b.n, strlen(text));
    tn_buf_free(&b);
}

/* ==== reading ==== */

static void files_are_read_whole(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    tn_buf b = {0};
    tn_buf_str(&b, "what was there before");
    char big[200000];
    memset(big, 'x', sizeof big);
    assert_ok(tn_file_write(path, big, sizeof big, &err), &err);
    assert_ok(tn_file_read(path, sizeof big, &b, &err), &err);
    assert_int_equal(b.n, sizeof big);
    assert_memory_equal(b.data, big, sizeof big);
    assert_code(tn_file_read(path, sizeof big - 1, &b, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "larger than the limit of 199999 bytes");
    assert_int_equal(b.n, sizeof big);
    assert_ok(tn_file_read("/proc/self/status", 0, &b, &err), &err);
    assert_true(b.n > 100);
    assert_code(tn_file_read("/proc/self/status", 10, &b, &err), TN_RESOURCE_EXHAUSTED);
    tn_buf_free(&b);
    assert_ok(tn_file_write(path, "", 0, &err), &err);
    expect_content(path, "");
}

static void reading_what_is_not_there(void **state)
{
    tn_error err;
    tn_buf b = {0};
    tn_mapped m = {0};
    const char *path = in(state, "none");
    assert_code(tn_file_read(path, 0, &b, &err), TN_NOT_FOUND);
    assert_says(&err, path);
    assert_code(tn_file_map(path, &m, &err), TN_NOT_FOUND);
    assert_code(tn_file_read(in(state, ""), 0, &b, &err), TN_FAILED_PRECONDITION);
    assert_code(tn_file_map("/dev/null", &m, &err), TN_INVALID_ARGUMENT);
    assert_ok(tn_file_write(path, "x", 1, &err), &err);
    tn_malloc_fail_at(1);
    assert_code(tn_file_read(path, 0, &b, &err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(0);
    assert_null(b.data);
}

static void files_are_mapped(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    tn_mapped m = {0};
    assert_ok(tn_file_write(path, "hello", 5, &err), &err);
    assert_ok(tn_file_map(path, &m, &err), &err);
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.data, "hello", 5);
    /* A replaced file leaves the mapping of the old one whole. */
    assert_ok(tn_file_write(path, "", 0, &err), &err);
    assert_memory_equal(m.data, "hello", 5);
    tn_file_unmap(&m);
    assert_null(m.data);
    assert_ok(tn_file_map(path, &m, &err), &err);
    assert_true(m.data == NULL && m.n == 0);
    tn_file_unmap(&m);
    tn_file_unmap(NULL);
}

/* ==== replacing ==== */

static void writers_put_pieces_of_any_size(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    tn_writer *w;
    tn_buf expected = {0}, got = {0};
    assert_ok(tn_writer_open(path, &w, &err), &err);
    for (size_t i = 0; i < 40; i++) {
        size_t n = i * i * i * 7;
        char *piece = malloc(n + 1);
        memset(piece, (int)('a' + i % 26), n);
        tn_writer_put(w, piece, n);
        tn_buf_add(&expected, piece, n);
        assert_int_equal(tn_writer_at(w), expected.n);
        free(piece);
    }
    assert_false(tn_file_exists(path));
    assert_ok(tn_writer_commit(w, &err), &err);
    assert_ok(tn_file_read(path, 0, &got, &err), &err);
    assert_int_equal(got.n, expected.n);
    assert_memory_equal(got.data, expected.data, got.n);
    tn_buf_free(&got);
    tn_buf_free(&expected);
    assert_int_equal(files_in(state, in(state, "")), 1);
}

static void abandoned_files_leave_nothing(void **state)
{
    tn_error err;
    tn_writer *w;
    assert_ok(tn_writer_open(in(state, "a"), &w, &err), &err);
    tn_writer_put(w, "x", 1);
    assert_int_equal(files_in(state, in(state, "")), 1);
    tn_writer_abandon(w);
    tn_writer_abandon(NULL);
    assert_int_equal(files_in(state, in(state, "")), 0);
}

static void two_writers_of_one_path_do_not_meet(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    tn_writer *first, *second;
    assert_ok(tn_writer_open(path, &first, &err), &err);
    assert_ok(tn_writer_open(path, &second, &err), &err);
    tn_writer_put(first, "first", 5);
    tn_writer_put(second, "second", 6);
    assert_ok(tn_writer_commit(second, &err), &err);
    expect_content(path, "second");
    assert_ok(tn_writer_commit(first, &err), &err);
    expect_content(path, "first");
}

/* Whichever call fails, the old file is whole and nothing else is left. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    assert_ok(tn_file_write(path, "old", 3, &err), &err);
    for (int64_t n = 1; n <= 4; n++) { /* open, write, fsync, rename */
        tn_file_fail_at(n, ENOSPC);
        assert_code(tn_file_write(path, "new", 3, &err), TN_RESOURCE_EXHAUSTED);
        assert_says(&err, "a: cannot write: No space left on device");
        expect_content(path, "old");
        assert_int_equal(files_in(state, in(state, "")), 1);
    }
    tn_file_fail_at(5, EIO); /* the folder's fsync: the file is there, its durability is in doubt */
    assert_code(tn_file_write(path, "new", 3, &err), TN_DATA_LOSS);
    expect_content(path, "new");
    tn_file_fail_at(5, EINVAL); /* a file system that cannot sync folders */
    assert_ok(tn_file_write(path, "newer", 5, &err), &err);
    tn_file_fail_at(6, EIO);
    assert_ok(tn_file_write(path, "last", 4, &err), &err);
    tn_file_fail_at(0, 0);
    expect_content(path, "last");
}

static void the_first_failure_is_kept(void **state)
{
    static char block[300 << 10];
    tn_error err;
    tn_writer *w;
    assert_ok(tn_writer_open(in(state, "a"), &w, &err), &err);
    tn_file_fail_at(1, EDQUOT);
    for (int i = 0; i < 5; i++) tn_writer_put(w, block, sizeof block);
    assert_int_equal(tn_writer_at(w), 5 * sizeof block);
    assert_code(tn_writer_commit(w, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "quota");
    assert_int_equal(files_in(state, in(state, "")), 0);
}

static void writing_survives_failing_memory(void **state)
{
    const char *path = in(state, "a");
    tn_error err;
    for (int64_t n = 1;; n++) {
        tn_malloc_fail_at(n);
        tn_code code = tn_file_write(path, "x", 1, &err);
        tn_malloc_fail_at(0);
        if (code == TN_OK) break;
        assert_code(code, TN_RESOURCE_EXHAUSTED);
        assert_int_equal(files_in(state, in(state, "")), 0);
    }
    expect_content(path, "x");
}

static void impossible_paths_are_refused(void **state)
{
    tn_error err;
    assert_code(tn_file_write(in(state, "no/such/file"), "x", 1, &err), TN_NOT_FOUND);
    assert_says(&err, "no/such/file: cannot write");
    assert_code(tn_file_write(in(state, ""), "x", 1, &err), TN_FAILED_PRECONDITION);
}

/* ==== appending ==== */

static void appended_records_follow_one_another(void **state)
{
    const char *path = in(state, "log");
    tn_error err;
    tn_appender *a;
    for (int round = 0; round < 2; round++) {
        assert_ok(tn_appender_open(path, &a, &err), &err);
        assert_ok(tn_appender_put(a, "one ", 4, &err), &err);
        assert_ok(tn_appender_flush(a, &err), &err);
        assert_ok(tn_appender_flush(a, &err), &err);
        assert_ok(tn_appender_put(a, "two ", 4, &err), &err);
        assert_ok(tn_appender_close(a, &err), &err);
    }
    expect_content(path, "one two one two ");
    assert_ok(tn_appender_close(NULL, &err), &err);
    assert_code(tn_appender_open(in(state, "no/log"), &a, &err), TN_NOT_FOUND);
}

static void a_failed_append_is_made_up_for(void **state)
{
    const char *path = in(state, "log");
    tn_error err;
    tn_appender *a;
    assert_ok(tn_appender_open(path, &a, &err), &err);
    assert_ok(tn_appender_put(a, "one ", 4, &err), &err);
    tn_file_fail_at(1, ENOSPC);
    assert_code(tn_appender_flush(a, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "log: cannot append: No space");
    assert_ok(tn_appender_put(a, "two ", 4, &err), &err);
    assert_ok(tn_appender_close(a, &err), &err);
    expect_content(path, "one two ");
}

static void an_appender_does_not_hoard(void **state)
{
    static char block[1 << 20];
    tn_error err;
    tn_appender *a;
    tn_code code = TN_OK;
    assert_ok(tn_appender_open(in(state, "log"), &a, &err), &err);
    for (int i = 0; i < 64; i++) {
        tn_file_fail_at(1, ENOSPC);
        code = tn_appender_put(a, block, sizeof block, &err);
        assert_code(code, TN_RESOURCE_EXHAUSTED);
    }
    tn_file_fail_at(0, 0);
    assert_code(tn_appender_put(a, "x", 1, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "no room for 1 bytes more");
    assert_ok(tn_appender_close(a, &err), &err);
    struct stat st;
    assert_int_equal(stat(in(state, "log"), &st), 0);
    assert_int_equal(st.st_size, 64 << 20);
}

/* ==== folders ==== */

static void folders_are_made_listed_and_removed(void **state)
{
    place *p = *state;
    tn_error err;
    char **names;
    size_t n;
    assert_ok(tn_make_folders(in(state, "x/y//z/"), &err), &err);
    assert_ok(tn_make_folders(in(state, "x/y/z"), &err), &err);
    assert_true(tn_is_folder(in(state, "x/y/z")));
    assert_ok(tn_file_write(in(state, "x/b"), "", 0, &err), &err);
    assert_ok(tn_file_write(in(state, "x/B"), "", 0, &err), &err);
    assert_ok(tn_file_write(in(state, "x/.a"), "", 0, &err), &err);
    assert_ok(tn_list_folder(in(state, "x"), p->arena, &names, &n, &err), &err);
    assert_int_equal(n, 4);
    assert_string_equal(names[0], ".a");
    assert_string_equal(names[1], "B");
    assert_string_equal(names[2], "b");
    assert_string_equal(names[3], "y");
    assert_code(tn_make_folders(in(state, "x/b/c"), &err), TN_FAILED_PRECONDITION);
    assert_code(tn_make_folders("", &err), TN_NOT_FOUND);
    assert_ok(tn_remove_tree(in(state, "x"), &err), &err);
    assert_ok(tn_remove_tree(in(state, "x"), &err), &err);
    assert_false(tn_file_exists(in(state, "x")));
    assert_code(tn_list_folder(in(state, "x"), p->arena, &names, &n, &err), TN_NOT_FOUND);
}

static void removing_does_not_follow_links(void **state)
{
    tn_error err;
    assert_ok(tn_make_folders(in(state, "kept"), &err), &err);
    assert_ok(tn_make_folders(in(state, "gone"), &err), &err);
    assert_ok(tn_file_write(in(state, "kept/file"), "x", 1, &err), &err);
    assert_int_equal(symlink(in(state, "kept"), in(state, "gone/link")), 0);
    assert_ok(tn_remove_tree(in(state, "gone"), &err), &err);
    assert_true(tn_file_exists(in(state, "kept/file")));
}

static void listing_survives_failing_memory(void **state)
{
    place *p = *state;
    tn_error err;
    char **names;
    size_t n;
    assert_ok(tn_file_write(in(state, "a"), "", 0, &err), &err);
    tn_malloc_fail_at(1);
    assert_code(tn_list_folder(p->folder, p->arena, &names, &n, &err), TN_RESOURCE_EXHAUSTED);
}

static void files_are_renamed_and_removed(void **state)
{
    tn_error err;
    assert_ok(tn_file_write(in(state, "a"), "x", 1, &err), &err);
    assert_ok(tn_rename(in(state, "a"), in(state, "b"), &err), &err);
    expect_content(in(state, "b"), "x");
    assert_code(tn_rename(in(state, "a"), in(state, "c"), &err), TN_NOT_FOUND);
    tn_file_fail_at(1, EIO);
    assert_code(tn_rename(in(state, "b"), in(state, "c"), &err), TN_DATA_LOSS);
    assert_ok(tn_remove_file(in(state, "b"), &err), &err);
    assert_ok(tn_remove_file(in(state, "b"), &err), &err);
    assert_code(tn_remove_file(in(state, ""), &err), TN_FAILED_PRECONDITION);
}

/* ==== locks ==== */

static void a_lock_keeps_others_out(void **state)
{
    const char *path = in(state, "lock");
    tn_error err;
    int fd, other = -7;
    char pid[32];
    assert_ok(tn_lock_file(path, &fd, &err), &err);
    assert_code(tn_lock_file(path, &other, &err), TN_FAILED_PRECONDITION);
    snprintf(pid, sizeof pid, "in use by process %ld", (long)getpid());
    assert_says(&err, pid);
    assert_int_equal(other, -7);
    tn_unlock_file(fd);
    assert_ok(tn_lock_file(path, &other, &err), &err);
    tn_unlock_file(other);
    tn_unlock_file(-1);
    tn_file_fail_at(2, ENOSPC);
    assert_code(tn_lock_file(path, &fd, &err), TN_RESOURCE_EXHAUSTED);
    assert_ok(tn_lock_file(path, &fd, &err), &err);
    tn_unlock_file(fd);
    assert_code(tn_lock_file(in(state, "no/lock"), &fd, &err), TN_NOT_FOUND);
}

/* A file that is read instead of mapped stays what it was, whatever becomes of it on the disk. */
static void files_are_copied_where_they_would_be_mapped(void **state)
{
    const char *path = in(state, "f");
    tn_error err;
    tn_mapped m;
    uint64_t size;
    char part[4];
    assert_ok(tn_file_write(path, "0123456789", 10, &err), &err);
    assert_false(tn_file_copies_enter(true));
    assert_true(tn_file_copies());
    assert_ok(tn_file_map(path, &m, &err), &err);
    assert_true(tn_file_copies_enter(false));
    assert_int_equal(truncate(path, 3), 0);
    assert_true(m.is_copy);
    assert_int_equal(m.n, 10);
    assert_memory_equal(m.data, "0123456789", 10);
    tn_file_unmap(&m);
    assert_ok(tn_file_size(path, &size, &err), &err);
    assert_int_equal(size, 3);
    assert_ok(tn_file_read_at(path, 1, part, 2, &err), &err);
    assert_memory_equal(part, "12", 2);
    assert_int_equal(tn_file_read_at(path, 1, part, 4, &err), TN_DATA_LOSS);
    assert_non_null(strstr(err.message, "cut short: 4 bytes at offset 1 are wanted, there are 2"));
    assert_int_equal(tn_file_read_at(in(state, "none"), 0, part, 1, &err), TN_NOT_FOUND);
    assert_int_equal(tn_file_size(in(state, "none"), &size, &err), TN_NOT_FOUND);
}

/* What is taken over is the same, from wherever; what was given back is read again by who looks. */
static void what_is_taken_over_is_given_back(void **state)
{
    enum { N = 3 << 20 };
    const char *path = in(state, "f");
    tn_error err;
    tn_mapped m;
    char *bytes = malloc(N), *to = malloc(N);
    for (int i = 0; i < N; i++) bytes[i] = (char)(i * 7 + i / 251);
    assert_ok(tn_file_write(path, bytes, N, &err), &err);
    for (int copies = 0; copies < 2; copies++) {
        tn_file_copies_enter(copies);
        assert_ok(tn_file_map(path, &m, &err), &err);
        tn_file_copies_enter(false);
        assert_null(tn_file_spend_enter(&m));
        static const struct {
            int at, n;
        } pieces[] = {{0, N}, {4099, N - 4099}, {17, 1 << 20}, {5, 100}, {N, 0}};
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            memset(to, 0, N);
            tn_file_take(to, m.data + pieces[i].at, (size_t)pieces[i].n);
            assert_memory_equal(to, bytes + pieces[i].at, pieces[i].n);
            assert_memory_equal(m.data, bytes, N);
        }
        memset(to, 0, N);
        tn_file_take(to, bytes, N); /* of something else */
        assert_memory_equal(to, bytes, N);
        assert_ptr_equal(tn_file_spend_enter(NULL), &m);
        tn_file_take(to, m.data + 1, N - 1); /* nothing is given back */
        assert_memory_equal(to, bytes + 1, N - 1);
        tn_file_unmap(&m);
    }
    free(bytes);
    free(to);
}

static void a_lock_ends_with_its_process(void **state)
{
    const char *path = in(state, "lock");
    tn_error err;
    int fd, status;
    pid_t child = fork();
    if (child == 0) _exit(tn_lock_file(path, &fd, NULL));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(tn_lock_file(path, &fd, &err), &err);
    tn_unlock_file(fd);
}


int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_read_whole),
        TEST(reading_what_is_not_there),
        TEST(files_are_mapped),
        TEST(files_are_copied_where_they_would_be_mapped),
        TEST(what_is_taken_over_is_given_back),
        TEST(writers_put_pieces_of_any_size),
        TEST(abandoned_files_leave_nothing),
        TEST(two_writers_of_one_path_do_not_meet),
        TEST(a_full_disk_leaves_the_old_file),
        TEST(the_first_failure_is_kept),
        TEST(writing_survives_failing_memory),
        TEST(impossible_paths_are_refused),
        TEST(appended_records_follow_one_another),
        TEST(a_failed_append_is_made_up_for),
        TEST(an_appender_does_not_hoard),
        TEST(folders_are_made_listed_and_removed),
        TEST(removing_does_not_follow_links),
        TEST(listing_survives_failing_memory),
        TEST(files_are_renamed_and_removed),
        TEST(a_lock_keeps_others_out),
        TEST(a_lock_ends_with_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
