/*
 *   GAP -> MAGIC -> HEADER -> CONTENT -> GAP ...        MAGIC: "WARC/" proves the record before it
 *             \        \-> SEEK -> HEADER               SEEK: broken; up to a line "WARC/" digit
 *              \-> SEEK
 *
 * A record is delivered when MAGIC has found the next one, or the source has ended: only then is its
 * Content-Length believed. Until then its bytes behind the header are kept in the caller's text, if
 * they are a text, with what stands between it and the next record; a false length then costs no
 * more than its own record: what was swallowed is put in front of what is to come, `again`.
 */
#include "input/warc.h"

#include <stdlib.h>
#include <string.h>

#include "input/utf8.h"
#include "input/warc_header.h"

#define MAGIC "WARC/"
#define MAGIC_BYTES 5u
/* Line ends between two records: the format says two of them. A record whose text was kept keeps
 * these as well. */
#define GAP_LIMIT 1024u
/* What may be read again although little was read yet. */
#define AGAIN_FREE (1u << 20)
#define AGAIN_KEEP (1u << 20) /* memory that is not given back */

enum state { S_GAP, S_MAGIC, S_HEADER, S_CONTENT, S_SEEK };

struct pretok_warc {
    uint64_t max_text;
    tok_utf8_fn check;

    /* the source */
    uint64_t offset; /* of the next byte, those of `again` first */
    uint64_t records;
    uint64_t fresh;    /* bytes taken from the caller */
    uint64_t repeated; /* bytes that went into `again` */
    struct pretok_bytes again;
    uint64_t again_at;
    const uint8_t **at; /* what is being taken: the caller's, or NULL: again */

    /* the record */
    enum state state;
    bool open;            /* a record has begun that was not delivered */
    bool kept;            /* what stands behind its header is in text */
    uint64_t start;       /* its offset */
    uint64_t header_size; /* once it is complete */
    uint64_t content_left;
    uint64_t gap;             /* bytes of line ends behind the content */
    unsigned matched;         /* of MAGIC; SEEK: of newline, MAGIC */
    uint64_t text_start;      /* in text */
    struct pretok_bytes head; /* the header */
    struct pretok_warc_header header;
    uint8_t raw[PRETOK_RAW_LIMIT];
    uint64_t raw_size;
};

enum ngt_status pretok_warc_new(uint64_t max_text_bytes, struct pretok_warc **ret_warc,
                                struct ngt_error *reterr)
{
    struct pretok_warc *w = calloc(1, sizeof *w);

    ngt_error_clear(reterr);
    if (!w)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the WARC reader");
    w->max_text = max_text_bytes;
    w->check = tok_utf8_check();
    *ret_warc = w;
    return NGT_OK;
}

void pretok_warc_free(struct pretok_warc **w)
{
    if (!*w)
        return;
    pretok_bytes_done(&(*w)->again);
    pretok_bytes_done(&(*w)->head);
    free(*w);
    *w = NULL;
}

uint64_t pretok_warc_records(const struct pretok_warc *w)
{
    return w->records;
}

const struct pretok_warc_field *pretok_warc_fields(const struct pretok_warc *w, uint64_t *ret_count)
{
    *ret_count = w->header.field_count;
    return w->header.fields;
}

/* ---- records ---- */

static void close(struct pretok_warc *w)
{
    w->state = S_GAP;
    w->open = w->kept = false;
    w->matched = 0;
    w->gap = 0;
}

void pretok_warc_start(struct pretok_warc *w)
{
    close(w);
    w->offset = w->records = w->fresh = w->repeated = 0;
    w->again.size = w->again_at = 0;
}

/* A record begins with the bytes of MAGIC that were matched, which have been taken. */
static void begin(struct pretok_warc *w)
{
    /* room for them is there since pretok_warc_next */
    memcpy(w->head.at, MAGIC, w->matched);
    memcpy(w->raw, MAGIC, w->matched);
    w->head.size = w->raw_size = w->matched;
    w->start = w->offset - w->matched;
    w->open = true;
    w->kept = false;
    w->state = S_HEADER;
    w->matched = 0;
    w->gap = w->header_size = 0;
    w->header.field_count = w->header.length = 0;
}

static void advance(struct pretok_warc *w, uint64_t n)
{
    w->offset += n;
    if (w->at) {
        *w->at += n;
        w->fresh += n;
    } else {
        w->again_at += n;
    }
}

