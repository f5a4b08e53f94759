#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model server and its clients: serve, predict --server, bench --server, replay; over UNIX sockets, and TCP ports
# that are free; as tensorflow_model_server, too. Nothing but a shell and these programs.
. "$(dirname "$0")/lib.sh"
S=$(dirname "$T")/tensorflow_model_server
MODEL=$HERE/../golden/models/half_plus_two/saved_model/1
PID=
trap '[ -z "$PID" ] || kill -9 $PID 2> /dev/null; rm -rf "$WORK"' EXIT

soon() { # soon COMMAND...: until it goes well, at most a minute
    tries=0
    until "$@" > /dev/null 2>&1; do tries=$((tries + 1)); [ $tries -gt 600 ] && return 1; sleep 0.1; done
}
ready() { grep -q "Exporting HTTP/REST API at:localhost:$REST" log 2> /dev/null || ! kill -0 $PID; }
start() { # start PROGRAM FLAGS...: a server at the socket grpc and at $GRPC and $REST; other ports when somebody has these
    for try in 1 2 3 4 5 6 7 8 9 10; do # by chance, and below those that the system gives to clients
        GRPC=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 6000 * 2)) REST=$((GRPC + 1))
        rm -f grpc log
        "$@" --port=$GRPC --rest_api_port=$REST --grpc_socket_path="$WORK/grpc" > server.out 2> log & PID=$!
        soon ready
        kill -0 $PID 2> /dev/null && return 0
        grep -qi "address already in use" log || return 1
    done
    return 1
}
stop() { kill -TERM $PID; wait $PID; status=$?; PID=; return $status; }
config() { # config VERSIONS: a model 'half' of those versions, logged
    echo "model_config_list { config { name: 'half' base_path: '$WORK/models' model_platform: 'tensorflow'
        model_version_policy { specific { $1 } } version_labels { key: 'stable' value: 1 }
        logging_config { log_collector_config { type: 'file' filename_prefix: '$WORK/asked' }
                         sampling_config { sampling_rate: 1 } } } }" > models.conf
}
ask() { "$T" predict --server "$@" > out 2> err; }

mkdir models && cp -R "$MODEL" models/1 && cp -R "$MODEL" models/2; ok "two versions"
config "versions: 1"
start "$T" serve --model_config_file="$WORK/models.conf"; ok "the server starts"
cp log err; grep -q "Running gRPC ModelServer at 0.0.0.0:$GRPC \.\.\." log && grep -q "Exporting HTTP/REST API at:localhost:$REST \.\.\." log; ok "and says so"

# ---- predict
{ printf '\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\002\000\000\000\001\010\000\000\000\000\321\111\040\126\000'
    printf '\000\000\013\111\104\101\124\170\234\143\340\072\001\000\000\337\000\323\113\041\245\111\000\000\000\000\111\105\116\104\256\102\140\202'; } > pixels.png
for target in "unix:$WORK/grpc" "127.0.0.1:$GRPC" "http://127.0.0.1:$REST"; do
    how=${target%%:*}
    ask "$target" --model half --input "x=[1,2,5]" --json && [ "$(cat out)" = '{"y":[[2.5],[3],[4.5]]}' ]; ok "$how: an answer"
    ask "$target" --model half --version 1 --input 3 && [ "$(cat out)" = "y = [[3.5]]" ]; ok "$how: a version"
    ask "$target" --model half --label stable --input zeros --batch 2 --json && [ "$(cat out)" = '{"y":[[2],[2]]}' ]; ok "$how: a label"
    ask "$target" --model half --input 3 --output y --outputs answers && [ -s answers/y.npy ]; ok "$how: a file of it"
    "$T" predict models/1 --input answers/y.npy > want 2> err && ask "$target" --model half --input answers/y.npy && cmp -s want out; ok "$how: as in this process"
    printf '{"x": [1, 2]}\n4\n\n{"z": 1}\n[[6]]\n' | "$T" predict --server "$target" --model half --stdin > out 2> err; s=$?
    [ $s -gt 0 ] && [ $s -lt 128 ] && [ "$(sed -n '1p;2p;4p' out | tr -d '\n')" = '{"y":[[2.5],[3]]}{"y":[[4]]}{"y":[[5]]}' ] && sed -n 3p out | grep -q '"error":{"code":"INVALID_ARGUMENT"' &&
        tail -1 err | grep -q "1 of 4 questions"; ok "$how: a line each"
    printf 'x\n1\n2\n"3"\n' > table.csv
    ask "$target" --model half --csv table.csv --batch 2 && [ "$(tr -d '\n' < out)" = '{"y":[[2.5],[3]]}{"y":[[3.5]]}' ]; ok "$how: rows of a table"
    ask "$target" --model half --input pixels.png --json && [ "$(cat out)" = '{"y":[[7],[102]]}' ]; ok "$how: an image"
    fails "$how: a model that is not there" "NOT_FOUND.*nobody" "$T" predict --server "$target" --model nobody --input 1
    fails "$how: a version that is not there" "NOT_FOUND" "$T" predict --server "$target" --model half --version 2 --input 1
    fails "$how: a signature that is not there" "NOT_FOUND.*serving_default" "$T" predict --server "$target" --model half --signature none --input 1
    fails "$how: an input of another name" "no input 'z'" "$T" predict --server "$target" --model half --input z=1
    fails "$how: an output of another name" "nothing" "$T" predict --server "$target" --model half --input 1 --output nothing
    fails "$how: an input of another shape" "shape" "$T" predict --server "$target" --model half --input "[[1,2]]"
