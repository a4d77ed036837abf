#include "ngt/drops.h"

#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define HEAD 32u /* magic, documents, dropped, hash of all but itself */
#define HASH_AT 24u

static const uint8_t magic[8] = {0x89, 'N', 'G', 'D', '\r', '\n', 0x1A, '\n'};

struct ngt_drops {
    struct ngt_map map;
    uint64_t documents, count, hash;
};

static uint64_t bytes_of(uint64_t documents)
{
    return documents / 8 + (documents % 8 != 0);
}

/* False when out of memory. */
static bool hash_of(const uint8_t *file, uint64_t size, uint64_t *ret)
{
    struct ngt_digest_stream *s = ngt_digest_stream_new64();

    if (!s)
        return false;
    ngt_digest_stream_add(s, file, HASH_AT);
    ngt_digest_stream_add(s, file + HEAD, size - HEAD);
    *ret = ngt_digest_stream_value64(s);
    ngt_digest_stream_free(&s);
    return true;
}

static uint64_t count_bits(const uint8_t *bits, uint64_t n)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < n; i++)
        count += (uint64_t)__builtin_popcount(bits[i]);
    return count;
}

enum ngt_status ngt_drops_write(const char *path, const uint8_t *bits, uint64_t documents,
                                uint64_t *ret_bytes, uint64_t *ret_hash, struct ngt_error *reterr)
{
    const uint64_t n = bytes_of(documents);
    uint64_t own;
    uint8_t *file = malloc(HEAD + n);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!file)
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for the drop list");
    memcpy(file, magic, sizeof magic);
    ngt_put64(file + 8, documents);
    ngt_put64(file + 16, count_bits(bits, n));
    memcpy(file + HEAD, bits, n);
    if (!hash_of(file, HEAD + n, &own)) {
        free(file);
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for the drop list");
    }
    ngt_put64(file + HASH_AT, own);
    status = ngt_file_write(path, file, HEAD + n, reterr);
    if (status == NGT_OK) {
        *ret_bytes = HEAD + n;
        *ret_hash = ngt_digest64(file, HEAD + n);
    }
    free(file);
    return status;
}

static enum ngt_status check(struct ngt_drops *d, struct ngt_error *reterr)
{
    const uint8_t *file = d->map.bytes;
    const char *path = d->map.path;
    uint64_t own;

    if (d->map.size < HEAD || memcmp(file, magic, sizeof magic) != 0)
        return ngt_fail(reterr, NGT_E_CORRUPT, path, 0, NGT_NO_POS, "not a drop list");
    d->documents = ngt_get64(file + 8);
    d->count = ngt_get64(file + 16);
    if (bytes_of(d->documents) != d->map.size - HEAD)
        return ngt_fail(reterr, NGT_E_CORRUPT, path, 8, NGT_NO_POS,
                        "its size does not follow from its number of documents");
    if (!hash_of(file, d->map.size, &own))
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for the drop list");
    if (own != ngt_get64(file + HASH_AT))
        return ngt_fail(reterr, NGT_E_CORRUPT, path, HASH_AT, NGT_NO_POS,
                        "hash mismatch: it was changed");
    if (d->documents % 8 && file[d->map.size - 1] >> d->documents % 8)
        return ngt_fail(reterr, NGT_E_CORRUPT, path, d->map.size - 1, NGT_NO_POS,
                        "a bit behind the last document is set");
    if (count_bits(file + HEAD, d->map.size - HEAD) != d->count)
        return ngt_fail(reterr, NGT_E_CORRUPT, path, 16, NGT_NO_POS,
                        "does not drop as many documents as it says");
    d->hash = ngt_digest64(file, d->map.size);
    return ngt_map_check(&d->map, reterr);
}

enum ngt_status ngt_drops_open(const char *path, struct ngt_drops **ret_drops,
                               struct ngt_error *reterr)
{
    struct ngt_drops *d = calloc(1, sizeof *d);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!d)
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for the drop list");
    d->map.fd = -1;
    status = ngt_map_open(path, &d->map, reterr);
    if (status == NGT_OK)
        status = ngt_map_outcome(&d->map, check(d, reterr), reterr);
    if (status == NGT_OK)
        *ret_drops = d;
    else
        ngt_drops_close(&d);
    return status;
}

void ngt_drops_close(struct ngt_drops **drops)
{
    if (!*drops)
        return;
    ngt_map_close(&(*drops)->map);
    free(*drops);
    *drops = NULL;
}

uint64_t ngt_drops_documents(const struct ngt_drops *d)
{
    return d->documents;
}

uint64_t ngt_drops_count(const struct ngt_drops *d)
{
    return d->count;
}

uint64_t ngt_drops_hash(const struct ngt_drops *d)
{
    return d->hash;
}

bool ngt_drops_has(const struct ngt_drops *d, uint64_t document)
{
    return document < d->documents && d->map.bytes[HEAD + document / 8] >> document % 8 & 1;
}
