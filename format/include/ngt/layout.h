/* The constants of the format, and the fields of header and section table in host form. Bytes:
 * FORMAT.md. */
#ifndef NGT_LAYOUT_H
#define NGT_LAYOUT_H

#include <stdbool.h>

#include "ngt/digest.h"
#include "ngt/error.h"

#define NGT_VERSION_MAJOR 1
#define NGT_VERSION_MINOR 1 /* the newest; a shard has the smallest that has all it uses */
#define NGT_HEADER_BYTES 4096u
#define NGT_ALIGN 4096u
#define NGT_BLOCK_BYTES (1u << 20) /* token data is hashed in blocks of this size */
#define NGT_SECTION_ENTRY_BYTES 64u
#define NGT_MAX_SECTIONS 64u
#define NGT_NO_ID UINT32_MAX /* an id that is not there: no BOS, no successor, no target */

enum ngt_kind {
    NGT_DOCUMENTS = 1,
    NGT_PACKED = 2,
};

enum ngt_section_kind {
    NGT_S_TOKENS = 1,       /* hot: ids */
    NGT_S_BLOCK_HASHES = 2, /* hot: u64 a block of NGT_S_TOKENS */
    NGT_S_DOC_STARTS = 3,   /* hot: u64[docs + 1], in tokens */
    NGT_S_SEQ_STARTS = 4,   /* hot: u64[sequences + 1], in segments */
    NGT_S_SEGMENTS = 5,     /* hot: 32 bytes a segment */
    NGT_S_SOURCES = 6,      /* cold: names */
    NGT_S_PROVENANCE = 7,   /* cold: source, record, offset a document */
    NGT_S_LEDGER = 8,       /* cold: counters */
    NGT_S_OPTIONS = 9,      /* cold: options that affect bytes */
    NGT_S_TOKENIZER = 10,   /* cold: identity */
    NGT_S_VOCABULARY = 11,  /* cold: kind and bytes of each id */
    NGT_S_LOSS_SPANS = 12,  /* hot, optional: which tokens carry loss */
    NGT_S_DOC_IDS = 13,     /* cold, optional: a JSON value a document */
    NGT_S_METADATA = 14,    /* cold, optional: a JSON object a document */
    NGT_S_TEXT_HASHES = 15, /* hot, optional: XXH3-128 of each document's text */
};

enum ngt_encoding {
    NGT_RAW = 0,
    NGT_ZSTD = 1,
    NGT_FRAMED = 2, /* zstd frames with an index; since 1.1 */
    NGT_OTHER = 3,  /* of a newer writer; only in an optional section, which is then skipped */
};

struct ngt_section {
    uint32_t kind;
    bool required;
    enum ngt_encoding encoding;
    uint64_t offset, stored_bytes, logical_bytes;
    uint64_t hash; /* XXH3-64 of the stored bytes */
};

struct ngt_header {
    uint16_t major, minor;
    enum ngt_kind kind;
    uint32_t id_bytes;   /* 2 or 4 */
    uint64_t vocab_size; /* largest id + 1, added tokens included; <= 2^32 - 1 */
    uint32_t bos_id, eos_id,
        pad_id;     /* NGT_NO_ID where there is none; of the tokenizer, added or not */
    uint32_t flags; /* NGT_FLAG_* */
    uint64_t file_bytes;
    uint64_t section_table_offset, section_count, section_table_hash;
    uint64_t docs, filled_docs; /* documents; those of at least one id */
    uint64_t tokens;            /* ids of documents (padding not counted) */
    uint64_t targets; /* tokens - filled_docs (documents), or what the packed segments yield */
    uint64_t sequences, segments, seq_len; /* packed, else 0 */
    uint64_t block_root;                   /* XXH3-64 of the NGT_S_BLOCK_HASHES section */
    struct ngt_digest128 tokenizer;
};

#define NGT_FLAG_BOS_ADDED 1u /* every document begins with bos_id */
#define NGT_FLAG_EOS_ADDED 2u /* every document ends with eos_id */

struct ngt_segment {
    uint32_t start, length; /* inside the sequence */
    uint64_t doc;           /* index in the packed data set's input, over all its shards */
    uint64_t doc_offset;    /* first token, inside the document */
    uint32_t successor;     /* id after the last token in the same document, or NGT_NO_ID */
};

/* kinds of an id, one byte each in NGT_S_VOCABULARY */
enum ngt_id_kind {
    NGT_ID_UNUSED = 0,
    NGT_ID_NORMAL = 1,
    NGT_ID_BYTE = 2,    /* byte fallback: its bytes are that one byte */
    NGT_ID_CONTROL = 3, /* special: never the result of plain text; its bytes are its name */
    NGT_ID_UNKNOWN = 4,
    NGT_ID_USER_DEFINED = 5, /* always matched in text */
};

/* How ids become text beyond joining bytes (NGT_S_VOCABULARY, flags) */
#define NGT_VOCAB_STRIP_FIRST_SPACE                                                                \
    1u /* a document's first byte is dropped if it is a space the tokenizer put there */
#define NGT_VOCAB_STRIP_LAST_SPACE 2u /* likewise the last */
#define NGT_VOCAB_LOSSY 4u /* text was normalised: what comes back may differ from what went in */

const char *ngt_section_name(uint32_t kind); /* "tokens", ...; "unknown" */

#endif
