
1
in_0Placeholder*
dtype0	*
shape:
O
StatelessRandomGetKeyCounterStatelessRandomGetKeyCounterin_0*
Tseed0	
8
out_0IdentityStatelessRandomGetKeyCounter*
T0
:
out_1IdentityStatelessRandomGetKeyCounter:1*
T0"ª