/*
 * Two views, one face. Packed shards: sequence i of shard s as stored. Document shards: sequence i
 * is tokens [iT, iT + T) of all shards' tokens one after the other; its segments are the documents,
 * and parts of documents, in that range.
 */
#include "ngt/sequence.h"

#include <stdlib.h>

#include "ngt/checked.h"

struct ngt_sequences {
    const struct ngt_dataset *set;
    uint64_t seq_len, count;
    bool packed;
    /* [shards + 1] first sequence (packed) or first token and document (documents) of each shard */
    uint64_t *first, *first_doc;
};

enum ngt_status ngt_sequences_new(const struct ngt_dataset *set, uint64_t seq_len,
                                  struct ngt_sequences **ret_sequences, struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(set->readers[0]);
    struct ngt_sequences *s;

    ngt_error_clear(reterr);
    if (h->kind == NGT_PACKED && seq_len && seq_len != h->seq_len)
        return ngt_fail(reterr, NGT_E_MISMATCH, set->paths[0], NGT_NO_POS, NGT_NO_POS,
                        "was packed into sequences of %llu tokens, not %llu: leave the length "
                        "away, or pack again",
                        (unsigned long long)h->seq_len, (unsigned long long)seq_len);
    if (h->kind == NGT_DOCUMENTS && (seq_len == 0 || seq_len > UINT32_MAX))
        return ngt_fail(reterr, NGT_E_RANGE, set->paths[0], NGT_NO_POS, NGT_NO_POS,
                        "document shards have no sequence length of their own: give one");
    if (set->dropped)
        return ngt_fail(
            reterr, NGT_E_UNSUPPORTED, set->paths[0], NGT_NO_POS, NGT_NO_POS,
            "the data set has a drop list of %llu documents, which is obeyed when it is "
            "packed: run ngt-pack --method concat on the folder first",
            (unsigned long long)set->dropped);
    s = calloc(1, sizeof *s);
    if (s) {
        s->first = calloc(set->count + 1, sizeof *s->first);
        s->first_doc = calloc(set->count + 1, sizeof *s->first_doc);
    }
    if (!s || !s->first || !s->first_doc) {
        ngt_sequences_free(&s);
        return ngt_fail(reterr, NGT_E_NOMEM, set->paths[0], NGT_NO_POS, NGT_NO_POS,
                        "out of memory for sequences");
    }
    s->set = set;
    s->packed = h->kind == NGT_PACKED;
    s->seq_len = s->packed ? h->seq_len : seq_len;
    for (uint64_t i = 0; i < set->count; i++) {
        const struct ngt_header *each = ngt_reader_header(set->readers[i]);
        s->first[i + 1] = s->first[i] + (s->packed ? each->sequences : each->tokens);
        s->first_doc[i + 1] = s->first_doc[i] + each->docs;
    }
    uint64_t total = s->first[set->count];
    s->count = s->packed ? total : total / s->seq_len + (total % s->seq_len != 0);
    *ret_sequences = s;
    return NGT_OK;
}

void ngt_sequences_free(struct ngt_sequences **s)
{
    if (!*s)
        return;
    free((*s)->first);
    free((*s)->first_doc);
    free(*s);
    *s = NULL;
}

uint64_t ngt_sequences_count(const struct ngt_sequences *s)
{
    return s->count;
}

uint64_t ngt_sequences_len(const struct ngt_sequences *s)
{
    return s->seq_len;
}

