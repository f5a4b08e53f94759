#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# show: every kind of file and folder, for people and for programs, whole and damaged; inputs as they are typed; operators
# that are not there.
. "$(dirname "$0")/lib.sh"
G=$(cd "$HERE/../golden" && pwd)
M=$G/models/half_plus_two/saved_model/1
C=$G/models/ckpt_saver_v2/ckpt/model.ckpt-100
[ -f "$C.index" ] || C=$(ls "$G"/models/ckpt_saver_v2/ckpt/*.index | head -1 | sed 's/.index$//')

said() { # said 'PYTHON EXPRESSION OF d': what show --json has just said into out
    python3 -c 'import json,sys
d = json.load(open("out"))
assert eval(sys.argv[1]), sys.argv[1]' "$1"
}
show() { "$T" show "$@" > out 2> err; }
damaged() { # damaged NAME STATUS WORDS ARGUMENTS: tells what, with the status of its code, and what could be read
    name=$1 status=$2 words=$3; shift 3
    "$T" show "$@" > out 2> err; s=$?
    [ $s -eq "$status" ] && tail -1 err | grep -q "^turnery show: .*$words"; ok "$name"
}

# ---- checkpoints
show "$C" && grep -q "^ *name  *dtype  *shape  *bytes  *shard" out && grep -q "^count" out; ok "a checkpoint"
show "$C.index" --json && said 'd["kind"] == "checkpoint" and len(d["tensors"]) == d["count"] and sum(t["bytes"] for t in d["tensors"]) == d["bytes"]'; ok "by its index, as JSON"
show "$C" --json && said '{"dtype": "float32", "shape": []}.items() <= [t for t in d["tensors"] if t["name"] == "scalar"][0].items()'; ok "dtypes and shapes"
show "$C" --tensor conv/kernel --json && said 'd["shape"] == [3,3,4,8] and d["statistics"]["count"] == 288 and len(d["values"]) == 3 and len(d["values"][2][2][3]) == 8'; ok "one tensor's values and statistics"
python3 - <<'P'
import json, math
d = json.load(open("out"))
def flat(x): return sum((flat(y) for y in x), []) if isinstance(x, list) else [x]
v, s = flat(d["values"]), d["statistics"]
mean = sum(v) / len(v)
assert abs(s["mean"] - mean) < 1e-6 and min(v) - s["min"] < 1e-6 and abs(max(v) - s["max"]) < 1e-6
assert abs(s["std"] - math.sqrt(sum((x - mean) ** 2 for x in v) / len(v))) < 1e-6
P
ok "which are right"
show "$C" --tensor names --json && said 'len(d["values"]) == 4 and "statistics" not in d'; ok "strings have none"
show "$C" --tensor conv/kernel --limit 3 && grep -q "^statistics" out && grep -q "\.\.\." out; ok "for people, elided"
fails "a tensor that is not there" "no tensor 'conv/kernl' (there is 'conv/kernel')" "$T" show "$C" --tensor conv/kernl
show "$C" --tensors files && [ -f files/conv__kernel.npy ] && grep -q "^written" out; ok "all tensors as files"
show files/conv__kernel.npy --json && said 'd["kind"] == "npy" and d["shape"] == [3,3,4,8] and d["dtype"] == "float32"'; ok "an .npy file"
show "$(dirname "$C")" --json && said 'd["kind"] == "checkpoints" and d["newest"].endswith(d["checkpoints"][-1]["prefix"]) and d["checkpoints"][-1]["state"] == "newest"'; ok "a folder of checkpoints"
D=$G/models/ckpt_damaged
damaged "a damaged tensor" 11 "tensor 'dense/kernel': .*data-00000-of-00001: damaged at offset 200" "$D/data_bit_flip/m"
grep -q "dense/bias .*200" out; ok "and the others"
damaged "the same, as JSON" 11 "damaged at offset" "$D/data_bit_flip/m" --json
said 'd["error"]["code"] == "DATA_LOSS" and [t["name"] for t in d["tensors"] if "damage" in t] == ["dense/kernel"]'; ok "names it"
show "$D/data_bit_flip/m" --noverify; ok "which is not looked for with --noverify"
damaged "files of those that are whole" 11 "dense/kernel" "$D/data_bit_flip/m" --tensors some
[ -f some/dense__bias.npy ] && [ ! -e some/dense__kernel.npy ]; ok "are written"
for f in index_bad_magic index_bit_flip index_empty index_truncated; do damaged "$f" 11 "m.index" "$D/$f/m"; done
damaged "an index that is not there" 3 "m.index" "$D/index_missing/m"
damaged "data that is not there" 3 "data-00000" "$D/data_missing/m"
damaged "data that is cut short" 11 "cut short: .* bytes at offset" "$D/data_truncated/m"
mkdir state && cp "$D/intact/"*m.* state 2> /dev/null; cp "$D"/intact/m.* state; echo 'model_checkpoint_path: "gone-7"' > state/checkpoint
damaged "a state file that names what is gone" 3 "gone-7" state
grep -q "state/m .*not listed" out && grep -q "gone-7 .*gone" out; ok "and what there is"
echo '{' > state/checkpoint; damaged "a state file that is none" 2 "state/checkpoint: line 1" state

# ---- models
show "$M" && grep -q "serving_default" out && grep -q "tensorflow/serving/predict" out && grep -q "x    float32  \[?,1\]  x:0" out; ok "a SavedModel"
show "$M" --json && said 'd["kind"] == "saved_model" and d["meta_graphs"][0]["tags"] == ["serve"]'; ok "as JSON"
said '{s["name"]: s["runs"] for s in d["meta_graphs"][0]["signatures"]}["serving_default"] is True'; ok "its signatures run"
said '[v for v in d["meta_graphs"][0]["variables"] if v["name"] == "a"][0]["bytes"] == 4 and d["meta_graphs"][0]["tensorflow_version"].startswith("2.")'; ok "variables and version"
said 'sum(o["nodes"] for o in d["meta_graphs"][0]["operators"]) == d["meta_graphs"][0]["nodes"]'; ok "operators are counted"
said '[c["items"] for c in d["meta_graphs"][0]["collections"] if c["name"] == "variables"] == [["a:0","b:0","c:0"]] and d["meta_graphs"][0]["saver"]["sharded"]'; ok "collections and Saver"
show "$(dirname "$M")" --json && said 'd["kind"] == "versions" and d["versions"][0]["version"] == 1'; ok "a folder of versions"
show "$M" --tag_set serve && fails "a tag set that is not there" "no MetaGraph has the tags 'serve,gpu'; there is: 'serve'" "$T" show "$M" --tag_set serve,gpu
show "$G/wire/saved_model.pb" --nodes --json && said 'all(len(f["node_list"]) == f["nodes"] for f in d["meta_graphs"][0]["functions"]) and d["meta_graphs"][0]["functions"]'; ok "functions with their bodies"
show "$M" --plan --runs 2 && grep -q "^step  kernel" out; ok "a plan"
show "$M" --plan --runs 0 --json && said '"step" in d["plan"]'; ok "as JSON"
mkdir cut && head -c 3000 "$M/saved_model.pb" > cut/saved_model.pb && cp -r "$M/variables" cut
damaged "a SavedModel that is cut short" 11 "cut/saved_model.pb: tensorflow.SavedModel.* at byte [0-9]" cut
grep -q "a  *float32  *\[\]" out; ok "still has its variables"
META=$(ls "$G"/models/train_conv_adam/saver/*.meta)
show "$META" --json && said 'd["message"] == "MetaGraphDef" and any(c["name"] == "trainable_variables" and "fc/W:0" in c["items"] for c in d["collections"]) and d["saver"]["restore_op"] == "save/restore_all"'; ok "a MetaGraph"
GRAPH=$G/wire/graph_grad.pb
show "$GRAPH" --json && said 'd["message"] == "GraphDef" and len(d["node_list"]) == d["nodes"] and any(s["scope"] == "gradients" for s in d["scopes"])'; ok "a GraphDef"
show "$GRAPH" && grep -q "^  gradients  [0-9]" out && grep -q "Placeholder" out; ok "as a tree"
show "$GRAPH" --depth 1 && ! grep -q "^    [A-Za-z]*_grad" out; ok "of one level"
show "$GRAPH" --dot && head -1 out | grep -q "^digraph" && grep -q '"in_0" -> ' out && [ "$(grep -c '{' out)" = "$(grep -c '^}' out)" ]; ok "for Graphviz"
cp "$GRAPH" kept.bin && show kept.bin --as graph --json && said 'd["message"] == "GraphDef"'; ok "--as says what it is"
head -c 200 "$GRAPH" > cut.pb; damaged "a graph that is cut short" 11 "cut.pb: tensorflow.GraphDef" cut.pb
printf 'node { name: "a" op: "Identity" input: "b" attr { key: "T" value { type: DT_FLOAT } } } node { name: "b" op: "Identity" input: "a" attr { key: "T" value { type: DT_FLOAT } } }' > cycle.pbtxt
damaged "a graph that runs in circles" 2 "cycle.pbtxt: " cycle.pbtxt
grep -q "Identity  *2" out && grep -q "^problem" out; ok "is shown all the same"

# ---- events and records, compared with what TensorFlow says of them
for k in v1 v2 hparams; do
    show "$G/events/$k.tfevents" --json && python3 "$HERE/show_equal.py" events "$G/events/$k.json" < out; ok "the events of $k are TensorFlow's"
done
for f in data.tfrecord data.tfrecord.gz data.tfrecord.zlib; do
    show "$G/wire/$f" --json && python3 "$HERE/show_equal.py" records "$G/wire/records.json" < out; ok "the Examples of $f are TensorFlow's"
done
show "$G/wire/sequence.tfrecord.gz" --json && python3 "$HERE/show_equal.py" records "$G/wire/sequence_records.json" < out; ok "and the SequenceExamples"
show "$G/events/v2.tfevents" --tag loss && grep -q "^  *4  .*UTC  *0.0183156" out; ok "one tag, step by step"
fails "a tag that is not there" "NOT_FOUND: .*no event has the tag 'los' (there is 'loss')" "$T" show "$G/events/v2.tfevents" --tag los
show "$G/events/v2.tfevents" --tag loss --json && said 'len(d["events"]) == 5 and len(d["tags"]) == 1'; ok "as JSON"
mkdir -p logs/train logs/eval/more && cp "$G/events/v2.tfevents" logs/train/events.out.tfevents.1 && cp "$G/events/hparams.tfevents" logs/eval/more/events.out.tfevents.2
show logs && grep -q "^  train  *loss  *scalars  *5" out && grep -q "^  eval/more  *accuracy" out; ok "a folder of event files"
fails "one that is in none of them" "NOT_FOUND: .*no event has the tag 'los' (there is 'loss')" "$T" show logs --tag los
show logs --tag loss --json && said '[r["run"] for r in d["runs"]] == ["eval/more", "train"] and len(d["runs"][0]["events"]) == 3'; ok "and one tag of it"
head -c 2000 "$G/events/v2.tfevents" > logs/train/events.out.tfevents.1
damaged "an event file that is cut short" 11 "events.out.tfevents.1: record at byte .*cut short (event [0-9]*)" logs
grep -q "eval/more  *accuracy" out && grep -q "train  *loss" out; ok "and what is whole"
show "$G/wire/data.tfrecord" --limit 2 && grep -q "^  *ids  *int64_list  *1  " out && grep -q "24 more" out; ok "records for people"
damaged "the 25th record is cut short" 11 "truncated.tfrecord: record 24: record at byte 3031: the data is cut short" "$G/wire/truncated.tfrecord"
damaged "and as JSON" 11 "record 24" "$G/wire/truncated.tfrecord" --json
said 'd["count"] == 24 and len(d["records"]) == 24 and d["error"]["code"] == "DATA_LOSS"'; ok "the 24 before it"
damaged "a record whose data is damaged" 11 "record 0: record at byte 0: the data is damaged" "$G/wire/bad_data_crc.tfrecord"
damaged "a record whose length is damaged" 11 "record 0: record at byte 0: the length is damaged" "$G/wire/bad_length_crc.tfrecord"
head -c 1000 "$G/wire/data.tfrecord.gz" > cut.tfrecord.gz; damaged "compressed data that is cut short" 11 "cut.tfrecord.gz: record [0-9]" cut.tfrecord.gz
: > empty.tfrecord; show empty.tfrecord --json && said 'd["count"] == 0'; ok "no records"

# ---- runs
"$T" train "$HERE/small.c" --max_steps=40 > /dev/null 2> err; R=$(run_of runs)
show "$R" --json && said 'd["kind"] == "run" and d["settings"] and d["checkpoints"][-1]["state"] == "newest" and any(t["tag"] == "loss" for t in d["tags"])'; ok "a run's folder"
show "$R" && grep -q "^settings" out && grep -q "m-40 .*newest" out; ok "for people"

# ---- what it is not
fails "something else" "neither a SavedModel, MetaGraph" "$T" show "$HERE/lib.sh"
mkdir nothing; fails "a folder of nothing" "neither a SavedModel" "$T" show nothing
fails "a kind that is none" "as=model" "$T" show "$C" --as model
fails "nothing at all" "nowhere.index" "$T" show nowhere

# ---- inputs
run() { "$T" run "$@" > out 2> err; }
run "$M" --input x=3 && grep -q "\[\[3.5\]\]" out; ok "a number"
run "$M" --input x=zeros --batch 3 && [ "$(grep -c 2 out)" = 3 ]; ok "zeros"
run "$M" --input 'x=ones(2,1)' && [ "$(grep -c 2.5 out)" = 2 ]; ok "ones of a shape"
run "$M" --input 'x=[[1],(2),[4.]]' && grep -q "4. " out; ok "a list"
run "$M" --input x=1,2 && grep -q "3" out; ok "numbers"
run "$M" --input x=random && grep -q "seed=[0-9]" err; ok "random says its seed"
seed=$(sed 's/.*--seed=\([0-9]*\).*/\1/' err); cp out first; run "$M" --input x=random --seed "$seed" && cmp out first; ok "which gives the same again"
run "$M" --signature regress_x_to_y --input_examples 'inputs=[{"x":[2.5]},{"x":4.0}]' && grep -q "3.25" out && grep -q "4. " out; ok "tf.Examples"
printf '[{"x": [2.5]}]' > e.json; run "$M" --signature regress_x_to_y --input_examples inputs=e.json && grep -q "3.25" out; ok "from a file"
run "$M" --input_exprs 'x=np.ones((2,1))' && [ "$(grep -c 2.5 out)" = 2 ]; ok "as saved_model_cli takes them"
run "$M" --input_exprs 'x= np.array([[1.0],[3]]) ' && grep -q "3.5" out; ok "arrays"
run "$M" --input_exprs 'x=np.random.rand(3,1);' --seed 1 && [ "$(grep -c '\[' out)" = 3 ]; ok "random ones"
"$T" predict "$M" --input x=random --seed 5 > first 2> err && "$T" run "$M" --input x=random --seed 5 > out 2> err && [ "$(grep -o '[0-9.]*\]' first)" = "$(grep -o '[0-9.]*\]' out)" ]; ok "predict takes the same"
cat > lookup.pbtxt <<'P'
node { name: "s" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } attr { key: "shape" value { shape { dim { size: -1 } } } } }
node { name: "up" op: "StringUpper" input: "s" }
node { name: "n" op: "Placeholder" attr { key: "dtype" value { type: DT_INT64 } } attr { key: "shape" value { shape { unknown_rank: true } } } }
node { name: "neg" op: "Neg" input: "n" attr { key: "T" value { type: DT_INT64 } } }
P
run --graph lookup.pbtxt --feed 's=["a","b c"]' --fetch up && grep -q "'A'  *b'B C'" out; ok "strings"
run --graph lookup.pbtxt --feed s=word --fetch up && grep -q "WORD" out; ok "a word"
run --graph lookup.pbtxt --feed n=9007199254740993 --fetch neg && grep -q -- "-9007199254740993" out; ok "a large number, to the unit"
run --graph lookup.pbtxt --feed 'n=zeros(2,0,3)' --fetch neg; ok "of any shape"
fails "an input of a graph" "give --feed" "$T" run --graph lookup.pbtxt --input_exprs n=1 --fetch neg
fails "a number that the dtype has not" "1.5, which is no int64" "$T" run --graph lookup.pbtxt --feed n=1.5 --fetch neg
fails "no shape" "zeros(2,3)" "$T" run --graph lookup.pbtxt --feed n=zeros --fetch neg
fails "another shape" "has shape \[?,1\]; a literal of shape \[1,2\] does not fit" "$T" run "$M" --input 'x=[[1,2]]'
fails "a ragged list" "ragged at element 1" "$T" run "$M" --input 'x=[[1],[2,3]]'
fails "a list without an end" "column 6: a comma or the end" "$T" run "$M" --input 'x=[[1,2'
fails "an escape without an end" "column 3: a malformed escape: '\"\\\\' >>> ''" "$T" run "$M" --input 'x="\'
fails "half of a character" "column 8: a malformed escape: .* >>> ''" "$T" run "$M" --input 'x="\ud800'
fails "a file that is not there" "nofile.npy" "$T" run "$M" --input x=nofile.npy
fails "an input given twice" "'x' is given twice" "$T" run "$M" --input x=1 --input x=2
fails "Examples that are none" "example 1: feature 'x': numbers are mixed" "$T" run "$M" --signature regress_x_to_y --input_examples 'inputs=[{"x":[1.5]},{"x":[1,"a"]}]'
fails "Examples for numbers" "tf.Examples are strings" "$T" run "$M" --input_examples 'x=[{}]'

