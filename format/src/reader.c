/*
 * A mapped shard. Opening looks at header and section table only. Hot sections are read in place;
 * cold ones are decompressed, checked and kept when first asked for.
 *
 * Hostile input: no value from the file is used before it is checked against the file's size; see
 * layout.c for the header and the table, the functions here for what stands inside the sections.
 */
#include "ngt/reader.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "frames.h"
#include "layout.h"
#include "ngt/checked.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define KNOWN_KINDS 16

/* A cold section, ready to read. */
struct cold {
    uint8_t *bytes;
    uint64_t size;
};

struct ngt_reader {
    struct ngt_map map;
    struct ngt_header header;
    uint64_t header_hash;
    struct ngt_section sections[NGT_MAX_SECTIONS];
    const struct ngt_section *by_kind[KNOWN_KINDS];
    bool verify;
    _Atomic uint8_t *block_done; /* one byte a block: 1 = its hash held */

    struct cold cold[KNOWN_KINDS];
    struct ngt_provenance *provenance; /* [docs] */
    struct ngt_source *sources;
    uint64_t source_count;
    struct pairs {
        struct ngt_pair *pairs;
        uint64_t count;
    } pairs[KNOWN_KINDS];
    struct ngt_vocabulary vocabulary;
    uint64_t *vocabulary_starts;
    /* doc-ids and metadata: the frame that was looked at last; count 0: none yet */
    struct strings {
        uint64_t first, count; /* documents */
        uint8_t *bytes;
        const char **at; /* [count] */
        uint64_t frames; /* in the section; 0: not looked at yet */
    } strings[KNOWN_KINDS];
};

/* What was read is what the file holds: asked after a read, as a page that is gone reads as zeros. */
static enum ngt_status held(const struct ngt_reader *r, struct ngt_error *reterr)
{
    return ngt_map_lost(&r->map) ? ngt_map_check(&r->map, reterr) : NGT_OK;
}

static enum ngt_status corrupt(const struct ngt_reader *r, uint32_t kind, uint64_t item,
                               struct ngt_error *reterr, const char *what)
{
    const struct ngt_section *s = r->by_kind[kind];
    enum ngt_status status = held(r, reterr);

    if (status != NGT_OK)
        return status;
    return ngt_fail(reterr, NGT_E_CORRUPT, r->map.path, s ? s->offset : NGT_NO_POS, item,
                    "section %s: %s", ngt_section_name(kind), what);
}

/* As corrupt(), for a cold section that was changed in place while it was read: the copy is
 * dropped. */
static enum ngt_status spoiled(struct ngt_reader *r, uint32_t kind, uint64_t item,
                               struct ngt_error *reterr, const char *what)
{
    free(r->cold[kind].bytes);
    r->cold[kind] = (struct cold){0};
    return corrupt(r, kind, item, reterr, what);
}

static enum ngt_status no_memory(const struct ngt_reader *r, uint32_t kind,
                                 struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, r->map.path, HERE, "out of memory for section %s",
                    ngt_section_name(kind));
}

static enum ngt_status load_table(struct ngt_reader *r, struct ngt_error *reterr)
{
    const struct ngt_header *h = &r->header;
    const uint8_t *table = r->map.bytes + h->section_table_offset;
    uint64_t bytes = h->section_count * NGT_SECTION_ENTRY_BYTES;
    enum ngt_status status;

    if (ngt_digest64(table, bytes) != h->section_table_hash)
        return ngt_fail(reterr, NGT_E_CORRUPT, r->map.path, h->section_table_offset, NGT_NO_POS,
                        "section table: hash mismatch");
    if (h->section_table_offset + bytes != r->map.size)
        return ngt_fail(reterr, NGT_E_CORRUPT, r->map.path, h->section_table_offset + bytes,
                        NGT_NO_POS, "bytes after the section table");
    for (uint64_t i = 0; i < h->section_count; i++) {
        uint64_t at = h->section_table_offset + i * NGT_SECTION_ENTRY_BYTES;
        status = ngt_section_decode(r->map.bytes + at, at, r->map.path, &r->sections[i], reterr);
        if (status != NGT_OK)
            return status;
    }
    if ((status = ngt_sections_check(h, r->sections, h->section_count, r->map.path, reterr)) !=
        NGT_OK)
        return status;
    for (uint64_t i = 0; i < h->section_count; i++)
        if (r->sections[i].kind < KNOWN_KINDS && r->sections[i].encoding != NGT_OTHER)
            r->by_kind[r->sections[i].kind] = &r->sections[i];
    return NGT_OK;
}

