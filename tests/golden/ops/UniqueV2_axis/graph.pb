
5
in_0Placeholder*
dtype0*
shape
:
1
in_1Placeholder*
dtype0	*
shape:
E
UniqueV2UniqueV2in_0in_1*
Taxis0	*
T0*
out_idx0
$
out_0IdentityUniqueV2*
T0
&
out_1Identity
UniqueV2:1*
T0"ª