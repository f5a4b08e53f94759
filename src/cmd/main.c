/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the command's entry: finds the subcommand's record and runs it; prints errors, in this one place,
 * and turns codes into exit statuses. Each command is one file. Under the name tensorflow_model_server it is `serve`.
 */
#include "serve.h"

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
    fprintf(to, "usage: turnery COMMAND [ARGUMENTS]\n\nDefine, train, test, export and run models in "
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
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strncmp(commands[i]->name, name, 2) != 0) continue;
        fprintf(stderr, "turnery: there is no command '%s'; did you mean '%s'?\n", name, commands[i]->name);
        return tn_code_exit(TN_INVALID_ARGUMENT);
    }
    fprintf(stderr, "turnery: there is no command '%s'; `turnery --help` lists them\n", name);
    return tn_code_exit(TN_INVALID_ARGUMENT);
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
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) return help(stdout);
    if (!strcmp(argv[1], "--version")) return printf("turnery %s\n", tn_version()) < 0;
    const command *c = find(argv[1]);
    if (!c) return unknown(argv[1]);
    if (wants_help(argc - 2, argv + 2)) {
        flags_help(c);
        return 0;
    }
    tn_code code = c->run(argc - 2, argv + 2, &err);
    if (code != TN_OK) fprintf(stderr, "turnery %s: %s: %s\n", c->name, tn_code_name(code), err.message);
    return check_output(c->name, tn_code_exit(code));
}
