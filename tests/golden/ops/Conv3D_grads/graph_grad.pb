
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
T0
D
gseed_0Placeholder*
dtype0*
shape:
1
gradients/grad_ys_0Identitygseed_0*
T0
T
gradients/Conv3D_grad/ShapeNShapeNin_0in_1*
N*
T0*
out_type0
í
+gradients/Conv3D_grad/Conv3DBackpropInputV2Conv3DBackpropInputV2gradients/Conv3D_grad/ShapeNin_1gradients/grad_ys_0*
Tshape0*
T0*
data_formatNDHWC*
	dilations	
*
paddingSAME*
strides	

ã
,gradients/Conv3D_grad/Conv3DBackpropFilterV2Conv3DBackpropFilterV2in_0gradients/Conv3D_grad/ShapeN:1gradients/grad_ys_0*
T0*
data_formatNDHWC*
	dilations	
*
paddingSAME*
strides	

H
grad_0Identity+gradients/Conv3D_grad/Conv3DBackpropInputV2*
T0
I
grad_1Identity,gradients/Conv3D_grad/Conv3DBackpropFilterV2*
T0"ª