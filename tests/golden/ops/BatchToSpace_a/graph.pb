
=
in_0Placeholder*
dtype0*
shape:
5
in_1Placeholder*
dtype0*
shape
:
O
BatchToSpaceBatchToSpacein_0in_1*

Tidx0*
T0*

block_size
(
out_0IdentityBatchToSpace*
T0"ª