/* SPDX-License-Identifier: Apache-2.0
 *
 * large.c - a SavedModel with 1.2 GB of variables, and GraphDefs with 600 MB of constants, in the graph and in a function: written from memory that is
 * never touched, then read by a process of its own, which takes the weights' memory once. Run by `make check-large` only.
 *
 * usage: large FOLDER           (as a process of its own: large FOLDER saved_model|graph)
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/format.h"

#define VARIABLE ((int64_t)300 << 20) /* floats */
#define CONSTANT ((int64_t)150 << 20)
enum { AT = 1000003 }; /* an element that is not zero */

static void check(tn_code code, const char *what, const tn_error *err)
{
    if (code == TN_OK) return;
    printf("not ok - %s: %s %s\n", what, tn_code_name(code), err->message);
    exit(1);
}

static void release_pages(tn_buffer *b)
{
    munmap(b->data, b->size);
}

/* Floats of zero, but for one, in pages that are not there until somebody writes to them. */
static tn_tensor *sparse(int64_t n)
{
    tn_error err;
    tn_tensor *t;
    tn_shape shape = TN_SHAPE(n);
    tn_buffer *b = tn_calloc(1, sizeof *b);
    *b = (tn_buffer){.size = (size_t)n * sizeof(float), .release = release_pages};
    b->data = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    atomic_init(&b->refs, 1);
    if (b->data == MAP_FAILED) exit(1);
    check(tn_tensor_on(TN_FLOAT, &shape, b, b->data, &t, &err), "a tensor", &err);
    tn_buffer_unref(b);
    TN_FLOATS(t)[AT] = 42;
    return t;
}

static tn_node gather(tn_builder *b, tn_node from, const char *name)
{
    tn_node at = tn_placeholder(b, "at", TN_INT32, TN_SHAPE());
    return tn_op_named(b, "GatherV2", name, TN_INPUTS(from, at, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS);
}

static void write_saved_model(const char *folder)
{
    tn_error err = {0};
    tn_session *s;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node size = tn_ints(b, (int64_t[]){VARIABLE}, 1);
    tn_node v = tn_variable(b, "v", tn_op(b, "Fill", TN_INPUTS(size, tn_scalar(b, TN_FLOAT, 0)), TN_NO_ATTRS), 0);
    gather(b, v, "y");
    check(tn_builder_check(b, &err), "the graph", &err);
    tn_builder_free(b);
    check(tn_session_new(g, NULL, &s, &err), "a session", &err);
    check(tn_session_take(s, "v", sparse(VARIABLE), &err), "a variable", &err);
    tn_tensor_info in = {.key = "at", .name = "at:0", .dtype = TN_INT32}, out = {.key = "y", .name = "y:0", .dtype = TN_FLOAT};
    tn_signature signature = {TN_DEFAULT_SIGNATURE, TN_PREDICT_METHOD, &in, &out, 1, 1};
    const char *tag = "serve";
    tn_export e = {.graph = g, .signatures = &signature, .n_signatures = 1, .tags = &tag, .n_tags = 1};
    check(tn_savedmodel_save(folder, -1, &e, s, NULL, &err), "saving", &err);
    tn_session_free(s);
    tn_graph_free(g);
}

/* The constant is in the graph, or is what a function of it returns. */
static void write_graph(const char *path, bool in_function)
{
    tn_error err = {0};
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g), *body = in_function ? tn_builder_new(tn_function_graph(g)) : NULL;
    tn_tensor *t = sparse(CONSTANT);
    tn_node c = tn_constant(body ? body : b, "c", t);
    if (body) {
        tn_function_define(b, "constant", body, &c, 1);
        tn_builder_free(body);
        c = tn_output_of(tn_call(b, "constant", NULL, 0), 0);
    }
    gather(b, c, "y");
    check(tn_builder_check(b, &err), "the graph", &err);
    check(tn_graphdef_save(g, path, &err), "saving a graph", &err);
    tn_builder_free(b);
    tn_graph_free(g);
    tn_tensor_unref(t);
}

/* Loads, asks, and looks at what memory that took at most. */
static int read_and_ask(const char *path, bool is_graph)
{
    tn_error err = {0};
    tn_loaded *m;
    tn_tensor *at, *y;
    const char *fetch = "y:0";
    size_t weights = (size_t)(is_graph ? CONSTANT : VARIABLE) * sizeof(float), most = weights + (100 << 20);
    tn_session_options o = {.threads = 1};
    int64_t start = tn_now_us();
    check(is_graph ? tn_load_graph(path, &o, &m, &err) : tn_load_saved_model(path, NULL, 0, &o, &m, &err), "loading", &err);
    int64_t loaded = tn_now_us();
    if (!is_graph) fetch = tn_loaded_signature_at(m, 0)->out[0].name;
    check(tn_tensor_scalar(TN_INT32, AT, &at, &err), "an index", &err);
    check(tn_session_run(tn_loaded_session(m), &(tn_feed){"at:0", at}, 1, &fetch, 1, &y, NULL, 0, &err), "running", &err);
    bool ok = tn_tensor_number(y, 0) == 42 && tn_peak_rss() < most;
    printf("%s - %s of %zu MB: loaded in %.2f s, %zu MB of memory at most\n", ok ? "ok" : "not ok", is_graph ? "a GraphDef" : "a SavedModel",
           weights >> 20, (double)(loaded - start) / 1e6, tn_peak_rss() >> 20);
    tn_tensor_unref(at);
    tn_tensor_unref(y);
    tn_loaded_free(m);
    return ok ? 0 : 1;
}

static int in_a_process(const char *self, const char *folder, const char *what)
{
    int status = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, folder, what, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) return 1;
    return status != 0;
}

int main(int argc, char **argv)
{
    tn_arena *a = tn_arena_new(0);
    if (argc < 2) return 2;
    const char *model = tn_path_join(a, argv[1], "model"), *graph = tn_path_join(a, argv[1], "graph.pb");
    int failed = 0;
    if (argc == 3) {
        failed = read_and_ask(strcmp(argv[2], "graph") ? model : graph, !strcmp(argv[2], "graph"));
    } else {
        tn_error err;
        check(tn_remove_tree(argv[1], &err), argv[1], &err);
        check(tn_make_folders(argv[1], &err), argv[1], &err);
        write_saved_model(model);
        failed += in_a_process(argv[0], argv[1], "saved_model");
        for (int i = 0; i < 2; i++) {
            write_graph(graph, i);
            failed += in_a_process(argv[0], argv[1], "graph");
        }
        tn_remove_tree(argv[1], NULL);
        printf("%d passed, %d failed\n", 3 - failed, failed);
    }
    tn_arena_free(a);
    return failed != 0;
}
