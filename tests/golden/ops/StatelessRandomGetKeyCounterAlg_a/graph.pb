
1
in_0Placeholder*
dtype0*
shape:
U
StatelessRandomGetKeyCounterAlgStatelessRandomGetKeyCounterAlgin_0*
Tseed0
;
out_0IdentityStatelessRandomGetKeyCounterAlg*
T0
=
out_1Identity!StatelessRandomGetKeyCounterAlg:1*
T0"ª