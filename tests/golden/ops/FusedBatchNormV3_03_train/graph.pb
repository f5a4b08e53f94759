
=
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0*
shape:
1
in_2Placeholder*
dtype0*
shape:
1
in_3Placeholder*
dtype0*
shape:
1
in_4Placeholder*
dtype0*
shape:
±
FusedBatchNormV3FusedBatchNormV3in_0in_1in_2in_3in_4*
T0*
U0*
data_formatNHWC*
epsilon%·Ñ8*
exponential_avg_factor%š™™>*
is_training(
,
out_0IdentityFusedBatchNormV3*
T0"ª