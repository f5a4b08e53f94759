
=
in_0Placeholder*
dtype0*
shape:
ž
MaxPoolWithArgmaxMaxPoolWithArgmaxin_0*
Targmax0*
T0*
include_batch_in_index(*
ksize
*
paddingVALID*
strides

-
out_0IdentityMaxPoolWithArgmax*
T0
/
out_1IdentityMaxPoolWithArgmax:1*
T0"ª