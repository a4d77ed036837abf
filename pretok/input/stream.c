/*
 *   file -> [decoder] -> bytes                               no archive: one member without a name
 *   file -> [decoder] -> archive -> member -> [decoder] -> bytes
 *
 * One decoder at most in each place; an archive inside an archive is refused.
 */
#include "input/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input/ahead_source.h"
#include "input/source.h"
#include "remote/spool.h"
#include "remote/url.h"

#define BLOCK (128u << 10)
#define TAR_BLOCK 512u

struct pretok_stream {
    struct pretok_stream_config config;
    struct pretok_source *file;  /* the lowest source; owned by what stands on it */
    struct pretok_source *outer; /* decompressed bytes of the file; owned */
    bool begun, ended;
    bool ahead; /* outer is one that is filled ahead */
    struct pretok_meter meter;
    uint64_t outer_bytes, member_bytes, inner_bytes; /* decoded so far, in each place */

    /* an archive */
    struct archive *archive;
    enum pretok_content kind;
    char *member;
    struct pretok_source *inner; /* decompressed bytes of the member; owned */
    struct ngt_error outer_error;
    enum ngt_status outer_status;
    uint8_t tail[TAR_BLOCK]; /* the last bytes that went into the archive reader */
    uint64_t tail_size;
    int seek_fd;
    struct pretok_spool spool;        /* what seek_fd is of, where the file lies elsewhere */
    struct ngt_digest128 seek_digest; /* of a file that is not read in order */
    uint64_t seek_bytes;
    uint8_t *block;
};

/* ---- decoders by content ---- */

/* Replaces *source, a peeking one, by a decoder on it where its head calls for one. start: what
 * stands in front of it, for messages. count: adds up what it delivers. */
static enum ngt_status decode(struct pretok_stream *s, struct pretok_source **source,
                              enum pretok_content content, uint64_t start, uint64_t *count,
                              struct ngt_error *reterr)
{
    struct pretok_source *lower = *source;
    enum ngt_status status;

    *source = NULL;
    switch (content) {
    case PRETOK_GZIP:
        status = pretok_gzip_source_new(lower, &lower, reterr);
        break;
    case PRETOK_ZSTD:
        status = pretok_zstd_source_new(lower, start, &lower, reterr);
        break;
    case PRETOK_BZIP2:
    case PRETOK_XZ:
    case PRETOK_LZ4:
        status = pretok_filter_source_new(lower, pretok_content_name(content), &lower, reterr);
        break;
    default:
        *source = lower;
        return NGT_OK;
    }
    if (status == NGT_OK)
        status = pretok_meter_source_new(lower, &s->meter, count, &lower, reterr);
    if (status != NGT_OK)
        return status;
    return pretok_peek_source_new(lower, source, reterr);
}

static enum ngt_status look(struct pretok_source *source, enum pretok_content *ret,
                            struct ngt_error *reterr)
{
    const uint8_t *head;
    uint64_t n;
    enum ngt_status status = pretok_peek_source_head(source, &head, &n, reterr);

    if (status == NGT_OK)
        *ret = pretok_content_of(head, n);
    return status;
}

static bool is_compressed(enum pretok_content c)
{
    return c >= PRETOK_GZIP && c <= PRETOK_LZ4;
}

static bool is_archive(enum pretok_content c)
{
    return c >= PRETOK_TAR && c <= PRETOK_7Z;
}

/* Puts the file's path, and the member's name, into an error that has none. */
static enum ngt_status place(const struct pretok_stream *s, enum ngt_status status,
                             struct ngt_error *reterr)
{
    if (status == NGT_OK || !reterr || reterr->path[0])
        return status;
    struct ngt_error e = *reterr;
    ngt_error_clear(reterr);
    return ngt_fail(reterr, e.code, s->config.place.path ? s->config.place.path : "standard input",
                    e.offset, e.item, "%s%s%s", s->member ? s->member : "", s->member ? ": " : "",
                    e.message);
}

/* ---- the archive ---- */

