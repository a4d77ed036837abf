/* Writer, reader and verifier on shards made here: what goes in comes out, damage is reported,
 * bounds hold. */
#include <fcntl.h>
#include <sys/stat.h>

#include "shards.h"
#include "t.h"

static const char *folder;

static const char *at(const char *name)
{
    static char path[4][512];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
    return path[turn];
}

static const uint64_t some_lengths[] = {5, 0, 1, 17, 2, 9, 300, 4};

static struct shards_spec small(void)
{
    return (struct shards_spec){.vocab = 40, .lengths = some_lengths, .docs = 8, .seed = 1};
}

T_CASE(documents_come_back)
{
    struct shards_spec spec = small();
    struct ngt_reader *r = NULL;
    struct ngt_shard_summary sum, proof;
    struct ngt_error e;
    spec.loss = spec.strings = spec.hashes = true;

    T_REQUIRE(shards_write(at("a.ngt"), &spec, &sum, &e) == NGT_OK);
    T_EQ_INT(ngt_verify(at("a.ngt"), &proof, &e), NGT_OK);
    T_EQ_STR(e.message, "");
    T_EQ_U64(proof.header_hash, sum.header_hash);
    T_EQ_U64(sum.docs, 8);
    T_EQ_U64(sum.filled_docs, 7);
    T_EQ_U64(sum.tokens, 338);
    T_EQ_U64(sum.targets, 331);
    T_REQUIRE(ngt_reader_open(at("a.ngt"), NGT_OPEN_VERIFY, &r, &e) == NGT_OK);
    T_EQ_U64(ngt_reader_header(r)->id_bytes, 2);
    uint64_t state = 3;
    for (uint64_t d = 0; d < 8; d++) {
        uint64_t first, count, doc, lengths[8];
        uint32_t ids[512];
        struct ngt_provenance p;
        struct ngt_source s;
        struct ngt_digest128 hash;
        const char *text;
        T_EQ_INT(ngt_reader_doc(r, d, &first, &count, &e), NGT_OK);
        T_EQ_U64(count, some_lengths[d]);
        T_EQ_INT(ngt_reader_ids(r, first, count, ids, &e), NGT_OK);
        for (uint64_t i = 0; i < count; i++)
            T_EQ_U64(ids[i], 3 + shards_random(&state) % 37);
        if (count) {
            T_EQ_INT(ngt_reader_doc_of(r, first, &doc, &e), NGT_OK);
            T_EQ_U64(doc, d);
            T_EQ_INT(ngt_reader_doc_of(r, first + count - 1, &doc, &e), NGT_OK);
            T_EQ_U64(doc, d);
        }
        T_EQ_INT(ngt_reader_lengths(r, 0, 8, lengths, &e), NGT_OK);
        T_EQ_U64(lengths[d], count);
        T_EQ_INT(ngt_reader_provenance(r, d, &p, &e), NGT_OK);
        T_EQ_U64(p.source, d / 3);
        T_EQ_U64(p.record, d % 3 + 1);
        T_EQ_U64(p.offset, d % 3 * 100);
        T_EQ_INT(ngt_reader_source(r, p.source, &s, &e), NGT_OK);
        T_EQ_U64(s.start, d / 3 * 3);
        T_EQ_INT(s.member != NULL, d / 3 % 2);
        T_EQ_INT(ngt_reader_text_hash(r, d, &hash, &e), NGT_OK);
        T_EQ_U64(hash.high, ~d);
        T_EQ_INT(ngt_reader_doc_string(r, NGT_S_DOC_IDS, d, &text, &e), NGT_OK);
        char expected[32] = "";
        if (d)
            snprintf(expected, sizeof expected, "doc-%d", (int)d);
        T_EQ_STR(text, expected);
        T_EQ_INT(ngt_reader_doc_string(r, NGT_S_METADATA, d, &text, &e), NGT_OK);
        snprintf(expected, sizeof expected, "{\"n\": %d}", (int)d);
        T_EQ_STR(text, expected);
    }
    const struct ngt_pair *pairs;
    uint64_t n;
    T_EQ_INT(ngt_reader_pairs(r, NGT_S_OPTIONS, &pairs, &n, &e), NGT_OK);
    T_EQ_U64(n, 2);
    T_EQ_STR(pairs[1].key, "max-doc-bytes");
    T_EQ_STR(pairs[1].value, "1073741824");
    T_EQ_INT(ngt_reader_pairs(r, NGT_S_LEDGER, &pairs, &n, &e), NGT_OK);
    T_EQ_STR(pairs[0].value, "8");
    struct ngt_vocabulary v;
    T_EQ_INT(ngt_reader_vocabulary(r, &v, &e), NGT_OK);
    char text[16];
    uint64_t length =
        ngt_vocabulary_text(&v, (uint32_t[]){1, 3, 4, 29, 2}, 5, false, text, sizeof text);
    T_EQ_U64(length, 4);
    T_EQ_MEM(text, "abaa", 4);
    T_EQ_INT(ngt_reader_doc(r, 8, &length, &length, &e), NGT_E_RANGE);
    T_EQ_INT(ngt_reader_ids(r, 338, 1, (uint32_t[1]){0}, &e), NGT_E_RANGE);
    ngt_reader_close(&r);
}

