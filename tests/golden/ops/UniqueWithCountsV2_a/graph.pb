
5
in_0Placeholder*
dtype0	*
shape
:
1
in_1Placeholder*
dtype0	*
shape:
Y
UniqueWithCountsV2UniqueWithCountsV2in_0in_1*
Taxis0	*
T0	*
out_idx0
.
out_0IdentityUniqueWithCountsV2*
T0	
0
out_1IdentityUniqueWithCountsV2:1*
T0
0
out_2IdentityUniqueWithCountsV2:2*
T0"ª