static la_ssize_t pull(struct archive *a, void *arg, const void **ret_at)
{
    struct pretok_stream *s = arg;
    const uint8_t *at = NULL;
    uint64_t n = 0;

    s->outer_status = s->outer->read(s->outer, &at, &n, &s->outer_error);
    if (s->outer_status != NGT_OK) {
        archive_set_error(a, EIO, "%s", "cannot read what lies below");
        return -1;
    }
    if (n >= TAR_BLOCK) {
        memcpy(s->tail, at + n - TAR_BLOCK, TAR_BLOCK);
        s->tail_size = TAR_BLOCK;
    } else if (n) {
        uint64_t keep = TAR_BLOCK - n < s->tail_size ? TAR_BLOCK - n : s->tail_size;
        memmove(s->tail, s->tail + s->tail_size - keep, keep);
        memcpy(s->tail + keep, at, n);
        s->tail_size = keep + n;
    }
    *ret_at = at;
    return (la_ssize_t)n;
}

/* The file's failure, and not the archive's: libarchive's word for it would be that it is damaged. */
static void seek_failed(struct pretok_stream *s, struct archive *a, const char *what)
{
    ngt_error_clear(&s->outer_error);
    s->outer_status = ngt_fail(&s->outer_error, NGT_E_IO, s->config.place.path, NGT_NO_POS,
                               NGT_NO_POS, "%s", what);
    archive_set_error(a, EIO, "%s", what);
}

static la_ssize_t seek_pull(struct archive *a, void *arg, const void **ret_at)
{
    struct pretok_stream *s = arg;
    ssize_t n;

    do
        n = read(s->seek_fd, s->block, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        seek_failed(s, a, "cannot read");
    *ret_at = s->block;
    return n;
}

static la_int64_t seek_to(struct archive *a, void *arg, la_int64_t offset, int whence)
{
    struct pretok_stream *s = arg;
    off_t at = lseek(s->seek_fd, offset, whence);

    if (at < 0)
        seek_failed(s, a, "cannot seek");
    return at < 0 ? ARCHIVE_FATAL : at;
}

static enum ngt_status archive_failed(struct pretok_stream *s, struct ngt_error *reterr)
{
    const char *why = archive_error_string(s->archive);

    if (s->outer_status != NGT_OK) {
        if (reterr)
            *reterr = s->outer_error;
        return s->outer_status;
    }
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "%s archive cut off or corrupt at byte %llu: %s", pretok_content_name(s->kind),
                    (unsigned long long)archive_filter_bytes(s->archive, 0),
                    why ? why : "no reason given");
}

/* zip and 7z keep their directory at the end: libarchive seeks, and the hash takes a pass of its
 * own. What lies on another machine is kept in a file meanwhile. */
static enum ngt_status prepare_seek(struct pretok_stream *s, struct ngt_error *reterr)
{
    const bool remote = pretok_url_is(s->config.place.path);
    enum ngt_status status = NGT_OK;
    const uint8_t *at;
    uint64_t n = 1;

    if (remote)
        status = pretok_spool_new(s->config.place.remote, s->config.place.path, &s->spool, reterr);
    while (status == NGT_OK && n) {
        status = s->outer->read(s->outer, &at, &n, reterr);
        if (status == NGT_OK && remote)
            status = pretok_spool_write(&s->spool, at, n, reterr);
    }
    if (status != NGT_OK)
        return status;
    s->seek_digest = pretok_file_source_digest(s->file);
    s->seek_bytes = pretok_file_source_count(s->file);
    int fd = remote ? s->spool.fd : pretok_file_source_fd(s->file);
    if (lseek(fd, 0, SEEK_SET) != 0)
        return ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS, "cannot seek");
    s->seek_fd = fd;
    return NGT_OK;
}

static enum ngt_status archive_begin(struct pretok_stream *s, bool at_bottom,
                                     struct ngt_error *reterr)
{
    enum ngt_status status;
    int done = ARCHIVE_FATAL;
    bool seeks = at_bottom && (s->kind == PRETOK_ZIP || s->kind == PRETOK_7Z) &&
                 (pretok_file_source_fd(s->file) >= 0 || pretok_url_is(s->config.place.path));

