#include "remote/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HERE NGT_NO_POS, NGT_NO_POS
/* Of one request: what a break costs at most, and how long a connection has to last. */
#define RANGE_BYTES (UINT64_C(32) << 20)
#define FIRST_DELAY 0.1
#define LONGEST_DELAY 20.0
#define LONGEST_STALL 30.0
/* A host that was never reached is more likely misspelt than away. */
#define FIRST_CONTACT 20.0
/* Answers that contradict the request: a server that is broken, not busy. */
#define WRONG_ANSWERS 6u

struct pretok_object {
    const struct pretok_remote *remote;
    char *shown;         /* for messages */
    char *url;           /* to be asked for */
    bool s3, known, met; /* known: identity is set; met: some answer came */
    bool plain_text;     /* no object: any length will do, it is asked for whole */
    struct pretok_identity identity;
    char *want_etag;
    struct pretok_connection *connection;
    _Atomic bool over; /* set by another thread */
};

/* A fetch while it runs. */
struct fetch {
    struct pretok_object *o;
    pretok_object_sink_fn sink;
    void *arg;
    uint64_t at, end;     /* the next byte to deliver, and the one behind the last */
    uint64_t asked;       /* the first byte behind this request's range */
    uint64_t skip;        /* bytes of this answer before `at`: the server ignored the range */
    uint64_t limit;       /* where this answer ends */
    double clock;         /* when there was progress last */
    uint64_t since_clock; /* bytes since */
    bool refused;         /* the sink wants no more */
    bool changed, wrong;  /* this answer: of another object; not what was asked for */
    char why[160];
};

static enum ngt_status no_memory(const struct pretok_object *o, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, o ? o->shown : NULL, HERE, "out of memory for a transfer");
}

enum ngt_status pretok_object_open(const struct pretok_remote *remote, const char *url,
                                   const char *etag, struct pretok_object **ret_object,
                                   struct ngt_error *reterr)
{
    struct pretok_url parsed = {0};
    struct pretok_object *o = NULL;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!remote) {
        char *shown = pretok_url_shown(url);
        status = ngt_fail(reterr, NGT_E_UNSUPPORTED, shown, HERE, PRETOK_REMOTE_REFUSED);
        free(shown);
        return status;
    }
    if (pretok_url_is_cut(url))
        return ngt_fail(
            reterr, NGT_E_REMOTE, url, HERE,
            "what follows the question mark is kept in no plan, as it may be a secret, so "
            "this input cannot be asked for again from the plan alone");
    status = pretok_url_parse(url, &parsed, reterr);
    if (status != NGT_OK)
        return status;
    o = calloc(1, sizeof *o);
    if (!o)
        goto nomem;
    o->remote = remote;
    o->s3 = parsed.scheme == PRETOK_S3;
    o->shown = pretok_url_shown(url);
    o->url = o->s3 ? pretok_remote_s3_url(remote, parsed.host, parsed.path, "") : strdup(url);
    o->want_etag = etag ? strdup(etag) : NULL;
    o->connection = pretok_connection_take(remote);
    o->identity.size = NGT_NO_POS;
    if (!o->shown || !o->url || (etag && !o->want_etag) || !o->connection)
        goto nomem;
    pretok_url_done(&parsed);
    *ret_object = o;
    return NGT_OK;
nomem:
    status = no_memory(NULL, reterr);
    pretok_url_done(&parsed);
    pretok_object_close(&o);
    return status;
}

void pretok_object_close(struct pretok_object **object)
{
    struct pretok_object *o = *object;

    if (!o)
        return;
    pretok_connection_give(o->remote, &o->connection);
    if (o->url) /* may hold a secret behind its question mark */
        explicit_bzero(o->url, strlen(o->url));
    free(o->url);
    free(o->shown);
    free(o->want_etag);
    free(o);
    *object = NULL;
}

void pretok_object_cancel(struct pretok_object *o)
{
    o->over = true;
}

const struct pretok_identity *pretok_object_identity(const struct pretok_object *o)
{
    return &o->identity;
}

bool pretok_remote_built(void)
{
    return true;
}

/* ---- an answer ---- */

