
1
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0*
shape:
m
StatelessRandomUniformFullIntStatelessRandomUniformFullIntin_0in_1*
Tseed0*
T0*
dtype0
9
out_0IdentityStatelessRandomUniformFullInt*
T0"ª