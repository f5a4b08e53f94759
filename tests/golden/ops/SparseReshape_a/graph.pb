
5
in_0Placeholder*
dtype0	*
shape
:
1
in_1Placeholder*
dtype0	*
shape:
1
in_2Placeholder*
dtype0	*
shape:
0
SparseReshapeSparseReshapein_0in_1in_2
)
out_0IdentitySparseReshape*
T0	
+
out_1IdentitySparseReshape:1*
T0	"ª