
=
in_0Placeholder*
dtype0*
shape:
@
BiasAddGradBiasAddGradin_0*
T0*
data_formatNCHW
'
out_0IdentityBiasAddGrad*
T0"ª