/* Ids and metadata in frames: any order, and memory of one frame. */
T_CASE(strings_in_any_order)
{
    enum { DOCS = 5000 };
    static uint64_t lengths[DOCS];
    struct shards_spec spec = {
        .vocab = 40, .lengths = lengths, .docs = DOCS, .seed = 1, .strings = true};
    struct ngt_reader *r = NULL;
    struct ngt_error e;
    const char *text;
    char expected[48];

    for (unsigned d = 0; d < DOCS; d++)
        lengths[d] = d % 3;
    T_REQUIRE(shards_write(at("s.ngt"), &spec, NULL, &e) == NGT_OK);
    T_EQ_INT(ngt_verify(at("s.ngt"), NULL, &e), NGT_OK);
    T_REQUIRE(ngt_reader_open(at("s.ngt"), 0, &r, &e) == NGT_OK);
    T_EQ_U64(ngt_reader_header(r)->minor, 1);
    T_EQ_INT(ngt_reader_section(r, NGT_S_METADATA)->encoding, NGT_FRAMED);
    for (unsigned i = 0; i < DOCS; i++) {
        unsigned d = i * 1999u % DOCS; /* every document once */
        T_EQ_INT(ngt_reader_doc_string(r, NGT_S_METADATA, d, &text, &e), NGT_OK);
        snprintf(expected, sizeof expected, "{\"n\": %u}", d);
        T_EQ_STR(text, expected);
        T_EQ_INT(ngt_reader_doc_string(r, NGT_S_DOC_IDS, d, &text, &e), NGT_OK);
        expected[0] = '\0';
        if (d)
            snprintf(expected, sizeof expected, "doc-%u", d);
        T_EQ_STR(text, expected);
    }
    T_EQ_INT(ngt_reader_doc_string(r, NGT_S_METADATA, DOCS, &text, &e), NGT_E_RANGE);
    ngt_reader_close(&r);
    /* without strings a shard is of version 1.0, byte for byte */
    spec.strings = false;
    T_REQUIRE(shards_write(at("s.ngt"), &spec, NULL, &e) == NGT_OK);
    T_REQUIRE(ngt_reader_open(at("s.ngt"), 0, &r, &e) == NGT_OK);
    T_EQ_U64(ngt_reader_header(r)->minor, 0);
    ngt_reader_close(&r);
}

