
1
in_0Placeholder*
dtype0*
shape:
=
in_1Placeholder*
dtype0*
shape:

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
T0
d
gseed_0Placeholder*
dtype0*?
shape6:4ÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿÿ
1
gradients/grad_ys_0Identitygseed_0*
T0
F
'gradients/AvgPoolGrad_grad/StopGradientStopGradientin_0*
T0

"gradients/AvgPoolGrad_grad/AvgPoolAvgPoolgradients/grad_ys_0*
T0*
data_formatNHWC*
ksize
*
paddingSAME*
strides

?
grad_1Identity"gradients/AvgPoolGrad_grad/AvgPool*
T0"ª