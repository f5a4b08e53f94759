
1
in_0Placeholder*
dtype0*
shape:
P
StaticRegexFullMatchStaticRegexFullMatchin_0*
pattern\s*[A-Za-z]*\s*
0
out_0IdentityStaticRegexFullMatch*
T0
"ª