done
printf '1\n2\n' > table.csv
ask "unix:$WORK/grpc" --model half --csv table.csv && [ "$(tr -d '\n' < out)" = '{"y":[[2.5]]}{"y":[[3]]}' ]; ok "a table without names"
"$T" predict models/1 --csv table.csv > want 2> err && cmp -s want out; ok "as in this process"
printf '1\n2,3\n' > table.csv
fails "an uneven table" "line 2 has 2 columns" "$T" predict models/1 --csv table.csv
fails "an empty table" "no rows" "$T" predict models/1 --csv /dev/null
fails "no table" "No such file" "$T" predict models/1 --csv nothing.csv
fails "nobody at the socket" "UNAVAILABLE" "$T" predict --server "unix:$WORK/nobody" --model half --input 1
fails "no address" "HOST:PORT" "$T" predict --server nowhere --model half --input 1
fails "fewer than at least" "--most_batch takes" "$T" bench --server "unix:$WORK/grpc" --model half --input 1 --batch 5 --most_batch 4
fails "a certificate without its key" "belong together" "$T" predict --server "unix:$WORK/grpc" --cert x --model half --input 1

# ---- bench
for target in "unix:$WORK/grpc" "http://127.0.0.1:$REST"; do
    how=${target%%:*}
    "$T" bench --server "$target" --model half --input "[1,2]" --seconds 1 --warmup 0 --concurrency 3 > out 2> err &&
        grep -q "^half at .* calls/s" out && grep -q "p99.9" out; ok "$how: bench"
    "$T" bench --server "$target" --model half --input "[1,2]" --seconds 0.2 --warmup 0 --rate 50 --json > out 2> err &&
        grep -q '"mode":"open".*"calls":10,"failed":0,.*"p50":' out; ok "$how: bench at a rate"
    "$T" bench --server "$target" --model half --input x=random --seed 1 --most_batch 5 --seconds 0.2 --warmup 0 --json > out 2> err &&
        grep -q '"failed":0,' out; ok "$how: bench of mixed batches"
    fails "$how: bench of nobody" "NOT_FOUND" "$T" bench --server "$target" --model nobody --input 1 --seconds 0.2
done

# ---- SIGHUP
config "versions: 1 versions: 2"
kill -HUP $PID
soon "$T" predict --server "unix:$WORK/grpc" --model half --version 2 --input 1; ok "SIGHUP: the changed configuration"
ask "unix:$WORK/grpc" --model half --version 1 --input 1; ok "what was there stays"
echo "model_config_list { nonsense }" > models.conf
kill -HUP $PID
soon grep -q "reload: INVALID_ARGUMENT\|E turnery.*nonsense" log; ok "a wrong configuration is told"
ask "unix:$WORK/grpc" --model half --input 1; ok "and changes nothing"

echo "model_config_list { config { name: 'no' base_path: '$WORK/nowhere' model_platform: 'tensorflow' } }" > models.conf
kill -HUP $PID
soon grep -q "Could not find base path $WORK/nowhere" log; ok "a model that never comes is told"
config "versions: 1"
sed 's/version_labels { [^}]* }//' models.conf > plain.conf && mv plain.conf models.conf
kill -HUP $PID
soon "$T" predict --server "unix:$WORK/grpc" --model half --version 1 --input 1; ok "and the next configuration is not kept out"