/* Is it of the object that was met before? The first one says what that is. */
static bool same_object(struct fetch *f, const struct pretok_answer *a)
{
    struct pretok_object *o = f->o;
    const char *want = o->known ? o->identity.etag : o->want_etag;

    if (want && strcmp(want, a->etag) != 0) {
        snprintf(f->why, sizeof f->why, "its ETag was %.60s, is now %.60s", want[0] ? want : "none",
                 a->etag[0] ? a->etag : "none");
        return false;
    }
    if (!o->known) {
        o->identity.size = a->all;
        o->identity.mtime = a->modified;
        strcpy(o->identity.etag, a->etag);
        o->known = true;
        return true;
    }
    if (a->all != NGT_NO_POS && a->all != o->identity.size) {
        snprintf(f->why, sizeof f->why, "its size was %llu, is now %llu",
                 (unsigned long long)o->identity.size, (unsigned long long)a->all);
        return false;
    }
    if (!a->etag[0] && a->modified != o->identity.mtime) {
        snprintf(f->why, sizeof f->why, "its time of modification");
        return false;
    }
    return true;
}

static bool wrong_answer(struct fetch *f, const struct pretok_answer *a)
{
    f->wrong = true;
    if (a->first == NGT_NO_POS)
        snprintf(f->why, sizeof f->why, "a partial answer that does not say which part it is");
    else
        snprintf(f->why, sizeof f->why, "bytes %llu to %llu came for %llu to %llu",
                 (unsigned long long)a->first, (unsigned long long)a->last,
                 (unsigned long long)f->at, (unsigned long long)f->asked - 1);
    return false;
}

static bool on_begin(void *arg, const struct pretok_answer *a)
{
    struct fetch *f = arg;

    f->o->met = true;
    f->skip = 0;
    f->limit = f->end;
    if (f->o->plain_text)
        return true;
    if (a->status == 206) {
        if (a->first != f->at || a->last >= f->asked || (a->all != NGT_NO_POS && a->last >= a->all))
            return wrong_answer(f, a);
        f->limit = a->last + 1;
    } else {
        f->skip = f->at; /* the whole object, whatever was asked for */
    }
    if (!same_object(f, a)) {
        f->changed = true;
        return false;
    }
    if (f->o->identity.size != NGT_NO_POS && f->o->identity.size < f->end)
        f->end = f->o->identity.size;
    if (f->limit > f->end)
        f->limit = f->end;
    return f->at < f->end;
}

static bool on_bytes(void *arg, const uint8_t *bytes, uint64_t n)
{
    struct fetch *f = arg;

    f->since_clock += n;
    if (f->since_clock >= PRETOK_PROGRESS_BYTES) {
        f->since_clock = 0;
        f->clock = pretok_monotonic();
    }
    uint64_t pass = n < f->skip ? n : f->skip;
    f->skip -= pass;
    bytes += pass;
    n -= pass;
    bool more = n > f->limit - f->at; /* the whole object came, where a part was asked for */
    if (more)
        n = f->limit - f->at;
    if (n) {
        double start = pretok_monotonic();
        if (f->sink(f->arg, bytes, n))
            f->at += n;
        else
            f->refused = true;
        f->clock += pretok_monotonic() - start; /* whoever reads took this time, not the server */
    }
    return !f->refused && !more;
}

/* ---- what is to be done about it ---- */

static const char *reason(const struct pretok_answer *a, const char *why, char out[400])
{
    const char *what = why[0] ? why : a->what;

    if (a->status && a->status != 200 && a->status != 206 && !why[0])
        snprintf(out, 400, "HTTP status %ld%s%s%s%.120s", a->status, a->code[0] ? " " : "", a->code,
                 what[0] ? ": " : "", what);
    else
        snprintf(out, 400, "%.150s", what[0] ? what : "no answer");
    return out;
}

static bool is_code(const struct pretok_answer *a, const char *code)
{
    return strcmp(a->code, code) == 0;
}