static const uint8_t *hot(const struct ngt_reader *r, uint32_t kind)
{
    return r->map.bytes + r->by_kind[kind]->offset;
}

/* The loss section's size depends on a value inside it. */
static enum ngt_status check_loss(const struct ngt_reader *r, struct ngt_error *reterr)
{
    const struct ngt_section *s = r->by_kind[NGT_S_LOSS_SPANS];
    uint64_t items = r->header.kind == NGT_PACKED ? r->header.sequences : r->header.docs, starts,
             spans, total;

    if (!s)
        return NGT_OK;
    /* items + 1 starts exist in another section already, so items * 8 + 8 cannot overflow */
    starts = (items + 1) * 8;
    if (starts > s->stored_bytes)
        return corrupt(r, NGT_S_LOSS_SPANS, NGT_NO_POS, reterr, "too short for its starts");
    spans = ngt_get64(hot(r, NGT_S_LOSS_SPANS) + items * 8);
    if (ngt_mul_u64(&total, spans, 16) || ngt_add_u64(&total, total, starts) ||
        total != s->stored_bytes)
        return corrupt(r, NGT_S_LOSS_SPANS, NGT_NO_POS, reterr,
                       "its size does not follow from its number of spans");
    return NGT_OK;
}

enum ngt_status ngt_reader_open(const char *path, unsigned flags, struct ngt_reader **ret_reader,
                                struct ngt_error *reterr)
{
    struct ngt_reader *r = NULL;
    enum ngt_status status;

    ngt_error_clear(reterr);
    r = calloc(1, sizeof *r);
    if (!r)
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for a shard reader");
    r->map.fd = -1;
    if ((status = ngt_map_open(path, &r->map, reterr)) != NGT_OK)
        goto out;
    if (r->map.size < NGT_HEADER_BYTES) {
        status = ngt_fail(reterr, NGT_E_CORRUPT, path, r->map.size, NGT_NO_POS,
                          "not a .ngt shard: %llu bytes are fewer than its header has",
                          (unsigned long long)r->map.size);
        goto out;
    }
    status = ngt_header_decode(r->map.bytes, r->map.size, path, &r->header, reterr);
    if (status != NGT_OK)
        goto out;
    r->header_hash = ngt_header_digest(r->map.bytes);
    if ((status = load_table(r, reterr)) != NGT_OK || (status = check_loss(r, reterr)) != NGT_OK)
        goto out;
    if (flags & NGT_OPEN_VERIFY) {
        const struct ngt_section *b = r->by_kind[NGT_S_BLOCK_HASHES];
        r->verify = true;
        r->block_done = calloc(b->stored_bytes / 8 + 1, 1);
        if (!r->block_done) {
            status = no_memory(r, NGT_S_BLOCK_HASHES, reterr);
            goto out;
        }
        if (ngt_digest64(hot(r, NGT_S_BLOCK_HASHES), b->stored_bytes) != r->header.block_root) {
            status = corrupt(r, NGT_S_BLOCK_HASHES, NGT_NO_POS, reterr,
                             "not the root that the header gives");
            goto out;
        }
    }
out:
    status = ngt_map_outcome(&r->map, status, reterr);
    if (status == NGT_OK)
        *ret_reader = r;
    else
        ngt_reader_close(&r);
    return status;
}

void ngt_reader_close(struct ngt_reader **rp)
{
    struct ngt_reader *r = *rp;

    if (!r)
        return;
    for (unsigned i = 0; i < KNOWN_KINDS; i++) {
        free(r->cold[i].bytes);
        free(r->pairs[i].pairs);
        free(r->strings[i].bytes);
        free(r->strings[i].at);
    }
    free(r->provenance);
    free(r->sources);
    free(r->vocabulary_starts);
    free((void *)r->block_done);
    ngt_map_close(&r->map);
    free(r);
    *rp = NULL;
}

const struct ngt_header *ngt_reader_header(const struct ngt_reader *r)
{
    return &r->header;
}

const char *ngt_reader_path(const struct ngt_reader *r)
{
    return r->map.path;
}

uint64_t ngt_reader_header_hash(const struct ngt_reader *r)
{
    return r->header_hash;
}

const struct ngt_section *ngt_reader_section(const struct ngt_reader *r, uint32_t kind)
{
    return kind < KNOWN_KINDS ? r->by_kind[kind] : NULL;
}