# ---- the end, and the request log
stop; ok "SIGTERM: status 0"
fails "nobody answers any more" "UNAVAILABLE" "$T" predict --server "127.0.0.1:$GRPC" --model half --input 1
ls asked*.tfrecord > out 2> err; ok "there is a request log"

config "versions: 1 versions: 2"
sed 's/logging_config.*//; s/sampling_config.*/}}/' models.conf > plain.conf
start "$T" serve --model_config_file="$WORK/plain.conf"; ok "it starts again"
"$T" replay asked*.tfrecord --server "unix:$WORK/grpc" > out 2> err && grep -q "[1-9][0-9]* equal" out && ! grep -q different out; ok "replay: nothing differs"
"$T" replay asked*.tfrecord --server "unix:$WORK/grpc" --version 2 --json > out 2> err && tail -1 out | grep -q '"different":0,"failed":0'; ok "nor at another version"
"$T" replay asked*.tfrecord --server "unix:$WORK/grpc" --model nobody > out 2> err; [ $? -eq 1 ] && grep -q "record 0 (predict of 'nobody'): NOT_FOUND" out; ok "a model that is not there: status 1"
fails "no log" "NOT_FOUND" "$T" replay nothing --server "unix:$WORK/grpc"
stop; ok "and ends"

# ---- a configuration file that is followed
config "versions: 1"
start "$T" serve --model_config_file="$WORK/models.conf" --model_config_file_poll_wait_seconds=1; ok "a server that follows its configuration file"
config "versions: 1 versions: 2"
soon "$T" predict --server "unix:$WORK/grpc" --model half --version 2 --input 1; ok "it takes what has changed"
echo "model_config_list { nonsense }" > models.conf
soon grep -q "model_config_file: .*nonsense" log; ok "a wrong one is told"
config "versions: 1"
gone() { ! "$T" predict --server "unix:$WORK/grpc" --model half --version 2 --input 1; }
soon gone && ask "unix:$WORK/grpc" --model half --input 1; ok "and mended"
stop; ok "and ends"

# ---- tokens
printf 'the-right-one half\nof-another-model other\n' > tokens; chmod 600 tokens
echo the-right-one > right; echo of-another-model > other; echo of-nobody > wrong
start "$T" serve --model_name=half --model_base_path="$WORK/models" --auth_tokens_file="$WORK/tokens"; ok "a server that wants tokens"
for target in "unix:$WORK/grpc" "http://127.0.0.1:$REST"; do
    how=${target%%:*}
    ask "$target" --model half --input 1 --token_file right --gzip && [ "$(cat out)" = "y = [[2.5]]" ]; ok "$how: the right token"
    fails "$how: no token" "UNAUTHENTICATED" "$T" predict --server "$target" --model half --input 1
    fails "$how: a wrong token" "UNAUTHENTICATED" "$T" predict --server "$target" --model half --input 1 --token_file wrong
    fails "$how: a token of another model" "PERMISSION_DENIED" "$T" predict --server "$target" --model half --input 1 --token_file other
done
stop; ok "and ends"

# ---- as tensorflow_model_server
"$S" --help > out 2> err; [ $? -eq 255 ] && [ ! -s err ] && head -1 out | grep -q "^usage: " && grep -q "^.--port=8500 *.int32.[^ ]" out; ok "help is an error, as TensorFlow Serving has it"
"$S" --port=1 --enable_batching=yes --model_base_path="$WORK/models" > out 2> err; [ $? -eq 255 ] && grep -q "Couldn't interpret value =yes for flag enable_batching.$" err; ok "a boolean that is none"
"$S" --nonsense=1 > out 2> err; [ $? -eq 255 ] && head -1 out | grep -q "^unknown argument: --nonsense=1$" && grep -q "^usage: " out; ok "an unknown argument"
"$S" --port=999999 --model_name=half --model_base_path="$WORK/models" > out 2> err; [ $? -eq 255 ] && grep -q "^Failed to start server. Error: " out && grep -q "is no port" err; ok "a start that fails: status 255"
start "$S" --model_name=half --model_base_path="$WORK/models"; ok "it serves by flags alone"
ask "http://localhost:$REST" --model half --input 8 --json && [ "$(cat out)" = '{"y":[[6]]}' ]; ok "and answers"
stop; ok "status 0"
done_testing
