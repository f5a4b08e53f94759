
=
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0*
shape:
1
in_2Placeholder*
dtype0*
shape:
\
	MaxPoolV2	MaxPoolV2in_0in_1in_2*
T0*
data_formatNHWC*
paddingVALID
%
out_0Identity	MaxPoolV2*
T0
2
gseed_0Placeholder*
dtype0*
shape:
1
gradients/grad_ys_0Identitygseed_0*
T0
ù
&gradients/MaxPoolV2_grad/MaxPoolGradV2MaxPoolGradV2in_0	MaxPoolV2gradients/grad_ys_0in_1in_2*
T0*
data_formatNHWC*
paddingVALID
C
grad_0Identity&gradients/MaxPoolV2_grad/MaxPoolGradV2*
T0"™