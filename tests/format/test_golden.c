/* Shards that were written once and for all: read, proved, and broken one rule at a time. See tests/golden/README. */
#include "shards.h"
#include "t.h"

static const char *folder;

/* Assembles GOLDEN/name.hex; malloced. */
static uint8_t *assemble(const char *name, uint64_t *ret_size)
{
    char path[512], line[256];
    uint8_t *bytes = NULL;

    snprintf(path, sizeof path, "%s/%s.hex", getenv("GOLDEN"), name);
    FILE *f = fopen(path, "r");
    T_REQUIRE(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long long size, at;
        int used = 0;
        if (sscanf(line, "size %llu", &size) == 1) {
            bytes = calloc(size, 1);
            *ret_size = size;
        } else if (line[0] != '#' && sscanf(line, "%llx:%n", &at, &used) == 1 && used) {
            unsigned byte;
            int step;
            for (const char *s = line + used; sscanf(s, " %2x%n", &byte, &step) == 1; s += step) {
                T_REQUIRE(bytes && at < *ret_size);
                bytes[at++] = (uint8_t)byte;
            }
        }
    }
    fclose(f);
    T_REQUIRE(bytes);
    return bytes;
}

static char *write_file(const char *name, const uint8_t *bytes, uint64_t size)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s.ngt", folder, name);
    T_REQUIRE(ngt_file_write(path, bytes, size, NULL) == NGT_OK);
    return path;
}

static void check_ids(const char *path, const char *name)
{
    char expected[512];
    struct ngt_reader *r = NULL;
    uint32_t ids[1024];

    snprintf(expected, sizeof expected, "%s/%s.ids", getenv("GOLDEN"), name);
    FILE *f = fopen(expected, "r");
    T_REQUIRE(f && ngt_reader_open(path, NGT_OPEN_VERIFY, &r, NULL) == NGT_OK);
    const struct ngt_header *h = ngt_reader_header(r);
    uint64_t items = h->kind == NGT_PACKED ? h->sequences : h->docs;
    for (uint64_t i = 0; i < items; i++) {
        uint64_t first = i * h->seq_len, count = h->seq_len;
        if (h->kind == NGT_DOCUMENTS)
            T_REQUIRE(ngt_reader_doc(r, i, &first, &count, NULL) == NGT_OK);
        T_REQUIRE(count <= 1024 && ngt_reader_ids(r, first, count, ids, NULL) == NGT_OK);
        for (uint64_t k = 0; k < count; k++) {
            unsigned id = 0;
            T_REQUIRE(fscanf(f, "%u", &id) == 1);
            T_EQ_U64(ids[k], id);
        }
    }
    fclose(f);
    ngt_reader_close(&r);
}

static const char *const good[] = {"good-documents", "good-loss-spans", "good-packed",
                                   "good-framed"};

T_CASE(good_shards_are_read)
{
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        struct ngt_error e;
        uint64_t size;
        uint8_t *bytes = assemble(good[i], &size);
        char *path = write_file(good[i], bytes, size);
        T_EQ_INT(ngt_verify(path, NULL, &e), NGT_OK);
        T_EQ_STR(e.message, "");
        check_ids(path, good[i]);
        free(bytes);
    }
}

/* ---- broken ---- */

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* Puts the hashes right, from the inside out, so that only the changed rule is broken. */
static void rehash(uint8_t *s)
{
    uint64_t table = get64(s + 40), count = get64(s + 48), tokens = 0, bytes = 0;

    for (uint64_t i = 0; i < count && i < 64; i++) {
        uint8_t *e = s + table + 64 * i;
        uint64_t offset = get64(e + 16), stored = get64(e + 24);
        if (e[0] == NGT_S_TOKENS)
            tokens = offset, bytes = stored;
        if (e[0] == NGT_S_BLOCK_HASHES) {
            put(s + offset, ngt_digest64(s + tokens, bytes), 8); /* one block */
            put(s + 120, ngt_digest64(s + offset, 8), 8);
        }
    }
    for (uint64_t i = 0; i < count && i < 64; i++) {
        uint8_t *e = s + table + 64 * i;
        put(e + 40, ngt_digest64(s + get64(e + 16), get64(e + 24)), 8);
    }
    put(s + 56, ngt_digest64(s + table, count * 64), 8);
    put(s + 4088, ngt_digest64(s, 4088), 8);
}

static void rehash_header(uint8_t *s)
{
    put(s + 4088, ngt_digest64(s, 4088), 8);
}

enum where {
    HEADER,  /* offset is the header's */
    ENTRY,   /* offset in the table's entry of the section */
    CONTENT, /* offset in the section */
};

