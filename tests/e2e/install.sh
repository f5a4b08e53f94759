#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make install` puts in place: a program outside the tree, the one of docs/howto/use-from-c.md, is compiled and linked
# by pkg-config and asks a model; the installed command finds the installed header.
. "$(dirname "$0")/lib.sh"
ROOT=$(cd "$HERE/../.." && pwd)
BUILD=$(dirname "$T")
D=$WORK/root

meson install -C "$BUILD" --no-rebuild --destdir "$D" > out 2> err; ok "installs"
PC=$(find "$D" -name turnery.pc)
LIB=$(dirname "$(dirname "$PC")")
export PKG_CONFIG_SYSROOT_DIR="$D" PKG_CONFIG_LIBDIR="$(dirname "$PC")" PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
FLAGS=$(pkg-config --cflags --libs turnery); ok "pkg-config knows it"

# The first block of C in the how-to.
awk '/^```$/ && on { exit } on; /^```c$/ { on = 1 }' "$ROOT/docs/howto/use-from-c.md" > ask.c
cc -std=c11 -Wall -Wextra -Werror ask.c $FLAGS -o ask > out 2> err; ok "the how-to's program compiles"
export LD_LIBRARY_PATH="$LIB"
./ask "$ROOT/tests/golden/models/half_plus_two/saved_model" > out 2> err && grep -qx "2.25 2.5" out; ok "and asks a model"
./ask nowhere > out 2> err; [ $? -eq 1 ] && grep -q nowhere err; ok "and says what is wrong"

if command -v c++ > /dev/null; then
    printf '#include <turnery.h>\nint main() { tn_node n = TN_NONE; return n.index; }\n' > a.cc
    c++ -Wall -Wextra -Werror a.cc $FLAGS -o a > out 2> err && ./a; ok "C++ reads the header"
fi

BIN=$(find "$D" -name turnery -path '*bin*')
[ "$("$(dirname "$BIN")/tensorflow_model_server" --version 2>&1 | head -1)" = "$("$T" serve --version 2>&1 | head -1)" ]; ok "both names are there"
"$BIN" new mine.c > out 2> err && "$BIN" train mine.c --max_steps=2 > out 2> err; ok "the installed command compiles an experiment"
[ -n "$(find "$D" -name turnery-serve.1)" ] && [ -n "$(find "$D" -name _turnery)" ]; ok "manual pages and completion"
done_testing