const struct ngt_section *ngt_reader_section_at(const struct ngt_reader *r, uint64_t index)
{
    return index < r->header.section_count ? &r->sections[index] : NULL;
}

/* ---- hot ---- */

static enum ngt_status no_section(const struct ngt_reader *r, uint32_t kind,
                                  struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, r->map.path, HERE, "this shard has no section %s",
                    ngt_section_name(kind));
}

/* [start, end) of item i in a section of starts, checked to rise and to stay within limit. */
static enum ngt_status bounds(const struct ngt_reader *r, uint32_t kind, uint64_t i, uint64_t items,
                              uint64_t limit, uint64_t *ret_first, uint64_t *ret_count,
                              struct ngt_error *reterr)
{
    if (!r->by_kind[kind])
        return no_section(r, kind, reterr);
    enum ngt_status status = ngt_map_check(&r->map, reterr);
    if (status != NGT_OK)
        return status;
    if (i >= items)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, i, "there are only %llu",
                        (unsigned long long)items);
    uint64_t first = ngt_get64(hot(r, kind) + 8 * i), end = ngt_get64(hot(r, kind) + 8 * (i + 1));
    if (first > end || end > limit)
        return corrupt(r, kind, i, reterr, "starts do not rise within what they point into");
    *ret_first = first;
    *ret_count = end - first;
    return held(r, reterr);
}

enum ngt_status ngt_reader_doc(const struct ngt_reader *r, uint64_t doc, uint64_t *ret_first,
                               uint64_t *ret_count, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    return bounds(r, NGT_S_DOC_STARTS, doc, r->header.docs, r->header.tokens, ret_first, ret_count,
                  reterr);
}

enum ngt_status ngt_reader_lengths(const struct ngt_reader *r, uint64_t first, uint64_t n,
                                   uint64_t *ret_lengths, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (!r->by_kind[NGT_S_DOC_STARTS])
        return no_section(r, NGT_S_DOC_STARTS, reterr);
    if (!ngt_in_range(first, n, r->header.docs))
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, first,
                        "there are only %llu documents", (unsigned long long)r->header.docs);
    enum ngt_status status = ngt_map_check(&r->map, reterr);
    if (status != NGT_OK)
        return status;
    const uint8_t *starts = hot(r, NGT_S_DOC_STARTS) + 8 * first;
    uint64_t begin = ngt_get64(starts);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t end = ngt_get64(starts + 8 * (i + 1));
        if (end < begin || end > r->header.tokens)
            return corrupt(r, NGT_S_DOC_STARTS, first + i, reterr,
                           "starts do not rise within the tokens");
        ret_lengths[i] = end - begin;
        begin = end;
    }
    return held(r, reterr);
}

enum ngt_status ngt_reader_doc_of(const struct ngt_reader *r, uint64_t token, uint64_t *ret_doc,
                                  struct ngt_error *reterr)
{
    uint64_t low = 0, high = r->header.docs;

    ngt_error_clear(reterr);
    if (!r->by_kind[NGT_S_DOC_STARTS])
        return no_section(r, NGT_S_DOC_STARTS, reterr);
    if (token >= r->header.tokens)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, token,
                        "there are only %llu tokens", (unsigned long long)r->header.tokens);
    /* invariant: starts[low] <= token < starts[high] */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (ngt_get64(hot(r, NGT_S_DOC_STARTS) + 8 * middle) <= token)
            low = middle;
        else
            high = middle;
    }
    uint64_t first, count;
    enum ngt_status status = ngt_reader_doc(r, low, &first, &count, reterr);
    if (status != NGT_OK)
        return status;
    if (token < first || token - first >= count)
        return corrupt(r, NGT_S_DOC_STARTS, low, reterr, "starts do not rise");
    *ret_doc = low;
    return NGT_OK;
}

static enum ngt_status verify_blocks(const struct ngt_reader *r, uint64_t from, uint64_t bytes,
                                     struct ngt_error *reterr)
{
    const struct ngt_section *tokens = r->by_kind[NGT_S_TOKENS];
    enum ngt_status status;

