
5
in_0Placeholder*
dtype0*
shape
:
5
in_1Placeholder*
dtype0*
shape
:
W
MirrorPadGradMirrorPadGradin_0in_1*
	Tpaddings0*
T0*
mode	REFLECT
)
out_0IdentityMirrorPadGrad*
T0
J
gseed_0Placeholder*
dtype0*%
shape:ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ
1
gradients/grad_ys_0Identitygseed_0*
T0
{
&gradients/MirrorPadGrad_grad/MirrorPad	MirrorPadgradients/grad_ys_0in_1*
	Tpaddings0*
T0*
mode	REFLECT
C
grad_0Identity&gradients/MirrorPadGrad_grad/MirrorPad*
T0"ª