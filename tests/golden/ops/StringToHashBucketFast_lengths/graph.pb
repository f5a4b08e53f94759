
1
in_0Placeholder*
dtype0*
shape:K
Q
StringToHashBucketFastStringToHashBucketFastin_0*
num_buckets
€€€€€€€€@
2
out_0IdentityStringToHashBucketFast*
T0	"ª