/* SPDX-License-Identifier: Apache-2.0
 *
 * golden_models.c - runs the turnery command on whole models, training graphs and checkpoints of TensorFlow and
 * compares what it writes with what TensorFlow gave: signatures of SavedModels, gradients, the losses of 20 steps,
 * the variables after them, every tensor of a checkpoint; damaged files must fail with a message.
 *
 * usage: golden_models TURNERY FOLDER SCRATCH [PATTERN...]     (folders with manifest.json; PATTERN: glob of names)
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "near.h"

extern char **environ;

enum { MAX_ARGUMENTS = 256 };

typedef struct command { /* one call of the command */
    const char *argv[MAX_ARGUMENTS];
    int n;
} command;

typedef struct golden {
    tn_arena *a;
    const char *turnery, *dir, *out; /* the golden's folder; where the command writes */
    const tn_json *manifest;
    tolerance near;
} golden;

typedef struct tally {
    int run, failed;
} tally;

static void add(command *c, const char *argument)
{
    if (c->n < MAX_ARGUMENTS - 1) c->argv[c->n++] = argument;
}

static void add2(command *c, const char *flag, const char *value)
{
    add(c, flag);
    add(c, value);
}

static const char *text_of(const tn_json *object, const char *key)
{
    const tn_json *v = tn_json_find(object, key);
    return v ? v->text.p : "";
}

/* As in the file names of goldens: '/' is "__", ':' is "_c". */
static const char *file_name(tn_arena *a, const char *tensor)
{
    tn_buf b = {0};
    for (const char *p = tensor; *p; p++) {
        if (*p == '/') tn_buf_str(&b, "__");
        else if (*p == ':') tn_buf_str(&b, "_c");
        else tn_buf_char(&b, *p);
    }
    const char *name = tn_arena_strdup(a, b.data ? b.data : "");
    tn_buf_free(&b);
    return name;
}

/* Runs the command; its words on stderr are kept in the scratch folder. Exit status, or -1 and a message. */
static int call(golden *g, command *c, tn_error *err)
{
    posix_spawn_file_actions_t actions;
    const char *words = tn_arena_printf(g->a, "%s.err", g->out);
    pid_t pid;
    int status;
    c->argv[c->n] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, words, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    int failed = posix_spawn(&pid, g->turnery, &actions, NULL, (char *const *)c->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        tn_fail_errno(err, failed, "%s", g->turnery);
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        tn_fail(err, TN_INTERNAL, "killed by signal %d", WTERMSIG(status));
        return -1;
    }
    return WEXITSTATUS(status);
}

static tn_code call_ok(golden *g, command *c, tn_error *err)
{
    tn_buf words = {0};
    int status = call(g, c, err);
    if (status < 0) return err->code;
    if (status == 0) return TN_OK;
    TN_TRY(tn_file_read(tn_arena_printf(g->a, "%s.err", g->out), 1 << 20, &words, err));
    tn_fail(err, TN_INTERNAL, "exit %d: %s", status, words.data ? words.data : "(no message)");
    tn_buf_free(&words);
    return TN_INTERNAL;
}

static tn_code compare_files(const char *got_path, const char *want_path, tolerance near, tn_error *err)
{
    tn_tensor *got, *want;
    char why[300];
    TN_TRY(tn_tensor_load(want_path, &want, err));
    tn_code code = tn_tensor_load(got_path, &got, err);
    if (code == TN_OK) {
        const char *bad = differs(got, want, near, why, sizeof why);
        if (bad) code = tn_fail(err, TN_INTERNAL, "%s", bad);
        tn_tensor_unref(got);
    }
    tn_tensor_unref(want);
    return code;
}

/* Compares each recorded tensor with the file in folder that has its name, or that of its member `named`. A file
 * that the golden folder leaves out (too big to keep) has only to be there. */
static tn_code compare(golden *g, const char *folder, const tn_json *recs, const char *base, const char *named,
                       tolerance near, tn_error *err)
{
    for (const tn_json *r = recs ? recs->child : NULL; r; r = r->next) {
        if (!tn_json_find(r, "file") || (named && !tn_json_find(r, named))) continue;
        const char *name = named ? text_of(r, named) : tn_arena_strndup(g->a, r->key.p, r->key.n);
        const char *dir = tn_json_find(r, "dir") ? tn_path_join(g->a, base, text_of(r, "dir")) : base;
        const char *want = tn_path_join(g->a, dir, text_of(r, "file")), *ending = strrchr(want, '.');
        const char *got = tn_arena_printf(g->a, "%s/%s%s", folder, file_name(g->a, name), ending ? ending : "");
        if (!tn_file_exists(want) && tn_file_exists(got)) continue;
        tn_code code = compare_files(got, want, near, err);
        if (code != TN_OK) return tn_wrap(err, "%s", name);
    }
    return TN_OK;
}

