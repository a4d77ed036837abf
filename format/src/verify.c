/*
 * Proof of a shard, from the specification: opens through the reader's checks of header and table,
 * then looks at every byte. Uses no writer code, so that a mistake there cannot hide here.
 */
#include "ngt/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "layout.h"
#include "ngt/checked.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS

struct proof {
    struct ngt_reader *r;
    struct ngt_map map;
    const struct ngt_header *h;
    struct ngt_error *reterr;
};

static enum ngt_status violated(struct proof *p, uint64_t offset, uint64_t item,
                                const char *section, const char *what)
{
    return ngt_fail(p->reterr, NGT_E_CORRUPT, p->map.path, offset, item, "section %s: %s", section,
                    what);
}

/* Between header, sections and table there are zeros only, and each section has the hash its entry
 * gives. */
static enum ngt_status prove_bytes(struct proof *p)
{
    uint64_t end = NGT_HEADER_BYTES;

    for (uint64_t i = 0; i <= p->h->section_count; i++) {
        const struct ngt_section *s = ngt_reader_section_at(p->r, i);
        uint64_t begin = s ? s->offset : p->h->section_table_offset;
        if (begin - end >= NGT_ALIGN)
            return ngt_fail(p->reterr, NGT_E_CORRUPT, p->map.path, end, NGT_NO_POS,
                            "a gap of a page or more");
        for (uint64_t at = end; at < begin; at++)
            if (p->map.bytes[at])
                return ngt_fail(p->reterr, NGT_E_CORRUPT, p->map.path, at, NGT_NO_POS,
                                "padding is not zero");
        if (!s)
            break;
        enum ngt_status status = ngt_map_check(&p->map, p->reterr);
        if (status != NGT_OK)
            return status;
        if (ngt_digest64(p->map.bytes + s->offset, s->stored_bytes) != s->hash)
            return violated(p, s->offset, NGT_NO_POS, ngt_section_name(s->kind),
                            "hash mismatch: it was changed");
        end = s->offset + s->stored_bytes;
    }
    return NGT_OK;
}

static enum ngt_status prove_blocks(struct proof *p)
{
    const struct ngt_section *tokens = ngt_reader_section(p->r, NGT_S_TOKENS),
                             *hashes = ngt_reader_section(p->r, NGT_S_BLOCK_HASHES);
    const uint8_t *bytes = p->map.bytes + tokens->offset, *stored = p->map.bytes + hashes->offset;

    if (ngt_digest64(stored, hashes->stored_bytes) != p->h->block_root)
        return violated(p, hashes->offset, NGT_NO_POS, "block-hashes",
                        "not the root that the header gives");
    for (uint64_t at = 0, b = 0; at < tokens->stored_bytes; at += NGT_BLOCK_BYTES, b++) {
        uint64_t n = tokens->stored_bytes - at < NGT_BLOCK_BYTES ? tokens->stored_bytes - at
                                                                 : NGT_BLOCK_BYTES;
        if (ngt_digest64(bytes + at, n) != ngt_get64(stored + 8 * b))
            return violated(p, tokens->offset + at, b, "tokens", "block digest mismatch");
    }
    for (uint64_t i = 0; i < tokens->stored_bytes / p->h->id_bytes; i++) {
        uint32_t id = p->h->id_bytes == 2 ? ngt_get16(bytes + 2 * i) : ngt_get32(bytes + 4 * i);
        if (id >= p->h->vocab_size)
            return violated(p, tokens->offset + i * p->h->id_bytes, i, "tokens",
                            "an id is outside the vocabulary");
    }
    return NGT_OK;
}

/* n + 1 numbers that begin at 0, do not fall, and end at total. */
static enum ngt_status prove_starts(struct proof *p, const struct ngt_section *s, uint64_t n,
                                    uint64_t total)
{
    const uint8_t *at = p->map.bytes + s->offset;
    const char *name = ngt_section_name(s->kind);
    uint64_t last = 0;

    if (ngt_get64(at) != 0)
        return violated(p, s->offset, 0, name, "does not begin at 0");
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t v = ngt_get64(at + 8 * i);
        if (v < last)
            return violated(p, s->offset + 8 * i, i, name, "a start is below the one before");
        last = v;
    }
    if (last != total)
        return violated(p, s->offset + 8 * n, n, name, "does not end at the header's count");
    return NGT_OK;
}