T_CASE(wide_ids_and_many_blocks)
{
    const uint64_t lengths[] = {700000, 0, 300001};
    struct shards_spec spec = {
        .vocab = 70000, .lengths = lengths, .docs = 3, .seed = 5, .eos = true};
    struct ngt_reader *r = NULL;
    struct ngt_error e;

    /* an empty document cannot end in EOS: the verifier says so */
    T_REQUIRE(shards_write(at("w.ngt"), &spec, NULL, &e) == NGT_OK);
    T_EQ_INT(ngt_verify(at("w.ngt"), NULL, &e), NGT_E_CORRUPT);
    spec.eos = false;
    T_REQUIRE(shards_write(at("w.ngt"), &spec, NULL, &e) == NGT_OK);
    T_EQ_INT(ngt_verify(at("w.ngt"), NULL, &e), NGT_OK);
    T_REQUIRE(ngt_reader_open(at("w.ngt"), NGT_OPEN_VERIFY, &r, &e) == NGT_OK);
    T_EQ_U64(ngt_reader_header(r)->id_bytes, 4);
    T_EQ_U64(ngt_reader_section(r, NGT_S_BLOCK_HASHES)->stored_bytes, 32);
    uint32_t id;
    T_EQ_INT(ngt_reader_ids(r, 1000000, 1, &id, &e), NGT_OK);
    ngt_reader_close(&r);
    /* a changed byte far inside: noticed at the first touch of its block, not of another */
    FILE *f = fopen(at("w.ngt"), "r+b");
    T_REQUIRE(f && fseek(f, 4096 + (1 << 20) + 17, SEEK_SET) == 0 && fputc(0x5A, f) == 0x5A &&
              fclose(f) == 0);
    T_REQUIRE(ngt_reader_open(at("w.ngt"), NGT_OPEN_VERIFY, &r, &e) == NGT_OK);
    T_EQ_INT(ngt_reader_ids(r, 0, 100, (uint32_t[100]){0}, &e), NGT_OK);
    T_EQ_INT(ngt_reader_ids(r, 262144, 1, &id, &e), NGT_E_CORRUPT);
    T_EQ_U64(e.offset, 4096 + (1 << 20));
    T_EQ_U64(e.item, 1);
    ngt_reader_close(&r);
}

T_CASE(no_documents_at_all)
{
    struct shards_spec spec = {.vocab = 40};
    struct ngt_error e;

    T_REQUIRE(shards_write(at("none.ngt"), &spec, NULL, &e) == NGT_OK);
    T_EQ_INT(ngt_verify(at("none.ngt"), NULL, &e), NGT_OK);
}

T_CASE(same_calls_same_bytes)
{
    struct shards_spec spec = small();
    uint8_t *a, *b;
    uint64_t na, nb;

    T_REQUIRE(shards_write(at("x.ngt"), &spec, NULL, NULL) == NGT_OK);
    T_REQUIRE(shards_write(at("y.ngt"), &spec, NULL, NULL) == NGT_OK);
    T_REQUIRE(ngt_file_read(at("x.ngt"), UINT64_MAX / 4, &a, &na, NULL) == NGT_OK);
    T_REQUIRE(ngt_file_read(at("y.ngt"), UINT64_MAX / 4, &b, &nb, NULL) == NGT_OK);
    T_EQ_U64(na, nb);
    T_EQ_MEM(a, b, na);
    free(a);
    free(b);
}

/* Reads everything there is through the reader: must not crash whatever the file holds. */
static void touch_all(const char *path)
{
    struct ngt_reader *r = NULL;

    if (ngt_reader_open(path, 0, &r, NULL) != NGT_OK)
        return;
    const struct ngt_header *h = ngt_reader_header(r);
    uint32_t ids[64];
    for (uint64_t d = 0; d < h->docs && d < 64; d++) {
        uint64_t first, count;
        struct ngt_provenance p;
        const char *s;
        if (ngt_reader_doc(r, d, &first, &count, NULL) == NGT_OK)
            ngt_ignore(ngt_reader_ids(r, first, count < 64 ? count : 64, ids, NULL));
        ngt_ignore(ngt_reader_provenance(r, d, &p, NULL));
        ngt_ignore(ngt_reader_doc_string(r, NGT_S_DOC_IDS, d, &s, NULL));
        ngt_ignore(ngt_reader_doc_string(r, NGT_S_METADATA, d, &s, NULL));
    }
    ngt_reader_close(&r);
}

