#include "packer/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 1024u /* documents a work item: a few MB of ids */

enum ngt_status packer_lengths(const struct ngt_dataset *set, uint64_t **ret_lengths,
                               struct ngt_error *reterr)
{
    uint64_t *lengths = malloc((set->docs + 1) * sizeof *lengths), at = 0;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (!lengths)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for document lengths");
    for (uint64_t i = 0; i < set->count && status == NGT_OK; i++) {
        uint64_t docs = ngt_reader_header(set->readers[i])->docs;
        status = ngt_reader_lengths(set->readers[i], 0, docs, lengths + at, reterr);
        for (uint64_t d = 0; d < docs && set->drops[i] && status == NGT_OK; d++)
            if (ngt_dataset_dropped(set, i, d))
                lengths[at + d] = 0; /* a document of no tokens is in no sequence */
        at += docs;
    }
    if (status == NGT_OK)
        *ret_lengths = lengths;
    else
        free(lengths);
    return status;
}

struct split {
    const struct ngt_dataset *set;
    const uint64_t *lengths;
    uint64_t *train, *val;
    uint64_t below; /* a hash under this is held out */
    struct buffer {
        uint32_t *ids;
        uint64_t room;
    } * buffers; /* [workers] */
};

static enum ngt_status split_chunk(void *arg, uint64_t item, unsigned worker,
                                   struct ngt_error *reterr)
{
    struct split *s = arg;
    struct buffer *b = &s->buffers[worker];
    uint64_t doc = item * CHUNK, end = doc + CHUNK < s->set->docs ? doc + CHUNK : s->set->docs,
             shard, in_shard;
    enum ngt_status status = ngt_dataset_doc(s->set, doc, &shard, &in_shard, reterr);

    for (; status == NGT_OK && doc < end; doc++, in_shard++) {
        uint64_t first, n;
        while (in_shard == ngt_reader_header(s->set->readers[shard])->docs) {
            shard++;
            in_shard = 0;
        }
        const struct ngt_reader *r = s->set->readers[shard];
        if ((status = ngt_reader_doc(r, in_shard, &first, &n, reterr)) != NGT_OK)
            return status;
        if (n > b->room || !b->ids) {
            free(b->ids);
            b->room = n * 2 + 1024;
            b->ids = malloc(b->room * sizeof *b->ids);
            if (!b->ids)
                return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, doc,
                                "out of memory for a document");
        }
        if ((status = ngt_reader_ids(r, first, n, b->ids, reterr)) != NGT_OK)
            return status;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        for (uint64_t i = 0; i < n; i++)
            b->ids[i] = __builtin_bswap32(b->ids[i]);
#endif
        bool held = ngt_digest64_seeded(b->ids, n * sizeof *b->ids, PACKER_SPLIT_SEED) < s->below;
        s->train[doc] = held ? 0 : s->lengths[doc];
        s->val[doc] = held ? s->lengths[doc] : 0;
    }
    return status;
}

enum ngt_status packer_split(const struct ngt_dataset *set, const uint64_t *lengths, double share,
                             struct ngt_pool *pool, uint64_t **ret_train, uint64_t **ret_val,
                             struct ngt_error *reterr)
{
    struct split s = {.set = set, .lengths = lengths};
    unsigned workers = ngt_pool_workers(pool);
    enum ngt_status status;

    ngt_error_clear(reterr);
    /* share < 1, so that the product is below 2^64 */
    s.below = (uint64_t)ldexp(share, 64);
    s.train = malloc((set->docs + 1) * sizeof *s.train);
    s.val = malloc((set->docs + 1) * sizeof *s.val);
    s.buffers = calloc(workers, sizeof *s.buffers);
    if (s.train && s.val && s.buffers)
        status = ngt_pool_each(pool, set->docs / CHUNK + (set->docs % CHUNK != 0), split_chunk, &s,
                               reterr);
    else
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the split");
    for (unsigned w = 0; s.buffers && w < workers; w++)
        free(s.buffers[w].ids);
    free(s.buffers);
    if (status == NGT_OK) {
        *ret_train = s.train;
        *ret_val = s.val;
    } else {
        free(s.train);
        free(s.val);
    }
    return status;
}
