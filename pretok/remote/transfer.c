/*
 * Redirects are followed here and not by libcurl: S3's have to be signed again for the host they lead
 * to, and no other host may see a signature.
 */
#include "remote/transfer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "remote/sign.h"
#include "remote/xml.h"

#define REDIRECTS 10u
#define CONNECT_SECONDS 20L
#define ERROR_BODY 4096u

struct pretok_connection {
    CURL *curl;
    char error[CURL_ERROR_SIZE];
};

/* A request while it runs. */
struct exchange {
    const struct pretok_transfer *t;
    struct pretok_answer *answer;
    CURL *curl;
    char *location; /* owned */
    char body[ERROR_BODY + 1];
    size_t body_size;
    bool begun, enough, stalled, stopped, nomem;
    double since; /* when progress was last seen */
    uint64_t bytes;
};

double pretok_monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct pretok_connection *pretok_connection_take(const struct pretok_remote *r)
{
    struct pretok_connection *c = NULL;

    pthread_mutex_lock(&r->idle->lock);
    if (r->idle->count)
        c = r->idle->items[--r->idle->count];
    pthread_mutex_unlock(&r->idle->lock);
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (c && !(c->curl = curl_easy_init()))
        pretok_connection_free(&c);
    return c;
}

void pretok_connection_give(const struct pretok_remote *r, struct pretok_connection **c)
{
    if (!*c)
        return;
    curl_easy_reset((*c)->curl); /* it points to the last request */
    pthread_mutex_lock(&r->idle->lock);
    if (r->idle->count < PRETOK_IDLE_CONNECTIONS) {
        r->idle->items[r->idle->count++] = *c;
        *c = NULL;
    }
    pthread_mutex_unlock(&r->idle->lock);
    pretok_connection_free(c);
}

void pretok_connection_free(struct pretok_connection **c)
{
    if (!*c)
        return;
    if ((*c)->curl)
        curl_easy_cleanup((*c)->curl);
    free(*c);
    *c = NULL;
}

/* ---- the answer's head ---- */