/* The file at path is damaged: the verifier must say so, and no reader may crash on it. */
static void expect_noticed(const char *path, const char *what, uint64_t where)
{
    struct ngt_error e;

    if (ngt_verify(path, NULL, &e) == NGT_OK)
        T_FAIL("%s at %llu was not noticed", what, (unsigned long long)where);
    else if (!e.message[0] || !e.path[0])
        T_FAIL("%s at %llu: no message", what, (unsigned long long)where);
    touch_all(path);
}

static void damage_everywhere(const char *good_path)
{
    const char *path = at("damaged.ngt");
    uint8_t *good;
    uint64_t size;
    /* every bit with NGT_TEST_FULL, else a bit of some bytes, which one depending on its place */
    bool full = getenv("NGT_TEST_FULL") != NULL;
    unsigned before = t_failures;

    T_REQUIRE(ngt_file_read(good_path, UINT64_MAX / 4, &good, &size, NULL) == NGT_OK);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    T_REQUIRE(fd >= 0 && write(fd, good, size) == (ssize_t)size);
    for (uint64_t i = 0; i < size && t_failures == before; i += full || i < 200 ? 1 : 17)
        for (unsigned bit = full ? 0 : (unsigned)(i % 8); bit < (full ? 8 : i % 8 + 1); bit++) {
            uint8_t byte = (uint8_t)(good[i] ^ 1u << bit);
            T_REQUIRE(pwrite(fd, &byte, 1, (off_t)i) == 1);
            expect_noticed(path, "a flipped bit", i);
            T_REQUIRE(pwrite(fd, &good[i], 1, (off_t)i) == 1);
        }
    T_REQUIRE(pwrite(fd, "", 1, (off_t)size) == 1);
    expect_noticed(path, "an extension", size);
    for (uint64_t n = size; n-- > 0 && t_failures == before; n -= full || n < 131 ? 0 : 130) {
        T_REQUIRE(ftruncate(fd, (off_t)n) == 0);
        expect_noticed(path, "a cut", n);
    }
    close(fd);
    free(good);
}

T_CASE(every_flip_and_cut_is_noticed)
{
    struct shards_spec spec = small();
    spec.loss = spec.strings = spec.hashes = true;

    T_REQUIRE(shards_write(at("good.ngt"), &spec, NULL, NULL) == NGT_OK);
    damage_everywhere(at("good.ngt"));
}

/* ---- packed ---- */

static enum ngt_status write_packed(const char *path, const struct ngt_segment *segments,
                                    uint64_t count, struct ngt_error *reterr)
{
    struct shards_vocabulary v;
    struct ngt_writer *w = NULL;
    uint32_t ids[8] = {3, 4, 5, 6, 7, 8, 9, 0}, source;
    enum ngt_status status;

    shards_vocabulary_init(&v, 40);
    struct ngt_writer_config config = {.kind = NGT_PACKED,
                                       .vocab_size = 40,
                                       .bos_id = NGT_NO_ID,
                                       .eos_id = 2,
                                       .pad_id = NGT_NO_ID,
                                       .seq_len = 8,
                                       .vocabulary = &v.v};
    status = ngt_writer_open(path, &config, &w, reterr);
    if (status == NGT_OK)
        status = ngt_writer_source(w, &(struct ngt_source){"a.ngt", NULL, 0}, &source, reterr);
    if (status == NGT_OK)
        status = ngt_writer_sequence(w, ids, segments, count, NULL, 0, reterr);
    if (status == NGT_OK)
        status = ngt_writer_sequence(w, ids, segments, 1, (uint64_t[]){1, 2}, 1, reterr);
    if (status == NGT_OK) {
        ngt_writer_set_docs(w, 10, 9);
        status = ngt_writer_commit(&w, NULL, 0, NULL, reterr);
    }
    ngt_writer_abort(&w);
    shards_vocabulary_done(&v);
    return status;
}