static void add_files(golden *g, command *c, const char *flag, const char *dir, const tn_json *recs)
{
    for (const tn_json *r = recs ? recs->child : NULL; r; r = r->next) {
        const char *from = tn_json_find(r, "dir") ? tn_path_join(g->a, g->dir, text_of(r, "dir")) : dir;
        const char *file = tn_path_join(g->a, from, text_of(r, "file"));
        add2(c, flag, tn_arena_printf(g->a, "%.*s=%s", (int)r->key.n, r->key.p, file));
    }
}

static const tn_json *artifact(const golden *g, const char *type)
{
    const tn_json *all = tn_json_find(g->manifest, "artifacts");
    for (const tn_json *r = all ? all->child : NULL; r; r = r->next)
        if (!strcmp(text_of(r, "type"), type)) return r;
    return NULL;
}

/* ==== the three kinds ==== */

static tn_code check_signature(golden *g, const tn_json *c, tn_error *err)
{
    command run = {{g->turnery, "run"}, 2};
    const char *dir = tn_path_join(g->a, g->dir, text_of(c, "dir"));
    const tn_json *model = artifact(g, "saved_model");
    add(&run, tn_path_join(g->a, g->dir, text_of(model, "path")));
    add2(&run, "--signature", text_of(c, "signature"));
    add_files(g, &run, "--input", tn_path_join(g->a, dir, "inputs"), tn_json_find(c, "inputs"));
    add2(&run, "--outputs", g->out);
    TN_TRY(call_ok(g, &run, err));
    return compare(g, g->out, tn_json_find(c, "outputs"), tn_path_join(g->a, dir, "outputs"), NULL, g->near, err);
}

static tolerance tolerance_of(const golden *g, const tn_json *train, const char *what)
{
    const tn_json *t = tn_json_find(train, "tolerance");
    return (tolerance){number_or(t, tn_arena_printf(g->a, "%s_rtol", what), g->near.relative),
                       number_or(t, tn_arena_printf(g->a, "%s_atol", what), g->near.absolute)};
}

static void start_train(golden *g, command *c, const tn_json *train)
{
    add2(c, "--meta_graph", tn_path_join(g->a, g->dir, text_of(train, "meta")));
    add2(c, "--checkpoint", tn_path_join(g->a, g->dir, text_of(train, "checkpoint")));
    if (tn_json_find(train, "init")) add2(c, "--init", text_of(train, "init"));
    add_files(g, c, "--feed", g->dir, tn_json_find(train, "feeds"));
    add2(c, "--outputs", g->out);
}

static tn_code check_gradients(golden *g, const tn_json *train, tn_error *err)
{
    command run = {{g->turnery, "run"}, 2};
    const tn_json *grads = tn_json_find(train, "gradients_step0");
    start_train(g, &run, train);
    for (const tn_json *r = grads ? grads->child : NULL; r; r = r->next)
        if (tn_json_find(r, "tensor")) add2(&run, "--fetch", text_of(r, "tensor"));
    TN_TRY(call_ok(g, &run, err));
    return compare(g, g->out, grads, g->dir, "tensor", tolerance_of(g, train, "gradients"), err);
}

static tn_code check_steps(golden *g, const tn_json *train, tn_error *err)
{
    command run = {{g->turnery, "run"}, 2}, show = {{g->turnery, "show"}, 2};
    const char *loss = text_of(train, "loss_tensor"), *after = tn_path_join(g->a, g->out, "after");
    const char *variables = tn_path_join(g->a, g->out, "variables");
    start_train(g, &run, train);
    add2(&run, "--target", text_of(train, "train_op"));
    add2(&run, "--steps", tn_arena_printf(g->a, "%d", (int)number_or(train, "steps", 1)));
    add2(&run, "--fetch", loss);
    add2(&run, "--save", after);
    TN_TRY(call_ok(g, &run, err));
    TN_TRY(compare_files(tn_arena_printf(g->a, "%s/%s.npy", g->out, file_name(g->a, loss)),
                         tn_path_join(g->a, g->dir, "train/losses.npy"), tolerance_of(g, train, "loss"), err));
    add(&show, after);
    add2(&show, "--tensors", variables);
    TN_TRY(call_ok(g, &show, err));
    return compare(g, variables, tn_json_find(train, "final_variables"), g->dir, NULL,
                   tolerance_of(g, train, "variables"), err);
}

