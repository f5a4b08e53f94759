#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The commands, one after the other: new, check, train, test, export, predict; JSON lines; another model.
. "$(dirname "$0")/lib.sh"

json() { # every line of the file is a JSON object
    python3 -c 'import json,sys
for l in open(sys.argv[1]): assert isinstance(json.loads(l), dict)' "$1"
}

"$T" new mine.c > out 2> err && "$T" check mine.c >> out 2> err && grep -q "hidden  *dense" out && grep -q " 97$" out; ok "new, check"
"$T" check mine.c --options > out 2> err && grep -q -- "--learning_rate=" out && grep -q -- "--batch_size=" out; ok "check --options"
"$T" train mine.c --json --epochs=20 --hidden 16 --set learning_rate=0.02 > out 2> err; ok "train"
json out; ok "its lines are JSON"
for e in start step validation checkpoint export end; do grep -q "\"event\":\"$e\"" out || echo $e >> missing; done
[ ! -f missing ]; ok "and all events are there"
run=$(run_of runs)
grep -q "\"run\":\"$run\"" out && grep -q '"hidden": *16' "$run/settings.json" && grep -q '"learning_rate": *0.02' "$run/settings.json"; ok "settings are kept"
cmp mine.c "$run/source/mine.c"; ok "the source is kept"
for d in train validation; do ls "$run/logs/$d/"events.out.tfevents.* > /dev/null || echo $d >> missing; done
[ ! -f missing ]; ok "event files are written"

"$T" test latest --data=validate --json > out 2> err && json out && grep -q '"mean_error"' out; ok "test"
printf '0.5\n\nnonsense\nq\n' | "$T" test mine.c --samples > out 2> err && grep -q "y = " out && grep -q "is no number" out; ok "test --samples"
"$T" predict latest --input x=0.5,-0.5 --json > out 2> err && json out && grep -q '"y":\[\[0\.[12][0-9]*\],\[0\.[12]' out; ok "predict"
printf '[{"b64":"/0E="},"ab"]' > bytes.json
"$T" predict "$HERE/../golden/models/module_strings/saved_model/1" --signature text --input bytes.json --json --output upper --output reduced > out 2> err &&
    [ "$(cat out)" = '{"reduced":{"b64":"/0EsYWI="},"upper":[{"b64":"/0E="},"AB"]}' ]; ok "predict: bytes that are no text, and a scalar"
"$T" predict "$run/exports" --input '[[0.5]]' > out 2> err && grep -q "^y = " out; ok "predict from a folder of versions"
printf 'y =\n[[' > want; "$T" predict "$run" --input '[[0.5],[1]]' > out 2> err && head -c 6 out | cmp -s want -; ok "rows stand below one another"
fails "predict within a limit of memory" "RESOURCE_EXHAUSTED" "$T" predict latest --input x=0.5,-0.5 --memory_limit=10
fails "predict within a limit of time" "DEADLINE_EXCEEDED" "$T" predict latest --input x=0.5,-0.5 --time_limit=0.000001
"$T" predict latest --input x=0.5,-0.5 --memory_limit=1GB --time_limit=100 > out 2> err; ok "predict within limits"
fails "train within a limit of memory" "RESOURCE_EXHAUSTED" "$T" train mine.c --epochs=1 --logdir=none --memory_limit=1kB
fails "train within a limit of time" "DEADLINE_EXCEEDED" "$T" train mine.c --epochs=1 --logdir=none --time_limit=0.000001
[ ! -d none ]; ok "and there is no run of it"
"$T" export latest > out 2> err && [ -f "$(cat out)/saved_model.pb" ]; ok "an export that is there already is kept"
"$T" export "$run" --to elsewhere > out 2> err && [ -f elsewhere/400/saved_model.pb ]; ok "export elsewhere"

sed 's/    double learning_rate;/&\n    const char *note;/; s/    TN_OPTIONS_END/    TN_OPTION(tn_settings, note, .help = "a remark"),\n&/' mine.c > noted.c
"$T" train noted.c --epochs=1 --logdir=noted > out 2> err && "$T" test latest --logdir=noted > out 2> err && "$T" train --resume latest --logdir=noted --epochs=2 > out 2> err; ok "a text setting without a value"

