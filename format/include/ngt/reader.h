/*
 * A shard, mapped. Opening reads the header and the section table only, whatever the size. Every
 * offset, count and length is checked against the file before use. A reader may be shared by any
 * number of threads after opening, except for the functions marked "not shared".
 */
#ifndef NGT_READER_H
#define NGT_READER_H

#include "ngt/writer.h"

struct ngt_reader;

#define NGT_OPEN_VERIFY 1u /* hash each block of token data when it is first touched */

/*
 * NGT_OK; NGT_E_IO; NGT_E_CORRUPT (the message names the field); NGT_E_UNSUPPORTED a newer major
 * version or an unknown required section.
 */
NGT_NODISCARD enum ngt_status ngt_reader_open(const char *path, unsigned flags,
                                              struct ngt_reader **ret_reader,
                                              struct ngt_error *reterr);
void ngt_reader_close(struct ngt_reader **r);

const struct ngt_header *ngt_reader_header(const struct ngt_reader *r);
const char *ngt_reader_path(const struct ngt_reader *r);
uint64_t ngt_reader_header_hash(const struct ngt_reader *r);
const struct ngt_section *ngt_reader_section(const struct ngt_reader *r,
                                             uint32_t kind); /* NULL if absent */
const struct ngt_section *ngt_reader_section_at(const struct ngt_reader *r, uint64_t index);

/* ---- hot: O(1), no allocation ---- */
/* First token and number of tokens of a document. NGT_E_RANGE doc out of range; NGT_E_CORRUPT
 * bounds do not rise. */
NGT_NODISCARD enum ngt_status ngt_reader_doc(const struct ngt_reader *r, uint64_t doc,
                                             uint64_t *ret_first, uint64_t *ret_count,
                                             struct ngt_error *reterr);
/* Lengths, in tokens, of documents [first, first + n): what a plan needs, in one pass. */
NGT_NODISCARD enum ngt_status ngt_reader_lengths(const struct ngt_reader *r, uint64_t first,
                                                 uint64_t n, uint64_t *ret_lengths,
                                                 struct ngt_error *reterr);
/* The document that holds a token (binary search); empty documents are passed over. */
NGT_NODISCARD enum ngt_status ngt_reader_doc_of(const struct ngt_reader *r, uint64_t token,
                                                uint64_t *ret_doc, struct ngt_error *reterr);
/* Ids [first, first + n) of the whole token section, as uint32 in host order; ids >= vocab_size are
 * NGT_E_CORRUPT. */
NGT_NODISCARD enum ngt_status ngt_reader_ids(const struct ngt_reader *r, uint64_t first, uint64_t n,
                                             uint32_t *ret_ids, struct ngt_error *reterr);
/* First segment and number of segments of a sequence. */
NGT_NODISCARD enum ngt_status ngt_reader_sequence(const struct ngt_reader *r, uint64_t sequence,
                                                  uint64_t *ret_first, uint64_t *ret_count,
                                                  struct ngt_error *reterr);
/* One segment, checked against seq_len. */
NGT_NODISCARD enum ngt_status ngt_reader_segment(const struct ngt_reader *r, uint64_t segment,
                                                 struct ngt_segment *ret_segment,
                                                 struct ngt_error *reterr);
/*
 * Loss spans of a document or sequence: *ret_count pairs from span index *ret_first on; without the
 * section *ret_all is true and everything carries loss.
 */
NGT_NODISCARD enum ngt_status ngt_reader_loss(const struct ngt_reader *r, uint64_t index,
                                              bool *ret_all, uint64_t *ret_first,
                                              uint64_t *ret_count, struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status ngt_reader_loss_span(const struct ngt_reader *r, uint64_t span,
                                                   uint64_t *ret_first, uint64_t *ret_count,
                                                   struct ngt_error *reterr);
/* NGT_E_DATA when the shard has no text hashes. */
NGT_NODISCARD enum ngt_status ngt_reader_text_hash(const struct ngt_reader *r, uint64_t doc,
                                                   struct ngt_digest128 *ret_hash,
                                                   struct ngt_error *reterr);

/* ---- cold: decompressed, checked against its hash, and kept at the first call; not shared ---- */
struct ngt_provenance {
    uint32_t source;
    uint64_t record, offset; /* within the unit */
};

NGT_NODISCARD enum ngt_status ngt_reader_provenance(struct ngt_reader *r, uint64_t doc,
                                                    struct ngt_provenance *ret_provenance,
                                                    struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status ngt_reader_source_count(struct ngt_reader *r, uint64_t *ret_count,
                                                      struct ngt_error *reterr);
/* Strings live until the reader is closed. */
NGT_NODISCARD enum ngt_status ngt_reader_source(struct ngt_reader *r, uint64_t index,
                                                struct ngt_source *ret_source,
                                                struct ngt_error *reterr);
/* kind: NGT_S_OPTIONS, NGT_S_TOKENIZER or NGT_S_LEDGER. *ret_pairs lives until the reader is
 * closed. */
NGT_NODISCARD enum ngt_status ngt_reader_pairs(struct ngt_reader *r, uint32_t kind,
                                               const struct ngt_pair **ret_pairs,
                                               uint64_t *ret_count, struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status ngt_reader_vocabulary(struct ngt_reader *r,
                                                    struct ngt_vocabulary *ret_vocabulary,
                                                    struct ngt_error *reterr);
/*
 * kind: NGT_S_DOC_IDS or NGT_S_METADATA; "" without the section. The string lives until the next call
 * for that kind. Cost: one frame, 16 KiB of strings as ngt writes them, where another one was looked
 * at last; a section of one frame (shards of 1.0) is decompressed whole at the first call.
 */
NGT_NODISCARD enum ngt_status ngt_reader_doc_string(struct ngt_reader *r, uint32_t kind,
                                                    uint64_t doc, const char **ret_string,
                                                    struct ngt_error *reterr);

/*
 * The text of ids as the vocabulary spells it. Writes at most room bytes to out and returns the
 * number needed (call twice, or with room enough). Control ids are left out unless show_control.
 */
uint64_t ngt_vocabulary_text(const struct ngt_vocabulary *v, const uint32_t *ids, uint64_t n,
                             bool show_control, char *out, uint64_t room);
#endif
