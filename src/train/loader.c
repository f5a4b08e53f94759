/* SPDX-License-Identifier: Apache-2.0
 *
 * loader.c - experiment files: compiled with the system's cc in a moment, loaded, and asked for their record.
 *
 * Invariants: the shared object is a temporary file that is gone before the experiment runs; a record is used
 * only when it was compiled against this header's ABI.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "train.h"

extern char **environ;

/* ==== the compiler ==== */

static bool has_header(tn_arena *a, const char *dir)
{
    const char *path = tn_path_join(a, dir, "turnery.h");
    return path && tn_file_exists(path);
}

/* The include folder: beside the program's folder (build tree, or an installed prefix), or compiled in. */
static const char *include_folder(tn_arena *a)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const char *near = n > 0 ? tn_path_dir(a, tn_arena_strndup(a, exe, (size_t)n)) : NULL;
    for (int up = 0; near && up < 3; up++) {
        const char *dir = tn_arena_printf(a, "%s/include", near);
        if (dir && has_header(a, dir)) return dir;
        near = tn_path_dir(a, near);
    }
    static const char *const usual[] = {"/usr/local/include", "/usr/include"};
    for (size_t i = 0; i < TN_COUNT(usual); i++)
        if (has_header(a, usual[i])) return usual[i];
    return NULL;
}

static tn_code spawn_compiler(const char *cc, char *const *argv, const char *words, int *status,
                              tn_error *err)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, words, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    int failed = posix_spawnp(&pid, cc, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "the C compiler '%s' cannot be started: %s (CC names another)", cc, strerror(failed));
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return tn_fail_errno(err, errno, "waiting for %s", cc);
    return TN_OK;
}

/* The compiler's words, line by line; the first error line goes into `first`. */
static void tell_words(const char *path, const tn_listener *l, char *first, size_t n)
{
    tn_buf text = {0};
    *first = 0;
    if (tn_file_read(path, 1 << 22, &text, NULL) == TN_OK && text.n) {
        char *rest = NULL;
        for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            if (l && l->words) l->words(l->payload, line);
            if (!*first && strstr(line, "error:")) snprintf(first, n, "%s", line);
        }
    }
    tn_buf_free(&text);
}

static tn_code compile(tn_arena *a, const char *source, const char *folder, const char *object,
                       const char *words, const tn_listener *l, tn_error *err)
{
    const char *cc = getenv("CC"), *include = include_folder(a);
    char first[400];
    int status = 0;
    if (!cc || !*cc) cc = "cc";
    if (!include)
        return tn_fail(err, TN_NOT_FOUND, "turnery.h is not beside the program nor in /usr/local/include");
    /* What a function without a declaration returns is taken for an int: wrong numbers, and no word of it. */
    char *argv[] = {(char *)cc, "-std=gnu11", "-O2", "-Wall", "-Werror=implicit-function-declaration", "-fPIC",
                    "-shared",  "-I",           (char *)include, "-I",    (char *)(folder ? folder : include),
                    "-o",       (char *)object, (char *)source,  "-lm",   NULL};
    TN_TRY(spawn_compiler(cc, argv, words, &status, err));
    tell_words(words, l, first, sizeof first);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s does not compile%s%s", source, *first ? ": " : "", first);
}

/* ==== the record ==== */

static tn_code check_abi(const char *source, const char *what, const tn_abi_record *abi, size_t size,
                         tn_error *err)
{
    if (abi->abi == TN_ABI && abi->size == size) return TN_OK;
    return tn_fail(err, TN_FAILED_PRECONDITION,
                   "%s: its %s record is of ABI %d (%zu bytes), this program's is %d (%zu bytes)", source,
                   what, abi->abi, abi->size, TN_ABI, size);
}

static tn_code find_record(tn_module *m, bool want_model, tn_error *err)
{
    const char *what = want_model ? "model" : "experiment";
    const tn_abi_record *abi = dlsym(m->handle, want_model ? "tn_model_abi" : "tn_experiment_abi");
    const void *record = dlsym(m->handle, want_model ? "tn_model_record" : "tn_experiment_record");
    if (!abi || !record)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s has no %s record: it must contain %s = {...};",
                       m->source, what, want_model ? "TN_MODEL" : "TN_EXPERIMENT");
    TN_TRY(check_abi(m->source, what, abi, want_model ? sizeof(tn_model) : sizeof(tn_experiment), err));
    if (want_model)
        m->model = record;
    else
        m->experiment = record;
    return TN_OK;
}

static tn_code load(tn_module *m, const char *object, bool want_model, tn_error *err)
{
    m->handle = dlopen(object, RTLD_NOW | RTLD_LOCAL);
    if (!m->handle) {
        const char *why = dlerror();
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s cannot be loaded: %s", m->source,
                       why ? why : "unknown reason");
    }
    return find_record(m, want_model, err);
}

static tn_code check_source(const char *file, tn_error *err)
{
    size_t n = strlen(file);
    if (n > 3 && !strcmp(file + n - 3, ".py"))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "%s: experiments are written in C; `turnery new FILE.c` writes one to start from",
                       file);
    if (!tn_file_exists(file) || tn_is_folder(file))
        return tn_fail(err, TN_NOT_FOUND, "there is no file %s", file);
    if (n < 3 || strcmp(file + n - 2, ".c"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: an experiment's file ends in .c", file);
    return TN_OK;
}

static tn_code build_and_load(tn_module *m, tn_arena *a, const char *folder, bool want_model,
                              const tn_listener *l, tn_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = tn_arena_printf(a, "%s/turnery-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!dir) return tn_no_memory(err, 0);
    if (!mkdtemp(dir)) return tn_fail_errno(err, errno, "making a temporary folder %s", dir);
    const char *object = tn_path_join(a, dir, "experiment.so"), *words = tn_path_join(a, dir, "words");
    tn_code code =
        object && words ? compile(a, m->source, folder, object, words, l, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = load(m, object, want_model, err);
    tn_remove_tree(dir, NULL);
    return code;
}

tn_code tn_module_load(const char *file, const char *folder, bool want_model, const tn_listener *l,
                       tn_module *out, tn_error *err)
{
    tn_module m = {0};
    TN_TRY(check_source(file, err));
    char *full = realpath(file, NULL);
    if (!full) return tn_fail_errno(err, errno, "%s", file);
    m.source = tn_strdup(full);
    free(full);
    tn_arena *a = tn_arena_new(0);
    tn_code code = m.source && a ? build_and_load(&m, a, folder, want_model, l, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    if (code == TN_OK)
        *out = m;
    else
        tn_module_close(&m);
    return code;
}

void tn_module_close(tn_module *m)
{
    if (m->handle) dlclose(m->handle);
    tn_free(m->source);
    memset(m, 0, sizeof *m);
}