printf '#define OWN_NAME "other"\n' > own.h
cat > other.c <<'C'
#include <turnery.h>
struct tn_settings { int64_t width; };
static const tn_option options[] = {TN_OPTION(tn_settings, width, .def = "5", .min = 1, .max = 99, .help = "units"), TN_OPTIONS_END};
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)mode;
    tn_output(out, "y", tn_dense(b, "wide", tn_dense(b, "first", in->x, s->width, TN_RELU), 1, TN_LINEAR), 0);
}
#include "own.h"
TN_MODEL = {.name = OWN_NAME, .options = options, .model = model};
C
"$T" train mine.c --model other.c --width=7 --epochs=1 --logdir=swapped > out 2> err; ok "another model takes the place of the experiment's"
run=$(run_of swapped)
"$T" show "$(ls "$run"/checkpoints/m-*.index | sed 's/.index//')" > out 2> err && grep -q "first/kernel .*\[1,7\]" out; ok "and is what was trained"
"$T" train --resume "$run" --epochs=2 > out 2> err && cmp other.c "$run/source/other.c" && cmp own.h "$run/source/own.h"; ok "and goes on from the run's own copy"

M=$HERE/../golden/models/train_mlp_adagrad
fails "a SavedModel is no graph" "run by its folder" "$T" run --graph "$HERE/../golden/models/half_plus_two/saved_model/1/saved_model.pb" --fetch y:0
feeds="--feed features:0=$M/train/feeds/features.npy --feed labels:0=$M/train/feeds/labels.npy"
"$T" run --meta_graph "$M/saver/model.ckpt.meta" --checkpoint "$M/saver/model.ckpt" $feeds --target train_op --steps 3 --fetch loss:0 --save on/m2 > out 2> err
[ -f on/m2.index ] && [ -f on/m2.meta ] && grep -q '^model_checkpoint_path: "m2"' on/checkpoint; ok "run trains on and saves the full set"
"$T" show on/m2 > out 2> err && grep -q "l0/kernel/Adagrad " out; ok "with the optimizer's slots"
rows="--data features:0=$M/train/feeds/features.npy --data labels:0=$M/train/feeds/labels.npy"
"$T" run --meta_graph on/m2.meta --checkpoint on/m2 $rows --batch_size 4 --shuffle 3 --target train_op --steps 6 --fetch loss:0 --outputs rows > out 2> err && [ -f rows/loss_c0.npy ]; ok "run takes the next rows in each step"
fails "rows want steps" "wants --steps" "$T" run --meta_graph on/m2.meta --checkpoint on/m2 $rows --fetch loss:0
fails "a batch has examples" "less than 1" "$T" run --meta_graph on/m2.meta --checkpoint on/m2 $rows --fetch loss:0 --steps 1 --target train_op --batch_size 0
train_on() { "$T" run --meta_graph "$M/saver/model.ckpt.meta" --checkpoint "$M/saver/model.ckpt" $feeds --target train_op --steps 1 "$@"; }
touch file
fails "a folder for results that cannot be made, before any step" "NOT_FOUND: no: No such" train_on --fetch nothing:0 --outputs no/where
fails "a file in place of one" "FAILED_PRECONDITION: file: Not a directory" train_on --fetch nothing:0 --outputs file
fails "a checkpoint in a file" "FAILED_PRECONDITION: file/deeper: Not a directory" train_on --fetch nothing:0 --save file/deeper/m
fails "a checkpoint without a name" "on/: a checkpoint needs a name" train_on --fetch nothing:0 --save on/
train_on --save deep/er/m && [ -f deep/er/m.index ]; ok "folders of a checkpoint are made"
cat > growing.pbtxt <<'P'
node { name: "t" op: "MutableHashTableV2" attr { key: "key_dtype" value { type: DT_INT64 } } attr { key: "value_dtype" value { type: DT_INT64 } } }
node { name: "n" op: "LookupTableSizeV2" input: "t" }
node { name: "axis" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} } } } }
node { name: "k" op: "ExpandDims" input: "n" input: "axis" attr { key: "T" value { type: DT_INT64 } } }
node { name: "add" op: "LookupTableInsertV2" input: "t" input: "k" input: "k" attr { key: "Tin" value { type: DT_INT64 } } attr { key: "Tout" value { type: DT_INT64 } } }
node { name: "all" op: "LookupTableExportV2" input: "t" attr { key: "Tkeys" value { type: DT_INT64 } } attr { key: "Tvalues" value { type: DT_INT64 } } }
P
ints() { printf 'node { name: "%s" op: "Const" attr { key: "dtype" value { type: DT_INT64 } } attr { key: "value" value { tensor { dtype: DT_INT64 %s } } } }\n' "$1" "$2"; }
L='value { type: DT_INT64 }'
{ ints none 'tensor_shape {} int64_val: -1'
  ints k 'tensor_shape { dim { size: 4 } dim { size: 1 } } int64_val: [-1, 3, 4, -1]'; ints v 'tensor_shape { dim { size: 4 } dim { size: 1 } } int64_val: [0, 30, 40, 0]'
  echo "node { name: 't' op: 'MutableDenseHashTable' input: 'none' attr { key: 'key_dtype' $L } attr { key: 'value_dtype' $L } attr { key: 'initial_num_buckets' value { i: 8 } } }"
  echo "node { name: 'fill' op: 'LookupTableImport' input: ['t', 'k', 'v'] attr { key: 'Tin' $L } attr { key: 'Tout' $L } } node { name: 'n' op: 'LookupTableSize' input: ['t', '^fill'] }"
} > dense.pbtxt
"$T" run --graph dense.pbtxt --fetch n:0 > out 2> err && grep -q '^2$' out; ok "a dense table without a key for deleted ones is filled"
fails "what changes its shape is no stack" "'all:0' has shape \[0\] at first and \[1\] after 1 steps" "$T" run --graph growing.pbtxt --target add --fetch all:0 --steps 3
mkdir lost && cp "$HERE/../golden/models/half_plus_two/saved_model/1/saved_model.pb" lost
fails "a model that has lost its variables" "uninitialized value.*there is no folder lost/variables" "$T" run lost --input x=1
fails "asked by predict" "uninitialized value.*there is no folder lost/variables" "$T" predict lost --input x=1
fails "a graph without its checkpoint" "no --checkpoint gives it one" "$T" run --meta_graph on/m2.meta $feeds --fetch loss:0
printf '\377\n' | "$T" predict "$HERE/../golden/models/half_plus_two/saved_model/1" --stdin > out 2> err; grep -q 'ufffd' out && iconv -f UTF-8 -t UTF-8 out > /dev/null; ok "an error's JSON is text, too"
printf 'bad\r\n' | "$T" predict "$HERE/../golden/models/half_plus_two/saved_model/1" --stdin > out 2> err; grep -q "'bad'" out; ok "the line that an error tells ends where it ends"
for end in index meta data-00000-of-00001; do
    fails "a checkpoint's file: $end" "named without the end: --checkpoint=on/m2" "$T" run --meta_graph on/m2.meta --checkpoint on/m2.$end --fetch loss:0
