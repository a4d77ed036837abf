/*
 * Writes one shard. Token data streams to disk as it comes; the writer's memory is a few words a
 * document. Nothing has the final name before ngt_writer_commit. The bytes depend on what is passed
 * in (and on libzstd's version, in cold sections) alone.
 */
#ifndef NGT_WRITER_H
#define NGT_WRITER_H

#include "ngt/layout.h"

struct ngt_vocabulary {
    uint32_t flags;         /* NGT_VOCAB_* */
    uint32_t count;         /* ids 0 .. count - 1; count = header.vocab_size */
    const uint8_t *kinds;   /* [count] enum ngt_id_kind */
    const uint64_t *starts; /* [count + 1] offsets into bytes; starts[0] = 0 */
    const uint8_t *bytes;   /* what each id stands for, in text */
};

/*
 * A vocabulary as shards hold it, compressed, which takes 20 ms a MB: made once for any number of shards, which any
 * threads may write.
 */
struct ngt_vocabulary_frame;
NGT_NODISCARD enum ngt_status ngt_vocabulary_frame_new(const struct ngt_vocabulary *vocabulary,
                                                       struct ngt_vocabulary_frame **ret_frame,
                                                       struct ngt_error *reterr);
void ngt_vocabulary_frame_free(struct ngt_vocabulary_frame **frame);

/* key and value in UTF-8 without newline or tab; listed in the order given */
struct ngt_pair {
    const char *key, *value;
};

struct ngt_counter {
    const char *key;
    uint64_t value;
};

struct ngt_source {
    const char *name;   /* relative to the folder given, or the file's own name */
    const char *member; /* archive member, or NULL */
    uint64_t start;     /* of the unit, in decompressed bytes of the source; 0 where the unit is the
                           whole file */
};

struct ngt_writer_config {
    enum ngt_kind kind;
    uint64_t vocab_size;
    uint32_t bos_id, eos_id, pad_id, flags;
    uint64_t seq_len; /* packed only: T, 1 <= T < 2^32 */
    struct ngt_digest128 tokenizer;
    const struct ngt_pair *options, *identity; /* both borrowed until commit */
    uint64_t option_count, identity_count;
    const struct ngt_vocabulary *vocabulary; /* borrowed until commit */
    /* made of that vocabulary, borrowed until commit; or NULL: it is made for this shard */
    const struct ngt_vocabulary_frame *vocabulary_frame;
};

struct ngt_doc {
    const uint32_t *ids; /* [count]; each < vocab_size */
    uint64_t count;
    uint32_t source;            /* index returned by ngt_writer_source */
    uint64_t record;            /* 1-based, within the unit */
    uint64_t offset;            /* byte, decompressed, within the unit */
    const uint64_t *loss_spans; /* [2 * loss_span_count] first and length, rising, inside the
                                   document; NULL: all */
    uint64_t loss_span_count;
    /* optional: a JSON value and a JSON object, as text; if any document of a shard has one, all
     * others have "" */
    const char *id, *metadata;
    const struct ngt_digest128 *text_hash; /* optional; all documents of a shard or none */
};

struct ngt_writer;

NGT_NODISCARD enum ngt_status ngt_writer_open(const char *path,
                                              const struct ngt_writer_config *config,
                                              struct ngt_writer **ret_writer,
                                              struct ngt_error *reterr);
/* Adds a source; names are copied. Indices rise from 0. */
NGT_NODISCARD enum ngt_status ngt_writer_source(struct ngt_writer *w,
                                                const struct ngt_source *source,
                                                uint32_t *ret_index, struct ngt_error *reterr);
/* Document shards. NGT_E_RANGE: an id >= vocab_size (item = its position), or provenance that goes
 * backwards. */
NGT_NODISCARD enum ngt_status ngt_writer_doc(struct ngt_writer *w, const struct ngt_doc *doc,
                                             struct ngt_error *reterr);
/*
 * Packed shards: ids [seq_len], padding included; segments rise, do not overlap and are not empty.
 * loss_spans [2 * loss_span_count] as in struct ngt_doc, relative to the sequence: tokens whose
 * prediction carries loss.
 */
NGT_NODISCARD enum ngt_status
ngt_writer_sequence(struct ngt_writer *w, const uint32_t *ids, const struct ngt_segment *segments,
                    uint64_t segment_count, const uint64_t *loss_spans, uint64_t loss_span_count,
                    struct ngt_error *reterr);
uint64_t ngt_writer_tokens(const struct ngt_writer *w);
uint64_t ngt_writer_docs(const struct ngt_writer *w); /* documents, or sequences */
/* Bytes of ids and metadata so far; the writer holds them, compressed, until the commit. */
uint64_t ngt_writer_strings(const struct ngt_writer *w);

/*
 * Packed shards only carry `docs` and `filled_docs` of the whole data set they were cut from; the
 * writer is told.
 */
void ngt_writer_set_docs(struct ngt_writer *w, uint64_t docs, uint64_t filled_docs);

/* What a receipt keeps of a shard. */
struct ngt_shard_summary {
    uint64_t file_bytes, docs, filled_docs, tokens, targets, sequences, segments;
    uint64_t header_hash; /* covers the section table's hash, hence every byte: the shard's root */
};

/* counters: this shard's part of the ledger. Publishes the file; frees *w also on failure. */
NGT_NODISCARD enum ngt_status
ngt_writer_commit(struct ngt_writer **w, const struct ngt_counter *counters, uint64_t counter_count,
                  struct ngt_shard_summary *ret_summary, struct ngt_error *reterr);
/* Drops what was written; NULL is allowed. */
void ngt_writer_abort(struct ngt_writer **w);
#endif