    s->archive = archive_read_new();
    s->block = malloc(BLOCK);
    if (!s->archive || !s->block)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for an archive");
    switch (s->kind) {
    case PRETOK_TAR:
        done = archive_read_support_format_tar(s->archive);
        if (done == ARCHIVE_OK) /* cat a.tar b.tar: go on behind the first end */
            done = archive_read_set_format_option(s->archive, "tar", "read_concatenated_archives",
                                                  "1");
        break;
    case PRETOK_ZIP:
        done = seeks ? archive_read_support_format_zip_seekable(s->archive)
                     : archive_read_support_format_zip_streamable(s->archive);
        break;
    case PRETOK_CPIO:
        done = archive_read_support_format_cpio(s->archive);
        break;
    default:
        if (!seeks)
            return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
                            "a 7z archive must be an uncompressed file of its own");
        done = archive_read_support_format_7zip(s->archive);
        break;
    }
    if (done != ARCHIVE_OK)
        return archive_failed(s, reterr);
    if (seeks) {
        status = prepare_seek(s, reterr);
        if (status != NGT_OK)
            return status;
        archive_read_set_seek_callback(s->archive, seek_to);
    }
    archive_read_set_read_callback(s->archive, seeks ? seek_pull : pull);
    archive_read_set_callback_data(s->archive, s);
    if (archive_read_open1(s->archive) != ARCHIVE_OK)
        return archive_failed(s, reterr);
    return NGT_OK;
}

/* A member as a source. */
struct member_source {
    struct pretok_source base;
    struct pretok_stream *stream;
    uint8_t block[BLOCK];
};

static enum ngt_status member_read(struct pretok_source *self, const uint8_t **ret_at,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    struct member_source *m = (struct member_source *)self;
    la_ssize_t n;

    /* read_data fills the holes of sparse members with zeros; read_data_block would skip them */
    do
        n = archive_read_data(m->stream->archive, m->block, sizeof m->block);
    while (n == ARCHIVE_RETRY);
    if (n < 0) /* also a warning: zip's bad CRC is one */
        return archive_failed(m->stream, reterr);
    *ret_at = m->block;
    *ret_n = (uint64_t)n;
    /* holes of sparse members, too, come out of nothing */
    return pretok_meter_add(&m->stream->meter, &m->stream->member_bytes, *ret_n, reterr);
}

static void member_free(struct pretok_source *self)
{
    free(self);
}

/* One decoder in each place: what decompresses to itself would never end. */
static enum ngt_status twice_compressed(enum pretok_content content, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
                    "a %s stream inside a compressed one; unpack the outer one first",
                    pretok_content_name(content));
}

static enum ngt_status open_member(struct pretok_stream *s, struct ngt_error *reterr)
{
    struct member_source *m = malloc(sizeof *m);
    enum pretok_content content;
    enum ngt_status status;

    if (!m)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for an archive");
    m->base = (struct pretok_source){member_read, member_free};
    m->stream = s;
    status = pretok_peek_source_new(&m->base, &s->inner, reterr);
    if (status != NGT_OK)
        return status;
    status = look(s->inner, &content, reterr);
    if (status != NGT_OK)
        return status;
    if (is_compressed(content)) {
        status = decode(s, &s->inner, content, 0, &s->inner_bytes, reterr);
        if (status == NGT_OK)
            status = look(s->inner, &content, reterr);
        if (status != NGT_OK)
            return status;
        if (is_compressed(content))
            return twice_compressed(content, reterr);
    }
    if (is_archive(content))
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
                        "a %s archive inside an archive; unpack the outer one first",
                        pretok_content_name(content));
    if (content == PRETOK_PARQUET)
        return ngt_fail(
            reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
            "a parquet file; it must be a file of its own, neither compressed nor in an archive");
    return NGT_OK;
}