enum mend {
    NONE,
    HEADER_HASH,
    ALL,
    FRAMES, /* ALL, and the index of metadata */
};

static const struct broken {
    const char *name;
    unsigned base; /* index into good */
    enum where where;
    uint32_t section;
    uint64_t offset, value;
    unsigned bytes;
    enum mend mend;
    enum ngt_status status;
    enum where at; /* what ngt_error.offset must point to */
    uint64_t at_offset;
} table[] = {
    {"bad-magic", 0, HEADER, 0, 1, 'X', 1, NONE, NGT_E_CORRUPT, HEADER, 0},
    {"bad-header-hash", 0, HEADER, 0, 80, 1, 8, NONE, NGT_E_CORRUPT, HEADER, 4088},
    {"unsupported-major", 0, HEADER, 0, 8, 2, 2, HEADER_HASH, NGT_E_UNSUPPORTED, HEADER, 8},
    {"good-minor", 0, HEADER, 0, 10, 7, 2, HEADER_HASH, NGT_OK, HEADER, 0},
    {"bad-kind", 0, HEADER, 0, 16, 3, 4, HEADER_HASH, NGT_E_CORRUPT, HEADER, 16},
    {"bad-id-bytes", 0, HEADER, 0, 20, 4, 4, HEADER_HASH, NGT_E_CORRUPT, HEADER, 20},
    {"bad-vocabulary-zero", 0, HEADER, 0, 24, 0, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 24},
    {"bad-file-bytes", 0, HEADER, 0, 32, 1, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 32},
    {"bad-table-offset", 0, HEADER, 0, 40, UINT64_MAX - 4095, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER,
     40},
    {"bad-section-count", 0, HEADER, 0, 48, 65, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 48},
    {"bad-filled-docs", 0, HEADER, 0, 72, 99, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 72},
    {"bad-targets", 0, HEADER, 0, 88, 332, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 88},
    {"bad-sequences", 0, HEADER, 0, 96, 1, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 96},
    {"bad-bos", 0, HEADER, 0, 144, 40, 4, HEADER_HASH, NGT_E_CORRUPT, HEADER, 144},
    {"bad-reserved", 0, HEADER, 0, 4000, 1, 1, HEADER_HASH, NGT_E_CORRUPT, HEADER, 4000},
    {"bad-seq-len", 2, HEADER, 0, 112, 0, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER, 112},
    {"unsupported-section", 0, ENTRY, NGT_S_TEXT_HASHES, 0, 0x100000063, 8, ALL, NGT_E_UNSUPPORTED,
     ENTRY, 0},
    {"good-unknown-section", 0, ENTRY, NGT_S_TEXT_HASHES, 0, 99, 4, ALL, NGT_OK, HEADER, 0},
    {"bad-section-twice", 0, ENTRY, NGT_S_METADATA, 0, NGT_S_DOC_IDS, 4, ALL, NGT_E_CORRUPT, ENTRY,
     0},
    {"bad-section-kind", 0, ENTRY, NGT_S_METADATA, 0, NGT_S_SEGMENTS, 4, ALL, NGT_E_CORRUPT, ENTRY,
     0},
    {"bad-section-flags", 0, ENTRY, NGT_S_LEDGER, 4, 2, 4, ALL, NGT_E_CORRUPT, ENTRY, 4},
    {"bad-section-offset", 0, ENTRY, NGT_S_LEDGER, 16, 4097, 8, HEADER_HASH, NGT_E_CORRUPT, HEADER,
     0},
    {"bad-logical", 0, ENTRY, NGT_S_DOC_STARTS, 32, 8, 8, ALL, NGT_E_CORRUPT, ENTRY, 32},
    {"bad-doc-start", 0, CONTENT, NGT_S_DOC_STARTS, 16, 4, 8, ALL, NGT_E_CORRUPT, CONTENT, 16},
    {"bad-doc-start-end", 0, CONTENT, NGT_S_DOC_STARTS, 64, 337, 8, ALL, NGT_E_CORRUPT, CONTENT,
     64},
    {"bad-id", 0, CONTENT, NGT_S_TOKENS, 20, 40, 2, ALL, NGT_E_CORRUPT, CONTENT, 20},
    {"bad-loss-span", 1, CONTENT, NGT_S_LOSS_SPANS, 48, 99, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-loss-count", 1, CONTENT, NGT_S_LOSS_SPANS, 32, UINT64_MAX / 16, 8, ALL, NGT_E_CORRUPT,
     CONTENT, 0},
    {"bad-segment-length", 2, CONTENT, NGT_S_SEGMENTS, 4, 0, 4, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-segment-start", 2, CONTENT, NGT_S_SEGMENTS, 0, UINT32_MAX, 4, ALL, NGT_E_CORRUPT, CONTENT,
     0},
    {"bad-segment-doc", 2, CONTENT, NGT_S_SEGMENTS, 8, 4, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-successor", 2, CONTENT, NGT_S_SEGMENTS, 24, 40, 4, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-encoding", 3, ENTRY, NGT_S_LEDGER, 8, 2, 4, ALL, NGT_E_CORRUPT, ENTRY, 8},
    {"good-unknown-encoding", 3, ENTRY, NGT_S_METADATA, 8, 3, 4, ALL, NGT_OK, HEADER, 0},
    {"bad-frames", 3, CONTENT, NGT_S_METADATA, 0, 1 << 20, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frames-none", 3, CONTENT, NGT_S_METADATA, 0, 0, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frames-hash", 3, CONTENT, NGT_S_METADATA, 8, 1, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frame-first", 3, CONTENT, NGT_S_METADATA, 16, 1, 8, FRAMES, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frame-document", 3, CONTENT, NGT_S_METADATA, 48, 2, 8, FRAMES, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frame-documents", 3, CONTENT, NGT_S_METADATA, 80, 5, 8, FRAMES, NGT_E_CORRUPT, CONTENT,
     0},
    {"bad-frame-offset", 3, CONTENT, NGT_S_METADATA, 24, 111, 8, FRAMES, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-frame-far", 3, CONTENT, NGT_S_METADATA, 56, UINT64_MAX, 8, FRAMES, NGT_E_CORRUPT, CONTENT,
     0},
    {"bad-frame-logical", 3, CONTENT, NGT_S_METADATA, 32, 18031, 8, FRAMES, NGT_E_CORRUPT, HEADER,
     UINT64_MAX},
    {"bad-frame-logical-huge", 3, CONTENT, NGT_S_METADATA, 32, UINT64_MAX, 8, FRAMES, NGT_E_CORRUPT,
     CONTENT, 0},
    {"bad-frame-hash", 3, CONTENT, NGT_S_METADATA, 40, 1, 8, FRAMES, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-logical-framed", 3, ENTRY, NGT_S_METADATA, 32, 38045, 8, ALL, NGT_E_CORRUPT, CONTENT, 0},
    {"bad-segment-reserved", 2, CONTENT, NGT_S_SEGMENTS, 28, 1, 4, ALL, NGT_E_CORRUPT, CONTENT, 28},
};

static uint64_t place(const uint8_t *s, enum where where, uint32_t section, uint64_t offset)
{
    uint64_t at = get64(s + 40), count = get64(s + 48);

    if (where == HEADER)
        return offset;
    for (uint64_t i = 0; i < count; i++)
        if (get64(s + at + 64 * i) % (1ull << 32) == section)
            return (where == ENTRY ? at + 64 * i : get64(s + at + 64 * i + 16)) + offset;
    fprintf(stderr, "section %u is not there\n", section);
    exit(99);
}

static void rehash_frames(uint8_t *s)
{
    uint8_t *index = s + place(s, CONTENT, NGT_S_METADATA, 0);

    put(index + 8, ngt_digest64(index + 16, 32 * get64(index)), 8);
    rehash(s);
}

T_CASE(each_rule_by_itself)
{
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        const struct broken *b = &table[i];
        struct ngt_error e;
        uint64_t size;
        uint8_t *bytes = assemble(good[b->base], &size);
        uint64_t expected = place(bytes, b->at, b->section, b->at_offset);
        put(bytes + place(bytes, b->where, b->section, b->offset), b->value, b->bytes);
        if (b->mend == ALL)
            rehash(bytes);
        else if (b->mend == FRAMES)
            rehash_frames(bytes);
        else if (b->mend == HEADER_HASH)
            rehash_header(bytes);
        enum ngt_status status = ngt_verify(write_file(b->name, bytes, size), NULL, &e);
        bool same =
            b->mend == HEADER_HASH && b->where == ENTRY; /* the table's own hash speaks first */
        if (status != b->status)
            T_FAIL("%s: status %d, expected %d: %s", b->name, status, b->status, e.message);
        else if (status != NGT_OK && !same && e.offset != expected)
            T_FAIL("%s: offset %llu, expected %llu: %s", b->name, (unsigned long long)e.offset,
                   (unsigned long long)expected, e.message);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    if (!getenv("GOLDEN")) {
        fprintf(stderr, "GOLDEN must name tests/golden\n");
        return 99;
    }
    folder = shards_folder();
    int result = t_main(argc, argv);
    shards_remove(folder);
    return result;
}
