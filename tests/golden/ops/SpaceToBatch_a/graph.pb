
=
in_0Placeholder*
dtype0*
shape:
5
in_1Placeholder*
dtype0*
shape
:
T
SpaceToBatchSpaceToBatchin_0in_1*
	Tpaddings0*
T0*

block_size
(
out_0IdentitySpaceToBatch*
T0"ª