/*
 * One compressed stream through libarchive: its "raw" format with the one filter that the first
 * bytes call for. libarchive stops at the first byte that continues nothing; what lies behind it
 * would vanish, so the end counts only when all bytes below were used.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "input/source.h"

struct filter_source {
    struct pretok_source base;
    struct pretok_source *lower;
    struct archive *archive;
    const char *name;
    uint64_t passed, delivered;
    struct ngt_error lower_error; /* a failure below, carried through libarchive */
    enum ngt_status lower_status;
    bool begun, empty;
};

static la_ssize_t pull(struct archive *a, void *arg, const void **ret_at)
{
    struct filter_source *f = arg;
    const uint8_t *at = NULL;
    uint64_t n = 0;

    f->lower_status = f->lower->read(f->lower, &at, &n, &f->lower_error);
    if (f->lower_status != NGT_OK) {
        archive_set_error(a, EIO, "%s", "cannot read what lies below");
        return -1;
    }
    f->passed += n;
    *ret_at = at;
    return (la_ssize_t)n;
}

static void filter_free(struct pretok_source *self)
{
    struct filter_source *f = (struct filter_source *)self;

    archive_read_free(f->archive);
    pretok_source_free(&f->lower);
    free(f);
}

static enum ngt_status failed(struct filter_source *f, struct ngt_error *reterr)
{
    const char *why = archive_error_string(f->archive);

    if (f->lower_status != NGT_OK) {
        if (reterr)
            *reterr = f->lower_error;
        return f->lower_status;
    }
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "%s stream cut off or corrupt at byte %llu, after %llu decompressed bytes: %s",
                    f->name, (unsigned long long)archive_filter_bytes(f->archive, -1),
                    (unsigned long long)f->delivered, why ? why : "no reason given");
}

static enum ngt_status begin(struct filter_source *f, struct ngt_error *reterr)
{
    struct archive_entry *entry;

    f->begun = true;
    if (archive_read_open(f->archive, f, NULL, pull, NULL) != ARCHIVE_OK)
        return failed(f, reterr);
    switch (archive_read_next_header(f->archive, &entry)) {
    case ARCHIVE_OK:
        /* a filter that wants to see more bytes than there are steps aside, and the stored bytes
         * would pass as they are */
        if (archive_filter_count(f->archive) < 2)
            return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                            "%s stream cut off within its first bytes", f->name);
        return NGT_OK;
    case ARCHIVE_EOF:
        f->empty = true;
        return NGT_OK;
    default:
        return failed(f, reterr);
    }
}

/* The stream has ended. Are all bytes below accounted for? */
static enum ngt_status check_end(struct filter_source *f, struct ngt_error *reterr)
{
    const uint8_t *at;
    uint64_t n;
    enum ngt_status status = f->lower->read(f->lower, &at, &n, reterr);

    if (status != NGT_OK)
        return status;
    if (n || archive_filter_bytes(f->archive, -1) != (la_int64_t)f->passed)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "%s stream corrupt: something else follows %llu decompressed bytes",
                        f->name, (unsigned long long)f->delivered);
    return NGT_OK;
}

static enum ngt_status filter_read(struct pretok_source *self, const uint8_t **ret_at,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    struct filter_source *f = (struct filter_source *)self;
    const void *at = NULL;
    size_t n = 0;
    la_int64_t offset;
    enum ngt_status status = f->begun ? NGT_OK : begin(f, reterr);

    *ret_n = 0;
    if (status != NGT_OK)
        return status;
    while (n == 0 && !f->empty) {
        int done = archive_read_data_block(f->archive, &at, &n, &offset);
        if (done == ARCHIVE_EOF)
            f->empty = true;
        else if (done != ARCHIVE_OK)
            return failed(f, reterr);
    }
    if (f->empty)
        return check_end(f, reterr);
    f->delivered += n;
    *ret_at = at;
    *ret_n = n;
    return NGT_OK;
}

enum ngt_status pretok_filter_source_new(struct pretok_source *lower, const char *name,
                                         struct pretok_source **ret, struct ngt_error *reterr)
{
    struct filter_source *f = calloc(1, sizeof *f);
    int done = ARCHIVE_FATAL;

    if (!f) {
        pretok_source_free(&lower);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    f->base = (struct pretok_source){filter_read, filter_free};
    f->lower = lower;
    f->name = name;
    ngt_error_clear(&f->lower_error);
    f->archive = archive_read_new();
    if (f->archive && archive_read_support_format_raw(f->archive) == ARCHIVE_OK &&
        archive_read_support_format_empty(f->archive) == ARCHIVE_OK) {
        if (strcmp(name, "bzip2") == 0)
            done = archive_read_support_filter_bzip2(f->archive);
        else if (strcmp(name, "xz") == 0)
            done = archive_read_support_filter_xz(f->archive);
        else if (strcmp(name, "lz4") == 0)
            done = archive_read_support_filter_lz4(f->archive);
        else if (strcmp(name, "gzip") == 0)
            done = archive_read_support_filter_gzip(f->archive);
    }
    if (done != ARCHIVE_OK) {
        enum ngt_status status =
            ngt_fail(reterr, f->archive ? NGT_E_UNSUPPORTED : NGT_E_NOMEM, NULL, NGT_NO_POS,
                     NGT_NO_POS, "this libarchive cannot read %s without another program", name);
        filter_free(&f->base);
        return status;
    }
    *ret = &f->base;
    return NGT_OK;
}
