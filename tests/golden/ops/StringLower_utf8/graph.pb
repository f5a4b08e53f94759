
1
in_0Placeholder*
dtype0*
shape:
5
StringLowerStringLowerin_0*
encodingutf-8
'
out_0IdentityStringLower*
T0"ª