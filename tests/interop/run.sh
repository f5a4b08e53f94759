#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - real TensorFlow and TensorBoard read what we write, and we what TensorFlow writes. Ends with the line
# "N passed, N failed".
#
# usage: tests/interop/run.sh BUILD     TF_PYTHON: an interpreter that has TensorFlow and TensorBoard; without, a
#                                       virtual environment is made in build/tensorflow (about 600 MB, once)
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)

if [ -z "${TF_PYTHON:-}" ]; then
    TF_PYTHON=$build/tensorflow/bin/python
    if ! "$TF_PYTHON" -c 'import importlib.metadata as m; m.version("tensorflow-cpu"); m.version("tensorboard"); m.version("tensorflow-serving-api")' 2>/dev/null; then
        tools/setup python3-venv openssl
        rm -rf "$build/tensorflow"
        python3 -m venv "$build/tensorflow"
        "$build/tensorflow/bin/pip" install --quiet --disable-pip-version-check 'tensorflow-cpu==2.21.*' 'tensorboard==2.*' grpcio
        # Its own list of packages names the large TensorFlow.
        "$build/tensorflow/bin/pip" install --quiet --disable-pip-version-check --no-deps 'tensorflow-serving-api==2.21.*'
    fi
fi

export TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore CUDA_VISIBLE_DEVICES=
# TensorFlow leaves a file behind for each function that it writes anew.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

log=$build/interop.log
status=0
TURNERY=$build/turnery GOLDEN_CASES=$build/tests/golden_cases "$TF_PYTHON" -m unittest discover -v -s tests/interop -p 'test_*.py' 2>&1 | tee "$log" || true
[ "${PIPESTATUS[0]}" = 0 ] || status=1
awk -v status=$status '
/ \.\.\. ok$|^ok$/ { passed++ }
/ \.\.\. (FAIL|ERROR)$|^(FAIL|ERROR)$/ { failed++ }
END {
    if (status && !failed) failed = 1
    printf "%d passed, %d failed\n", passed, failed
}' "$log"
exit $status