    for (uint64_t b = from / NGT_BLOCK_BYTES; bytes && b <= (from + bytes - 1) / NGT_BLOCK_BYTES;
         b++) {
        uint64_t at = b * NGT_BLOCK_BYTES, n = tokens->stored_bytes - at;
        if (atomic_load_explicit(&r->block_done[b], memory_order_relaxed))
            continue;
        if (n > NGT_BLOCK_BYTES)
            n = NGT_BLOCK_BYTES;
        if ((status = ngt_map_check(&r->map, reterr)) != NGT_OK)
            return status;
        if (ngt_digest64(hot(r, NGT_S_TOKENS) + at, n) !=
            ngt_get64(hot(r, NGT_S_BLOCK_HASHES) + 8 * b)) {
            status = held(r, reterr);
            return status != NGT_OK
                       ? status
                       : ngt_fail(reterr, NGT_E_CORRUPT, r->map.path, tokens->offset + at, b,
                                  "block digest mismatch: token data was changed");
        }
        atomic_store_explicit(&r->block_done[b], 1, memory_order_relaxed);
    }
    return NGT_OK;
}

enum ngt_status ngt_reader_ids(const struct ngt_reader *r, uint64_t first, uint64_t n,
                               uint32_t *ret_ids, struct ngt_error *reterr)
{
    const uint32_t width = r->header.id_bytes;
    const uint64_t stored = r->by_kind[NGT_S_TOKENS]->stored_bytes / width;
    uint32_t largest = 0;

    ngt_error_clear(reterr);
    if (!ngt_in_range(first, n, stored))
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, first,
                        "ids beyond the %llu there are", (unsigned long long)stored);
    enum ngt_status status = ngt_map_check(&r->map, reterr);
    if (status != NGT_OK)
        return status;
    if (r->verify && (status = verify_blocks(r, first * width, n * width, reterr)) != NGT_OK)
        return status;
    const uint8_t *p = hot(r, NGT_S_TOKENS) + first * width;
    if (width == 2)
        for (uint64_t i = 0; i < n; i++) {
            ret_ids[i] = ngt_get16(p + 2 * i);
            largest = ret_ids[i] > largest ? ret_ids[i] : largest;
        }
    else
        for (uint64_t i = 0; i < n; i++) {
            ret_ids[i] = ngt_get32(p + 4 * i);
            largest = ret_ids[i] > largest ? ret_ids[i] : largest;
        }
    if (n && largest >= r->header.vocab_size)
        return corrupt(r, NGT_S_TOKENS, first, reterr, "an id is outside the vocabulary");
    return held(r, reterr);
}

enum ngt_status ngt_reader_sequence(const struct ngt_reader *r, uint64_t sequence,
                                    uint64_t *ret_first, uint64_t *ret_count,
                                    struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    return bounds(r, NGT_S_SEQ_STARTS, sequence, r->header.sequences, r->header.segments, ret_first,
                  ret_count, reterr);
}

enum ngt_status ngt_reader_segment(const struct ngt_reader *r, uint64_t segment,
                                   struct ngt_segment *ret_segment, struct ngt_error *reterr)
{
    struct ngt_segment s;

    ngt_error_clear(reterr);
    if (!r->by_kind[NGT_S_SEGMENTS])
        return no_section(r, NGT_S_SEGMENTS, reterr);
    if (segment >= r->header.segments)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, segment,
                        "there are only %llu segments", (unsigned long long)r->header.segments);
    ngt_segment_decode(hot(r, NGT_S_SEGMENTS) + segment * NGT_SEGMENT_BYTES, &s);
    if (s.length == 0 || !ngt_in_range(s.start, s.length, r->header.seq_len))
        return corrupt(r, NGT_S_SEGMENTS, segment, reterr,
                       "segment is empty or leaves its sequence");
    if (s.successor != NGT_NO_ID && s.successor >= r->header.vocab_size)
        return corrupt(r, NGT_S_SEGMENTS, segment, reterr, "successor is outside the vocabulary");
    if (s.doc >= r->header.docs)
        return corrupt(r, NGT_S_SEGMENTS, segment, reterr, "document number is out of range");
    *ret_segment = s;
    return held(r, reterr);
}

enum ngt_status ngt_reader_loss(const struct ngt_reader *r, uint64_t index, bool *ret_all,
                                uint64_t *ret_first, uint64_t *ret_count, struct ngt_error *reterr)
{
    const uint64_t items = r->header.kind == NGT_PACKED ? r->header.sequences : r->header.docs;

    ngt_error_clear(reterr);
    *ret_all = !r->by_kind[NGT_S_LOSS_SPANS];
    if (*ret_all)
        return NGT_OK;
    return bounds(r, NGT_S_LOSS_SPANS, index, items,
                  ngt_get64(hot(r, NGT_S_LOSS_SPANS) + 8 * items), ret_first, ret_count, reterr);
}

