
1
in_0Placeholder*
dtype0*
shape:
=
in_1Placeholder*
dtype0*
shape:
Å
AvgPoolGradAvgPoolGradin_0in_1*
T0*
data_formatNHWC*
ksize
*
paddingSAME*
strides

'
out_0IdentityAvgPoolGrad*
T0"™