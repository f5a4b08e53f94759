/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the command's entry: finds the subcommand's record and runs it; prints errors, in this one place,
 * and turns codes into exit statuses. Each command is one file. Under the name tensorflow_model_server it is `serve`.
 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

extern const command cmd_bench, cmd_check, cmd_export, cmd_new, cmd_predict, cmd_replay, cmd_run, cmd_serve, cmd_show,
    cmd_test, cmd_train;

static const command *const commands[] = {
    &cmd_new, &cmd_check, &cmd_train, &cmd_test, &cmd_predict, &cmd_export,
    &cmd_run, &cmd_serve, &cmd_replay, &cmd_show, &cmd_bench,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *to)
{
    fprintf(to, "usage: turnery COMMAND [ARGUMENTS]\n\nDefine, train, test, export, run and serve models in "
                "TensorFlow's own formats.\n\n");
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n`turnery COMMAND --help` tells more of one.\n");
    return to == stdout ? 0 : tn_code_exit(TN_INVALID_ARGUMENT);
}

static const command *find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

static int unknown(const char *name)
{
    const char *names[N_COMMANDS + 2] = {"--help", "--version"};
    for (int i = 0; i < N_COMMANDS; i++) names[i + 2] = commands[i]->name;
    const char *near = tn_nearest(name, names, N_COMMANDS + 2);
    if (near)
        fprintf(stderr, "turnery: there is no command '%s'; did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "turnery: there is no command '%s'; `turnery --help` lists them\n", name);
    return tn_code_exit(TN_INVALID_ARGUMENT);
}

/* `turnery help` and `turnery help COMMAND`. */
static int help_of(int argc, char **argv)
{
    bool all = !argc || wants_help(1, argv) || !strcmp(argv[0], "help");
    const command *c = all ? NULL : find(argv[0]);
    if (!all && !c) return unknown(argv[0]);
    if (c) flags_help(c);
    return c ? 0 : help(stdout);
}

/* What was printed must have arrived: a full disk below `> FILE` is a failure. */
static int check_output(const char *name, int status)
{
    if (!fflush(stdout) && !ferror(stdout)) return status;
    fprintf(stderr, "turnery %s: the standard output cannot be written%s\n", name,
            status ? "" : ": what was printed is not complete");
    return status ? status : tn_code_exit(TN_RESOURCE_EXHAUSTED);
}

static bool is_model_server(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "tensorflow_model_server") == 0;
}

int main(int argc, char **argv)
{
    if (argc && is_model_server(argv[0])) return model_server_main(argc, argv);
    tn_error err = {TN_OK, ""};
    if (argc < 2) return help(stderr);
    if (wants_help(1, argv + 1)) return check_output("--help", help(stdout));
    if (!strcmp(argv[1], "help")) return check_output("help", help_of(argc - 2, argv + 2));
    if (!strcmp(argv[1], "--version")) {
        printf("turnery %s\n", tn_version());
        return check_output("--version", 0);
    }
    const command *c = find(argv[1]);
    if (!c) return unknown(argv[1]);
    if (wants_help(argc - 2, argv + 2)) {
        flags_help(c);
        return check_output(c->name, 0);
    }
    tn_code code = c->run(argc - 2, argv + 2, &err);
    if (code != TN_OK) fprintf(stderr, "turnery %s: %s: %s\n", c->name, tn_code_name(code), err.message);
    return check_output(c->name, tn_code_exit(code));
}
