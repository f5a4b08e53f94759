
1
in_0Placeholder*
dtype0*
shape:
5
in_1Placeholder*
dtype0*
shape
:
5
in_2Placeholder*
dtype0*
shape
:
9
in_3Placeholder*
dtype0*
shape:
X
ParallelDynamicStitchParallelDynamicStitchin_0in_1in_2in_3*
N*
T0
1
out_0IdentityParallelDynamicStitch*
T0"ª