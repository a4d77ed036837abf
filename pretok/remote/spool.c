#include "remote/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/file.h"
#include "remote/client.h"
#include "remote/source.h"

#define HERE NGT_NO_POS, NGT_NO_POS

enum ngt_status pretok_spool_new(const struct pretok_remote *remote, const char *shown,
                                 struct pretok_spool *ret_spool, struct ngt_error *reterr)
{
    char *name = ngt_path_join(remote->temporary, "pretok-XXXXXX");
    int fd = name ? mkostemp(name, O_CLOEXEC) : -1;
    enum ngt_status status = NGT_OK;

    if (!name) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    } else if (fd < 0) {
        status = ngt_fail(reterr, NGT_E_REMOTE, remote->temporary, HERE,
                          "cannot make a file for %.100s, which is not read in order (TMPDIR names "
                          "another folder): %s",
                          shown, strerror(errno));
    } else {
        (void)unlink(name);
        ret_spool->fd = fd;
        snprintf(ret_spool->path, sizeof ret_spool->path, "/proc/self/fd/%d", fd);
    }
    free(name);
    return status;
}

enum ngt_status pretok_spool_write(struct pretok_spool *spool, const uint8_t *bytes, uint64_t n,
                                   struct ngt_error *reterr)
{
    while (n) {
        ssize_t done = write(spool->fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return ngt_fail(reterr, NGT_E_REMOTE, NULL, HERE,
                            "cannot keep an input that is not read in order (TMPDIR names another "
                            "folder): %s",
                            strerror(errno));
        bytes += done;
        n -= (uint64_t)done;
    }
    return NGT_OK;
}

enum ngt_status pretok_spool_fetch(const struct pretok_remote *remote, const char *address,
                                   const char *etag, struct pretok_spool *ret_spool,
                                   struct ngt_error *reterr)
{
    struct pretok_spool spool = {.fd = -1};
    struct pretok_source *source = NULL;
    const uint8_t *at;
    uint64_t n = 1;
    enum ngt_status status =
        pretok_remote_source_new(remote, address, etag, 0, UINT64_MAX, &source, reterr);

    if (status == NGT_OK) {
        char *shown = pretok_url_shown(address);
        status = pretok_spool_new(remote, shown ? shown : "an input", &spool, reterr);
        free(shown);
    }
    while (status == NGT_OK && n) {
        status = source->read(source, &at, &n, reterr);
        if (status == NGT_OK)
            status = pretok_spool_write(&spool, at, n, reterr);
    }
    pretok_source_free(&source);
    if (status == NGT_OK)
        *ret_spool = spool;
    else
        pretok_spool_close(&spool);
    return status;
}

void pretok_spool_close(struct pretok_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}
