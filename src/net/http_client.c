/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.c - HTTP exchanges by libcurl: one connection kept, bodies in memory.
 *
 * Invariants: an answer never grows beyond the limit; what failed half-way leaves the answer empty.
 */
#include "net.h"

#include <curl/curl.h>

struct tn_http_client {
    CURL *curl;
    size_t max_body;
    double seconds;
    char *bearer; /* "Authorization: Bearer ..."; NULL */
    char why[CURL_ERROR_SIZE];
};

static bool set_options(tn_http_client *c, const tn_http_client_options *o)
{
    CURL *h = c->curl;
    bool ok = curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->why) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_USERAGENT, "turnery/" TN_VERSION) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK;
    if (o->ca_file) ok = ok && curl_easy_setopt(h, CURLOPT_CAINFO, o->ca_file) == CURLE_OK;
    if (o->cert_file) ok = ok && curl_easy_setopt(h, CURLOPT_SSLCERT, o->cert_file) == CURLE_OK;
    if (o->key_file) ok = ok && curl_easy_setopt(h, CURLOPT_SSLKEY, o->key_file) == CURLE_OK;
    return ok;
}

static char *bearer_header(const char *token)
{
    tn_buf b = {0};
    tn_buf_printf(&b, "Authorization: Bearer %s", token);
    return tn_buf_take(&b, NULL);
}

tn_code tn_http_client_new(const tn_http_client_options *o, tn_http_client **out, tn_error *err)
{
    tn_http_client *c = tn_calloc(1, sizeof *c);
    if (!c) return tn_no_memory(err, sizeof *c);
    c->max_body = o->max_body ? o->max_body : (size_t)INT32_MAX;
    c->seconds = o->seconds;
    c->curl = curl_easy_init();
    if (o->bearer) c->bearer = bearer_header(o->bearer);
    if (!c->curl || (o->bearer && !c->bearer) || !set_options(c, o)) {
        tn_http_client_free(c);
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "libcurl cannot be set up");
    }
    *out = c;
    return TN_OK;
}

void tn_http_client_free(tn_http_client *c)
{
    if (!c) return;
    if (c->curl) curl_easy_cleanup(c->curl);
    tn_free(c->bearer);
    tn_free(c);
}

void tn_http_client_limit(tn_http_client *c, double seconds)
{
    c->seconds = seconds;
}

/* Refusing bytes ends the exchange with CURLE_WRITE_ERROR. */
static size_t take_bytes(char *p, size_t size, size_t n, void *answer)
{
    tn_buf *b = answer;
    tn_buf_add(b, p, size * n);
    return b->failed ? 0 : size * n;
}

static tn_code failure(const tn_http_client *c, CURLcode rc, const char *url, tn_error *err)
{
    const char *why = *c->why ? c->why : curl_easy_strerror(rc);
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT: return tn_fail(err, TN_DEADLINE_EXCEEDED, "%s: %s", url, why);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return tn_fail(err, TN_INVALID_ARGUMENT, "%s: %s", url, why);
    case CURLE_OUT_OF_MEMORY: return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: %s", url, why);
    case CURLE_WRITE_ERROR:
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: the answer is larger than %zu bytes", url, c->max_body);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return tn_fail(err, TN_UNAUTHENTICATED, "%s: %s", url, why);
    default: return tn_fail(err, TN_UNAVAILABLE, "%s: %s", url, why);
    }
}

/* A list that could not be made longer is dropped, and NULL. */
static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    if (!longer) curl_slist_free_all(list);
    return longer;
}

static struct curl_slist *header_list(const tn_http_client *c, const char *const *headers)
{
    /* Without it, curl asks first for leave to send a larger body and waits a second for it. */
    struct curl_slist *list = add_header(NULL, "Expect:");
    if (list && c->bearer) list = add_header(list, c->bearer);
    for (; list && headers && *headers; headers++) list = add_header(list, *headers);
    return list;
}

static CURLcode exchange(tn_http_client *c, bool post, const char *url, struct curl_slist *headers, tn_view body,
                         tn_buf *answer)
{
    CURL *h = c->curl;
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(c->seconds * 1e3));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
    if (post) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.n ? body.p : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl_easy_setopt(h, CURLOPT_POST, 1L);
    } else {
        curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
    }
    c->why[0] = 0;
    return curl_easy_perform(h);
}

tn_code tn_http_exchange(tn_http_client *c, const char *method, const char *url, const char *const *headers,
                         tn_view body, int *status, tn_buf *answer, tn_error *err)
{
    bool post = strcmp(method, "POST") == 0;
    long code = 0;
    tn_buf got = {.limit = c->max_body};
    if (!post && strcmp(method, "GET") != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "HTTP method '%s' is neither GET nor POST", method);
    struct curl_slist *list = header_list(c, headers);
    if (!list) return tn_no_memory(err, 0);
    CURLcode rc = exchange(c, post, url, list, body, &got);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    if (rc != CURLE_OK) {
        tn_buf_free(&got);
        return failure(c, rc, url, err);
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
    *status = (int)code;
    tn_buf_free(answer);
    *answer = got;
    return TN_OK;
}