static void keep_raw(struct pretok_warc *w, const uint8_t *at, uint64_t n)
{
    uint64_t room = PRETOK_RAW_LIMIT - w->raw_size;

    if (room > n)
        room = n;
    memcpy(w->raw + w->raw_size, at, room);
    w->raw_size += room;
}

/* The open record, which ends at `end`, as it goes to the caller. */
static enum pretok_event deliver(struct pretok_warc *w, uint64_t end, struct pretok_bytes *text,
                                 struct pretok_record *ret)
{
    const struct pretok_warc_header *h = &w->header;

    *ret = (struct pretok_record){.record = ++w->records,
                                  .offset = w->start,
                                  .reason = h->reason,
                                  .filtered = h->filtered,
                                  .keys = h->detail,
                                  .error_at = h->error_at,
                                  .raw = w->raw,
                                  .raw_bytes = w->raw_size,
                                  .full_bytes = end - w->start};
    if (ret->raw_bytes > ret->full_bytes)
        ret->raw_bytes = ret->full_bytes;
    if (h->filtered || h->reason != PRETOK_ACCEPTED) {
        if (w->kept)
            text->size = w->text_start;
        return h->filtered ? PRETOK_FILTERED : PRETOK_REFUSED;
    }
    text->size = w->text_start + h->length;
    if (!pretok_utf8_repair(text, w->text_start, w->check, &ret->replaced))
        return PRETOK_NOMEM;
    ret->text_start = w->text_start;
    ret->text_bytes = text->size - w->text_start;
    ret->raw = NULL;
    ret->raw_bytes = 0;
    return PRETOK_DOCUMENT;
}

static void set_broken(struct pretok_warc *w, uint64_t at, const char *detail)
{
    w->header.reason = PRETOK_BROKEN;
    w->header.filtered = PRETOK_KEPT;
    w->header.detail = detail;
    w->header.error_at = at;
    w->header.field_count = 0;
}

/* Where in bytes [n] a line begins as records do; n: nowhere. What stands at 0 is passed over. */
static uint64_t next_start(const uint8_t *bytes, uint64_t n)
{
    for (uint64_t i = 1; i + MAGIC_BYTES < n; i++) {
        const uint8_t *found = memchr(bytes + i, 'W', n - i);
        if (!found)
            break;
        i = (uint64_t)(found - bytes);
        if (bytes[i - 1] == '\n' && n - i > MAGIC_BYTES &&
            memcmp(bytes + i, MAGIC, MAGIC_BYTES) == 0 && bytes[i + MAGIC_BYTES] >= '0' &&
            bytes[i + MAGIC_BYTES] <= '9')
            return i;
    }
    return n;
}

/* Puts the n bytes at `from`, the last ones that were taken, in front of what is to come. */
static bool put_back(struct pretok_warc *w, const uint8_t *from, uint64_t n)
{
    w->offset -= n;
    w->repeated += n;
    if (w->again_at < w->again.size) { /* a record that began in `again`: they are there */
        w->again_at -= n;
        return true;
    }
    w->again.size = w->again_at = 0;
    return pretok_bytes_append(&w->again, from, n);
}

/*
 * The open record is broken, and bytes [n], the last ones taken, are what is kept of it. Delivers it
 * up to the record that began inside, or goes on seeking one (PRETOK_MORE).
 */
static enum pretok_event rescue(struct pretok_warc *w, const uint8_t *bytes, uint64_t n,
                                struct pretok_bytes *text, struct pretok_record *ret)
{
    uint64_t found = next_start(bytes, n), back = n - found;

    if (found == n || w->repeated + back > 2 * w->fresh + AGAIN_FREE) {
        if (w->kept)
            text->size = w->text_start;
        w->kept = false;
        w->state = S_SEEK;
        w->matched = 0;
        /* the line that is under way may be one */
        for (uint64_t k = MAGIC_BYTES + 1; k > 0; k--)
            if (n >= k && memcmp(bytes + n - k, "\n" MAGIC, k) == 0) {
                w->matched = (unsigned)k;
                break;
            }
        return PRETOK_MORE;
    }
    if (!put_back(w, bytes + found, back))
        return PRETOK_NOMEM;
    enum pretok_event event = deliver(w, w->offset, text, ret);
    close(w);
    return event;
}

/* ---- the states; each takes some bytes of [at, at + n), at least one or a step to another state ---- */

static enum pretok_event take_gap(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                                  struct pretok_bytes *text)
{
    uint64_t i = 0;

