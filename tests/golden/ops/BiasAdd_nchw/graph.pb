
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
T0"ª