static enum ngt_status prove_documents(struct proof *p)
{
    const struct ngt_section *s = ngt_reader_section(p->r, NGT_S_DOC_STARTS),
                             *tokens = ngt_reader_section(p->r, NGT_S_TOKENS);
    const uint8_t *at = p->map.bytes + s->offset, *ids = p->map.bytes + tokens->offset;
    const struct ngt_header *h = p->h;
    uint64_t filled = 0;
    enum ngt_status status = prove_starts(p, s, h->docs, h->tokens);

    if (status != NGT_OK)
        return status;
    for (uint64_t d = 0; d < h->docs; d++) {
        uint64_t first = ngt_get64(at + 8 * d), end = ngt_get64(at + 8 * (d + 1));
        filled += first != end;
#define ID(i) (h->id_bytes == 2 ? ngt_get16(ids + 2 * (i)) : ngt_get32(ids + 4 * (i)))
        if ((h->flags & NGT_FLAG_BOS_ADDED) && (first == end || ID(first) != h->bos_id))
            return violated(p, s->offset + 8 * d, d, "doc-starts",
                            "a document does not begin with BOS");
        if ((h->flags & NGT_FLAG_EOS_ADDED) && (first == end || ID(end - 1) != h->eos_id))
            return violated(p, s->offset + 8 * d, d, "doc-starts",
                            "a document does not end with EOS");
#undef ID
    }
    if (filled != h->filled_docs)
        return violated(p, s->offset, NGT_NO_POS, "doc-starts",
                        "not the header's number of filled documents");
    return NGT_OK;
}

static enum ngt_status prove_sequences(struct proof *p)
{
    const struct ngt_section *starts = ngt_reader_section(p->r, NGT_S_SEQ_STARTS),
                             *segments = ngt_reader_section(p->r, NGT_S_SEGMENTS);
    const struct ngt_header *h = p->h;
    uint64_t tokens = 0, targets = 0;
    enum ngt_status status = prove_starts(p, starts, h->sequences, h->segments);

    if (status != NGT_OK)
        return status;
    for (uint64_t q = 0; q < h->sequences; q++) {
        uint64_t first, count, end = 0;
        if ((status = ngt_reader_sequence(p->r, q, &first, &count, p->reterr)) != NGT_OK)
            return status;
        for (uint64_t i = first; i < first + count; i++) {
            struct ngt_segment s;
            uint64_t at = segments->offset + i * NGT_SEGMENT_BYTES;
            if ((status = ngt_reader_segment(p->r, i, &s, p->reterr)) != NGT_OK)
                return status;
            if (s.start < end)
                return violated(p, at, i, "segments", "segments of a sequence overlap or fall");
            if (ngt_get32(p->map.bytes + at + 28))
                return violated(p, at + 28, i, "segments", "reserved bytes are not zero");
            end = (uint64_t)s.start + s.length;
            tokens += s.length;
            targets += s.length - (s.successor == NGT_NO_ID);
        }
    }
    if (tokens != h->tokens)
        return violated(p, segments->offset, NGT_NO_POS, "segments",
                        "tokens do not add up to the header's count");
    if (targets != h->targets)
        return violated(p, segments->offset, NGT_NO_POS, "segments",
                        "targets do not add up to the header's count");
    return NGT_OK;
}

static enum ngt_status prove_loss(struct proof *p)
{
    const struct ngt_section *s = ngt_reader_section(p->r, NGT_S_LOSS_SPANS);
    const struct ngt_header *h = p->h;
    const uint64_t items = h->kind == NGT_PACKED ? h->sequences : h->docs;
    enum ngt_status status;

    if (!s)
        return NGT_OK;
    if ((status = prove_starts(p, s, items, ngt_get64(p->map.bytes + s->offset + 8 * items))) !=
        NGT_OK)
        return status;
    for (uint64_t i = 0; i < items; i++) {
        uint64_t first, count, length = h->seq_len, ignored, end = 0;
        bool all;
        if ((status = ngt_reader_loss(p->r, i, &all, &first, &count, p->reterr)) != NGT_OK)
            return status;
        if (h->kind == NGT_DOCUMENTS &&
            (status = ngt_reader_doc(p->r, i, &ignored, &length, p->reterr)) != NGT_OK)
            return status;
        for (uint64_t k = first; k < first + count; k++) {
            uint64_t begin, n;
            if ((status = ngt_reader_loss_span(p->r, k, &begin, &n, p->reterr)) != NGT_OK)
                return status;
            if (n == 0 || begin < end || !ngt_in_range(begin, n, length))
                return violated(p, s->offset, i, "loss-spans",
                                "a span is empty, out of order or leaves its document");
            end = begin + n;
        }
    }
    return NGT_OK;
}

