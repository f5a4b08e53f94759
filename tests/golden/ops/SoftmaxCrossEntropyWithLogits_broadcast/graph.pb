
5
in_0Placeholder*
dtype0*
shape
:
5
in_1Placeholder*
dtype0*
shape
:
S
SoftmaxCrossEntropyWithLogitsSoftmaxCrossEntropyWithLogitsin_0in_1*
T0
9
out_0IdentitySoftmaxCrossEntropyWithLogits*
T0"ª