#include "layout.h"

#include <inttypes.h>

#include "ngt/checked.h"

/* Not text, not truncated to 7 bits, not through a newline conversion: each would show. */
static const uint8_t magic[8] = {0x89, 'N', 'G', 'T', '\r', '\n', 0x1A, '\n'};

enum field {
    F_MAGIC = 0,
    F_MAJOR = 8,
    F_MINOR = 10,
    F_HEADER_BYTES = 12,
    F_KIND = 16,
    F_ID_BYTES = 20,
    F_VOCAB_SIZE = 24,
    F_FILE_BYTES = 32,
    F_TABLE_OFFSET = 40,
    F_SECTION_COUNT = 48,
    F_TABLE_HASH = 56,
    F_DOCS = 64,
    F_FILLED_DOCS = 72,
    F_TOKENS = 80,
    F_TARGETS = 88,
    F_SEQUENCES = 96,
    F_SEGMENTS = 104,
    F_SEQ_LEN = 112,
    F_BLOCK_ROOT = 120,
    F_TOKENIZER = 128,
    F_BOS = 144,
    F_EOS = 148,
    F_PAD = 152,
    F_FLAGS = 156,
    F_END = 160,
    F_HASH = NGT_HEADER_BYTES - 8,
};

/* On a machine of the same order without a detour over bytes, out of which GCC 12 makes vectors that it
 * takes apart and puts together again. */
void ngt_ids_encode(const uint32_t *ids, uint64_t n, unsigned width, uint8_t *out)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (width == 4) {
        memcpy(out, ids, 4 * n);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint16_t id = (uint16_t)ids[i];
        memcpy(out + 2 * i, &id, 2);
    }
#else
    for (uint64_t i = 0; i < n; i++)
        if (width == 4)
            ngt_put32(out + 4 * i, ids[i]);
        else
            ngt_put16(out + 2 * i, (uint16_t)ids[i]);
#endif
}

void ngt_header_encode(const struct ngt_header *h, uint8_t out[NGT_HEADER_BYTES])
{
    memset(out, 0, NGT_HEADER_BYTES);
    memcpy(out + F_MAGIC, magic, sizeof magic);
    ngt_put16(out + F_MAJOR, h->major);
    ngt_put16(out + F_MINOR, h->minor);
    ngt_put32(out + F_HEADER_BYTES, NGT_HEADER_BYTES);
    ngt_put32(out + F_KIND, h->kind);
    ngt_put32(out + F_ID_BYTES, h->id_bytes);
    ngt_put64(out + F_VOCAB_SIZE, h->vocab_size);
    ngt_put64(out + F_FILE_BYTES, h->file_bytes);
    ngt_put64(out + F_TABLE_OFFSET, h->section_table_offset);
    ngt_put64(out + F_SECTION_COUNT, h->section_count);
    ngt_put64(out + F_TABLE_HASH, h->section_table_hash);
    ngt_put64(out + F_DOCS, h->docs);
    ngt_put64(out + F_FILLED_DOCS, h->filled_docs);
    ngt_put64(out + F_TOKENS, h->tokens);
    ngt_put64(out + F_TARGETS, h->targets);
    ngt_put64(out + F_SEQUENCES, h->sequences);
    ngt_put64(out + F_SEGMENTS, h->segments);
    ngt_put64(out + F_SEQ_LEN, h->seq_len);
    ngt_put64(out + F_BLOCK_ROOT, h->block_root);
    ngt_put64(out + F_TOKENIZER, h->tokenizer.low);
    ngt_put64(out + F_TOKENIZER + 8, h->tokenizer.high);
    ngt_put32(out + F_BOS, h->bos_id);
    ngt_put32(out + F_EOS, h->eos_id);
    ngt_put32(out + F_PAD, h->pad_id);
    ngt_put32(out + F_FLAGS, h->flags);
    ngt_put64(out + F_HASH, ngt_digest64(out, F_HASH));
}

uint64_t ngt_header_digest(const uint8_t in[NGT_HEADER_BYTES])
{
    return ngt_get64(in + F_HASH);
}

