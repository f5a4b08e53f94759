#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run_ops.sh - the goldens of single operators as TAP, one line a case (its gradients included).
#
# usage: run_ops.sh GOLDEN_OPS
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$("$1" "$here"/ops) && status=0 || status=$?
{
    echo "$out"
    ls "$here"/ops
} | awk -v status=$status '
$1 == "FAIL" { why[$3] = why[$3] "# " $0 "\n"; next }
/passed, [0-9]+ failed$/ { finished = 1; next }
{ print (($1 in why) || !finished ? "not ok " : "ok ") ++n " - " $1; printf "%s", why[$1] }
END { print "1.." n; if (status > 1) print "# golden_ops ended with status " status }'
exit $status