# ---- a vocabulary that a model of TensorFlow 1 brings: found in the model, not where it was when it was exported
run "$G/assets_v1" --input 'x=["pear","fig","apple"]' && grep -q "\[1 2 0\]" out; ok "a vocabulary of TensorFlow 1"
show "$G/assets_v1" --json && said 'd["meta_graphs"][0]["assets"] == [{"file": "vocab.txt", "tensor": "Const:0", "bytes": 11}]'; ok "is told"

# ---- operators that are not there: in the graph, in a function, in a branch of it
T_ATTR='attr { key: "T" value { type: DT_FLOAT } }'
IN='attr { key: "Tin" value { list { type: DT_FLOAT } } } attr { key: "Tout" value { list { type: DT_FLOAT } } }'
arg() { echo "input_arg { name: \"$1\" type: DT_FLOAT } output_arg { name: \"r\" type: DT_FLOAT }"; }
function() { # function NAME OPERATOR: a body of that one operator
    echo "function { signature { name: \"$1\" $(arg a) } node_def { name: \"inner\" op: \"$2\" input: \"a\" $T_ATTR } ret { key: \"r\" value: \"inner:y:0\" } }"
}
signature() { # signature NAME TENSOR
    echo "signature_def { key: \"$1\" value { method_name: \"tensorflow/serving/predict\"
      inputs { key: \"x\" value { name: \"x:0\" dtype: DT_FLOAT tensor_shape { } } } outputs { key: \"y\" value { name: \"$2:0\" dtype: DT_FLOAT tensor_shape { } } } } }"
}
mkdir lacking && cat > lacking/saved_model.pbtxt <<P
saved_model_schema_version: 1
meta_graphs {
  meta_info_def { tags: "serve" tensorflow_version: "1.15.0" }
  graph_def {
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } } }
    node { name: "plain" op: "Neg" input: "x" $T_ATTR }
    node { name: "odd" op: "Frobnicate" input: "x" $T_ATTR attr { key: "_output_shapes" value { list { shape { } } } } }
    node { name: "odder" op: "Neg" input: "odd" $T_ATTR }
    node { name: "call" op: "PartitionedCall" input: "x" $IN attr { key: "f" value { func { name: "outer" } } } }
    node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_BOOL } } attr { key: "value" value { tensor { dtype: DT_BOOL tensor_shape { } bool_val: true } } } }
    node { name: "branch" op: "StatelessIf" input: "c" input: "x" attr { key: "Tcond" value { type: DT_BOOL } } $IN
      attr { key: "then_branch" value { func { name: "good" } } } attr { key: "else_branch" value { func { name: "bad" } } } }
    library {
      $(function good Neg)
      $(function bad Frobnicate2)
      function { signature { name: "outer" $(arg a) } node_def { name: "deep" op: "PartitionedCall" input: "a" $IN attr { key: "f" value { func { name: "bad" } } } } ret { key: "r" value: "deep:output:0" } }
    }
    versions { producer: 1000 }
  }
  $(signature serving_default plain) $(signature direct odder) $(signature called call) $(signature branched branch)
}
P
show lacking --json && said '{s["name"]: s["runs"] for s in d["meta_graphs"][0]["signatures"]} == {"serving_default": True, "direct": False, "called": False, "branched": False}'; ok "which signatures run"
said '{(m["operator"], m["node"], m["function"]) for m in d["meta_graphs"][0]["missing_operators"]} == {("Frobnicate", "odd", None), ("Frobnicate2", "inner", "bad")}'; ok "what is not there, and which node needs it"
show lacking && grep -q "Frobnicate  .*not supported" out; ok "for people"
run lacking --input x=2 && grep -q -- "-2" out && grep -q "warning: operator 'Frobnicate' is not there; node 'odd' needs it" err && grep -q "'Frobnicate2' .*'inner' in function 'bad'" err; ok "what does not need them runs, and all are told"
"$T" predict lacking --input x=2 > out 2> err && grep -q -- "-2" out && [ "$(grep -c warning err)" = 2 ]; ok "predict too"
fails "a signature that needs one" "NOT_FOUND: Op type not registered 'Frobnicate' in binary .*\[\[{{node odd}}\]\]" "$T" run lacking --signature direct --input x=2
for s in called branched; do
    fails "and in a function: $s" "Op type not registered 'Frobnicate2' in binary .*\[\[{{node inner}}\]\] in function 'bad'" "$T" run lacking --signature $s --input x=2
