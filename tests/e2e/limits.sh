#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Graphs that want too much, or ask for what is not there, through the command; and the limits that can be set.
. "$(dirname "$0")/lib.sh"

attr() { printf 'attr { key: "%s" value { %s } } ' "$1" "$2"; } # attr NAME VALUE
node() { printf 'node { name: "%s" op: "%s" %s}\n' "$1" "$2" "$3"; }
int() { node "$1" Const "$(attr dtype 'type: DT_INT32') $(attr value "tensor { dtype: DT_INT32 tensor_shape { $3 } int_val: $2 }")"; }
T32=$(attr T 'type: DT_FLOAT')
{
    node x Placeholder "$(attr dtype 'type: DT_FLOAT') $(attr shape 'shape { dim { size: 2 } }')"
    node n Placeholder "$(attr dtype 'type: DT_INT32') $(attr shape 'shape { dim { size: 1 } }')"
    node big Tile "input: \"x\" input: \"n\" $T32 $(attr Tmultiples 'type: DT_INT32')"
    int zero 0 ''
    node sum Sum "input: \"big\" input: \"zero\" $T32 $(attr Tidx 'type: DT_INT32')"
    node unknown NoSuchOperator ''
} > graph.pbtxt
run() { "$T" run --graph graph.pbtxt "$@"; }
npy() { # npy FILE DTYPE SHAPE BYTES (printf's escapes)
    header="{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
    while [ $(((${#header} + 11) % 64)) -ne 0 ]; do header="$header "; done
    printf "\\223NUMPY\\001\\000\\$(printf %o $((${#header} + 1)))\\000%s\\n$4" "$header" > "$1"
}
npy x.npy '<f4' '(2,)' '\000\000\200\077\000\000\000\100'
npy three.npy '<f4' '(3,)' '\000\000\200\077\000\000\000\100\000\000\000\100'
npy n.npy '<i4' '(1,)' '\003\000\000\000'
npy million.npy '<i4' '(1,)' '\100\102\017\000'
npy huge.npy '<i4' '(1,)' '\377\377\377\177'

run --feed x=x.npy --feed n=n.npy --fetch sum > out 2> err && grep -q "^9" out; ok "a graph that is asked well"
fails "nothing is fed" "You must feed a value for placeholder tensor '[xn]'.*{{node [xn]}}" run --fetch sum
fails "a feed that is not there" "no operation 'y'" run --feed y=x.npy --fetch sum
fails "a feed of another shape" "Cannot feed value of shape \[3\] for Tensor 'x', which has shape '\[2\]'" run --feed x=three.npy --feed n=n.npy --fetch sum
fails "a feed of another dtype" "dtype int32 for 'x'" run --feed x=n.npy --feed n=n.npy --fetch sum
fails "a fetch that is not there" "no operation 'nobody'" run --fetch nobody
fails "a fetch of another output" "there is no 'sum:7'" run --fetch sum:7
fails "a target that is not there" "no operation 'nobody'" run --target nobody
fails "an operator that we lack" "NoSuchOperator.*unknown" run --target unknown
fails "values over the limit" "OOM when allocating tensor with shape\[2000000\] and type float.*{{node big}}" \
    run --feed x=x.npy --feed n=million.npy --fetch sum --memory_limit=4MB
run --feed x=x.npy --feed n=million.npy --fetch sum --memory_limit=64MB > out 2> err; ok "and below it"
fails "more than there can be" "OOM when allocating tensor\|RESOURCE_EXHAUSTED" run --feed x=x.npy --feed n=huge.npy --fetch sum --memory_limit=1GB
fails "a limit that is none" "takes a number of bytes" run --feed x=x.npy --feed n=n.npy --fetch sum --memory_limit=lots
fails "a time that is none" "takes seconds" run --feed x=x.npy --feed n=n.npy --fetch sum --time_limit=-3

node x Placeholder "$(attr dtype 'type: DT_FLOAT')" > loop.pbtxt
node e Enter "input: \"x\" $T32 $(attr frame_name 's: "f"')" >> loop.pbtxt
node m Merge "input: \"e\" input: \"next\" $T32 $(attr N 'i: 2')" >> loop.pbtxt
node yes Const "input: \"^m\" $(attr dtype 'type: DT_BOOL') $(attr value 'tensor { dtype: DT_BOOL tensor_shape { } bool_val: true }')" >> loop.pbtxt
node c LoopCond 'input: "yes"' >> loop.pbtxt
node s Switch "input: \"m\" input: \"c\" $T32" >> loop.pbtxt
node i Neg "input: \"s:1\" $T32" >> loop.pbtxt
node next NextIteration "input: \"i\" $T32" >> loop.pbtxt
node y Exit "input: \"s\" $T32" >> loop.pbtxt
fails "a loop without end" "DEADLINE_EXCEEDED" "$T" run --graph loop.pbtxt --feed x=x.npy --fetch y --time_limit=0.1

# A constant of one value is small in a file, however large it is.
for i in 1 2 3 4; do
    node c$i Const "$(attr dtype 'type: DT_FLOAT') $(attr value 'tensor { dtype: DT_FLOAT tensor_shape { dim { size: 200000000 } } float_val: 0 }')"
done > constants.pbtxt
fails "constants over the limit" "RESOURCE_EXHAUSTED.*Const" "$T" run --graph constants.pbtxt --fetch c1 --memory_limit=100MB
fails "and without a limit" "RESOURCE_EXHAUSTED.*Const" "$T" run --graph constants.pbtxt --fetch c1

# Deep, and long.
awk 'BEGIN { for (i = 0; i < 10000; i++) printf "library { function { "; print "" }' > deep.pbtxt
fails "messages in messages" "deep.pbtxt" "$T" run --graph deep.pbtxt --fetch y
{
    node n0 Placeholder "$(attr dtype 'type: DT_FLOAT')"
    awk -v T="$T32" 'BEGIN { for (i = 1; i <= 20000; i++) printf "node { name: \"n%d\" op: \"Abs\" input: \"n%d\" %s}\n", i, i - 1, T }'
} > chain.pbtxt
"$T" run --graph chain.pbtxt --feed n0=x.npy --fetch n20000 > out 2> err; ok "a long chain of nodes"
F="$(attr Tin 'list { type: DT_FLOAT }') $(attr Tout 'list { type: DT_FLOAT }')"
awk -v F="$F" 'BEGIN {
    print "library {"
    for (i = 0; i < 10000; i++) printf "function { signature { name: \"f%d\" input_arg { name: \"x\" type: DT_FLOAT } output_arg { name: \"y\" type: DT_FLOAT } } " \
        "node_def { name: \"c\" op: \"PartitionedCall\" input: \"x\" %s attr { key: \"f\" value { func { name: \"f%d\" } } } } ret { key: \"y\" value: \"c:output:0\" } }\n", i, F, i + 1
    print "function { signature { name: \"f10000\" input_arg { name: \"x\" type: DT_FLOAT } output_arg { name: \"y\" type: DT_FLOAT } } ret { key: \"y\" value: \"x\" } } }"
    print "node { name: \"x\" op: \"Placeholder\" attr { key: \"dtype\" value { type: DT_FLOAT } } }"
    printf "node { name: \"y\" op: \"PartitionedCall\" input: \"x\" %s attr { key: \"f\" value { func { name: \"f0\" } } } }\n", F
    printf "node { name: \"z\" op: \"PartitionedCall\" input: \"x\" %s attr { key: \"f\" value { func { name: \"f9950\" } } } }\n", F
}' > calls.pbtxt
fails "functions that call functions, too deep" "nest more than [0-9]* deep" "$T" run --graph calls.pbtxt --feed x=x.npy --fetch y
"$T" run --graph calls.pbtxt --feed x=x.npy --fetch z > out 2> err; ok "and not too deep"
{
    echo "library { function { signature { name: \"f\" input_arg { name: \"x\" type: DT_FLOAT } output_arg { name: \"y\" type: DT_FLOAT } } " \
        "node_def { name: \"c\" op: \"PartitionedCall\" input: \"x\" $F $(attr f 'func { name: "f" }') } ret { key: \"y\" value: \"c:output:0\" } } }"
    echo "node { name: \"x\" op: \"Placeholder\" $(attr dtype 'type: DT_FLOAT')}"
    echo "node { name: \"y\" op: \"f\" input: \"x\" }"
} > itself.pbtxt
fails "a function that calls itself without end" "RESOURCE_EXHAUSTED.*call each other more than [0-9]* deep" \
    "$T" run --graph itself.pbtxt --feed x=x.npy --fetch y
awk -v F="$F" 'BEGIN {
    print "library {"
    for (i = 0; i < 60; i++) printf "function { signature { name: \"f%d\" input_arg { name: \"x\" type: DT_FLOAT } output_arg { name: \"y\" type: DT_FLOAT } } " \
        "node_def { name: \"c\" op: \"PartitionedCall\" input: \"x\" %s attr { key: \"f\" value { func { name: \"f%d\" } } } } " \
        "node_def { name: \"d\" op: \"PartitionedCall\" input: \"c:output:0\" %s attr { key: \"f\" value { func { name: \"f%d\" } } } } ret { key: \"y\" value: \"d:output:0\" } }\n", i, F, i + 1, F, i + 1
    print "function { signature { name: \"f60\" input_arg { name: \"x\" type: DT_FLOAT } output_arg { name: \"y\" type: DT_FLOAT } } ret { key: \"y\" value: \"x\" } } }"
    print "node { name: \"x\" op: \"Placeholder\" attr { key: \"dtype\" value { type: DT_FLOAT } } }"
    printf "node { name: \"y\" op: \"PartitionedCall\" input: \"x\" %s attr { key: \"f\" value { func { name: \"f0\" } } } }\n", F
}' > double.pbtxt
fails "functions that call functions twice" "RESOURCE_EXHAUSTED.*operations" "$T" run --graph double.pbtxt --feed x=x.npy --fetch y --memory_limit=8MB
done_testing
