
1
in_0Placeholder*
dtype0*
shape:
1
in_1Placeholder*
dtype0	*
shape:
´
StringNGramsStringNGramsin_0in_1*
Tsplits0	*
left_pad<*
ngram_widths
*
	pad_width*
preserve_short_sequences(*
	right_pad>*
	separator|
(
out_0IdentityStringNGrams*
T0
*
out_1IdentityStringNGrams:1*
T0	"ª