T_CASE(packed_sequences_come_back)
{
    const struct ngt_segment segments[] = {{0, 3, 4, 0, 11}, {3, 4, 6, 20, NGT_NO_ID}};
    const char *const paths[] = {at("p.ngt")};
    struct ngt_dataset *set = NULL;
    struct ngt_sequences *s = NULL;
    struct ngt_error e;
    uint32_t tokens[8], targets[8], first[8];

    T_EQ_INT(write_packed(paths[0], segments, 2, &e), NGT_OK);
    T_EQ_INT(ngt_verify(paths[0], NULL, &e), NGT_OK);
    T_EQ_STR(e.message, "");
    T_REQUIRE(ngt_dataset_open(paths, 1, 0, &set, &e) == NGT_OK);
    T_EQ_INT(ngt_sequences_new(set, 9, &s, &e), NGT_E_MISMATCH);
    T_REQUIRE(ngt_sequences_new(set, 0, &s, &e) == NGT_OK);
    T_EQ_U64(ngt_sequences_count(s), 2);
    T_EQ_INT(ngt_sequences_gather(s, 0, tokens, targets, first, &e), NGT_OK);
    const uint32_t expected_targets[8] = {4, 5, 11, 7, 8, 9, NGT_NO_ID, NGT_NO_ID};
    const uint32_t expected_first[8] = {0, 0, 0, 3, 3, 3, 3, 7};
    T_EQ_MEM(targets, expected_targets, sizeof targets);
    T_EQ_MEM(first, expected_first, sizeof first);
    /* the second sequence has one segment and carries loss at positions 1 and 2 only */
    T_EQ_INT(ngt_sequences_gather(s, 1, tokens, targets, first, &e), NGT_OK);
    const uint32_t masked[8] = {NGT_NO_ID, 5,         11,        NGT_NO_ID,
                                NGT_NO_ID, NGT_NO_ID, NGT_NO_ID, NGT_NO_ID};
    T_EQ_MEM(targets, masked, sizeof targets);
    ngt_sequences_free(&s);
    ngt_dataset_close(&set);
    damage_everywhere(paths[0]);
}

