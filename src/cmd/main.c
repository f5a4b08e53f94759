/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the command's entry: finds the subcommand's row and runs it. Each command is one file.
 */
#include <turnery.h>

int main(void)
{
    return 0;
}
