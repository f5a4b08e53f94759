#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A signature's sparse input and output: as an object, from a file, in its three parts.
. "$(dirname "$0")/lib.sh"

run() { "$T" run "$HERE/../golden/sparse_signature" --input w=ones "$@"; }
cat > want <<END
twice.indices:
[[0 1]
 [1 3]]
twice.values:
[2. 5.]
twice.dense_shape:
[2 5]
y:
[[1.  1. ]
 [2.5 2.5]]
END
echo '{"values": [1, 2.5], "indices": [[0, 1], [1, 3]], "dense_shape": [2, 5]}' > s.json
run --input "s=$(cat s.json)" > out 2> err && cmp -s out want; ok "an object"
run --input s=s.json > out 2> err && cmp -s out want; ok "a file"
run --input "s.indices=[[0,1],[1,3]]" --input s.values=1,2.5 --input s.dense_shape=2,5 > out 2> err && cmp -s out want; ok "its parts"
run --input s=s.json --outputs o > out 2> err && [ -f o/twice.indices.npy ] && [ -f o/twice.values.npy ] && [ -f o/y.npy ]; ok "results as files"
fails "a plain value" "input 's' is sparse: give {\"indices\"" run --input s=3
fails "a part that is not there" "input 's' has no 'dense_shape'" run --input 's={"indices":[[0,1]],"values":[1],"shape":[2,5]}'
fails "nothing" "input 's' is not given (--input s=VALUE)" run
fails "two parts of three" "input 's.dense_shape' is not given" run --input "s.indices=[[0,1]]" --input s.values=1
fails "a part twice" "'s.values' is given twice" run --input s.values=1 --input s=s.json
fails "indices of another rank" "shape" run --input 's={"indices":[[0,1,2]],"values":[1],"dense_shape":[2,5]}'

# ---- predict takes them, too
predict() { "$T" predict "$HERE/../golden/sparse_signature" --json "$@"; }
echo '{"twice.indices":[[0,1],[1,3]],"twice.values":[2,5],"twice.dense_shape":[2,5],"y":[[1,1],[2.5,2.5]]}' > want
predict --input w=ones --input "s=$(cat s.json)" > out 2> err && cmp -s out want; ok "predict: an object"
predict --input w=ones --input s=s.json > out 2> err && cmp -s out want; ok "predict: a file"
predict --input w=ones --input "s.indices=[[0,1],[1,3]]" --input s.values=1,2.5 --input s.dense_shape=2,5 > out 2> err && cmp -s out want; ok "predict: its parts"
fails "predict: a plain value" "input 's' is sparse" predict --input w=ones --input s=3
fails "predict: two parts of three" "input 's.dense_shape' is not given" predict --input w=ones --input "s.indices=[[0,1]]" --input s.values=1
fails "predict: a part twice" "'s.values' is given twice" predict --input w=ones --input s.values=1 --input s=s.json
echo '{"s": {"values": [1, 2.5], "indices": [[0, 1], [1, 3]], "dense_shape": [2, 5]}, "w": [[1,1],[1,1],[1,1],[1,1],[1,1]]}' | predict --stdin > out 2> err && cmp -s out want; ok "predict: a line"
done_testing
