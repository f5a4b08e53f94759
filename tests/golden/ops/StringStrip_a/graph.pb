
1
in_0Placeholder*
dtype0*
shape:
 
StringStripStringStripin_0
'
out_0IdentityStringStrip*
T0"ª