
=
in_0Placeholder*
dtype0*
shape:
=
in_1Placeholder*
dtype0*
shape:
=
in_2Placeholder*
dtype0*
shape:
è
MaxPoolGradGradMaxPoolGradGradin_0in_1in_2*
T0*
data_formatNHWC*
ksize
*
paddingSAME*
strides

+
out_0IdentityMaxPoolGradGrad*
T0"™