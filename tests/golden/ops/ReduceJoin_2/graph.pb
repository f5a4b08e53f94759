
5
in_0Placeholder*
dtype0*
shape
:
1
in_1Placeholder*
dtype0*
shape:
G

ReduceJoin
ReduceJoinin_0in_1*
	keep_dims(*
	separator.
&
out_0Identity
ReduceJoin*
T0"ª