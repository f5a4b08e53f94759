
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
T0"ª