/* The shard that holds item i (sequence or token); shards without items are passed over. */
static uint64_t shard_of(const struct ngt_sequences *s, uint64_t i)
{
    uint64_t low = 0, high = s->set->count;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (s->first[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What a walk over a sequence fills: rows of tokens (gather), or the list of its segments. */
struct visit {
    uint32_t *tokens, *targets, *first; /* gather */
    struct ngt_segment *segments;       /* segments */
    uint64_t room, count;
};

/* Clears the targets in [from, to) of a row. */
static void no_loss(struct visit *v, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; v->targets && i < to; i++)
        v->targets[i] = NGT_NO_ID;
}

static void visit_segment(struct visit *v, const struct ngt_segment *s)
{
    if (v->segments && v->count < v->room)
        v->segments[v->count] = *s;
    v->count++;
    if (!v->tokens)
        return;
    for (uint32_t i = s->start; i < s->start + s->length; i++) {
        v->first[i] = s->start;
        v->targets[i] = i + 1 < s->start + s->length ? v->tokens[i + 1] : s->successor;
    }
}

static enum ngt_status walk_packed(const struct ngt_sequences *s, uint64_t sequence,
                                   struct visit *v, struct ngt_error *reterr)
{
    uint64_t shard = shard_of(s, sequence), row = sequence - s->first[shard], first, count, end = 0,
             span, spans;
    const struct ngt_reader *r = s->set->readers[shard];
    enum ngt_status status;
    bool all;

    if (v->tokens &&
        (status = ngt_reader_ids(r, row * s->seq_len, s->seq_len, v->tokens, reterr)) != NGT_OK)
        return status;
    if ((status = ngt_reader_sequence(r, row, &first, &count, reterr)) != NGT_OK)
        return status;
    for (uint64_t i = first; i < first + count; i++) {
        struct ngt_segment segment;
        if ((status = ngt_reader_segment(r, i, &segment, reterr)) != NGT_OK)
            return status;
        if (segment.start < end)
            return ngt_fail(reterr, NGT_E_CORRUPT, ngt_reader_path(r), NGT_NO_POS, i,
                            "segments of sequence %llu overlap", (unsigned long long)row);
        end = (uint64_t)segment.start + segment.length;
        visit_segment(v, &segment);
    }
    if (!v->tokens)
        return NGT_OK;
    if ((status = ngt_reader_loss(r, row, &all, &span, &spans, reterr)) != NGT_OK || all)
        return status;
    end = 0;
    for (uint64_t i = span; i < span + spans; i++) {
        uint64_t from, n;
        if ((status = ngt_reader_loss_span(r, i, &from, &n, reterr)) != NGT_OK)
            return status;
        if (from < end || !ngt_in_range(from, n, s->seq_len))
            return ngt_fail(reterr, NGT_E_CORRUPT, ngt_reader_path(r), NGT_NO_POS, i,
                            "loss span leaves its sequence");
        no_loss(v, end, from);
        end = from + n;
    }
    no_loss(v, end, s->seq_len);
    return NGT_OK;
}

/*
 * Loss spans of a document mark tokens that carry loss: the target at position p of the piece is
 * token p + 1 of the document, kept only if that token lies in a span.
 */
static enum ngt_status mask_document(const struct ngt_reader *r, uint64_t doc,
                                     const struct ngt_segment *piece, struct visit *v,
                                     struct ngt_error *reterr)
{
    uint64_t span, spans, done = piece->start, end = (uint64_t)piece->start + piece->length;
    enum ngt_status status;
    bool all;

    if ((status = ngt_reader_loss(r, doc, &all, &span, &spans, reterr)) != NGT_OK || all)
        return status;
    for (uint64_t i = span; i < span + spans && done < end; i++) {
        uint64_t from, n, to;
        if ((status = ngt_reader_loss_span(r, i, &from, &n, reterr)) != NGT_OK)
            return status;
        if (ngt_add_u64(&to, from, n))
            return ngt_fail(reterr, NGT_E_CORRUPT, ngt_reader_path(r), NGT_NO_POS, i,
                            "loss span leaves its document");
        /* tokens [from, to) are predicted from [from - 1, to - 1); shift to positions of the row */
        uint64_t low = from > piece->doc_offset + 1 ? from - 1 - piece->doc_offset : 0;
        uint64_t high = to > piece->doc_offset + 1 ? to - 1 - piece->doc_offset : 0;
        low = low < piece->length ? piece->start + low : end;
        high = high < piece->length ? piece->start + high : end;
        if (low > done)
            no_loss(v, done, low);
        if (high > done)
            done = high;
    }
    no_loss(v, done, end);
    return NGT_OK;
}

/* One run of a sequence's tokens inside one shard: row positions [at, at + n), tokens [token, token
 * + n) of shard. */
static enum ngt_status walk_run(const struct ngt_sequences *s, uint64_t shard, uint64_t token,
                                uint64_t n, uint64_t at, struct visit *v, struct ngt_error *reterr)
{
    const struct ngt_reader *r = s->set->readers[shard];
    uint64_t doc, end = token + n;
    enum ngt_status status;

    if (v->tokens && (status = ngt_reader_ids(r, token, n, v->tokens + at, reterr)) != NGT_OK)
        return status;
    if ((status = ngt_reader_doc_of(r, token, &doc, reterr)) != NGT_OK)
        return status;
    while (token < end) {
        uint64_t first, count;
        if ((status = ngt_reader_doc(r, doc, &first, &count, reterr)) != NGT_OK)
            return status;
        if (count == 0) {
            doc++;
            continue;
        }
        if (first > token || token - first >= count)
            return ngt_fail(reterr, NGT_E_CORRUPT, ngt_reader_path(r), NGT_NO_POS, doc,
                            "document starts do not rise");
        uint64_t left = first + count - token, take = left < end - token ? left : end - token;
        struct ngt_segment piece = {
            .start = (uint32_t)at,
            .length = (uint32_t)take,
            .doc = s->first_doc[shard] + doc,
            .doc_offset = token - first,
            .successor = NGT_NO_ID,
        };
        if (take < left &&
            (status = ngt_reader_ids(r, token + take, 1, &piece.successor, reterr)) != NGT_OK)
            return status;
        visit_segment(v, &piece);
        if (v->tokens && (status = mask_document(r, doc, &piece, v, reterr)) != NGT_OK)
            return status;
        token += take;
        at += take;
        doc++;
    }
    return NGT_OK;
}

static enum ngt_status walk_documents(const struct ngt_sequences *s, uint64_t sequence,
                                      struct visit *v, struct ngt_error *reterr)
{
    uint64_t at = 0, token = sequence * s->seq_len, total = s->first[s->set->count];
    uint64_t shard = shard_of(s, token);

    while (at < s->seq_len && token < total) {
        uint64_t in_shard = s->first[shard + 1] - token, n = s->seq_len - at;
        if (in_shard == 0) {
            shard++;
            continue;
        }
        if (n > in_shard)
            n = in_shard;
        enum ngt_status status = walk_run(s, shard, token - s->first[shard], n, at, v, reterr);
        if (status != NGT_OK)
            return status;
        at += n;
        token += n;
    }
    return NGT_OK;
}

static enum ngt_status walk(const struct ngt_sequences *s, uint64_t sequence, struct visit *v,
                            struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (sequence >= s->count)
        return ngt_fail(reterr, NGT_E_RANGE, s->set->paths[0], NGT_NO_POS, sequence,
                        "there are only %llu sequences", (unsigned long long)s->count);
    return s->packed ? walk_packed(s, sequence, v, reterr) : walk_documents(s, sequence, v, reterr);
}

enum ngt_status ngt_sequences_gather(const struct ngt_sequences *s, uint64_t sequence,
                                     uint32_t *ret_tokens, uint32_t *ret_targets,
                                     uint32_t *ret_first, struct ngt_error *reterr)
{
    struct visit v = {.tokens = ret_tokens, .targets = ret_targets, .first = ret_first};

    /* what no segment covers is padding: any valid id, no target, a segment of its own */
    for (uint64_t i = 0; i < s->seq_len; i++) {
        ret_tokens[i] = 0;
        ret_targets[i] = NGT_NO_ID;
        ret_first[i] = (uint32_t)i;
    }
    return walk(s, sequence, &v, reterr);
}

enum ngt_status ngt_sequences_segments(const struct ngt_sequences *s, uint64_t sequence,
                                       uint64_t room, struct ngt_segment *ret_segments,
                                       uint64_t *ret_count, struct ngt_error *reterr)
{
    struct visit v = {.segments = ret_segments, .room = room};
    enum ngt_status status = walk(s, sequence, &v, reterr);

    if (status == NGT_OK)
        *ret_count = v.count;
    return status;
}
