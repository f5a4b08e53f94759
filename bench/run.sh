#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - measures ours and the peers in turn (one process each, several rounds, so that all see the same state of the
# machine) and prints one table; then starting time and memory of a prediction, sizes, the time of a clean build.
#
# usage: bench/run.sh BUILD [ROUNDS]     TF_PYTHON, TORCH_PYTHON: interpreters that have the peers; without: ours alone
#        ORT_PYTHON: one that has onnxruntime and onnx; with it (and TF_PYTHON, which makes the models) inference, too
set -eu
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
rounds=${2:-2}
turnery=$build/turnery
threads=${THREADS:-2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export TF_CPP_MIN_LOG_LEVEL=3 PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1

lines() { "$@" 2>>"$out/err" | grep '^{' >>"$out/lines" || echo "bench: failed: $*" >&2; }
peer() { # interpreter, script, arguments...
    local python=$1
    shift
    [ -n "$python" ] || return 0
    (cd bench/training/peers && lines timeout 180 "$python" "$@" --threads "$threads" --blocks 2)
}

for ((i = 1; i <= rounds; i++)); do
    echo "round $i of $rounds" >&2
    lines "$turnery" bench bench/training/w1_curve_fitting.c --w=W1 --steps 300 --blocks 8 --threads "$threads" --json
    peer "${TF_PYTHON:-}" w1_curve_fitting_tf.py --modes function_loop,session
    peer "${TORCH_PYTHON:-}" w1_curve_fitting_torch.py --modes fused
    lines "$turnery" bench bench/training/w6_digits_cnn.c --w=W6 --steps 6 --blocks 4 --threads "$threads" --json
    TF_ENABLE_ONEDNN_OPTS=1 peer "${TF_PYTHON:-}" w6_mnist_cnn_tf.py --modes function
    peer "${TORCH_PYTHON:-}" w6_mnist_cnn_torch.py --modes cl
done

# One row a workload and mode: median and best time of a step over all blocks of all rounds, and how many times
# longer than ours (median / median; between best / our worst and worst / our best).
awk '
function text(key,   s) {
    if (!match($0, "\"" key "\": *\"[^\"]*\"")) return ""
    s = substr($0, RSTART, RLENGTH); sub(/^.*: *"/, "", s); sub(/"$/, "", s)
    return s
}
function median(v, n,   i, j, t) {
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
/"error"/ { print "bench: " $0 > "/dev/stderr"; next }
match($0, /"ms_per_step": *\[[^\]]*\]/) {
    list = substr($0, RSTART, RLENGTH); gsub(/.*\[|\]/, "", list)
    key = text("w") "|" text("peer") "|" text("mode")
    if (!(key in n)) order[++keys] = key
    k = split(list, ms, /, */)
    for (i = 1; i <= k; i++) all[key, ++n[key]] = ms[i] + 0
}
END {
    for (k = 1; k <= keys; k++) {
        key = order[k]
        for (i = 1; i <= n[key]; i++) v[i] = all[key, i]
        mid[key] = median(v, n[key]); low[key] = v[1]; high[key] = v[n[key]]
        split(key, part, "|")
        if (part[2] == "turnery") ours[part[1]] = key
    }
    printf "%-4s %-26s %12s %12s %12s   %s\n", "w", "who, mode", "ms a step", "best", "worst", "times ours (spread)"
    for (k = 1; k <= keys; k++) {
        key = order[k]; split(key, part, "|"); o = ours[part[1]]
        printf "%-4s %-26s %12.4f %12.4f %12.4f", part[1], part[2] " " part[3], mid[key], low[key], high[key]
        if (o != "" && key != o)
            printf "   %.2f (%.2f - %.2f)", mid[key] / mid[o], low[key] / high[o], high[key] / low[o]
        printf "\n"
    }
}' "$out/lines"

# ---- inference, beside onnxruntime on the same weights ----
if [ -n "${TF_PYTHON:-}" ] && [ -n "${ORT_PYTHON:-}" ]; then
    ${CC:-cc} -O2 bench/infer/ours.c -Iinclude -L"$build" -lturnery -Wl,-rpath,"$build" -o "$out/ours"
    "$TF_PYTHON" bench/infer/make_models.py "$out/models" >>"$out/err" 2>&1
    "$ORT_PYTHON" bench/infer/compare.py "$out/ours" "$out/models"
fi

# ---- from process start to an answer, and memory: the exported digits network and one image ----
"$turnery" train examples/digits/digits.c --max_steps=20 --logdir="$out/runs" >"$out/train" 2>&1 || tail -3 "$out/train" >&2
model=$(find "$out/runs" -name saved_model.pb -printf '%h\n' | sort | tail -n 1)
python3 - "$turnery" predict "$model" --images=examples/digits/data/test-images-idx3-ubyte.gz <<'END'
import resource, subprocess, sys, time
ms = []
for _ in range(21):
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
    ms.append((time.perf_counter() - start) * 1e3)
ms.sort()
print("turnery predict, process start to answer: %.1f ms (%.1f - %.1f), %.1f MB" % (
    ms[10], ms[0], ms[-1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
END

# ---- sizes, a clean build ----
for f in "$build/turnery" "$build"/libturnery.so.*.*.*; do
    [ -f "$f" ] || continue
    strip -o "$out/stripped" "$f"
    echo "$(basename "$f"), stripped: $(awk -v n="$(stat -c %s "$out/stripped")" 'BEGIN { printf "%.2f MB", n / 1e6 }')"
done
start=$(date +%s%N)
CCACHE_DISABLE=1 meson setup "$out/build" >/dev/null && CCACHE_DISABLE=1 ninja -C "$out/build" -j 2 turnery libturnery.so.0.1.0 >/dev/null
echo "clean build of command and library, 2 jobs: $((($(date +%s%N) - start) / 1000000000)) s"
