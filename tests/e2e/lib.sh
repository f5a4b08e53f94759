# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share: a folder of their own, TAP lines, and ways to say what is expected.
# Sourced with $1 = the turnery binary; sets T (the binary), HERE (this folder), and goes to an empty folder.
set -u
T=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 1
NO_COLOR=1; export NO_COLOR
N=0; BAD=0

ok() { # ok NAME: after a command, says whether it went well
    if [ $? -eq 0 ]; then r=ok; else r="not ok"; BAD=1; fi
    N=$((N + 1)); echo "$r $N - $1"
    if [ "$r" = "not ok" ]; then for f in out err; do [ -f $f ] && sed "s/^/# $f: /" $f | tail -20; done; fi
    return 0
}
done_testing() { echo "1..$N"; exit $BAD; }

# fails NAME WORDS COMMAND...: a non-zero exit that is no signal's, one line on stderr at the end that has the words
fails() {
    name=$1 words=$2; shift 2
    "$@" > out 2> err; s=$?
    [ $s -gt 0 ] && [ $s -lt 128 ] && tail -1 err | grep -q "^turnery [a-z]*: .*$words"; ok "$name"
}
run_of() { ls -d "$1"/*_settings_* | tail -1; }