    while (i < n && (at[i] == '\r' || at[i] == '\n') && !(w->open && w->gap + i == GAP_LIMIT))
        i++;
    if (w->open)
        keep_raw(w, at, i);
    if (w->kept && !pretok_bytes_append(text, at, i))
        return PRETOK_NOMEM;
    w->gap += i;
    if (i < n)
        w->state = S_MAGIC;
    advance(w, i);
    return PRETOK_MORE;
}

static enum pretok_event take_magic(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                                    struct pretok_bytes *text, struct pretok_record *ret)
{
    uint64_t i = 0;

    while (i < n && w->matched < MAGIC_BYTES && at[i] == (uint8_t)MAGIC[w->matched]) {
        w->matched++;
        i++;
    }
    if (w->open && w->matched < MAGIC_BYTES) {
        keep_raw(w, at, i);
        if (w->kept && !pretok_bytes_append(text, at, i))
            return PRETOK_NOMEM;
    }
    advance(w, i);
    if (w->matched == MAGIC_BYTES && w->open) {
        /* what is delivered is the caller's until the next call, which begins the header */
        enum pretok_event event = deliver(w, w->offset - MAGIC_BYTES - w->gap, text, ret);
        w->open = w->kept = false;
        return event;
    }
    if (w->matched == MAGIC_BYTES) {
        begin(w);
        return PRETOK_MORE;
    }
    if (i == n)
        return PRETOK_MORE;
    if (!w->open) { /* something that is no record */
        begin(w);
        set_broken(w, 0, "no record begins here");
        w->state = S_SEEK;
        return PRETOK_MORE;
    }
    set_broken(w, w->header_size + w->header.length,
               "Content-Length does not lead to the next record");
    return w->kept ? rescue(w, text->at + w->text_start, text->size - w->text_start, text, ret)
                   : rescue(w, NULL, 0, text, ret);
}

/* The header is complete. */
static void judge_header(struct pretok_warc *w, const struct pretok_bytes *text)
{
    w->header_size = w->head.size;
    pretok_warc_header_parse(w->head.at, w->head.size, &w->header);
    if (w->header.reason == PRETOK_BROKEN && !w->header.length_known) {
        w->state = S_SEEK;
        w->matched = 1; /* a line begins here */
        return;
    }
    bool text_wanted = w->header.reason == PRETOK_ACCEPTED && !w->header.filtered;
    if (text_wanted && w->header.length > w->max_text)
        w->header.reason = PRETOK_TOO_LONG;
    w->content_left = w->header.length;
    w->state = w->content_left ? S_CONTENT : S_GAP;
    /* of what is filtered nothing is kept; a false length there costs what it swallows */
    w->kept = text_wanted && w->header.reason == PRETOK_ACCEPTED;
    w->text_start = text->size;
}

static enum pretok_event take_header(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                                     struct pretok_bytes *text, struct pretok_record *ret)
{
    const uint8_t *newline = memchr(at, '\n', n);
    uint64_t i = newline ? (uint64_t)(newline - at) + 1 : n, size;

    if (i > PRETOK_WARC_HEADER_BYTES - w->head.size)
        i = PRETOK_WARC_HEADER_BYTES - w->head.size;
    if (!pretok_bytes_append(&w->head, at, i))
        return PRETOK_NOMEM;
    keep_raw(w, at, i);
    advance(w, i);
    size = w->head.size;
    const uint8_t *end = w->head.at + size;
    if (size == PRETOK_WARC_HEADER_BYTES) {
        set_broken(w, size, "its header does not end");
        return rescue(w, w->head.at, size, text, ret);
    }
    if (end[-1] == '\n' && (end[-2] == '\n' || (end[-2] == '\r' && end[-3] == '\n'))) {
        uint64_t other = next_start(w->head.at, size);
        if (other < size) {
            set_broken(w, other, "another record begins in its header");
            return rescue(w, w->head.at, size, text, ret);
        }
        judge_header(w, text);
    }
    return PRETOK_MORE;
}

static enum pretok_event take_content(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                                      struct pretok_bytes *text)
{
    uint64_t i = n < w->content_left ? n : w->content_left;

    keep_raw(w, at, i);
    if (w->kept && !pretok_bytes_append(text, at, i))
        return PRETOK_NOMEM;
    advance(w, i);
    w->content_left -= i;
    if (w->content_left == 0)
        w->state = S_GAP;
    return PRETOK_MORE;
}

