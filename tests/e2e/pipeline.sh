#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A training graph of TensorFlow 1 that reads its own input: queue runners, epochs, what ends it.
. "$(dirname "$0")/lib.sh"

M=$HERE/../golden/pipeline/rows.meta
run() { "$T" run --meta_graph "$M" "$@"; }
train() { run --checkpoint m0 --target train_op "$@"; }
printf 'x,y\n1,2\n2,4\n0.5,1\n-1,-2\n' > lines.csv

run --target start --save m0 > out 2> err && [ -f m0.index ] && [ ! -s err ]; ok "variables begin without any input"
cat > want <<END
loss:0:
[7.        3.3799999]
x:0:
[[ 1.   2.   0.5]
 [-1.   1.   2. ]]
END
train --steps 100 --fetch loss:0 --fetch x:0 --save m1 > out 2> err && cmp -s out want; ok "rows in their order, in both epochs"
grep -qx "turnery run: the input ended after 2 of 100 steps" err; ok "the input's end is told"
"$T" show m1 --json > out 2> err && grep -q global_step out; ok "what was trained is saved"
train --steps 2 --fetch x:0 > out 2> err && [ ! -s err ]; ok "steps that are there"
run --checkpoint m1 --fetch x:0 > out 2> err && grep -q '1\.  *2\.  *0\.5' out && [ ! -s err ]; ok "one batch, without steps"
printf 'x,y\n' > lines.csv
fails "no rows" "OUT_OF_RANGE: FIFOQueue 'batch/fifo_queue' is closed" train --steps 2
printf 'x,y\n1,2\n3\n' > lines.csv
fails "a damaged row" "INVALID_ARGUMENT: Expect 2 fields but have 1 in record 0" train --steps 2
rm lines.csv
fails "no file" "NOT_FOUND: lines.csv: No such file" train --steps 2
done_testing