static bool number(const char **at, uint64_t *ret)
{
    uint64_t n = 0;
    const char *c = *at;

    for (; *c >= '0' && *c <= '9'; c++) {
        if (n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(*c - '0');
    }
    if (c == *at)
        return false;
    *at = c;
    *ret = n;
    return true;
}

/* "bytes 0-99/1000", "bytes 0-99/" and a star, "bytes " star "/1000" (416) */
static void content_range(struct pretok_answer *a, const char *value)
{
    uint64_t first = NGT_NO_POS, last = NGT_NO_POS, all = NGT_NO_POS;

    if (strncasecmp(value, "bytes ", 6) != 0)
        return;
    value += 6;
    if (*value == '*') {
        value++;
    } else {
        if (!number(&value, &first) || *value++ != '-' || !number(&value, &last) || last < first)
            return;
    }
    if (*value++ != '/' || (*value != '*' && (!number(&value, &all) || *value)))
        return;
    a->first = first;
    a->last = last;
    a->all = all;
}

static void take_header(struct exchange *e, const char *name, const char *value)
{
    struct pretok_answer *a = e->answer;

    if (strcasecmp(name, "content-length") == 0) {
        uint64_t n;
        if (number(&value, &n) && *value == '\0')
            a->length = n;
    } else if (strcasecmp(name, "content-range") == 0) {
        content_range(a, value);
    } else if (strcasecmp(name, "etag") == 0) {
        if (strlen(value) < sizeof a->etag)
            strcpy(a->etag, value);
    } else if (strcasecmp(name, "last-modified") == 0) {
        time_t t = curl_getdate(value, NULL);
        a->modified = t > 0 ? (uint64_t)t * 1000000000u : 0;
    } else if (strcasecmp(name, "retry-after") == 0) {
        char *end;
        double seconds = strtod(value, &end);
        if (end != value && *end == '\0' && seconds >= 0 && seconds < 1e6)
            a->retry_after = seconds;
    } else if (strcasecmp(name, "x-amz-bucket-region") == 0) {
        if (strlen(value) < sizeof a->region)
            strcpy(a->region, value);
    } else if (strcasecmp(name, "location") == 0) {
        free(e->location);
        e->location = strdup(value);
        e->nomem |= !e->location;
    }
}

static void forget(struct pretok_answer *a)
{
    *a = (struct pretok_answer){.length = NGT_NO_POS,
                                .first = NGT_NO_POS,
                                .last = NGT_NO_POS,
                                .all = NGT_NO_POS,
                                .retry_after = -1};
}

static size_t on_header(char *bytes, size_t one, size_t n, void *arg)
{
    struct exchange *e = arg;
    char line[2048];

    (void)one;
    if (n >= 5 &&
        memcmp(bytes, "HTTP/", 5) == 0) { /* another answer: that before was 100 Continue */
        forget(e->answer);
        return n;
    }
    if (n >= sizeof line)
        return n; /* none of those that count is as long */
    memcpy(line, bytes, n);
    line[n] = '\0';
    char *colon = strchr(line, ':');
    if (!colon || strlen(line) != n)
        return n;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
    while (end > value && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    take_header(e, line, value);
    return n;
}

/* ---- the body ---- */

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct exchange *e = arg;
    double start = pretok_monotonic();
    long status = 0;

    (void)one;
    curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
    e->answer->status = status;
    if (status != 200 && status != 206) {
        size_t take = n < ERROR_BODY - e->body_size ? n : ERROR_BODY - e->body_size;
        memcpy(e->body + e->body_size, bytes, take);
        e->body_size += take;
        return n;
    }
    if (!e->begun) {
        e->begun = true;
        if (status == 200 && e->answer->all == NGT_NO_POS)
            e->answer->all = e->answer->length;
        if (e->t->begin && !e->t->begin(e->t->arg, e->answer)) {
            e->enough = true;
            return 0;
        }
    }
    if (!e->t->body(e->t->arg, (const uint8_t *)bytes, n)) {
        e->enough = true;
        return 0;
    }
    e->since += pretok_monotonic() - start;
    e->bytes += n;
    if (e->bytes >= PRETOK_PROGRESS_BYTES) {
        e->bytes = 0;
        e->since = pretok_monotonic();
    }
    return n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct exchange *e = arg;

    (void)a, (void)b, (void)c, (void)d;
    e->stopped = (e->t->over && *e->t->over) || pretok_remote_stopped(e->t->remote);
    e->stalled = pretok_monotonic() - e->since > e->t->stall;
    return e->stopped || e->stalled;
}

/* What a server says beside a status: S3's code and message, or nothing. */
static void read_complaint(struct exchange *e)
{
    char room[ERROR_BODY + 1];
    struct pretok_xml xml = {e->body, room};
    const char *name, *value;

    e->body[e->body_size] = '\0';
    if (!strstr(e->body, "<Error>"))
        return;
    while (pretok_xml_next(&xml, &name, &value)) {
        if (value && strcmp(name, "Code") == 0)
            snprintf(e->answer->code, sizeof e->answer->code, "%s", value);
        else if (value && strcmp(name, "Message") == 0)
            snprintf(e->answer->what, sizeof e->answer->what, "%s", value);
        else if (value && strcmp(name, "Region") == 0 && !e->answer->region[0])
            snprintf(e->answer->region, sizeof e->answer->region, "%s", value);
    }
    pretok_remote_hide(e->t->remote, e->answer->code);
    pretok_remote_hide(e->t->remote, e->answer->what);
}

/* ---- the request ---- */

static bool add(struct curl_slist **list, const char *name, const char *value)
{
    char *line = NULL;
    struct curl_slist *grown = NULL;

    if (asprintf(&line, "%s: %s", name, value) >= 0)
        grown = curl_slist_append(*list, line);
    free(line);
    if (grown)
        *list = grown;
    return grown != NULL;
}

/* url: encoded, as it will be asked for. */
static bool sign(struct curl_slist **list, const struct pretok_remote *r, const char *url)
{
    const char *host = strstr(url, "://") + 3, *path = host + strcspn(host, "/?"),
               *query = path + strcspn(path, "?");
    char *host_text = strndup(host, (size_t)(path - host)),
         *path_text = *path == '/' ? strndup(path, (size_t)(query - path)) : strdup("/");
    char time_text[20], line[PRETOK_SIGN_ROOM];
    struct tm tm;
    time_t now = time(NULL);
    struct pretok_sign_header headers[4] = {{"host", host_text},
                                            {"x-amz-content-sha256", PRETOK_SIGN_EMPTY},
                                            {"x-amz-date", time_text},
                                            {"x-amz-security-token", r->session_token}};
    struct pretok_sign_request request = {.key_id = r->key_id,
                                          .secret = r->secret,
                                          .region = r->region,
                                          .time = time_text,
                                          .path = path_text,
                                          .query = *query ? query + 1 : "",
                                          .headers = headers,
                                          .header_count = r->session_token ? 4 : 3};

    gmtime_r(&now, &tm);
    strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &tm);
    bool good = host_text && path_text && pretok_sign_get(&request, line);
    for (unsigned i = 0; i < request.header_count && good; i++)
        good = add(list, headers[i].name, headers[i].value);
    if (good) {
        struct curl_slist *grown = curl_slist_append(*list, line);
        good = grown != NULL;
        *list = grown ? grown : *list;
    }
    free(host_text);
    free(path_text);
    return good;
}