/* A refusal that will not change of itself; NULL: none. */
static const char *remedy(const struct pretok_object *o, const struct pretok_answer *a)
{
    if (is_code(a, "NoSuchBucket"))
        return "no such bucket; check its name, and AWS_ENDPOINT_URL";
    if (a->status == 404 && o->s3)
        return "no such object; a folder of objects ends with a slash";
    if (is_code(a, "InvalidAccessKeyId") || is_code(a, "SignatureDoesNotMatch"))
        return "the credentials are wrong; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    if (is_code(a, "ExpiredToken") || is_code(a, "InvalidToken"))
        return "AWS_SESSION_TOKEN has expired or is wrong; get new credentials";
    if (is_code(a, "RequestTimeTooSkewed"))
        return "the clock of this machine is wrong";
    if (a->status == 401 || a->status == 403)
        return !o->s3              ? "access denied"
               : o->remote->key_id ? "access denied; these credentials may not read it"
                                   : "access denied, asked anonymously; set AWS_ACCESS_KEY_ID and "
                                     "AWS_SECRET_ACCESS_KEY";
    if (a->status == 404 || a->status == 410)
        return "not found";
    return NULL;
}

static bool passes(const struct pretok_answer *a)
{
    return a->status == 408 || a->status == 425 || a->status == 429 ||
           (a->status >= 500 && a->status != 501 && a->status != 505) ||
           is_code(a, "RequestTimeout") || is_code(a, "SlowDown");
}

static enum ngt_status refuse(const struct pretok_object *o, const struct pretok_answer *a,
                              const char *why, struct ngt_error *reterr)
{
    char text[400];
    const char *what = a->status ? remedy(o, a) : NULL;

    if (what && a->code[0])
        return ngt_fail(reterr, NGT_E_REMOTE, o->shown, HERE, "%s (HTTP status %ld %s)", what,
                        a->status, a->code);
    if (what)
        return ngt_fail(reterr, NGT_E_REMOTE, o->shown, HERE, "%s (HTTP status %ld)", what,
                        a->status);
    if (o->s3 && a->region[0] && strcmp(a->region, o->remote->region) != 0)
        return ngt_fail(reterr, NGT_E_REMOTE, o->shown, HERE,
                        "the bucket is in another region; set AWS_REGION=%s", a->region);
    return ngt_fail(reterr, NGT_E_REMOTE, o->shown, HERE, "cannot be read: %s",
                    reason(a, why, text));
}

static enum ngt_status changed(const struct fetch *f, const char *why, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_MISMATCH, f->o->shown, f->at, NGT_NO_POS,
                    "changed since it was %s (%s); use another folder",
                    f->o->want_etag ? "planned" : "first looked at", why);
}

static enum ngt_status stopped(const struct fetch *f, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_STOPPED, f->o->shown, f->at, NGT_NO_POS,
                    "stopped while an answer was awaited");
}

static bool ending(const struct fetch *f)
{
    return f->o->over || pretok_remote_stopped(f->o->remote);
}

/* Waits before the next try; in small pieces, as it may be told to end. */
static void pause_for(const struct fetch *f, double seconds)
{
    double until = pretok_monotonic() + seconds;

    while (!ending(f)) {
        double left = until - pretok_monotonic();
        if (left <= 0)
            return;
        if (left > 0.05)
            left = 0.05;
        struct timespec t = {0, (long)(left * 1e9)};
        nanosleep(&t, NULL);
    }
}

/* The delay doubles; half of it is chance, or all that were sent away would come back at once. */
static double delay(unsigned failures, const struct pretok_answer *a)
{
    double d = FIRST_DELAY;
    struct timespec t;

    for (unsigned i = 0; i < failures && d < LONGEST_DELAY; i++)
        d *= 2;
    if (d > LONGEST_DELAY)
        d = LONGEST_DELAY;
    clock_gettime(CLOCK_REALTIME, &t);
    d *= 0.5 + 0.5 * (double)(t.tv_nsec / 1000 % 1000) / 1000;
    return a->retry_after > d ? a->retry_after : d;
}

/* ---- the fetch ---- */

/* One request. *ret_again: it should be tried again; else the status is final (NGT_OK: goes on). */
static enum ngt_status ask(struct fetch *f, struct pretok_answer *a, bool *ret_again,
                           struct ngt_error *reterr)
{
    struct pretok_object *o = f->o;
    const char *etag = o->known ? o->identity.etag : o->want_etag;
    double stall = o->remote->patience / 3;
    struct pretok_transfer t = {.remote = o->remote,
                                .url = o->url,
                                .s3 = o->s3,
                                .first = o->plain_text ? NGT_NO_POS : f->at,
                                .last = f->asked - 1,
                                .if_match = pretok_etag_is_strong(etag) ? etag : NULL,
                                .over = &o->over,
                                .stall = stall < LONGEST_STALL ? stall : LONGEST_STALL,
                                .begin = on_begin,
                                .body = on_bytes,
                                .arg = f};
    uint64_t before = f->at;

