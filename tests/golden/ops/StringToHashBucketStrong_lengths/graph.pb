
1
in_0Placeholder*
dtype0*
shape:K
m
StringToHashBucketStrongStringToHashBucketStrongin_0*
key
{Óÿÿÿÿÿÿÿÿ*
num_buckets
€€€€€€€€@
4
out_0IdentityStringToHashBucketStrong*
T0	"ª