done

# ---- a run with zeros that fails; tags
A='attr { key: "T" value { type: DT_FLOAT } }'
cat > zeros.pbtxt <<P
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { dim { size: 2 } } } } }
node { name: "i" op: "Reciprocal" input: "x" $A } node { name: "y" op: "CheckNumerics" input: "i" $A attr { key: "message" value { s: "one" } } }
P
show zeros.pbtxt --plan --fetch y:0 && grep -q "Reciprocal" out && grep -q "^not timed: .*INVALID_ARGUMENT.*{{node y}}" err; ok "a plan whose run with zeros fails has no times"
tagged() { printf 'meta_graphs { meta_info_def { %s } graph_def { node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: %s } } } } versions { producer: 27 } } signature_def { key: "s" value { outputs { key: "y" value { name: "c:0" dtype: DT_FLOAT tensor_shape {} } } } } }\n' "$1" "$2"; }
mkdir -p untagged && { echo 'saved_model_schema_version: 1'; tagged 'tags: "train"' 4; tagged '' 3; } > untagged/saved_model.pbtxt
run untagged --signature s && grep -q 3.0 out; ok "without --tag_set the MetaGraph without tags"
run untagged --signature s --tag_set train && grep -q 4.0 out; ok "by its tags"
fails "tags that none has" "matching supplied tags: { serve }; there is: { train }, { }" "$T" run untagged --signature s --tag_set serve
show untagged --tag_set train --plan --signature s --runs 0 && grep -q "^step" out; ok "the plan of one with tags"
fails "the plan of one that is not there" "matching supplied tags: { gpu }" "$T" show untagged --tag_set gpu --plan --signature s
done_testing