enum ngt_status ngt_reader_loss_span(const struct ngt_reader *r, uint64_t span, uint64_t *ret_first,
                                     uint64_t *ret_count, struct ngt_error *reterr)
{
    const uint64_t items = r->header.kind == NGT_PACKED ? r->header.sequences : r->header.docs;

    ngt_error_clear(reterr);
    if (!r->by_kind[NGT_S_LOSS_SPANS])
        return no_section(r, NGT_S_LOSS_SPANS, reterr);
    if (span >= ngt_get64(hot(r, NGT_S_LOSS_SPANS) + 8 * items))
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, span, "no such loss span");
    const uint8_t *p = hot(r, NGT_S_LOSS_SPANS) + 8 * (items + 1) + 16 * span;
    *ret_first = ngt_get64(p);
    *ret_count = ngt_get64(p + 8);
    return held(r, reterr);
}

enum ngt_status ngt_reader_text_hash(const struct ngt_reader *r, uint64_t doc,
                                     struct ngt_digest128 *ret_hash, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (!r->by_kind[NGT_S_TEXT_HASHES])
        return no_section(r, NGT_S_TEXT_HASHES, reterr);
    if (doc >= r->header.docs)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, doc, "no such document");
    const uint8_t *p = hot(r, NGT_S_TEXT_HASHES) + 16 * doc;
    *ret_hash = (struct ngt_digest128){ngt_get64(p), ngt_get64(p + 8)};
    return NGT_OK;
}

/* ---- cold ---- */

static enum ngt_status load(struct ngt_reader *r, uint32_t kind, const struct cold **ret,
                            struct ngt_error *reterr)
{
    const struct ngt_section *s = r->by_kind[kind];
    struct cold *c = &r->cold[kind];
    enum ngt_status status;

    if (!s)
        return no_section(r, kind, reterr);
    if (!c->bytes) {
        const uint8_t *stored = r->map.bytes + s->offset;
        if ((status = ngt_map_check(&r->map, reterr)) != NGT_OK)
            return status;
        if (ngt_digest64(stored, s->stored_bytes) != s->hash)
            return corrupt(r, kind, NGT_NO_POS, reterr, "hash mismatch: it was changed");
        status = ngt_decompress(stored, s->stored_bytes, s->logical_bytes, r->map.path,
                                ngt_section_name(kind), &c->bytes, reterr);
        if (status != NGT_OK)
            return status;
        c->size = s->logical_bytes;
    }
    *ret = c;
    return NGT_OK;
}

/* A length-prefixed string; *ret points into the section, without terminator. */
static bool read_string(const struct cold *c, uint64_t *at, const uint8_t **ret,
                        uint64_t *ret_length)
{
    uint64_t length;

    if (!ngt_varint_read(c->bytes, c->size, at, &length) || !ngt_in_range(*at, length, c->size))
        return false;
    *ret = c->bytes + *at;
    *ret_length = length;
    *at += length;
    return true;
}

/*
 * Moves a string down by a byte over its (already read) length prefix to make room for a
 * terminator: every string has at least one byte of prefix before it, so nothing unread is
 * overwritten.
 */
static const char *terminate(const uint8_t *s, uint64_t length)
{
    uint8_t *to = (uint8_t *)(uintptr_t)s - 1;

    memmove(to, s, length);
    to[length] = '\0';
    return (const char *)to;
}

static enum ngt_status load_sources(struct ngt_reader *r, struct ngt_error *reterr)
{
    const struct cold *c;
    uint64_t at = 0, count;
    enum ngt_status status;

    if (r->sources)
        return NGT_OK;
    if ((status = load(r, NGT_S_SOURCES, &c, reterr)) != NGT_OK)
        return status;
    /* each source takes at least three bytes, which bounds the count before it drives an allocation
     */
    if (!ngt_varint_read(c->bytes, c->size, &at, &count) || count > (c->size - at) / 3)
        return corrupt(r, NGT_S_SOURCES, NGT_NO_POS, reterr, "more sources than it has room for");
    struct ngt_source *sources = calloc(count + 1, sizeof *sources);
    if (!sources)
        return no_memory(r, NGT_S_SOURCES, reterr);
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *name, *member;
        uint64_t name_length, member_length;
        if (!ngt_varint_read(c->bytes, c->size, &at, &sources[i].start) ||
            !read_string(c, &at, &name, &name_length) ||
            !read_string(c, &at, &member, &member_length)) {
            free(sources);
            return spoiled(r, NGT_S_SOURCES, i, reterr, "a source is cut");
        }
        sources[i].name = terminate(name, name_length);
        member = (const uint8_t *)terminate(member, member_length);
        sources[i].member = member_length ? (const char *)member : NULL;
    }
    if (at != c->size) {
        free(sources);
        return spoiled(r, NGT_S_SOURCES, NGT_NO_POS, reterr, "bytes after the last source");
    }
    r->source_count = count;
    r->sources = sources;
    return NGT_OK;
}

