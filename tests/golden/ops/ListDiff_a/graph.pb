
1
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0*
shape:
8
ListDiffListDiffin_0in_1*
T0*
out_idx0
$
out_0IdentityListDiff*
T0
&
out_1Identity
ListDiff:1*
T0"ª