    *ret_again = false;
    f->changed = f->wrong = false;
    f->why[0] = '\0';
    enum pretok_transfer_end end = pretok_transfer_run(o->connection, &t, a);
    if (end == PRETOK_TRANSFER_NOMEM)
        return no_memory(o, reterr);
    if (f->changed)
        return changed(f, f->why, reterr);
    if (f->refused || o->over)
        return NGT_OK;
    if (pretok_remote_stopped(o->remote))
        return stopped(f, reterr);
    if (end == PRETOK_TRANSFER_NEVER)
        return refuse(o, a, "", reterr);
    o->met |= a->status != 0;
    if (end == PRETOK_TRANSFER_BROKEN || f->wrong) {
        *ret_again = true;
        return NGT_OK;
    }
    if (a->status == 412)
        return changed(f, "it has another ETag", reterr);
    if (a->status == 416) {
        /* an empty object has no byte to ask for */
        if (f->at == 0 && a->all == 0 && same_object(f, a)) {
            f->end = 0;
            return NGT_OK;
        }
        if (o->known && f->at >= o->identity.size)
            return NGT_OK;
        if (o->known)
            return changed(f, "it is shorter", reterr);
        if (a->all != NGT_NO_POS && f->at >= a->all && same_object(f, a)) {
            f->end = f->at;
            return NGT_OK;
        }
        return refuse(o, a, "", reterr);
    }
    if (a->status != 200 && a->status != 206) {
        *ret_again = passes(a);
        return *ret_again ? NGT_OK : refuse(o, a, "", reterr);
    }
    if (o->plain_text || (o->identity.size == NGT_NO_POS && a->status == 200)) {
        f->end = f->at; /* it ends where the answer ends */
        return NGT_OK;
    }
    if (f->at == before && f->at < f->end) {
        snprintf(f->why, sizeof f->why, "an answer without a byte in it");
        f->wrong = *ret_again = true;
    }
    return NGT_OK;
}

enum ngt_status pretok_object_fetch(struct pretok_object *o, uint64_t start, uint64_t n,
                                    pretok_object_sink_fn sink, void *arg, struct ngt_error *reterr)
{
    struct fetch f = {.o = o,
                      .sink = sink,
                      .arg = arg,
                      .at = start,
                      .end = n < UINT64_MAX - start ? start + n : UINT64_MAX,
                      .clock = pretok_monotonic()};
    unsigned failures = 0, wrong = 0;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (o->known && o->identity.size != NGT_NO_POS && f.end > o->identity.size)
        f.end = o->identity.size;
    while (status == NGT_OK && f.at < f.end && !f.refused && !o->over) {
        struct pretok_answer answer;
        uint64_t before = f.at;
        double clock = f.clock;
        bool again;

        f.asked = f.end - f.at > RANGE_BYTES ? f.at + RANGE_BYTES : f.end;
        status = ask(&f, &answer, &again, reterr);
        if (status != NGT_OK || f.refused)
            break;
        if (!again) {
            if (f.at > before) {
                f.clock = pretok_monotonic();
                f.since_clock = 0;
            }
            failures = wrong = 0;
            continue;
        }
        if (f.clock != clock && f.at > before)
            failures = 0;
        if (!f.wrong)
            wrong = 0;
        double patience = o->remote->patience, gone = pretok_monotonic() - f.clock;
        if (answer.unreachable && !o->met && patience > FIRST_CONTACT)
            patience = FIRST_CONTACT;
        double wait = delay(failures++, &answer);
        char text[400];
        if (f.wrong && ++wrong == WRONG_ANSWERS)
            status = ngt_fail(reterr, NGT_E_REMOTE, o->shown, f.at, NGT_NO_POS,
                              "the server answers wrongly, %u times in a row: %s", wrong, f.why);
        else if (gone + wait > patience)
            status = ngt_fail(reterr, NGT_E_REMOTE, o->shown, f.at, NGT_NO_POS,
                              "no progress in %.0f s%s: %s", patience,
                              patience < o->remote->patience ? "" : " (--remote-timeout)",
                              reason(&answer, f.why, text));
        else
            pause_for(&f, wait);
        if (status == NGT_OK && !o->over && pretok_remote_stopped(o->remote))
            status = stopped(&f, reterr);
    }
    return status;
}

