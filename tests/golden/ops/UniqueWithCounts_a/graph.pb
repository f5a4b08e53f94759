
1
in_0Placeholder*
dtype0*
shape:
B
UniqueWithCountsUniqueWithCountsin_0*
T0*
out_idx0
,
out_0IdentityUniqueWithCounts*
T0
.
out_1IdentityUniqueWithCounts:1*
T0
.
out_2IdentityUniqueWithCounts:2*
T0"ª