#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples, for a few steps each: they compile without a warning, train, test, export and answer.
. "$(dirname "$0")/lib.sh"
ROOT=$(cd "$HERE/../.." && pwd)

value() { grep -o "\"$1\":[-0-9.e]*" out | tail -1 | sed 's/.*://'; }
below() { awk "BEGIN { exit !($1 < $2) }"; }

"$T" train "$ROOT/examples/regression/curve_fitting.c" --json > out 2> err && [ ! -s err ]; ok "curve_fitting trains"
below "$(value rmse)" 0.1; ok "and follows the curve"
"$T" test latest > out 2> err; ok "and is tested"
"$T" predict latest --input x=0.5 --json > out 2> err && below "$(sed 's/.*\[\([^]]*\)\].*/\1/' out)" 1.1; ok "and answers"
fails "and takes no image for many numbers" "'x'.*\[1,1\]" "$T" predict latest --images "$ROOT/examples/digits/data/test-images-idx3-ubyte.gz"

"$T" train "$ROOT/examples/digits/digits.c" --max_steps=40 --log_every=20 --filters=8 --hidden=32 --json > out 2> err && [ ! -s err ]; ok "digits trains"
below 0.6 "$(value accuracy)"; ok "and learns"
"$T" test digits --json > out 2> err && below 0.6 "$(value accuracy)"; ok "and is tested"
"$T" predict digits --images "$ROOT/examples/digits/data/test-images-idx3-ubyte.gz" --count 2 > out 2> err && grep -q "digit: " out && grep -q "@" out; ok "and draws what it reads"

"$T" train "$ROOT/examples/finetune/finetune.c" --max_steps=150 --log_every=50 --json > out 2> err && [ ! -s err ]; ok "finetune trains"
below 0.8 "$(value accuracy)"; ok "and has learnt more than its few examples tell"
"$T" train --resume finetune --max_steps=170 --json > out 2> err && grep -q '"step":170' out; ok "and goes on"
"$T" test finetune --json > out 2> err && below 0.8 "$(value accuracy)"; ok "and is tested"
"$T" predict finetune --images "$ROOT/examples/digits/data/test-images-idx3-ubyte.gz" --count 1 > out 2> err && grep -q "digit: " out; ok "and reads"
"$T" show "$(run_of runs)/checkpoints/m-170" > out 2> err && grep -q "pretrained/conv1/kernel_1 " out && ! grep -q "conv1/kernel_1/Adam" out; ok "frozen variables are saved, without slots"

for w in w1_curve_fitting w6_digits_cnn; do
    "$T" bench "$ROOT/bench/training/$w.c" --steps 1 --blocks 1 --threads 1 --json > out 2> err && [ ! -s err ]; ok "bench/training/$w.c"
done
done_testing
