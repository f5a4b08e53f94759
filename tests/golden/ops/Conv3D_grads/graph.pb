
A
in_0Placeholder*
dtype0*
shape:
A
in_1Placeholder*
dtype0*
shape:
~
Conv3DConv3Din_0in_1*
T0*
data_formatNDHWC*
	dilations	
*
paddingSAME*
strides	

"
out_0IdentityConv3D*
T0"ª