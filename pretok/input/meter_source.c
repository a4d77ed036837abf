/*
 * Counts what a decoder delivers and ends it when that is out of all proportion to the bytes it came
 * from. A few kilobytes can be made to decompress for days; no text does what they do.
 */
#include <stdlib.h>

#include "input/source.h"

struct meter_source {
    struct pretok_source base;
    struct pretok_source *lower;
    struct pretok_meter *meter;
    uint64_t *count;
};

static enum ngt_status meter_read(struct pretok_source *self, const uint8_t **ret_at,
                                  uint64_t *ret_n, struct ngt_error *reterr)
{
    struct meter_source *m = (struct meter_source *)self;
    enum ngt_status status = m->lower->read(m->lower, ret_at, ret_n, reterr);

    if (status == NGT_OK)
        status = pretok_meter_add(m->meter, m->count, *ret_n, reterr);
    if (status != NGT_OK)
        *ret_n = 0;
    return status;
}

static void meter_free(struct pretok_source *self)
{
    struct meter_source *m = (struct meter_source *)self;

    pretok_source_free(&m->lower);
    free(m);
}

enum ngt_status pretok_meter_check(uint64_t count, uint64_t stored, uint64_t most,
                                   struct ngt_error *reterr)
{
    if (most == 0 || count <= PRETOK_METER_FREE || count / most <= stored)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "decompresses to %llu bytes and more, out of %llu; --max-expansion is %llu",
                    (unsigned long long)count, (unsigned long long)stored,
                    (unsigned long long)most);
}

enum ngt_status pretok_meter_add(const struct pretok_meter *meter, uint64_t *count, uint64_t n,
                                 struct ngt_error *reterr)
{
    *count += n;
    if (*count <= PRETOK_METER_FREE)
        return NGT_OK;
    return pretok_meter_check(*count, pretok_file_source_count(meter->file), meter->most, reterr);
}

enum ngt_status pretok_meter_source_new(struct pretok_source *lower, struct pretok_meter *meter,
                                        uint64_t *count, struct pretok_source **ret,
                                        struct ngt_error *reterr)
{
    struct meter_source *m = calloc(1, sizeof *m);

    if (!m) {
        pretok_source_free(&lower);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    m->base = (struct pretok_source){meter_read, meter_free};
    m->lower = lower;
    m->meter = meter;
    m->count = count;
    *ret = &m->base;
    return NGT_OK;
}
