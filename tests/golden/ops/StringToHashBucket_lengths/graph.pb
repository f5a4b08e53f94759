
1
in_0Placeholder*
dtype0*
shape:K
I
StringToHashBucketStringToHashBucketin_0*
num_buckets
€€€€€€€€@
.
out_0IdentityStringToHashBucket*
T0	"ª