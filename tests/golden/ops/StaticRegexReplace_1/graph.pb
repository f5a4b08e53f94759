
1
in_0Placeholder*
dtype0*
shape:
l
StaticRegexReplaceStaticRegexReplacein_0*
pattern(.)(.)*
replace_global(*
rewrite\2\1
.
out_0IdentityStaticRegexReplace*
T0"ª