static enum ngt_status field(struct ngt_error *e, const char *path, enum field at, const char *what)
{
    return ngt_fail(e, NGT_E_CORRUPT, path, at, NGT_NO_POS, "header: %s", what);
}

enum ngt_status ngt_header_decode(const uint8_t in[NGT_HEADER_BYTES], uint64_t file_bytes,
                                  const char *path, struct ngt_header *ret_header,
                                  struct ngt_error *e)
{
    struct ngt_header h = {0};

    if (memcmp(in, magic, sizeof magic) != 0)
        return field(e, path, F_MAGIC, "not a .ngt shard (wrong magic number)");
    h.major = ngt_get16(in + F_MAJOR);
    h.minor = ngt_get16(in + F_MINOR);
    if (ngt_digest64(in, F_HASH) != ngt_get64(in + F_HASH))
        return field(e, path, F_HASH, "hash mismatch: the header was changed or cut");
    /* the hash holds, so a strange version is a newer writer, not damage */
    if (h.major != NGT_VERSION_MAJOR)
        return ngt_fail(e, NGT_E_UNSUPPORTED, path, F_MAJOR, NGT_NO_POS,
                        "format version %u.%u; this program reads version %u: use a newer ngt",
                        h.major, h.minor, NGT_VERSION_MAJOR);
    h.kind = ngt_get32(in + F_KIND);
    h.id_bytes = ngt_get32(in + F_ID_BYTES);
    h.vocab_size = ngt_get64(in + F_VOCAB_SIZE);
    h.file_bytes = ngt_get64(in + F_FILE_BYTES);
    h.section_table_offset = ngt_get64(in + F_TABLE_OFFSET);
    h.section_count = ngt_get64(in + F_SECTION_COUNT);
    h.section_table_hash = ngt_get64(in + F_TABLE_HASH);
    h.docs = ngt_get64(in + F_DOCS);
    h.filled_docs = ngt_get64(in + F_FILLED_DOCS);
    h.tokens = ngt_get64(in + F_TOKENS);
    h.targets = ngt_get64(in + F_TARGETS);
    h.sequences = ngt_get64(in + F_SEQUENCES);
    h.segments = ngt_get64(in + F_SEGMENTS);
    h.seq_len = ngt_get64(in + F_SEQ_LEN);
    h.block_root = ngt_get64(in + F_BLOCK_ROOT);
    h.tokenizer.low = ngt_get64(in + F_TOKENIZER);
    h.tokenizer.high = ngt_get64(in + F_TOKENIZER + 8);
    h.bos_id = ngt_get32(in + F_BOS);
    h.eos_id = ngt_get32(in + F_EOS);
    h.pad_id = ngt_get32(in + F_PAD);
    h.flags = ngt_get32(in + F_FLAGS);