static bool has_host(const char *url, const char *suffix)
{
    const char *host = strstr(url, "://") + 3;
    size_t n = strcspn(host, "/?:"), m = strlen(suffix);

    return n > m && strncasecmp(host + n - m, suffix, m) == 0;
}

static bool same_server(const char *a, const char *b)
{
    const char *x = strstr(a, "://"), *y = strstr(b, "://");
    size_t n = (size_t)(x - a) + 3 + strcspn(x + 3, "/?"),
           m = (size_t)(y - b) + 3 + strcspn(y + 3, "/?");

    return n == m && strncasecmp(a, b, n) == 0;
}

static bool is_once_more(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: /* a chunk's length that is none: cut in the middle */
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static bool prepare(struct pretok_connection *c, struct exchange *e, const char *url, bool sign_it,
                    struct curl_slist **headers)
{
    const struct pretok_transfer *t = e->t;
    char range[48];
    CURL *h = c->curl;

    curl_easy_reset(h); /* connections stay */
    c->error[0] = '\0';
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, e);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, e);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, e);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L << 10);
    if (t->remote->ca_file)
        curl_easy_setopt(h, CURLOPT_CAINFO, t->remote->ca_file);
    bool good =
        add(headers, "User-Agent", "ngt-pretok") && add(headers, "Accept-Encoding", "identity");
    if (t->first != NGT_NO_POS) {
        snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)t->first,
                 (unsigned long long)t->last);
        good = good && add(headers, "Range", range);
    }
    if (t->if_match)
        good = good && add(headers, "If-Match", t->if_match);
    if (sign_it)
        good = good && sign(headers, t->remote, url);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, *headers);
    return good;
}

/* libcurl may meet a connection that the other side has closed, which would end the process. */
static CURLcode perform(CURL *h)
{
    sigset_t pipe_set, before, pending;
    const struct timespec at_once = {0, 0};
    CURLcode code;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    code = curl_easy_perform(h);
    if (!sigismember(&before, SIGPIPE)) {
        if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE))
            (void)sigtimedwait(&pipe_set, NULL, &at_once);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return code;
}

