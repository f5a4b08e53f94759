#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wrong input: one clear line, a non-zero exit, and nothing half-written.
. "$(dirname "$0")/lib.sh"

printf '#include <turnery.h>\nint x = ;\n' > broken.c
fails "a file that does not compile" "broken.c does not compile" "$T" train broken.c
grep -q "broken.c:2" err; ok "the compiler's words are shown"
printf '#include <turnery.h>\ndouble x(void) { return drand48(); }\n' > undeclared.c
fails "a function that nobody declares" "undeclared.c does not compile.*drand48" "$T" train undeclared.c
printf 'int x;\n' > empty.c
fails "a file without a record" "TN_EXPERIMENT" "$T" check empty.c
printf '#include <turnery.h>\nTN_EXPERIMENT = {.name = "a b", .run = {.batch_size = -4}};\n' > missing.c
fails "a record with missing and wrong fields" "missing.c: 6 fields of the record are missing or wrong" "$T" check missing.c
for f in name run.batch_size train model loss optimizer; do grep -q "^\.$f: " err || echo "no $f" >> problems; done
[ ! -f problems ]; ok "all of them are listed"
printf '#include <turnery.h>\nconst tn_abi_record tn_experiment_abi = {99, 8};\nint tn_experiment_record;\n' > old.c
fails "a record of another ABI" "ABI 99" "$T" check old.c
fails "a Python file" "turnery new" "$T" train settings.py
fails "a file that is not there" "nowhere.c" "$T" train nowhere.c
fails "a run that is not there" "no run 'nothing'" "$T" test nothing

fails "an unknown setting" "did you mean 'units'" "$T" train "$HERE/small.c" --set unit=3
fails "a value out of range" "units" "$T" train "$HERE/small.c" --units=100
fails "a word where a number belongs" "batch_size" "$T" train "$HERE/small.c" --batch_size=many
fails "a word that is no choice" "word" "$T" train "$HERE/small.c" --word=three
printf '{"units": 4, "colour": "red"}' > s.json
fails "an unknown setting in a file" "s.json: .*colour" "$T" train "$HERE/small.c" --settings s.json
printf '{"units": 4,' > s.json
fails "a settings file that is no JSON" "s.json" "$T" train "$HERE/small.c" --settings s.json
fails "no experiment" "one experiment is wanted" "$T" train
fails "an unknown flag" "nosuchflag" "$T" train "$HERE/small.c" --nosuchflag
fails "a setting that is misspelled, without a value" "did you mean --logdir" "$T" train "$HERE/small.c" --lgdir
fails "a flag that is misspelled" "unknown flag --sginature (did you mean --signature?)" "$T" run . --sginature x
fails "a flag of one letter" "unknown flag -x " "$T" run . -x
fails "a flag that is no switch" "unknown flag --nothreads" "$T" run . --nothreads
hint() { "$T" "$1" > out 2> err; [ $? -eq 2 ] && [ ! -s out ] && grep -q "^turnery: there is no command '$1'; did you mean '$2'?$" err; }
hint shwo show && hint --verson --version && hint relpay replay; ok "a command that is misspelled"
"$T" help shwo > out 2> err; [ $? -eq 2 ] && [ ! -s out ] && grep -q "did you mean 'show'" err; ok "help of one that is misspelled"
"$T" --version > /dev/full 2> err; [ $? -eq 6 ] && grep -q "cannot be written" err; ok "a version that nobody can read"
[ ! -e runs ]; ok "none of these made a run's folder"

fails "infinity in the data" "step [0-9]*: the loss is not finite: Tensor '.*NaN or infinite.*column 'x' has inf in example" "$T" train "$HERE/small.c" --spoil=3 --logdir=bad
! ls bad/*/exports/* > /dev/null 2>&1; ok "nothing is exported then"

cat > data.c <<'C'
#include <turnery.h>
static void train(tn_data *d, const tn_settings *s) { (void)s; tn_data_idx(d, TN_FEATURE, "image", "images.idx"); }
static void model(tn_builder *b, const tn_settings *s, tn_mode m, const tn_features *in, tn_outputs *out)
{ (void)s, (void)m; tn_output(out, "y", tn_dense(b, "d", tn_cast_to(b, in->x, TN_FLOAT), 1, TN_LINEAR), 0); }
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r) { (void)s; return tn_reduce_mean(b, tn_square(b, r->y), NULL, 0, false); }
static tn_operation *opt(tn_builder *b, const tn_settings *s, tn_node l, tn_node g) { (void)s; return tn_minimize(b, tn_sgd(tn_constant_rate(b, 0.1)), l, g); }
TN_EXPERIMENT = {.name = "data", .train = train, .model = model, .loss = loss, .optimizer = opt};
C
fails "a data file that is missing" "\.train: column 'image': .*images.idx" "$T" train data.c
printf '\000\000\010\002\000\000\000\003\000\000\000\002abc' > images.idx
fails "a data file that is cut short" "images.idx" "$T" train data.c
printf '\000\000\010\002\000\000\000\000\000\000\000\002' > images.idx
fails "a data file without examples" "no examples" "$T" train data.c
sed 's/tn_dense(b, "d", .*LINEAR)/in->x/' data.c > wrong.c
printf '\000\000\010\002\000\000\000\002\000\000\000\002abcd' > images.idx
fails "a model that cannot be built" "uint8" "$T" train wrong.c
[ ! -e runs ]; ok "none of these made a run's folder, either"

"$T" new fresh.c > out 2>&1 && "$T" train fresh.c --epochs=2 > out 2>&1; ok "a new experiment trains"
fails "new does not overwrite" "fresh.c" "$T" new fresh.c
run=$(run_of runs)
fails "a model that is no folder" "no run" "$T" predict nowhere --input 1
fails "a wrong number of values" "no numbers\|shape\|neither" "$T" predict "$run" --input "[1,,a"
fails "an input of another name" "z" "$T" predict "$run" --input z=1
fails "no input" "input 'x' is not given (--input x=VALUE)" "$T" run "$(ls -d "$run"/exports/*)"
fails "a folder for results that cannot be made" "NOT_FOUND: no/such/folder" "$T" predict "$run" --input x=1 --outputs no/such/folder
fails "a table that is not there" "NOT_FOUND: no.csv" "$T" predict "$run" --csv no.csv
fails "an image that is not there" "NOT_FOUND: no.png" "$T" predict "$run" --input x=no.png
cut() { (ulimit -f 1; trap '' XFSZ; "$@"); } # with files that cannot grow
fails "a new experiment that does not fit" "RESOURCE_EXHAUSTED: cut.c: File too large" cut "$T" new cut.c
[ ! -e cut.c ]; ok "leaves no part of it"
fails "a new experiment in a folder that is not there" "NOT_FOUND: no/such.c" "$T" new no/such.c
fails "an input that is no number" "neither a file nor numbers" "$T" predict "$run" --input x=a
echo damaged >> "$(ls -d "$run"/exports/*)/saved_model.pb"
fails "an export that differs from the one there" "exports" "$T" export "$run"
done_testing