enum ngt_status ngt_reader_source_count(struct ngt_reader *r, uint64_t *ret_count,
                                        struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    enum ngt_status status = load_sources(r, reterr);
    if (status == NGT_OK)
        *ret_count = r->source_count;
    return status;
}

enum ngt_status ngt_reader_source(struct ngt_reader *r, uint64_t index,
                                  struct ngt_source *ret_source, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    enum ngt_status status = load_sources(r, reterr);
    if (status != NGT_OK)
        return status;
    if (index >= r->source_count)
        return corrupt(r, NGT_S_SOURCES, index, reterr, "no such source");
    *ret_source = r->sources[index];
    return NGT_OK;
}

static enum ngt_status load_provenance(struct ngt_reader *r, struct ngt_error *reterr)
{
    const struct cold *c;
    uint64_t at = 0, source = 0, record = 0, offset = 0;
    enum ngt_status status;

    if (r->provenance)
        return NGT_OK;
    if ((status = load_sources(r, reterr)) != NGT_OK ||
        (status = load(r, NGT_S_PROVENANCE, &c, reterr)) != NGT_OK)
        return status;
    if (r->header.docs > c->size / 3)
        return corrupt(r, NGT_S_PROVENANCE, NGT_NO_POS, reterr, "too short for the documents");
    struct ngt_provenance *p = calloc(r->header.docs + 1, sizeof *p);
    if (!p)
        return no_memory(r, NGT_S_PROVENANCE, reterr);
    for (uint64_t i = 0; i < r->header.docs; i++) {
        uint64_t ds, dr, d_offset;
        bool good = ngt_varint_read(c->bytes, c->size, &at, &ds) &&
                    ngt_varint_read(c->bytes, c->size, &at, &dr) &&
                    ngt_varint_read(c->bytes, c->size, &at, &d_offset);
        if (ds || i == 0)
            record = offset = 0;
        good = good && !ngt_add_u64(&source, source, ds) && !ngt_add_u64(&record, record, dr) &&
               !ngt_add_u64(&offset, offset, d_offset) && source < r->source_count;
        if (!good) {
            free(p);
            return corrupt(r, NGT_S_PROVENANCE, i, reterr, "an entry is cut or names no source");
        }
        p[i] = (struct ngt_provenance){(uint32_t)source, record, offset};
    }
    if (at != c->size) {
        free(p);
        return corrupt(r, NGT_S_PROVENANCE, NGT_NO_POS, reterr, "bytes after the last entry");
    }
    r->provenance = p;
    return NGT_OK;
}

enum ngt_status ngt_reader_provenance(struct ngt_reader *r, uint64_t doc,
                                      struct ngt_provenance *ret_provenance,
                                      struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    enum ngt_status status = load_provenance(r, reterr);
    if (status != NGT_OK)
        return status;
    if (doc >= r->header.docs)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, doc, "no such document");
    *ret_provenance = r->provenance[doc];
    return NGT_OK;
}

enum ngt_status ngt_reader_pairs(struct ngt_reader *r, uint32_t kind,
                                 const struct ngt_pair **ret_pairs, uint64_t *ret_count,
                                 struct ngt_error *reterr)
{
    const struct cold *c;
    uint64_t lines = 0, n = 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (kind != NGT_S_OPTIONS && kind != NGT_S_TOKENIZER && kind != NGT_S_LEDGER)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, kind,
                        "not a section of pairs");
    struct pairs *p = &r->pairs[kind];
    if (!p->pairs) {
        if ((status = load(r, kind, &c, reterr)) != NGT_OK)
            return status;
        for (uint64_t i = 0; i < c->size; i++)
            lines += c->bytes[i] == '\n';
        if (memchr(c->bytes, 0, c->size) || (c->size && c->bytes[c->size - 1] != '\n'))
            return corrupt(r, kind, NGT_NO_POS, reterr, "not lines of text");
        struct ngt_pair *pairs = calloc(lines + 1, sizeof *pairs);
        if (!pairs)
            return no_memory(r, kind, reterr);
        for (char *line = (char *)c->bytes, *end = line + c->size; line < end; n++) {
            char *stop = memchr(line, '\n', (size_t)(end - line)),
                 *tab = memchr(line, '\t', (size_t)(stop - line));
            if (!tab || tab == line) {
                free(pairs);
                return spoiled(r, kind, n, reterr, "a line is not KEY, tab, VALUE");
            }
            /* a second look at this section after a failure would find these zeros, and fail again
             */
            *tab = *stop = '\0';
            pairs[n] = (struct ngt_pair){line, tab + 1};
            line = stop + 1;
        }
        p->pairs = pairs;
        p->count = lines;
    }
    *ret_pairs = p->pairs;
    *ret_count = p->count;
    return NGT_OK;
}

