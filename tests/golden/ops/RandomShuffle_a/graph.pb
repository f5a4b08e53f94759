
5
in_0Placeholder*
dtype0*
shape
:
F
RandomShuffleRandomShufflein_0*
T0*
seed2*

seed
)
out_0IdentityRandomShuffle*
T0"ª