
1
in_0Placeholder*
dtype0	*
shape:
1
in_1Placeholder*
dtype0	*
shape:
5
in_2Placeholder*
dtype0*
shape
:
i
RaggedTensorToSparseRaggedTensorToSparsein_0in_1in_2*
RAGGED_RANK*
Tsplits0	*
T0
0
out_0IdentityRaggedTensorToSparse*
T0	
2
out_1IdentityRaggedTensorToSparse:1*
T0
2
out_2IdentityRaggedTensorToSparse:2*
T0	"ª