static tn_code check_checkpoint(golden *g, tn_error *err)
{
    command show = {{g->turnery, "show"}, 2};
    struct stat words;
    add(&show, tn_path_join(g->a, g->dir, text_of(artifact(g, "checkpoint"), "path")));
    add2(&show, "--tensors", g->out);
    if (strcmp(text_of(g->manifest, "expect"), "error") != 0) {
        TN_TRY(call_ok(g, &show, err));
        return compare(g, g->out, tn_json_find(g->manifest, "tensors"), g->dir, NULL, g->near, err);
    }
    int status = call(g, &show, err);
    if (status < 0) return err->code;
    if (status == 0) return tn_fail(err, TN_INTERNAL, "read without an error, though it is damaged");
    if (stat(tn_arena_printf(g->a, "%s.err", g->out), &words) != 0 || words.st_size == 0)
        return tn_fail(err, TN_INTERNAL, "fails without a message");
    return TN_OK;
}

/* ==== all of a folder ==== */

static void report(tally *t, const char *name, const char *what, tn_code code, tn_error *err)
{
    t->run++;
    if (code != TN_OK) {
        t->failed++;
        for (char *p = err->message; *p; p++)
            if (*p == '\n') *p = ' ';
    }
    printf("%s %d - %s %s\n", code == TN_OK ? "ok" : "not ok", t->run, name, what);
    if (code != TN_OK) printf("# %s\n", err->message);
    fflush(stdout);
}

static void check_models(golden *g, const char *name, tally *t)
{
    tn_error err = {0};
    const tn_json *cases = tn_json_find(g->manifest, "cases");
    const char *out = g->out;
    int i = 0;
    if (!artifact(g, "saved_model") || !tn_is_folder(tn_path_join(g->a, g->dir, "saved_model"))) return;
    for (const tn_json *c = cases ? cases->child : NULL; c; c = c->next, i++) {
        if (tn_json_find(c, "after_training_steps")) continue;
        g->out = tn_arena_printf(g->a, "%s.%d", out, i);
        report(t, name, tn_arena_printf(g->a, "case %d", i), check_signature(g, c, &err), &err);
    }
}

static void check_golden(const char *turnery, const char *path, const char *name, const char *scratch, tally *t)
{
    golden g = {.a = tn_arena_new(0), .turnery = turnery, .dir = path};
    tn_error err = {0};
    tn_json *manifest = NULL;
    if (load_json(g.a, tn_path_join(g.a, path, "manifest.json"), &manifest, &err) != TN_OK) {
        report(t, name, "manifest", err.code, &err);
        tn_arena_free(g.a);
        return;
    }
    const tn_json *near = tn_json_find(manifest, "tolerance"), *train = tn_json_find(manifest, "train");
    g.manifest = manifest;
    g.near = (tolerance){number_or(near, "rtol", 1e-5), number_or(near, "atol", 1e-6)};
    g.out = tn_path_join(g.a, scratch, file_name(g.a, name));
    if (train) {
        report(t, name, "gradients", check_gradients(&g, train, &err), &err);
        report(t, name, "steps", check_steps(&g, train, &err), &err);
    }
    if (tn_json_find(manifest, "tensors") && artifact(&g, "checkpoint"))
        report(t, name, "checkpoint", check_checkpoint(&g, &err), &err);
    check_models(&g, name, t);
    tn_arena_free(g.a);
}

static bool wanted(const char *name, char *const *patterns)
{
    if (!*patterns) return true;
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, name, 0) == 0) return true;
    return false;
}

static void walk(const char *turnery, const char *root, const char *inside, const char *scratch, char *const *patterns,
                 tally *t)
{
    tn_arena *a = tn_arena_new(0);
    tn_error err = {0};
    char **names;
    size_t n;
    const char *dir = *inside ? tn_path_join(a, root, inside) : root;
    if (tn_list_folder(dir, a, &names, &n, &err) != TN_OK) {
        report(t, dir, "folder", err.code, &err);
        n = 0;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = *inside ? tn_path_join(a, inside, names[i]) : names[i], *path = tn_path_join(a, root, name);
        if (!tn_is_folder(path)) continue;
        if (!tn_file_exists(tn_path_join(a, path, "manifest.json"))) {
            if (!*inside) walk(turnery, root, name, scratch, patterns, t);
        } else if (wanted(name, patterns)) check_golden(turnery, path, name, scratch, t);
    }
    tn_arena_free(a);
}

int main(int argc, char **argv)
{
    tally t = {0};
    tn_error err = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: golden_models TURNERY FOLDER SCRATCH [PATTERN...]\n");
        return 2;
    }
    if (tn_remove_tree(argv[3], &err) != TN_OK || mkdir(argv[3], 0755) != 0) {
        fprintf(stderr, "%s: cannot make this folder anew: %s\n", argv[3], err.message);
        return 2;
    }
    walk(argv[1], argv[2], "", argv[3], argv + 4, &t);
    printf("1..%d\n", t.run);
    return t.failed != 0;
}
