/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.h - the entry of the same program under the name tensorflow_model_server.
 */
#ifndef TN_CMD_SERVE_H
#define TN_CMD_SERVE_H

#include "cmd.h"

int model_server_main(int argc, char **argv); /* the exit status: 255 where TensorFlow Serving's is -1 */

#endif
