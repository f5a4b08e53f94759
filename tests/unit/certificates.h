/* SPDX-License-Identifier: Apache-2.0
 *
 * certificates.h - keys and certificates for tests of TLS, good for a hundred years: an authority, a server's (localhost)
 * and a client's signed by it, and somebody else's, signed by himself.
 */
#ifndef TN_TEST_CERTIFICATES_H
#define TN_TEST_CERTIFICATES_H

#define AUTHORITY_CERT \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBijCCAS+gAwIBAgIUNWEaY4zKqxoAHvu4KkNwYEQ/5mQwCgYIKoZIzj0EAwIw\n" \
    "GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMjM1MDA2WhgPMjEy\n" \
    "NjEwMjkyMzUwMDZaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI\n" \
    "zj0CAQYIKoZIzj0DAQcDQgAEo4nbJfoicmr8l1/7I4Q44pMGwZ7XyEcdoQoU5/bO\n" \
    "ndWw3rZFupA5zE4a2mAd/bvblLCyLDwQ4ZlE8m9DErvd1aNTMFEwHQYDVR0OBBYE\n" \
    "FMzELxG3dWS4JneLmvDZC8n82FjJMB8GA1UdIwQYMBaAFMzELxG3dWS4JneLmvDZ\n" \
    "C8n82FjJMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPfZ1+k+\n" \
    "8zG0MQVhcafARXi/VNjrx1InG7NIdnS0CDhqAiEA9TQWHmW5J/4fPZAdIv2Lo2F9\n" \
    "1R4hWPXKX2QtXowVdpM=\n" \
    "-----END CERTIFICATE-----\n"

#define SERVER_KEY \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MHcCAQEEIGj5iEancfJnET+/owpr+JZxoWOKHJK2R2AdHMyE7mjroAoGCCqGSM49\n" \
    "AwEHoUQDQgAEQ27rnAhOxcb5NIYiLabE9PfT7/cF2ORrcdKPQ+AJqzu+wFfb4ezI\n" \
    "NyFDsJEvnJBgNfpCiimzj3Z6TVcgiKlZKQ==\n" \
    "-----END EC PRIVATE KEY-----\n"

#define SERVER_CERT \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBjzCCATWgAwIBAgIUamv39rKXmFa4yo+cQJFpZnRqAV4wCgYIKoZIzj0EAwIw\n" \
    "GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMjM1MDA2WhgPMjEy\n" \
    "NjEwMjkyMzUwMDZaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEG\n" \
    "CCqGSM49AwEHA0IABENu65wITsXG+TSGIi2mxPT30+/3Bdjka3HSj0PgCas7vsBX\n" \
    "2+HsyDchQ7CRL5yQYDX6Qoops492ek1XIIipWSmjXjBcMBoGA1UdEQQTMBGCCWxv\n" \
    "Y2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQU4BM4NbIfmp7QcuwFCyt9um49/m0wHwYD\n" \
    "VR0jBBgwFoAUzMQvEbd1ZLgmd4ua8NkLyfzYWMkwCgYIKoZIzj0EAwIDSAAwRQIg\n" \
    "QmVBHnO8V7VecGC3B5RuuNJkVqHgY+tk5lfzJtwbQ8QCIQCTDi+NwFX68hlfGOiY\n" \
    "egFvECAgx8wlcz+j0DoKsxHInw==\n" \
    "-----END CERTIFICATE-----\n"

#define CLIENT_KEY \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MHcCAQEEIHJh5ru46V5riiZ02ewwG3/1EItsDzTk1w1zyjYMXLg2oAoGCCqGSM49\n" \
    "AwEHoUQDQgAEm8aL5t/wyVxgS4WY3LPb96oz1c968D6Dt1rEGZW6sy8dv0QS2vaa\n" \
    "GPpTkUybOOhUKxUXxZyUbtxhF4NBBZ8fhg==\n" \
    "-----END EC PRIVATE KEY-----\n"

#define CLIENT_CERT \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBjzCCATWgAwIBAgIUamv39rKXmFa4yo+cQJFpZnRqAV8wCgYIKoZIzj0EAwIw\n" \
    "GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMjM1MDA2WhgPMjEy\n" \
    "NjEwMjkyMzUwMDZaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEG\n" \
    "CCqGSM49AwEHA0IABJvGi+bf8MlcYEuFmNyz2/eqM9XPevA+g7daxBmVurMvHb9E\n" \
    "Etr2mhj6U5FMmzjoVCsVF8WclG7cYReDQQWfH4ajXjBcMBoGA1UdEQQTMBGCCWxv\n" \
    "Y2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQUF2nqKPDlugX7tkUYCvfE/SvsxfAwHwYD\n" \
    "VR0jBBgwFoAUzMQvEbd1ZLgmd4ua8NkLyfzYWMkwCgYIKoZIzj0EAwIDSAAwRQIh\n" \
    "AOo+1nagnpxqrycVedZByGZvXwZttHwigTL/SNRNI+0wAiBLRLGpsSp3ManMP0cy\n" \
    "4BDJ6wERj1Dw8J9LPJdrLGzrZA==\n" \
    "-----END CERTIFICATE-----\n"

#define OTHER_KEY \
    "-----BEGIN EC PRIVATE KEY-----\n" \
    "MHcCAQEEIMeYxob6GhmvVTPFy2YEWkpaUTJTiguNUIrE+2A0axqooAoGCCqGSM49\n" \
    "AwEHoUQDQgAEA/mpsMTYCS0cnrUqNuqQeTvdxnU+ICPn98vl1qXmbp/ie2ggCbTj\n" \
    "BGq7LWiJGY5CXUfr0+I1S3KO5lXycsGEmg==\n" \
    "-----END EC PRIVATE KEY-----\n"

#define OTHER_CERT \
    "-----BEGIN CERTIFICATE-----\n" \
    "MIIBhzCCAS2gAwIBAgIUZrhCd3vbQwy8SeTcMtxLHdZCPtgwCgYIKoZIzj0EAwIw\n" \
    "GDEWMBQGA1UEAwwNc29tZWJvZHkgZWxzZTAgFw0yNjExMjIyMzUwMDZaGA8yMTI2\n" \
    "MTAyOTIzNTAwNlowGDEWMBQGA1UEAwwNc29tZWJvZHkgZWxzZTBZMBMGByqGSM49\n" \
    "AgEGCCqGSM49AwEHA0IABAP5qbDE2AktHJ61KjbqkHk73cZ1PiAj5/fL5dal5m6f\n" \
    "4ntoIAm04wRquy1oiRmOQl1H69PiNUtyjuZV8nLBhJqjUzBRMB0GA1UdDgQWBBQp\n" \
    "x1InwJWbFjbaE40wx6r/AaKz1zAfBgNVHSMEGDAWgBQpx1InwJWbFjbaE40wx6r/\n" \
    "AaKz1zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIBu9P6UHSj5e\n" \
    "hGBZVtIaDdRtiJBF6q6dBCqjx4wSrbUmAiEAsbb+YHHhjswA6C3XAfPIj1wgAwmZ\n" \
    "tjxF8FvXFBK++Oc=\n" \
    "-----END CERTIFICATE-----\n"

#endif
