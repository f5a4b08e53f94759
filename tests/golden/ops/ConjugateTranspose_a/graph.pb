
5
in_0Placeholder*
dtype0*
shape
:
1
in_1Placeholder*
dtype0*
shape:
J
ConjugateTransposeConjugateTransposein_0in_1*
Tperm0*
T0
.
out_0IdentityConjugateTranspose*
T0"ª