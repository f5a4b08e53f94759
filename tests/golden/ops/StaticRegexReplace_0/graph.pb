
1
in_0Placeholder*
dtype0*
shape:
n
StaticRegexReplaceStaticRegexReplacein_0*
pattern
[aeiou]+*
replace_global(*
rewrite<\0>
.
out_0IdentityStaticRegexReplace*
T0"ª