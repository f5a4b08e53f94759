
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
T0
@
gseed_0Placeholder*
dtype0*
shape:
1
gradients/grad_ys_0Identitygseed_0*
T0
>
gradients/zeros_like	ZerosLikeFusedBatchNormV3:1*
T0
@
gradients/zeros_like_1	ZerosLikeFusedBatchNormV3:2*
T0
@
gradients/zeros_like_2	ZerosLikeFusedBatchNormV3:3*
T0
@
gradients/zeros_like_3	ZerosLikeFusedBatchNormV3:4*
T0
@
gradients/zeros_like_4	ZerosLikeFusedBatchNormV3:5*
T0
÷
4gradients/FusedBatchNormV3_grad/FusedBatchNormGradV3FusedBatchNormGradV3gradients/grad_ys_0in_0in_1FusedBatchNormV3:3FusedBatchNormV3:4FusedBatchNormV3:5*
T0*
U0*
data_formatNHWC*
epsilon%·Ñ8*
is_training(
Q
grad_0Identity4gradients/FusedBatchNormV3_grad/FusedBatchNormGradV3*
T0
S
grad_1Identity6gradients/FusedBatchNormV3_grad/FusedBatchNormGradV3:1*
T0
S
grad_2Identity6gradients/FusedBatchNormV3_grad/FusedBatchNormGradV3:2*
T0"ª