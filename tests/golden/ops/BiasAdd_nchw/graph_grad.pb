
=
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0*
shape:
>
BiasAddBiasAddin_0in_1*
T0*
data_formatNCHW
#
out_0IdentityBiasAdd*
T0
@
gseed_0Placeholder*
dtype0*
shape:
1
gradients/grad_ys_0Identitygseed_0*
T0
f
"gradients/BiasAdd_grad/BiasAddGradBiasAddGradgradients/grad_ys_0*
T0*
data_formatNCHW
0
grad_0Identitygradients/grad_ys_0*
T0
?
grad_1Identity"gradients/BiasAdd_grad/BiasAddGrad*
T0"ª