static enum ngt_status load_vocabulary(struct ngt_reader *r, struct ngt_error *reterr)
{
    const struct cold *c;
    uint64_t at, total = 0;
    enum ngt_status status;

    if (r->vocabulary_starts)
        return NGT_OK;
    if ((status = load(r, NGT_S_VOCABULARY, &c, reterr)) != NGT_OK)
        return status;
    if (c->size < 8 || ngt_get32(c->bytes) != r->header.vocab_size ||
        (c->size - 8) / 2 < r->header.vocab_size)
        return corrupt(r, NGT_S_VOCABULARY, NGT_NO_POS, reterr,
                       "not of the size that the header gives");
    uint32_t count = ngt_get32(c->bytes);
    uint64_t *starts = malloc(((uint64_t)count + 1) * sizeof *starts);
    if (!starts)
        return no_memory(r, NGT_S_VOCABULARY, reterr);
    at = 8 + (uint64_t)count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t length;
        starts[i] = total;
        if (c->bytes[8 + i] > NGT_ID_USER_DEFINED ||
            !ngt_varint_read(c->bytes, c->size, &at, &length) ||
            ngt_add_u64(&total, total, length) || total > c->size) {
            free(starts);
            return corrupt(r, NGT_S_VOCABULARY, i, reterr,
                           "an id has an unknown kind or a bad length");
        }
    }
    starts[count] = total;
    if (c->size - at != total) {
        free(starts);
        return corrupt(r, NGT_S_VOCABULARY, NGT_NO_POS, reterr,
                       "lengths do not add up to its bytes");
    }
    r->vocabulary_starts = starts;
    r->vocabulary = (struct ngt_vocabulary){
        .flags = ngt_get32(c->bytes + 4),
        .count = count,
        .kinds = c->bytes + 8,
        .starts = starts,
        .bytes = c->bytes + at,
    };
    return NGT_OK;
}

enum ngt_status ngt_reader_vocabulary(struct ngt_reader *r, struct ngt_vocabulary *ret_vocabulary,
                                      struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    enum ngt_status status = load_vocabulary(r, reterr);
    if (status == NGT_OK)
        *ret_vocabulary = r->vocabulary;
    return status;
}

/* Takes bytes [size] as the strings of documents [first, first + count), in place of those before. */
static enum ngt_status keep_strings(struct ngt_reader *r, uint32_t kind, uint8_t *bytes,
                                    uint64_t size, uint64_t first, uint64_t count,
                                    struct ngt_error *reterr)
{
    struct strings *k = &r->strings[kind];
    const struct cold c = {bytes, size};
    const char **at = NULL;
    uint64_t used = 0;
    enum ngt_status status = NGT_OK;

    if (count > size)
        status = corrupt(r, kind, NGT_NO_POS, reterr, "too short for the documents");
    else if (!(at = calloc(count + 1, sizeof *at)))
        status = no_memory(r, kind, reterr);
    for (uint64_t i = 0; i < count && status == NGT_OK; i++) {
        const uint8_t *s;
        uint64_t length;
        if (read_string(&c, &used, &s, &length))
            at[i] = terminate(s, length);
        else
            status = corrupt(r, kind, first + i, reterr, "a string is cut");
    }
    if (status == NGT_OK && used != size)
        status = corrupt(r, kind, NGT_NO_POS, reterr, "bytes after the last string");
    if (status != NGT_OK) {
        free(at);
        free(bytes);
        return status;
    }
    free(k->bytes);
    free(k->at);
    k->bytes = bytes;
    k->at = at;
    k->first = first;
    k->count = count;
    return NGT_OK;
}

/* All strings of a section that is one frame. */
static enum ngt_status load_whole(struct ngt_reader *r, uint32_t kind, struct ngt_error *reterr)
{
    const struct cold *c;
    enum ngt_status status = load(r, kind, &c, reterr);