/* ---- into memory ---- */

struct copy {
    uint8_t *out;
    uint64_t size, room;
};

static bool copy_bytes(void *arg, const uint8_t *bytes, uint64_t n)
{
    struct copy *c = arg;

    if (n > c->room - c->size)
        return false;
    memcpy(c->out + c->size, bytes, n);
    c->size += n;
    return true;
}

enum ngt_status pretok_object_read(struct pretok_object *o, uint64_t start, uint64_t n,
                                   uint8_t *out, struct ngt_error *reterr)
{
    struct copy c = {.out = out, .room = n};
    enum ngt_status status = pretok_object_fetch(o, start, n, copy_bytes, &c, reterr);

    if (status == NGT_OK && c.size != n)
        status = ngt_fail(reterr, NGT_E_MISMATCH, o->shown, start + c.size, NGT_NO_POS,
                          "changed since it was first looked at (it is shorter)");
    return status;
}

enum ngt_status pretok_object_head(struct pretok_object *o, uint64_t n, uint8_t *out,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    struct copy c = {.out = out, .room = n};
    enum ngt_status status = pretok_object_fetch(o, 0, n, copy_bytes, &c, reterr);

    *ret_n = c.size;
    return status;
}

struct page {
    char *text;
    uint64_t size, room, limit;
    bool nomem;
};

static bool page_bytes(void *arg, const uint8_t *bytes, uint64_t n)
{
    struct page *p = arg;

    if (n > p->limit - p->size)
        return false;
    if (p->size + n + 1 > p->room) {
        uint64_t room = (p->size + n) * 2 + 4096;
        char *grown = realloc(p->text, room);
        p->nomem = !grown;
        if (!grown)
            return false;
        p->text = grown;
        p->room = room;
    }
    memcpy(p->text + p->size, bytes, n);
    p->size += n;
    p->text[p->size] = '\0';
    return true;
}

enum ngt_status pretok_object_text(const struct pretok_remote *remote, const char *shown,
                                   const char *url, uint64_t limit, char **ret_text,
                                   struct ngt_error *reterr)
{
    struct page page = {.limit = limit};
    struct pretok_object o = {.remote = remote,
                              .shown = (char *)(uintptr_t)shown,
                              .url = (char *)(uintptr_t)url,
                              .s3 = true,
                              .plain_text = true,
                              .identity.size = NGT_NO_POS,
                              .connection = pretok_connection_take(remote)};
    struct fetch f = {.o = &o, .sink = page_bytes, .arg = &page, .clock = pretok_monotonic()};
    unsigned failures = 0;
    enum ngt_status status = o.connection ? NGT_OK : no_memory(NULL, reterr);

    while (status == NGT_OK) {
        struct pretok_answer answer;
        char text[400];
        bool again;
        /* what was cut off begins anew: it is one page */
        f.at = 0;
        f.end = f.asked = UINT64_MAX;
        page.size = 0;
        status = ask(&f, &answer, &again, reterr);
        if (status != NGT_OK || !again)
            break;
        double patience = remote->patience, wait = delay(failures++, &answer);
        if (answer.unreachable && !o.met && patience > FIRST_CONTACT)
            patience = FIRST_CONTACT;
        if (pretok_monotonic() - f.clock + wait > patience)
            status = ngt_fail(reterr, NGT_E_REMOTE, shown, HERE, "no answer in %.0f s%s: %s",
                              patience, patience < remote->patience ? "" : " (--remote-timeout)",
                              reason(&answer, f.why, text));
        else
            pause_for(&f, wait);
        if (status == NGT_OK && pretok_remote_stopped(remote))
            status = stopped(&f, reterr);
    }
    if (status == NGT_OK && page.nomem)
        status = no_memory(&o, reterr);
    if (status == NGT_OK && (f.refused || !page.text))
        status = ngt_fail(reterr, NGT_E_REMOTE, shown, HERE,
                          f.refused ? "the answer is far longer than a list of objects"
                                    : "the answer is empty, and no list of objects");
    pretok_connection_give(remote, &o.connection);
    if (status == NGT_OK)
        *ret_text = page.text;
    else
        free(page.text);
    return status;
}
