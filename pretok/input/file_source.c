/* A file read in order, hashed as it passes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "input/source.h"
#include "remote/source.h"
#include "remote/url.h"

#define BUFFER (256u << 10)

struct file_source {
    struct pretok_stored stored;
    const char *path;
    uint64_t left; /* UINT64_MAX: to the end */
    uint8_t *buffer;
    uint64_t room;
};

static void file_free(struct pretok_source *self)
{
    struct file_source *f = (struct file_source *)self;

    if (f->stored.fd > 0)
        close(f->stored.fd);
    ngt_digest_stream_free(&f->stored.digest);
    free(f->buffer);
    free(f);
}

static enum ngt_status file_read(struct pretok_source *self, const uint8_t **ret_at,
                                 uint64_t *ret_n, struct ngt_error *reterr)
{
    struct file_source *f = (struct file_source *)self;
    uint64_t want = f->left < f->room ? f->left : f->room;
    ssize_t got = 0;

    if (want) {
        do
            got = read(f->stored.fd, f->buffer, want);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return ngt_fail(reterr, NGT_E_IO, f->path, f->stored.count, NGT_NO_POS, "cannot read");
    }
    if (got == 0 && f->left && f->left != UINT64_MAX)
        return ngt_fail(reterr, NGT_E_DATA, f->path, f->stored.count, NGT_NO_POS,
                        "the file ends %llu bytes before the end it had when it was planned",
                        (unsigned long long)f->left);
    if (f->left != UINT64_MAX)
        f->left -= (uint64_t)got;
    ngt_digest_stream_add(f->stored.digest, f->buffer, (uint64_t)got);
    f->stored.count += (uint64_t)got;
    *ret_at = f->buffer;
    *ret_n = (uint64_t)got;
    return NGT_OK;
}

enum ngt_status pretok_file_source_new(const char *path, int opened, uint64_t start, uint64_t bytes,
                                       struct pretok_source **ret, struct ngt_error *reterr)
{
    struct file_source *f = calloc(1, sizeof *f);
    enum ngt_status status = NGT_OK;

    if (!f && opened)
        close(opened);
    if (!f)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
    f->stored.base = (struct pretok_source){file_read, file_free};
    f->path = path ? path : "standard input";
    f->stored.fd = opened ? opened : path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    f->left = bytes;
    f->stored.digest = ngt_digest_stream_new();
    f->room = bytes < BUFFER ? bytes + 1 : BUFFER; /* malloc maps large pieces anew, page by page */
    f->buffer = malloc(f->room);
    if (f->stored.fd < 0)
        status = ngt_fail(reterr, NGT_E_IO, path, NGT_NO_POS, NGT_NO_POS, "cannot open");
    else if (!f->stored.digest || !f->buffer)
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
    else if (start && lseek(f->stored.fd, (off_t)start, SEEK_SET) < 0)
        status = ngt_fail(reterr, NGT_E_IO, path, start, NGT_NO_POS, "cannot seek");
    if (status != NGT_OK) {
        file_free(&f->stored.base);
        return status;
    }
    if (bytes > BUFFER) /* else one read is all there is */
        (void)posix_fadvise(f->stored.fd, (off_t)start, 0, POSIX_FADV_SEQUENTIAL);
    *ret = &f->stored.base;
    return NGT_OK;
}

enum ngt_status pretok_place_source_new(const struct pretok_place *place, uint64_t start,
                                        uint64_t bytes, struct pretok_source **ret,
                                        struct ngt_error *reterr)
{
    if (pretok_url_is(place->path))
        return pretok_remote_source_new(place->remote,
                                        place->address ? place->address : place->path, place->etag,
                                        start, bytes, ret, reterr);
    return pretok_file_source_new(place->path, place->opened, start, bytes, ret, reterr);
}

uint64_t pretok_file_source_count(const struct pretok_source *s)
{
    return ((const struct pretok_stored *)s)->count;
}

struct ngt_digest128 pretok_file_source_digest(const struct pretok_source *s)
{
    return ngt_digest_stream_value128(((const struct pretok_stored *)s)->digest);
}

int pretok_file_source_fd(const struct pretok_source *s)
{
    const struct pretok_stored *f = (const struct pretok_stored *)s;
    return f->fd > 0 && lseek(f->fd, 0, SEEK_CUR) >= 0 ? f->fd : -1;
}
