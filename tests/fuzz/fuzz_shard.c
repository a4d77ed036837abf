/*
 * A shard from an enemy who can compute hashes: the input is taken as a shard, its hashes are put
 * right, and everything a reader offers is asked for. Nothing may crash; what the verifier accepts
 * must be readable to the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ngt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static void put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

/* FORMAT.md, section 6.5 */
static void mend_frames(uint8_t *s, uint64_t stored)
{
    if (stored < 16 || get64(s) > (stored - 16) / 32)
        return;
    uint64_t n = get64(s);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t *e = s + 16 + 32 * i;
        uint64_t offset = get64(e + 8), stop = i + 1 < n ? get64(e + 40) : stored;
        if (offset < stop && stop <= stored && offset >= 16 + 32 * n)
            put64(e + 24, ngt_digest64(s + offset, stop - offset));
    }
    put64(s + 8, ngt_digest64(s + 16, 32 * n));
}

/* Offsets are those of FORMAT.md, sections 3 and 4. */
static void mend(uint8_t *s, size_t size)
{
    static const uint8_t magic[8] = {0x89, 'N', 'G', 'T', '\r', '\n', 0x1A, '\n'};

    if (size < 4096)
        return;
    memcpy(s, magic, 8);
    if (size % 2)
        put64(s + 32, size); /* half of the inputs keep their lie about the size */
    uint64_t table = get64(s + 40), count = get64(s + 48);
    if (count <= 64 && ngt_in_range(table, count * 64, size)) {
        const uint8_t *tokens = NULL;
        uint64_t token_bytes = 0;
        for (uint64_t i = 0; i < count; i++) {
            uint8_t *e = s + table + 64 * i;
            uint64_t offset = get64(e + 16), stored = get64(e + 24);
            if (!ngt_in_range(offset, stored, size))
                continue;
            if (e[0] == NGT_S_TOKENS)
                tokens = s + offset, token_bytes = stored;
            if (e[0] == NGT_S_BLOCK_HASHES && tokens) {
                for (uint64_t b = 0; b * NGT_BLOCK_BYTES < token_bytes && 8 * b + 8 <= stored;
                     b++) {
                    uint64_t n = token_bytes - b * NGT_BLOCK_BYTES;
                    put64(s + offset + 8 * b,
                          ngt_digest64(tokens + b * NGT_BLOCK_BYTES,
                                       n < NGT_BLOCK_BYTES ? n : NGT_BLOCK_BYTES));
                }
                put64(s + 120, ngt_digest64(s + offset, stored));
            }
            if (e[8] == NGT_FRAMED)
                mend_frames(s + offset, stored);
            put64(e + 40, ngt_digest64(s + offset, stored));
        }
        put64(s + 56, ngt_digest64(s + table, count * 64));
    }
    put64(s + 4088, ngt_digest64(s, 4088));
}

static void read_documents(struct ngt_reader *r)
{
    const struct ngt_header *h = ngt_reader_header(r);
    static uint32_t ids[4096];

    for (uint64_t d = 0; d < h->docs && d < 300; d++) {
        uint64_t first, n, found;
        struct ngt_provenance p;
        struct ngt_source source;
        struct ngt_digest128 hash;
        const char *s;
        if (ngt_reader_doc(r, d, &first, &n, NULL) == NGT_OK) {
            ngt_ignore(ngt_reader_ids(r, first, n < 4096 ? n : 4096, ids, NULL));
            ngt_ignore(ngt_reader_doc_of(r, first, &found, NULL));
        }
        if (ngt_reader_provenance(r, d, &p, NULL) == NGT_OK)
            ngt_ignore(ngt_reader_source(r, p.source, &source, NULL));
        ngt_ignore(ngt_reader_doc_string(r, NGT_S_DOC_IDS, d, &s, NULL));
        ngt_ignore(ngt_reader_doc_string(r, NGT_S_METADATA, d, &s, NULL));
        ngt_ignore(ngt_reader_text_hash(r, d, &hash, NULL));
    }
}

static void read_sequences(const char *path)
{
    struct ngt_dataset *set = NULL;
    struct ngt_sequences *s = NULL;

    if (ngt_dataset_open(&path, 1, NGT_OPEN_VERIFY, &set, NULL) != NGT_OK)
        return;
    uint64_t t = ngt_reader_header(set->readers[0])->kind == NGT_PACKED ? 0 : 17;
    if (ngt_sequences_new(set, t, &s, NULL) == NGT_OK && ngt_sequences_len(s) <= 4096) {
        uint64_t len = ngt_sequences_len(s);
        uint32_t *row = malloc(3 * len * sizeof *row);
        for (uint64_t q = 0; row && q < ngt_sequences_count(s) && q < 100; q++)
            if (ngt_sequences_gather(s, q, row, row + len, row + 2 * len, NULL) == NGT_OK)
                for (uint64_t i = 0; i < len; i++)
                    if (row[2 * len + i] > i ||
                        row[i] >= ngt_reader_header(set->readers[0])->vocab_size)
                        abort();
        free(row);
    }
    ngt_sequences_free(&s);
    ngt_dataset_close(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    uint8_t *copy = malloc(size + 1);
    struct ngt_reader *r = NULL;
    int fd = memfd_create("shard", MFD_CLOEXEC);

    if (!copy || fd < 0)
        abort();
    memcpy(copy, data, size);
    mend(copy, size);
    if (write(fd, copy, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ngt_ignore(ngt_verify(path, NULL, NULL));
    if (ngt_reader_open(path, 0, &r, NULL) == NGT_OK) {
        struct ngt_vocabulary v;
        const struct ngt_pair *pairs;
        uint64_t n;
        char text[64];
        read_documents(r);
        if (ngt_reader_vocabulary(r, &v, NULL) == NGT_OK)
            ngt_vocabulary_text(&v, (const uint32_t[]){0, 1, 2, 3, UINT32_MAX}, 5, true, text,
                                sizeof text);
        for (uint32_t kind = NGT_S_LEDGER; kind <= NGT_S_TOKENIZER; kind++)
            ngt_ignore(ngt_reader_pairs(r, kind, &pairs, &n, NULL));
    }
    ngt_reader_close(&r);
    read_sequences(path);
    close(fd);
    free(copy);
    return 0;
}
