
5
in_0Placeholder*
dtype0*
shape
:
5
in_1Placeholder*
dtype0	*
shape
:
Y
MirrorPadGradMirrorPadGradin_0in_1*
	Tpaddings0	*
T0*
mode	SYMMETRIC
)
out_0IdentityMirrorPadGrad*
T0"ª