static enum pretok_event take_seek(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                                   struct pretok_bytes *text, struct pretok_record *ret)
{
    static const char pattern[] = "\n" MAGIC;
    enum pretok_event event = PRETOK_MORE;
    uint64_t i = 0;

    while (i < n && event == PRETOK_MORE) {
        if (w->matched == 0) {
            const uint8_t *newline = memchr(at + i, '\n', n - i);
            i = newline ? (uint64_t)(newline - at) + 1 : n;
            w->matched = newline != NULL;
        } else if (w->matched < sizeof pattern - 1 && at[i] == (uint8_t)pattern[w->matched]) {
            w->matched++;
            i++;
        } else if (w->matched == sizeof pattern - 1 && at[i] >= '0' && at[i] <= '9') {
            break;
        } else {
            w->matched = 0; /* MAGIC holds no newline: nothing that was matched begins anew */
        }
    }
    keep_raw(w, at, i);
    advance(w, i);
    if (i < n) {
        event = deliver(w, w->offset - MAGIC_BYTES, text, ret);
        w->open = w->kept = false;
        w->matched = MAGIC_BYTES;
        w->state = S_MAGIC;
    }
    return event;
}

/* ---- the whole ---- */

static enum pretok_event take(struct pretok_warc *w, const uint8_t *at, uint64_t n,
                              struct pretok_bytes *text, struct pretok_record *ret)
{
    switch (w->state) {
    case S_GAP:
        return take_gap(w, at, n, text);
    case S_MAGIC:
        return take_magic(w, at, n, text, ret);
    case S_HEADER:
        return take_header(w, at, n, text, ret);
    case S_CONTENT:
        return take_content(w, at, n, text);
    default:
        return take_seek(w, at, n, text, ret);
    }
}

/* Nothing is left. The open record ends here, or is cut off here. */
static enum pretok_event finish(struct pretok_warc *w, struct pretok_bytes *text,
                                struct pretok_record *ret)
{
    enum pretok_event event = PRETOK_MORE;

    if (!w->open && (w->state != S_MAGIC || w->matched == 0))
        return PRETOK_MORE;
    if (!w->open)
        begin(w); /* the first bytes of a record, and no more */
    if (w->state == S_GAP) {
        event = deliver(w, w->offset - w->gap, text, ret);
        close(w);
        return event;
    }
    if (w->state == S_HEADER) {
        set_broken(w, w->head.size, "cut off in its header");
        event = rescue(w, w->head.at, w->head.size, text, ret);
    } else if (w->state != S_SEEK) {
        set_broken(w, w->offset - w->start,
                   w->state == S_CONTENT ? "cut off before its Content-Length is reached"
                                         : "Content-Length does not lead to the next record");
        if (w->kept)
            event = rescue(w, text->at + w->text_start, text->size - w->text_start, text, ret);
    }
    if (event != PRETOK_MORE)
        return event;
    event = deliver(w, w->offset, text, ret);
    close(w);
    return event;
}

enum pretok_event pretok_warc_next(struct pretok_warc *w, const uint8_t **at, const uint8_t *end,
                                   bool final, struct pretok_bytes *text,
                                   struct pretok_record *ret_record)
{
    enum pretok_event event = PRETOK_MORE;

    if (!w->head.at && !pretok_bytes_reserve(&w->head, MAGIC_BYTES))
        return PRETOK_NOMEM;
    while (event == PRETOK_MORE) {
        if (w->again_at < w->again.size) {
            w->at = NULL;
            event =
                take(w, w->again.at + w->again_at, w->again.size - w->again_at, text, ret_record);
            continue;
        }
        if (w->again.room > AGAIN_KEEP)
            pretok_bytes_done(&w->again);
        w->again.size = w->again_at = 0;
        if (*at == end)
            return final ? finish(w, text, ret_record) : PRETOK_MORE;
        w->at = at;
        event = take(w, *at, (uint64_t)(end - *at), text, ret_record);
    }
    return event;
}

enum pretok_event pretok_warc_cut(struct pretok_warc *w, struct pretok_bytes *text,
                                  struct pretok_record *ret_record)
{
    enum pretok_event event = PRETOK_MORE;

    if (w->open && (w->state == S_GAP || w->state == S_MAGIC) && w->gap >= 2)
        event = deliver(w, w->offset - w->matched - w->gap, text, ret_record);
    close(w);
    return event;
}
