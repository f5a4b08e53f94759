#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run_ops.sh - the goldens of single operators (or of their gradients) as TAP: each case of ops_expected.txt must pass. Of the others, which
# need an operator that is not there, only their number is printed.
#
# usage: run_ops.sh GOLDEN_OPS|GOLDEN_GRADS
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2046
out=$("$1" "$here"/ops $(cat "$here"/ops_expected.txt)) && status=0 || status=$?
echo "$out" | awk -v status=$status '
FNR == NR && $1 == "FAIL" { name = $3; sub(/:$/, "", name); why[name] = why[name] "# " $0 "\n"; next }
FNR == NR && /passed, [0-9]+ failed$/ { finished = 1; next }
FNR == NR { next }
{ print (($1 in why) || !finished ? "not ok " : "ok ") ++n " - " $1; printf "%s", why[$1] }
END { print "1.." n; if (status > 1) print "# golden_ops ended with status " status }' - "$here"/ops_expected.txt
exit $status
