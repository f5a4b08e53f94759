
5
in_0Placeholder*
dtype0*
shape
:
1
in_1Placeholder*
dtype0*
shape:
+
	BiasAddV1	BiasAddV1in_0in_1*
T0
%
out_0Identity	BiasAddV1*
T0"ª