    if (ngt_get32(in + F_HEADER_BYTES) != NGT_HEADER_BYTES)
        return field(e, path, F_HEADER_BYTES, "header size is not 4096");
    if (h.kind != NGT_DOCUMENTS && h.kind != NGT_PACKED)
        return field(e, path, F_KIND, "kind is neither documents (1) nor packed (2)");
    if (h.vocab_size == 0 || h.vocab_size > UINT32_MAX)
        return field(e, path, F_VOCAB_SIZE, "vocabulary size out of range");
    if (h.id_bytes != (h.vocab_size <= 65536 ? 2u : 4u))
        return field(e, path, F_ID_BYTES, "id width does not follow from the vocabulary size");
    if (h.file_bytes != file_bytes)
        return ngt_fail(e, NGT_E_CORRUPT, path, F_FILE_BYTES, NGT_NO_POS,
                        "header: file size %" PRIu64 ", but the file has %" PRIu64
                        " bytes: it was cut or extended",
                        h.file_bytes, file_bytes);
    if (h.section_count == 0 || h.section_count > NGT_MAX_SECTIONS)
        return field(e, path, F_SECTION_COUNT, "section count out of range");
    if (h.section_table_offset % NGT_ALIGN != 0 ||
        !ngt_in_range(h.section_table_offset, h.section_count * NGT_SECTION_ENTRY_BYTES,
                      file_bytes))
        return field(e, path, F_TABLE_OFFSET, "section table lies outside the file");
    if (h.filled_docs > h.docs)
        return field(e, path, F_FILLED_DOCS, "more filled documents than documents");
    if (h.kind == NGT_DOCUMENTS) {
        if (h.filled_docs > h.tokens)
            return field(e, path, F_FILLED_DOCS, "more filled documents than tokens");
        if (h.targets != h.tokens - h.filled_docs)
            return field(e, path, F_TARGETS, "targets are not tokens minus filled documents");
        if (h.sequences || h.segments || h.seq_len)
            return field(e, path, F_SEQUENCES, "a document shard has no sequences");
    } else {
        if (h.seq_len == 0 || h.seq_len > UINT32_MAX)
            return field(e, path, F_SEQ_LEN, "sequence length out of range");
        if (h.targets > h.tokens)
            return field(e, path, F_TARGETS, "more targets than tokens");
        if (h.segments > h.tokens)
            return field(e, path, F_SEGMENTS, "more segments than tokens");
    }
    if (h.bos_id != NGT_NO_ID && h.bos_id >= h.vocab_size)
        return field(e, path, F_BOS, "BOS id outside the vocabulary");
    if (h.eos_id != NGT_NO_ID && h.eos_id >= h.vocab_size)
        return field(e, path, F_EOS, "EOS id outside the vocabulary");
    if (h.pad_id != NGT_NO_ID && h.pad_id >= h.vocab_size)
        return field(e, path, F_PAD, "padding id outside the vocabulary");
    for (uint32_t i = F_END; i < F_HASH; i++)
        if (in[i])
            return ngt_fail(e, NGT_E_CORRUPT, path, i, NGT_NO_POS,
                            "header: reserved byte is not zero");
    *ret_header = h;
    return NGT_OK;
}

/* ---- sections ---- */

