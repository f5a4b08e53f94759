/* SPDX-License-Identifier: Apache-2.0
 *
 * bench.h - `turnery bench` of a server (bench_server.c), beside that of training (bench.c).
 */
#ifndef TN_CMD_BENCH_H
#define TN_CMD_BENCH_H

#include "cmd.h"

/* Their rows in the help. */
extern const flag bench_server_flags[];
/* The arguments name a server. */
bool bench_wants_server(int argc, char **argv);
tn_code bench_server(int argc, char **argv, tn_error *err);

#endif