static enum pretok_transfer_end one(struct pretok_connection *c, struct exchange *e,
                                    const char *url, bool sign_it)
{
    struct curl_slist *headers = NULL;
    struct pretok_answer *a = e->answer;
    enum pretok_transfer_end end = PRETOK_TRANSFER_DONE;

    forget(a);
    e->body_size = 0;
    e->bytes = 0;
    e->since = pretok_monotonic();
    e->curl = c->curl;
    if (!prepare(c, e, url, sign_it, &headers)) {
        curl_slist_free_all(headers);
        return PRETOK_TRANSFER_NOMEM;
    }
    CURLcode code = perform(c->curl);
    curl_slist_free_all(headers);
    long status = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    a->status = status;
    if (e->enough)
        return PRETOK_TRANSFER_ENOUGH;
    if (code == CURLE_OUT_OF_MEMORY || e->nomem)
        return PRETOK_TRANSFER_NOMEM;
    if (code != CURLE_OK) {
        end = is_once_more(code) ? PRETOK_TRANSFER_BROKEN : PRETOK_TRANSFER_NEVER;
        a->unreachable = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
        if (e->stalled)
            snprintf(a->what, sizeof a->what, "less than %u bytes came in %.0f s",
                     PRETOK_PROGRESS_BYTES, e->t->stall);
        else
            snprintf(a->what, sizeof a->what, "%.90s",
                     c->error[0] ? c->error : curl_easy_strerror(code));
        if (code == CURLE_PEER_FAILED_VERIFICATION) {
            size_t n = strlen(a->what);
            snprintf(a->what + n, sizeof a->what - n,
                     "; SSL_CERT_FILE names certificates to trust");
        }
        pretok_remote_hide(e->t->remote, a->what);
        return end;
    }
    if (status == 200 || status == 206) {
        /* no byte, no call: an empty object */
        if (status == 200 && a->all == NGT_NO_POS)
            a->all = a->length != NGT_NO_POS ? a->length : e->begun ? NGT_NO_POS : 0;
        if (!e->begun && e->t->begin && !e->t->begin(e->t->arg, a))
            return PRETOK_TRANSFER_ENOUGH;
    } else {
        read_complaint(e);
    }
    return end;
}

static bool redirects(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static enum pretok_transfer_end never(struct pretok_answer *a, const char *what, const char *url)
{
    char *shown = url ? pretok_url_shown(url) : NULL;

    snprintf(a->what, sizeof a->what, "%s%s%.100s", what, shown ? " " : "", shown ? shown : "");
    free(shown);
    return PRETOK_TRANSFER_NEVER;
}

/* Where the answer leads, made whole; NULL: out of memory or no address. */
static char *resolve(const char *url, const char *location)
{
    CURLU *u = curl_url();
    char *whole = NULL, *copy = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, location, CURLU_PATH_AS_IS) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        copy = strdup(whole);
    curl_free(whole);
    curl_url_cleanup(u);
    return copy;
}

enum pretok_transfer_end pretok_transfer_run(struct pretok_connection *c,
                                             const struct pretok_transfer *t,
                                             struct pretok_answer *ret_answer)
{
    struct exchange e = {.t = t, .answer = ret_answer};
    char *url = strdup(t->url);
    bool sign_it = t->s3 && t->remote->key_id;
    enum pretok_transfer_end end = PRETOK_TRANSFER_NOMEM;

    forget(ret_answer);
    for (unsigned hops = 0; url; hops++) {
        end = one(c, &e, url, sign_it);
        if (end != PRETOK_TRANSFER_DONE || !redirects(ret_answer->status) || !e.location)
            break;
        if (t->s3 && ret_answer->region[0] && strcmp(ret_answer->region, t->remote->region) != 0)
            break; /* it has to be signed for that region, which the user has to say */
        if (hops == REDIRECTS) {
            end = never(ret_answer, "is redirected more than ten times, the last time to",
                        e.location);
            break;
        }
        char *next = resolve(url, e.location);
        free(e.location);
        e.location = NULL;
        bool http = next && strncasecmp(next, "http://", 7) == 0;
        if (!next || (!http && strncasecmp(next, "https://", 8) != 0)) {
            free(next);
            end = never(ret_answer, "is redirected to what is no address on the web", NULL);
            break;
        }
        if (http && strncasecmp(url, "https://", 8) == 0) {
            end = never(ret_answer,
                        "is redirected from https to http, where nobody vouches for it:", next);
            free(next);
            break;
        }
        sign_it = sign_it && (same_server(url, next) || has_host(next, ".amazonaws.com"));
        free(url);
        url = next;
    }
    free(e.location);
    free(url);
    return end;
}