    if (status != NGT_OK)
        return status;
    uint8_t *bytes = r->cold[kind].bytes;
    r->cold[kind].bytes = NULL; /* they change hands */
    return keep_strings(r, kind, bytes, r->cold[kind].size, 0, r->header.docs, reterr);
}

static enum ngt_status load_frame(struct ngt_reader *r, uint32_t kind, uint64_t doc,
                                  struct ngt_error *reterr)
{
    const struct ngt_section *s = r->by_kind[kind];
    const uint8_t *section = r->map.bytes + s->offset;
    struct strings *k = &r->strings[kind];
    struct ngt_frame f;
    uint8_t *bytes = NULL;
    const char *why = NULL;
    enum ngt_status status = ngt_map_check(&r->map, reterr);

    if (status != NGT_OK)
        return status;
    if (!k->frames)
        why = ngt_frames_count(section, s->stored_bytes, r->header.docs, &k->frames);
    if (!why)
        why = ngt_frames_find(section, s->stored_bytes, r->header.docs, k->frames, doc, &f);
    if (!why && f.logical > s->logical_bytes)
        why = "a frame is larger than all of it";
    if (!why && ngt_digest64(section + f.offset, f.stored) != f.hash)
        why = "hash mismatch in a frame: it was changed";
    if (why)
        return corrupt(r, kind, doc, reterr, why);
    status = ngt_decompress(section + f.offset, f.stored, f.logical, r->map.path,
                            ngt_section_name(kind), &bytes, reterr);
    if (status != NGT_OK)
        return status;
    return keep_strings(r, kind, bytes, f.logical, f.first, f.count, reterr);
}

enum ngt_status ngt_reader_doc_string(struct ngt_reader *r, uint32_t kind, uint64_t doc,
                                      const char **ret_string, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (kind != NGT_S_DOC_IDS && kind != NGT_S_METADATA)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, kind,
                        "not a section of strings");
    if (doc >= r->header.docs)
        return ngt_fail(reterr, NGT_E_RANGE, r->map.path, NGT_NO_POS, doc, "no such document");
    if (!r->by_kind[kind]) {
        *ret_string = "";
        return NGT_OK;
    }
    const struct strings *k = &r->strings[kind];
    if (doc < k->first || doc - k->first >= k->count)
        status = r->by_kind[kind]->encoding == NGT_FRAMED ? load_frame(r, kind, doc, reterr)
                                                          : load_whole(r, kind, reterr);
    if (status == NGT_OK)
        *ret_string = k->at[doc - k->first];
    return status;
}

/* ---- text ---- */

struct sink {
    char *out;
    uint64_t room, size;
};

static void emit(struct sink *k, const uint8_t *bytes, uint64_t n)
{
    if (k->size < k->room)
        memcpy(k->out + k->size, bytes, n < k->room - k->size ? n : k->room - k->size);
    k->size += n;
}

uint64_t ngt_vocabulary_text(const struct ngt_vocabulary *v, const uint32_t *ids, uint64_t n,
                             bool show_control, char *out, uint64_t room)
{
    struct sink k = {out, room, 0};
    uint64_t first = n, last = n; /* of the ids that spell text */

    for (uint64_t i = 0; i < n; i++)
        if (ids[i] < v->count && v->kinds[ids[i]] != NGT_ID_CONTROL &&
            v->kinds[ids[i]] != NGT_ID_UNUSED) {
            first = first == n ? i : first;
            last = i;
        }
    for (uint64_t i = 0; i < n; i++) {
        if (ids[i] >= v->count)
            continue;
        if (v->kinds[ids[i]] == NGT_ID_UNUSED)
            continue;
        if (v->kinds[ids[i]] == NGT_ID_CONTROL && !show_control)
            continue;
        const uint8_t *bytes = v->bytes + v->starts[ids[i]];
        uint64_t length = v->starts[ids[i] + 1] - v->starts[ids[i]];
        /* the space is the tokenizer's own; a document of nothing else was empty text */
        if (i == first && (v->flags & NGT_VOCAB_STRIP_FIRST_SPACE) && length && bytes[0] == ' ')
            bytes++, length--;
        else if (i == last && (v->flags & NGT_VOCAB_STRIP_LAST_SPACE) && length &&
                 bytes[length - 1] == ' ')
            length--;
        emit(&k, bytes, length);
    }
    return k.size;
}