static const struct {
    const char *name;
    enum ngt_encoding encoding;
    uint8_t document, packed; /* 0 never, 1 may, 2 must be there */
} kinds[] = {
    [NGT_S_TOKENS] = {"tokens", NGT_RAW, 2, 2},
    [NGT_S_BLOCK_HASHES] = {"block-hashes", NGT_RAW, 2, 2},
    [NGT_S_DOC_STARTS] = {"doc-starts", NGT_RAW, 2, 0},
    [NGT_S_SEQ_STARTS] = {"seq-starts", NGT_RAW, 0, 2},
    [NGT_S_SEGMENTS] = {"segments", NGT_RAW, 0, 2},
    [NGT_S_SOURCES] = {"sources", NGT_ZSTD, 2, 2},
    [NGT_S_PROVENANCE] = {"provenance", NGT_ZSTD, 2, 0},
    [NGT_S_LEDGER] = {"ledger", NGT_ZSTD, 2, 2},
    [NGT_S_OPTIONS] = {"options", NGT_ZSTD, 2, 2},
    [NGT_S_TOKENIZER] = {"tokenizer", NGT_ZSTD, 2, 2},
    [NGT_S_VOCABULARY] = {"vocabulary", NGT_ZSTD, 2, 2},
    [NGT_S_LOSS_SPANS] = {"loss-spans", NGT_RAW, 1, 1},
    [NGT_S_DOC_IDS] = {"doc-ids", NGT_ZSTD, 1, 0},
    [NGT_S_METADATA] = {"metadata", NGT_ZSTD, 1, 0},
    [NGT_S_TEXT_HASHES] = {"text-hashes", NGT_RAW, 1, 0},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* A string a document: since 1.1 in frames. */
static bool holds_strings(uint32_t kind)
{
    return kind == NGT_S_DOC_IDS || kind == NGT_S_METADATA;
}

const char *ngt_section_name(uint32_t kind)
{
    return kind < KINDS && kinds[kind].name ? kinds[kind].name : "unknown";
}

enum section_field {
    S_KIND = 0,
    S_FLAGS = 4,
    S_ENCODING = 8,
    S_OFFSET = 16,
    S_STORED = 24,
    S_LOGICAL = 32,
    S_HASH = 40,
    S_END = 48,
};

void ngt_section_encode(const struct ngt_section *s, uint8_t out[NGT_SECTION_ENTRY_BYTES])
{
    memset(out, 0, NGT_SECTION_ENTRY_BYTES);
    ngt_put32(out + S_KIND, s->kind);
    ngt_put32(out + S_FLAGS, s->required ? 1 : 0);
    ngt_put32(out + S_ENCODING, s->encoding);
    ngt_put64(out + S_OFFSET, s->offset);
    ngt_put64(out + S_STORED, s->stored_bytes);
    ngt_put64(out + S_LOGICAL, s->logical_bytes);
    ngt_put64(out + S_HASH, s->hash);
}

enum ngt_status ngt_section_decode(const uint8_t in[NGT_SECTION_ENTRY_BYTES], uint64_t at,
                                   const char *path, struct ngt_section *ret_section,
                                   struct ngt_error *e)
{
    struct ngt_section s = {.kind = ngt_get32(in + S_KIND)};
    uint32_t flags = ngt_get32(in + S_FLAGS), encoding = ngt_get32(in + S_ENCODING);

    if (flags > 1)
        return ngt_fail(e, NGT_E_CORRUPT, path, at + S_FLAGS, s.kind,
                        "section table: unknown flags");
    s.required = flags & 1;
    if (encoding > NGT_FRAMED) {
        if (s.required)
            return ngt_fail(e, NGT_E_UNSUPPORTED, path, at + S_ENCODING, s.kind,
                            "section table: unknown encoding %u: use a newer ngt", encoding);
        encoding = NGT_OTHER;
    }
    s.encoding = encoding;
    s.offset = ngt_get64(in + S_OFFSET);
    s.stored_bytes = ngt_get64(in + S_STORED);
    s.logical_bytes = ngt_get64(in + S_LOGICAL);
    s.hash = ngt_get64(in + S_HASH);
    for (unsigned i = S_ENCODING + 4; i < S_OFFSET; i++)
        if (in[i])
            return ngt_fail(e, NGT_E_CORRUPT, path, at + i, s.kind,
                            "section table: reserved byte is not zero");
    for (unsigned i = S_END; i < NGT_SECTION_ENTRY_BYTES; i++)
        if (in[i])
            return ngt_fail(e, NGT_E_CORRUPT, path, at + i, s.kind,
                            "section table: reserved byte is not zero");
    *ret_section = s;
    return NGT_OK;
}

/* Logical bytes that the header's counts demand; false where any size is possible. */
static bool logical_of(const struct ngt_header *h, uint32_t kind, uint64_t *ret, bool *ret_overflow)
{
    uint64_t n = 0, width = 8, extra = 0;

    *ret_overflow = false;
    switch (kind) {
    case NGT_S_TOKENS:
        width = h->id_bytes;
        if (h->kind == NGT_DOCUMENTS)
            n = h->tokens;
        else
            *ret_overflow = ngt_mul_u64(&n, h->sequences, h->seq_len);
        break;
    case NGT_S_DOC_STARTS:
        n = h->docs;
        extra = 8;
        break;
    case NGT_S_SEQ_STARTS:
        n = h->sequences;
        extra = 8;
        break;
    case NGT_S_SEGMENTS:
        n = h->segments;
        width = NGT_SEGMENT_BYTES;
        break;
    case NGT_S_TEXT_HASHES:
        n = h->docs;
        width = 16;
        break;
    case NGT_S_BLOCK_HASHES: {
        uint64_t bytes;
        bool overflow;
        (void)logical_of(h, NGT_S_TOKENS, &bytes, &overflow);
        *ret_overflow = overflow;
        n = bytes / NGT_BLOCK_BYTES + (bytes % NGT_BLOCK_BYTES != 0);
        break;
    }
    default:
        return false;
    }
    *ret_overflow |= ngt_mul_u64(ret, n, width) || ngt_add_u64(ret, *ret, extra);
    return true;
}

enum ngt_status ngt_sections_check(const struct ngt_header *h, const struct ngt_section *s,
                                   uint64_t count, const char *path, struct ngt_error *e)
{
    uint64_t end = NGT_HEADER_BYTES, seen = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = h->section_table_offset + i * NGT_SECTION_ENTRY_BYTES;
        const char *name = ngt_section_name(s[i].kind);
        uint64_t expected;
        bool overflow;

        if (s[i].offset % NGT_ALIGN != 0 || s[i].offset < end)
            return ngt_fail(e, NGT_E_CORRUPT, path, at + S_OFFSET, s[i].kind,
                            "section table: section %s is not aligned, or overlaps the one before",
                            name);
        if (!ngt_in_range(s[i].offset, s[i].stored_bytes, h->section_table_offset))
            return ngt_fail(e, NGT_E_CORRUPT, path, at + S_STORED, s[i].kind,
                            "section table: section %s leaves the file", name);
        end = s[i].offset + s[i].stored_bytes;
        if (s[i].kind == 0 || s[i].kind >= KINDS || s[i].encoding == NGT_OTHER) {
            if (s[i].required)
                return ngt_fail(e, NGT_E_UNSUPPORTED, path, at + S_KIND, s[i].kind,
                                "a required section of unknown kind %u: use a newer ngt",
                                s[i].kind);
            continue;
        }
        if (seen >> s[i].kind & 1)
            return ngt_fail(e, NGT_E_CORRUPT, path, at + S_KIND, s[i].kind,
                            "section table: section %s occurs twice", name);
        seen |= 1ull << s[i].kind;
        if ((h->kind == NGT_DOCUMENTS ? kinds[s[i].kind].document : kinds[s[i].kind].packed) == 0)
            return ngt_fail(e, NGT_E_CORRUPT, path, at + S_KIND, s[i].kind,
                            "section table: section %s does not belong into a shard of this kind",
                            name);
        if (s[i].encoding != kinds[s[i].kind].encoding &&
            !(s[i].encoding == NGT_FRAMED && holds_strings(s[i].kind)))
            return ngt_fail(
                e, NGT_E_CORRUPT, path, at + S_ENCODING, s[i].kind,
                "section table: section %s has another encoding than the format gives it", name);
        if (s[i].encoding == NGT_RAW && s[i].stored_bytes != s[i].logical_bytes)
            return ngt_fail(e, NGT_E_CORRUPT, path, at + S_LOGICAL, s[i].kind,
                            "section table: section %s is raw, but its two sizes differ", name);
        if (logical_of(h, s[i].kind, &expected, &overflow) &&
            (overflow || s[i].logical_bytes != expected))
            return ngt_fail(
                e, NGT_E_CORRUPT, path, at + S_LOGICAL, s[i].kind,
                "section table: section %s does not have the size that the header's counts demand",
                name);
    }
    for (uint32_t k = 1; k < KINDS; k++)
        if ((h->kind == NGT_DOCUMENTS ? kinds[k].document : kinds[k].packed) == 2 &&
            !(seen >> k & 1))
            return ngt_fail(e, NGT_E_CORRUPT, path, h->section_table_offset, k,
                            "section %s is missing", kinds[k].name);
    return NGT_OK;
}

/* ---- segments ---- */

void ngt_segment_encode(const struct ngt_segment *s, uint8_t out[NGT_SEGMENT_BYTES])
{
    ngt_put32(out, s->start);
    ngt_put32(out + 4, s->length);
    ngt_put64(out + 8, s->doc);
    ngt_put64(out + 16, s->doc_offset);
    ngt_put32(out + 24, s->successor);
    ngt_put32(out + 28, 0);
}

void ngt_segment_decode(const uint8_t in[NGT_SEGMENT_BYTES], struct ngt_segment *ret)
{
    ret->start = ngt_get32(in);
    ret->length = ngt_get32(in + 4);
    ret->doc = ngt_get64(in + 8);
    ret->doc_offset = ngt_get64(in + 16);
    ret->successor = ngt_get32(in + 24);
}