T_CASE(bad_segments_are_refused)
{
    const struct ngt_segment bad[][2] = {
        {{0, 0, 0, 0, 0}, {3, 1, 0, 0, 0}},          {{0, 4, 0, 0, NGT_NO_ID}, {3, 1, 0, 0, 0}},
        {{0, 4, 0, 0, NGT_NO_ID}, {7, 2, 0, 0, 0}},  {{0, 4, 0, 0, 40}, {5, 1, 0, 0, 0}},
        {{5, UINT32_MAX, 0, 0, 1}, {5, 1, 0, 0, 0}},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        T_EQ_INT(write_packed(at("bad.ngt"), bad[i], 2, NULL), NGT_E_RANGE);
    T_TRUE(access(at("bad.ngt"), F_OK) != 0);
}

T_CASE(shrunk_while_mapped)
{
    struct shards_spec spec = small();
    struct ngt_reader *r = NULL;
    struct ngt_error e;
    uint64_t first, count;

    T_REQUIRE(shards_write(at("s.ngt"), &spec, NULL, NULL) == NGT_OK);
    T_REQUIRE(ngt_reader_open(at("s.ngt"), 0, &r, NULL) == NGT_OK);
    T_REQUIRE(truncate(at("s.ngt"), 4096) == 0);
    T_EQ_INT(ngt_reader_doc(r, 0, &first, &count, &e), NGT_E_IO);
    T_EQ_INT(ngt_reader_ids(r, 0, 1, (uint32_t[1]){0}, &e), NGT_E_IO);
    ngt_reader_close(&r);
}

/* ---- documents as sequences ---- */

/* The definition, written plainly: all documents one after the other, cut at T. */
T_CASE(documents_as_sequences)
{
    static const uint64_t lengths[2][6] = {{5, 0, 1, 17, 2, 9}, {0, 0, 40, 1, 1, 0}};
    const char *const paths[2] = {at("d0.ngt"), at("d1.ngt")};
    struct ngt_dataset *set = NULL;
    struct ngt_error e;

    for (unsigned k = 0; k < 2; k++) {
        struct shards_spec spec = {
            .vocab = 100, .lengths = lengths[k], .docs = 6, .seed = k, .loss = k == 1};
        T_REQUIRE(shards_write(paths[k], &spec, NULL, &e) == NGT_OK);
    }
    T_REQUIRE(ngt_dataset_open(paths, 2, NGT_OPEN_VERIFY, &set, &e) == NGT_OK);
    uint32_t all[76];
    uint64_t doc_of[76], start_of[76], length_of[76], n = 0, doc = 0;
    for (unsigned k = 0; k < 2; k++) {
        uint64_t tokens = ngt_reader_header(set->readers[k])->tokens;
        T_REQUIRE(ngt_reader_ids(set->readers[k], 0, tokens, all + n, &e) == NGT_OK);
        for (unsigned d = 0; d < 6; d++, doc++)
            for (uint64_t i = 0, base = n; i < lengths[k][d]; i++, n++)
                doc_of[n] = doc, start_of[n] = base, length_of[n] = lengths[k][d];
    }
    T_EQ_U64(n, 76);
    for (uint64_t len = 1; len < 90; len++) {
        struct ngt_sequences *s = NULL;
        uint32_t tokens[90], targets[90], first[90];
        T_REQUIRE(ngt_sequences_new(set, len, &s, &e) == NGT_OK);
        T_EQ_U64(ngt_sequences_count(s), (76 + len - 1) / len);
        for (uint64_t q = 0; q < ngt_sequences_count(s); q++) {
            T_REQUIRE(ngt_sequences_gather(s, q, tokens, targets, first, &e) == NGT_OK);
            for (uint64_t i = 0; i < len; i++) {
                uint64_t g = q * len + i;
                if (g >= 76) {
                    T_EQ_U64(targets[i], NGT_NO_ID);
                    T_EQ_U64(first[i], i);
                    continue;
                }
                uint64_t in_doc = g - start_of[g];
                bool last = in_doc + 1 == length_of[g];
                /* shards_write: odd documents of more than 3 tokens carry loss from a third of
                 * their length on */
                bool loss = !last && !(doc_of[g] >= 6 && doc_of[g] % 2 && length_of[g] > 3 &&
                                       in_doc + 1 < length_of[g] / 3);
                T_EQ_U64(tokens[i], all[g]);
                T_EQ_U64(targets[i], loss ? all[g + 1] : NGT_NO_ID);
                T_EQ_U64(first[i], start_of[g] > q * len ? start_of[g] - q * len : 0);
            }
        }
        ngt_sequences_free(&s);
    }
    ngt_dataset_close(&set);
}

T_CASE(loss_spans_mask_pieces_of_a_cut_document)
{
    static const uint64_t lengths[] = {0, 31};
    const char *const paths[1] = {at("l.ngt")};
    struct shards_spec spec = {.vocab = 100, .lengths = lengths, .docs = 2, .loss = true};
    struct ngt_dataset *set = NULL;
    struct ngt_error e;

    T_REQUIRE(shards_write(paths[0], &spec, NULL, &e) == NGT_OK);
    T_REQUIRE(ngt_dataset_open(paths, 1, 0, &set, &e) == NGT_OK);
    for (uint64_t len = 1; len < 40; len++) {
        struct ngt_sequences *s = NULL;
        uint64_t carried = 0;
        T_REQUIRE(ngt_sequences_new(set, len, &s, &e) == NGT_OK);
        for (uint64_t q = 0; q < ngt_sequences_count(s); q++) {
            uint32_t tokens[40], targets[40], first[40];
            T_REQUIRE(ngt_sequences_gather(s, q, tokens, targets, first, &e) == NGT_OK);
            for (uint64_t i = 0; i < len; i++) {
                carried += targets[i] != NGT_NO_ID;
                if (q * len + i < 31)
                    T_EQ_INT(targets[i] != NGT_NO_ID,
                             q * len + i + 1 >= 10 && q * len + i + 1 < 31);
            }
        }
        T_EQ_U64(carried, 21);
        ngt_sequences_free(&s);
    }
    ngt_dataset_close(&set);
}

int main(int argc, char **argv)
{
    folder = shards_folder();
    int result = t_main(argc, argv);
    shards_remove(folder);
    return result;
}
