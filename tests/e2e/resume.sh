#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A run that is killed and goes on is bit for bit the run that was never killed; stopping saves.
. "$(dirname "$0")/lib.sh"

same() { # same RUN RUN STEP
    for f in data-00000-of-00001 index; do cmp "$1/checkpoints/m-$3.$f" "$2/checkpoints/m-$3.$f" || return 1; done
}
wait_for() { # wait_for GLOB PID
    while ! ls $1 > /dev/null 2>&1; do kill -0 "$2" 2> /dev/null || return 1; done
}

"$T" train "$HERE/small.c" --logdir=whole --max_steps=200 > out 2> err; ok "a run goes to its end"
whole=$(run_of whole)

"$T" train "$HERE/small.c" --logdir=cut --max_steps=200 --prefetch=2 --wait=2000 > out 2> err &
pid=$!
wait_for "cut/*/checkpoints/m-60.index" $pid
kill -9 $pid; wait $pid 2> /dev/null
cut=$(run_of cut)
[ ! -f "$cut/checkpoints/m-200.index" ]; ok "it was killed on the way"
"$T" train --resume "$cut" --wait=0 > out 2> err; ok "it goes on"
same "$whole" "$cut" 200; ok "and ends bit for bit where the other did"
[ -f "$cut/exports/200/saved_model.pb" ]; ok "and is exported"

"$T" train "$HERE/small.c" --logdir=stop --max_steps=200 --prefetch=2 --wait=2000 --json > out 2> err &
pid=$!
wait_for "stop/*/checkpoints/m-40.index" $pid
kill -TERM $pid; wait $pid; ok "SIGTERM ends it cleanly"
grep -q '"event":"end".*"reason":"stopped"' out; ok "and it says so"
stop=$(run_of stop)
"$T" train "$HERE/small.c" --logdir=stop --resume --max_steps=200 > out 2> err; ok "the newest run goes on without being named"
same "$whole" "$stop" 200; ok "and ends bit for bit, too"

"$T" train "$HERE/small.c" --logdir=other --max_steps=200 --seed=2 > out 2> err
! same "$whole" "$(run_of other)" 200 > /dev/null; ok "another seed gives another run"

"$T" train --resume "$whole" > out 2> err; ok "a finished run has nothing left to do"
same "$whole" "$cut" 200; ok "and stays as it is"

# damage: the newest checkpoint is refused, or passed over
"$T" train "$HERE/small.c" --logdir=hurt --max_steps=60 > out 2> err
hurt=$(run_of hurt)
printf 'XXXX' | dd of="$hurt/checkpoints/m-60.data-00000-of-00001" bs=1 seek=16 conv=notrunc 2> /dev/null
fails "a damaged checkpoint is named" "m-60" "$T" train --resume "$hurt" --max_steps=200
"$T" train --resume "$hurt" --max_steps=200 --fall_back > out 2> err; ok "the one before it is taken when that is allowed"
same "$whole" "$hurt" 200; ok "and the run ends the same"

# settings given on the way
"$T" train --resume "$cut" --max_steps=205 > out 2> err && grep -q '"max_steps": 205' "$cut/settings.json"; ok "settings given on the way are kept"
"$T" train --resume "$cut" > out 2> err && grep -q "at step 205" out; ok "and are the run's from then on"
"$T" train "$HERE/small.c" --logdir=again --max_steps=205 > out 2> err && same "$cut" "$(run_of again)" 205; ok "and nothing else is"

# two processes
"$T" train "$HERE/small.c" --logdir=held --max_steps=100000 --prefetch=2 --wait=2000 > out1 2> err1 &
pid=$!
wait_for "held/*/checkpoints/m-20.index" $pid
fails "a run that another process is at is refused" "$pid" "$T" train --resume "$(run_of held)"
kill -9 $pid; wait $pid 2> /dev/null
done_testing