/* Ids or metadata: every frame and every string; the index leaves nothing out. */
static enum ngt_status prove_strings(struct proof *p, uint32_t kind)
{
    const struct ngt_section *s = ngt_reader_section(p->r, kind);
    const char *string, *why = NULL;
    uint64_t count = 0, logical = 0, end;
    enum ngt_status status = NGT_OK;

    if (!s)
        return NGT_OK;
    for (uint64_t d = 0; d < p->h->docs && status == NGT_OK; d++)
        status = ngt_reader_doc_string(p->r, kind, d, &string, p->reterr);
    if (status != NGT_OK || s->encoding != NGT_FRAMED)
        return status;
    const uint8_t *section = p->map.bytes + s->offset;
    why = ngt_frames_count(section, s->stored_bytes, p->h->docs, &count);
    end = NGT_FRAMES_HEAD + count * NGT_FRAME_ENTRY;
    for (uint64_t i = 0; i < count && !why; i++) {
        struct ngt_frame f;
        why = ngt_frames_at(section, s->stored_bytes, p->h->docs, count, i, &f);
        if (!why && f.offset != end)
            why = "a gap before a frame";
        if (!why && ngt_add_u64(&logical, logical, f.logical))
            why = "its frames' sizes add up beyond 2^64";
        end = f.offset + f.stored;
    }
    if (!why && (end != s->stored_bytes || logical != s->logical_bytes))
        why = "its frames do not add up to its size";
    return why ? violated(p, s->offset, NGT_NO_POS, ngt_section_name(kind), why) : NGT_OK;
}

static enum ngt_status prove_cold(struct proof *p)
{
    const struct ngt_pair *pairs;
    struct ngt_vocabulary v;
    struct ngt_source source;
    struct ngt_provenance provenance;
    uint64_t n;
    enum ngt_status status;

    if ((status = ngt_reader_pairs(p->r, NGT_S_LEDGER, &pairs, &n, p->reterr)) != NGT_OK ||
        (status = ngt_reader_pairs(p->r, NGT_S_OPTIONS, &pairs, &n, p->reterr)) != NGT_OK ||
        (status = ngt_reader_pairs(p->r, NGT_S_TOKENIZER, &pairs, &n, p->reterr)) != NGT_OK ||
        (status = ngt_reader_vocabulary(p->r, &v, p->reterr)) != NGT_OK ||
        (status = ngt_reader_source_count(p->r, &n, p->reterr)) != NGT_OK)
        return status;
    for (uint64_t i = 0; i < n; i++)
        if ((status = ngt_reader_source(p->r, i, &source, p->reterr)) != NGT_OK)
            return status;
    if (p->h->kind == NGT_DOCUMENTS && p->h->docs &&
        (status = ngt_reader_provenance(p->r, 0, &provenance, p->reterr)) != NGT_OK)
        return status;
    if ((status = prove_strings(p, NGT_S_DOC_IDS)) != NGT_OK)
        return status;
    return prove_strings(p, NGT_S_METADATA);
}

enum ngt_status ngt_verify(const char *path, struct ngt_shard_summary *ret_summary,
                           struct ngt_error *reterr)
{
    struct proof p = {.map = {.fd = -1}, .reterr = reterr};
    enum ngt_status status;

    if ((status = ngt_reader_open(path, 0, &p.r, reterr)) != NGT_OK ||
        (status = ngt_map_open(path, &p.map, reterr)) != NGT_OK)
        goto out;
    p.h = ngt_reader_header(p.r);
    if (p.map.size != p.h->file_bytes) {
        errno = 0;
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "the file changed while it was opened");
        goto out;
    }
    if ((status = prove_bytes(&p)) != NGT_OK || (status = prove_blocks(&p)) != NGT_OK ||
        (status = p.h->kind == NGT_DOCUMENTS ? prove_documents(&p) : prove_sequences(&p)) !=
            NGT_OK ||
        (status = prove_loss(&p)) != NGT_OK || (status = prove_cold(&p)) != NGT_OK)
        goto out;
    if (ret_summary)
        *ret_summary = (struct ngt_shard_summary){
            .file_bytes = p.h->file_bytes,
            .docs = p.h->docs,
            .filled_docs = p.h->filled_docs,
            .tokens = p.h->tokens,
            .targets = p.h->targets,
            .sequences = p.h->sequences,
            .segments = p.h->segments,
            .header_hash = ngt_reader_header_hash(p.r),
        };
out:
    status = ngt_map_outcome(&p.map, status, reterr);
    ngt_map_close(&p.map);
    ngt_reader_close(&p.r);
    return status;
}
