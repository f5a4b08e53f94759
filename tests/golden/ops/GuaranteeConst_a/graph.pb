
1
in_0Placeholder*
dtype0*
shape:
/
GuaranteeConstGuaranteeConstin_0*
T0
*
out_0IdentityGuaranteeConst*
T0"ª