done
fails "a checkpoint's folder" "a folder; which checkpoints are there: turnery show on" "$T" run --meta_graph on/m2.meta --checkpoint on --fetch loss:0
fails "a MetaGraph is no graph" "given by --meta_graph" "$T" run --graph on/m2.meta --fetch loss:0
fails "a file is no model" "file: a file; a model is the folder" "$T" predict file --input 1
fails "what is not initialised is not saved" "no value" "$T" run --meta_graph on/m2.meta --target save/Const --save on/m3

"$T" bench mine.c --steps 5 --blocks 2 --threads 1 --json > out 2> err && json out && [ "$(wc -l < out)" = 1 ]; ok "bench"
for k in workload w peer mode steps_per_s samples_per_s best_steps_per_s first_step_s peak_rss_mb final_loss threads ms_per_step; do
    grep -q "\"$k\":" out || echo $k >> missing
done
[ ! -f missing ]; ok "with the keys of the peers' scripts"
"$T" --help > help 2> err && for c in new check train test predict export run serve replay show bench; do grep -q "^  $c " help || echo $c >> missing; done
[ ! -f missing ]; ok "help lists the commands"
"$T" help > out 2> err && cmp -s help out && "$T" help help > out 2> err && cmp -s help out; ok "however it is asked for"
for c in $(awk '/^  [a-z]+ / { print $1 }' help); do
    "$T" help "$c" > out 2> err && "$T" "$c" --help > want 2> err && cmp -s want out && head -1 out | grep -q "^usage: turnery $c " || echo "$c" >> missing
    sed -n 3,4p out | tr -d '\n' | grep -q "^[A-Z].*\.$\|^$" || echo "$c: its summary is no sentence" >> missing
    awk 'length > 120' out | grep -q . && echo "$c: long lines" >> missing
done
[ ! -f missing ]; ok "help of each, in both ways"
"$HERE/../../tools/manual" "$T" man && sed -n '/enable_per_model_batching/{n;p;}' man/turnery-serve.1 | grep -q "^as batching"; ok "a manual page has a flag and what it does apart"
done_testing