/* The archive said it is at its end. For tar that may only mean that no bytes are left. */
static enum ngt_status archive_end(struct pretok_stream *s, struct ngt_error *reterr)
{
    const void *at;
    la_ssize_t n;

    if (s->seek_fd >= 0)
        return NGT_OK;
    do {
        n = pull(s->archive, s, &at);
        if (n < 0)
            return archive_failed(s, reterr);
    } while (n);
    if (s->kind != PRETOK_TAR)
        return NGT_OK;
    bool zero = s->tail_size == TAR_BLOCK;
    for (uint64_t i = 0; i < s->tail_size && zero; i++)
        zero = s->tail[i] == 0;
    if (!zero)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "tar archive cut off at byte %llu: it has no end mark",
                        (unsigned long long)archive_filter_bytes(s->archive, 0));
    return NGT_OK;
}

/* What is left of a member. Where that means decoding, it is not left to libarchive, which would not
 * end it. */
static enum ngt_status pass_over(struct pretok_stream *s, struct ngt_error *reterr)
{
    bool decodes = s->kind == PRETOK_7Z || (s->kind == PRETOK_ZIP && s->seek_fd < 0);
    enum ngt_status status = NGT_OK;
    uint64_t n = 1;

    while (decodes && s->member && status == NGT_OK && n) {
        la_ssize_t got;
        do
            got = archive_read_data(s->archive, s->block, BLOCK);
        while (got == ARCHIVE_RETRY);
        if (got < 0)
            return archive_failed(s, reterr);
        n = (uint64_t)got;
        status = pretok_meter_add(&s->meter, &s->member_bytes, n, reterr);
    }
    return status;
}

static enum ngt_status next_member(struct pretok_stream *s, bool *ret_more, const char **ret_member,
                                   struct ngt_error *reterr)
{
    struct archive_entry *entry;

    enum ngt_status status = pass_over(s, reterr);
    pretok_source_free(&s->inner);
    if (status != NGT_OK)
        return status;
    free(s->member);
    s->member = NULL;
    for (;;) {
        int done = archive_read_next_header(s->archive, &entry);
        if (done == ARCHIVE_EOF) {
            s->ended = true;
            *ret_more = false;
            return archive_end(s, reterr);
        }
        /* ARCHIVE_RETRY would go on behind a damaged header, and what it described would vanish */
        if (done != ARCHIVE_OK && done != ARCHIVE_WARN)
            return archive_failed(s, reterr);
        if (archive_entry_filetype(entry) == S_IFREG && !archive_entry_hardlink(entry))
            break;
    }
    const char *name = archive_entry_pathname(entry);
    if (!name)
        name = archive_entry_pathname_utf8(entry);
    s->member = strdup(name ? name : "a member whose name is unreadable");
    if (!s->member)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for an archive");
    *ret_member = s->member;
    *ret_more = true;
    return NGT_OK; /* opened when it is read: it may be passed over for its name */
}

/* ---- the stream ---- */

enum ngt_status pretok_stream_open(const struct pretok_stream_config *config,
                                   struct pretok_stream **ret_stream, struct ngt_error *reterr)
{
    struct pretok_stream *s = NULL;
    enum pretok_content content = PRETOK_PLAIN;
    enum ngt_status status;
    bool at_bottom = true;

