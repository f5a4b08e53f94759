#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What goes wrong in the middle of things: lost and damaged files of a run, data of another shape, a disk that fills.
. "$(dirname "$0")/lib.sh"

copy() { rm -rf again; cp -r runs again; A=$(run_of again); }
flip() { # flip FILE BYTE: another value in its place
    printf '\252' | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
same() { cmp "$1/checkpoints/m-$3.data-00000-of-00001" "$2/checkpoints/m-$3.data-00000-of-00001"; }

"$T" train "$HERE/small.c" --max_steps=60 > out 2> err; ok "a run to damage"
"$T" train "$HERE/small.c" --logdir=whole --max_steps=100 > out 2> err
whole=$(run_of whole)

copy; rm "$A/checkpoints/checkpoint"
"$T" train --resume "$A" --max_steps=100 > out 2> err && ! grep -q "^step 20 " out && same "$whole" "$A" 100; ok "a lost state file: the highest step goes on"
copy; rm "$A/checkpoints/checkpoint"
"$T" test "$A" > out 2> err && grep -q "at step 60" out; ok "and is what is tested"
copy; rm "$A"/checkpoints/*.index
fails "checkpoints that the state file names and that are gone" "m-60" "$T" train --resume "$A" --max_steps=100
copy; echo '{' > "$A/settings.json"
fails "settings that are no JSON" "settings.json" "$T" train --resume "$A"
copy; rm "$A/source/small.c"
fails "a source that is gone" "source/small.c" "$T" train --resume "$A"
copy; flip "$A/checkpoints/m-60.data-00000-of-00001" 100
fails "a damaged tensor is named" "m-60: tensor 'hidden/.*damaged at offset.*fall_back" "$T" train --resume "$A" --max_steps=100
copy; flip "$A/checkpoints/m-60.index" 100
fails "a damaged index is named" "m-60.index: .*fall_back" "$T" train --resume "$A" --max_steps=100
copy; fails "another shape is no damage" "'hidden/kernel' is of shape \[2,16\], in the checkpoint of shape \[2,8\]$" \
    "$T" train --resume "$A" --units=16 --max_steps=100 --fall_back

# Files above 20 kB cannot be written: a checkpoint's graph is one.
copy
(trap '' XFSZ; ulimit -f 40; exec "$T" train --resume "$A" --max_steps=100) > out 2> err
[ $? -eq 6 ] && tail -1 err | grep -q "m-80.meta: cannot write" && [ "$(grep -o m-80 err | wc -l)" = 1 ]; ok "a file that cannot grow is named, once"
[ -z "$(ls "$A"/checkpoints/m-80*)" ]; ok "nothing of the checkpoint is left"
"$T" train --resume "$A" --max_steps=100 > out 2> err && same "$whole" "$A" 100; ok "and the one before it goes on"

copy
sh -c 'echo $$' > dead; dead=$(cat dead)
touch "$A/checkpoints/m-80.index.tmp.$dead.1a" "$A/checkpoints/m-80.index.tmp.$$.1a" "$A/checkpoints/my.tmp.file"; mkdir "$A/exports/.writing-80.$dead"
"$T" train --resume "$A" > out 2> err && [ ! -e "$A/checkpoints/m-80.index.tmp.$dead.1a" ] && [ ! -e "$A/exports/.writing-80.$dead" ]; ok "what a killed process left is removed"
[ -e "$A/checkpoints/m-80.index.tmp.$$.1a" ] && [ -e "$A/checkpoints/my.tmp.file" ]; ok "and nothing else"

copy; mkdir again/small_settings_2099-01-01--00-00-00
"$T" test latest --logdir=again > out 2> err && grep -q "at step 60" out; ok "a run's folder without settings is not the newest run"

mkdir my.code && "$T" train "$HERE/small.c" --logdir=my.code --max_steps=20 > out 2> err
"$T" train --resume "$(run_of my.code)" --max_steps=40 > out 2> err && [ -f "$(run_of my.code)/checkpoints/m-40.index" ]; ok "a run in a folder with .c in its name"

cat > served.c <<'C'
#include <turnery.h>
static void train(tn_data *d, const tn_settings *s) { (void)s; float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, 9, TN_SHAPE(3)); for (int i = 0; i < 27; i++) x[i] = 1; }
static void serving(tn_inputs *in, const tn_settings *s) { (void)s; tn_serving_input(in, "x", TN_FLOAT, TN_SHAPE(-1, 4)); }
static void model(tn_builder *b, const tn_settings *s, tn_mode m, const tn_features *in, tn_outputs *out)
{ (void)s, (void)m; tn_output(out, "y", tn_dense(b, "d", tn_reshape(b, in->x, TN_SHAPE(-1, WIDTH)), 1, TN_LINEAR), 0); }
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r) { (void)s; return tn_reduce_mean(b, tn_sqrt(b, tn_neg(b, tn_square(b, r->y))), NULL, 0, false); }
static tn_operation *opt(tn_builder *b, const tn_settings *s, tn_node l, tn_node g) { (void)s; return tn_minimize(b, tn_sgd(tn_constant_rate(b, 0.1)), l, g); }
TN_EXPERIMENT = {.name = "served", .train = train, .serving = SERVING, .model = model, .loss = loss, .optimizer = opt};
C
sed 's/WIDTH/3/; s/SERVING/serving/' served.c > other.c
fails "data of another shape than what is served" "\.train: column 'x' is float \[9,3\], but .serving takes float \[?,4\]" "$T" train other.c --logdir=none
[ ! -e none ]; ok "makes no folder"
sed 's/WIDTH/5/; s/SERVING/0/' served.c > other.c
fails "data that does not fit the model" "3.* 5\|5.* 3\|27" "$T" train other.c --logdir=none
! grep -q "not finite" err; ok "is not called a number"
sed 's/tn_reduce_mean.*false)/r->y/; s/WIDTH/3/; s/SERVING/0/' served.c > other.c
fails "a loss that is no scalar, with its file" "other.c: .loss must be a float scalar" "$T" check other.c
sed 's/points(d, 50, -1)/points(d, 0, -1)/' "$HERE/small.c" > other.c
fails "validation data that is not there" "other.c: .validate: it gave no examples" "$T" check other.c
sed 's/WIDTH/3/; s/SERVING/0/' served.c > other.c
fails "the root of a negative number" "step 1: the loss is not finite: Tensor 'loss/Sqrt:0'" "$T" train other.c --logdir=bad

"$T" train "$HERE/small.c" --units=7 --set units=9 --set=units=5 --logdir=last --max_steps=1 > out 2> err && grep -q '"units": 5' "$(run_of last)/settings.json"; ok "the last of several values counts"
fails "a setting without a value" "set" "$T" train "$HERE/small.c" --set
printf '#include <turnery.h>\nTN_MODEL = {.name = "m"};\n' > m.c
fails "a model without a function is told with its file" "small.c with m.c: 1 field" "$T" train "$HERE/small.c" --model m.c

"$T" new fresh.c > out 2> err && "$T" train fresh.c --epochs=1 --logdir=fresh > out 2> err
fresh=$(run_of fresh)
fails "a negative number of threads" "threads=-4 is out of range" "$T" predict "$fresh" --input 1 --threads=-4
fails "too many threads" "threads=99999 is out of range" "$T" predict "$fresh" --input 1 --threads=99999
printf '#abc\n#-1\n#99999\n#1\n' | "$T" test "$fresh" --samples > out 2> err && grep -q "^y = " out && [ "$(grep -c "is no sample's number" out)" = 2 ]; ok "a sample that is none"
if [ -c /dev/full ]; then
    "$T" predict "$fresh" --input 1 > /dev/full 2> err
    [ $? -eq 6 ] && grep -q "standard output" err; ok "an answer that cannot be written"
fi
"$T" train "$HERE/small.c" --logdir=slow --max_steps=3 --wait=1000 --log_every=1 > out 2> err &
pid=$!
for i in $(seq 50); do grep -q "^step 1" out && break; sleep 0.1; done
grep -q "^step 1" out; ok "slow data: the first step does not wait for all that could be prepared"
kill -9 $pid 2> /dev/null; wait $pid 2> /dev/null
done_testing
