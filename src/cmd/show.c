/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c - `turnery show`: finds out what a path is and hands it to the kind that knows it. How each kind is
 * told is show_*.c's, how it is printed facts.c's.
 */
#include "show.h"

#include <string.h>
#include <sys/stat.h>

#define ROW(field, kind, value, help) {#field, kind, offsetof(show_values, field), value, help}
static const flag flags[] = {
    ROW(json, FLAG_BOOL, NULL, "one JSON object instead of tables"),
    ROW(as, FLAG_STRING, "KIND",
        "take the path for this kind, whatever it looks like: saved_model, versions, run, checkpoints, "
        "event_folder, checkpoint, npy, graph, events, records"),
    ROW(limit, FLAG_INT, "N",
        "records, or values of a tensor, that are listed (10 and 1000; with --json all)"),
    ROW(verify, FLAG_BOOL, "no", "do not read a checkpoint's tensors to find damage"),
    ROW(tensors, FLAG_STRING, "DIR", "write every tensor of a checkpoint as DIR/NAME.npy"),
    ROW(tensor, FLAG_STRING, "NAME", "one tensor of a checkpoint: its values, and statistics"),
    ROW(tag, FLAG_STRING, "TAG", "the values of one tag of event files, step by step"),
    ROW(tag_set, FLAG_STRING, "TAGS", "of the SavedModel's MetaGraph, separated by commas (all MetaGraphs)"),
    ROW(nodes, FLAG_BOOL, NULL, "list every node of a graph and of its functions, with its inputs"),
    ROW(depth, FLAG_INT, "N",
        "levels of a graph's name scopes that are shown (3; with --json, and with 0: all)"),
    ROW(dot, FLAG_BOOL, NULL, "the graph for Graphviz: turnery show GRAPH.pb --dot | dot -Tsvg > graph.svg"),
    ROW(plan, FLAG_BOOL, NULL,
        "show how a signature (or the values fetched) is run: steps, kernels, memory, times"),
    ROW(signature, FLAG_STRING, "NAME", "the signature that --plan is of (serving_default)"),
    {"fetch", FLAG_STRINGS, offsetof(show_values, fetches), "TENSOR",
     "a value that --plan is of, in a graph"},
    {"target", FLAG_STRINGS, offsetof(show_values, targets), "OP",
     "an operation that --plan is of, in a graph"},
    ROW(checkpoint, FLAG_STRING, "PREFIX", "values of a MetaGraph's variables, for --plan"),
    ROW(batch, FLAG_INT, "N", "what unknown dimensions of the inputs of --plan are (1)"),
    ROW(runs, FLAG_INT, "N",
        "runs that times of --plan are measured over, with zeros as inputs; 0: none (100)"),
    ROW(threads, FLAG_INT, "N", "threads of an operation, for --plan (all cores)"),
    FLAGS_END,
};

/* The first that fits. */
static const show_kind *const kinds[] = {
    &show_saved_model, &show_versions, &show_run_folder, &show_checkpoint_folder, &show_event_folder,
    &show_checkpoint,  &show_npy,      &show_graph_file, &show_event_file,        &show_record_file,
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static look look_at(const char *path)
{
    struct stat st;
    look l = {.path = path, .exists = stat(path, &st) == 0};
    l.is_folder = l.exists && S_ISDIR(st.st_mode);
    FILE *f = l.exists && !l.is_folder ? fopen(path, "rb") : NULL;
    if (!f) return l;
    l.n = fread(l.head, 1, sizeof l.head, f);
    fclose(f);
    return l;
}

static tn_code unknown(const look *l, tn_error *err)
{
    if (l->is_folder)
        return usage_error(
            err,
            "%s: a folder with neither a SavedModel, versions of one, checkpoints, event files nor a run",
            l->path);
    return usage_error(
        err,
        "%s: neither a SavedModel, MetaGraph, GraphDef, checkpoint, event, TFRecord nor .npy file "
        "(--as=KIND says which it is to be taken for)",
        l->path);
}

static tn_code nothing(const look *l, tn_error *err)
{
    usage_error(err, "%s: there is no such file or folder, nor a checkpoint of that name (%s.index)", l->path, l->path);
    return err->code = TN_NOT_FOUND;
}

static tn_code kind_of(const char *as, const look *l, const show_kind **out, tn_error *err)
{
    for (int i = 0; i < N_KINDS; i++) {
        if (as ? strcmp(as, kinds[i]->name) != 0 : !kinds[i]->fits(l)) continue;
        *out = kinds[i];
        return TN_OK;
    }
    if (as) return usage_error(err, "--as=%s: there is no such kind (see --help)", as);
    return l->exists ? unknown(l, err) : nothing(l, err);
}

static tn_code show_as(const show_values *v, const char *path, tn_error *err)
{
    const show_kind *kind = NULL;
    look l = look_at(path);
    tn_code code = kind_of(v->as, &l, &kind, err);
    if (code != TN_OK) return code;
    bool bare = v->dot || (v->plan && !v->json);
    facts *f = facts_new(stdout, v->json && !v->dot);
    if (!f) return no_memory(err);
    if (!bare) {
        facts_text(f, "kind", kind->name);
        facts_text(f, "path", path);
    }
    code = v->plan ? show_plan(v, path, f, err) : kind->show(v, path, f, err);
    facts_free(f, code == TN_OK ? NULL : err);
    return code;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    show_values v = {.batch = 1, .runs = 100, .verify = true, .depth = -1};
    strings rest = {.n = 0};
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if (rest.n != 1) return usage_error(err, "one file or folder is wanted, %d are given", rest.n);
    if (v.batch < 1 || v.runs < 0) return usage_error(err, "--batch is at least 1, --runs at least 0");
    if (v.limit < 0) return usage_error(err, "--limit is at least 0");
    if (v.depth < 0) v.depth = v.json ? 0 : 3;
    return show_as(&v, rest.v[0], err);
}

const command cmd_show = {
    .name = "show",
    .summary = "Shows what a model, graph, checkpoint, log, record file, tensor or run holds; a plan",
    .usage = "PATH [FLAGS]",
    .flags = flags,
    .run = run,
};