    ngt_error_clear(reterr);
    s = calloc(1, sizeof *s);
    if (!s) {
        if (config->place.opened)
            close(config->place.opened);
        return ngt_fail(reterr, NGT_E_NOMEM, config->place.path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory");
    }
    s->config = *config;
    s->seek_fd = -1;
    s->spool.fd = -1;
    ngt_error_clear(&s->outer_error);
    status =
        pretok_place_source_new(&config->place, config->start, config->bytes, &s->file, reterr);
    if (status != NGT_OK)
        goto out;
    s->meter = (struct pretok_meter){s->file, config->max_expansion};
    status = pretok_peek_source_new(s->file, &s->outer, reterr);
    if (status == NGT_OK && !config->plain)
        status = look(s->outer, &content, reterr);
    if (status == NGT_OK && is_compressed(content)) {
        at_bottom = false;
        status = decode(s, &s->outer, content, config->start, &s->outer_bytes, reterr);
        content = PRETOK_PLAIN;
        if (status == NGT_OK && !config->no_archive)
            status = look(s->outer, &content, reterr);
        if (status == NGT_OK && is_compressed(content))
            status = twice_compressed(content, reterr);
    }
    if (status == NGT_OK && content == PRETOK_PARQUET)
        status = ngt_fail(
            reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
            "a parquet file; it must be a file of its own, neither compressed nor in an archive");
    if (status == NGT_OK && is_archive(content)) {
        s->kind = content;
        status = archive_begin(s, at_bottom, reterr);
    } else if (status == NGT_OK && config->ahead && !at_bottom) {
        /* not an archive: where one is cut off, what was read of the file would depend on the time */
        pretok_ahead_source_new(config->ahead, s->outer, s->file, &s->outer);
        s->ahead = true;
    }
out:
    status = place(s, status, reterr);
    if (status != NGT_OK)
        pretok_stream_close(&s);
    else
        *ret_stream = s;
    return status;
}

void pretok_stream_close(struct pretok_stream **s)
{
    if (!*s)
        return;
    pretok_source_free(&(*s)->inner);
    if ((*s)->archive)
        archive_read_free((*s)->archive);
    pretok_source_free(&(*s)->outer);
    pretok_spool_close(&(*s)->spool);
    free((*s)->member);
    free((*s)->block);
    free(*s);
    *s = NULL;
}

enum ngt_status pretok_stream_next(struct pretok_stream *s, bool *ret_more, const char **ret_member,
                                   struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    *ret_member = NULL;
    if (s->archive) {
        if (s->begun && s->ended) {
            *ret_more = false;
            return NGT_OK;
        }
        s->begun = true;
        status = next_member(s, ret_more, ret_member, reterr);
    } else if (!s->begun) {
        s->begun = true;
        *ret_more = true;
    } else {
        const uint8_t *at;
        uint64_t n = 1;
        while (status == NGT_OK && n && !s->ended)
            status = s->outer->read(s->outer, &at, &n, reterr);
        s->ended = true;
        *ret_more = false;
    }
    return place(s, status, reterr);
}

enum ngt_status pretok_stream_read(struct pretok_stream *s, const uint8_t **ret_at, uint64_t *ret_n,
                                   struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    *ret_n = 0;
    if (s->archive && !s->inner)
        status = open_member(s, reterr);
    struct pretok_source *from = s->archive ? s->inner : s->outer;
    if (status == NGT_OK)
        status = from->read(from, ret_at, ret_n, reterr);
    if (status == NGT_OK && *ret_n == 0 && !s->archive)
        s->ended = true;
    return place(s, status, reterr);
}

uint64_t pretok_stream_stored(const struct pretok_stream *s)
{
    if (s->ahead)
        return pretok_ahead_source_count(s->outer);
    return s->seek_fd >= 0 ? s->seek_bytes : pretok_file_source_count(s->file);
}

struct ngt_digest128 pretok_stream_digest(const struct pretok_stream *s)
{
    return s->seek_fd >= 0 ? s->seek_digest : pretok_file_source_digest(s->file);
}

enum ngt_status pretok_stream_drain(const struct pretok_stream_config *config, uint64_t *bytes,
                                    struct ngt_error *reterr)
{
    struct pretok_stream *s = NULL;
    enum ngt_status status = pretok_stream_open(config, &s, reterr);
    const char *member;
    const uint8_t *at;
    bool more = true;

    while (status == NGT_OK && more) {
        status = pretok_stream_next(s, &more, &member, reterr);
        for (uint64_t n = 1; status == NGT_OK && more && n; *bytes += n)
            status = pretok_stream_read(s, &at, &n, reterr);
    }
    pretok_stream_close(&s);
    return status;
}
