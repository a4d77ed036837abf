/*
 * A tokenizer.json (Hugging Face tokenizers) to the internal form: vocabulary, added tokens, merges
 * or scores, and the lists of steps. The file is untrusted. Whatever in it decides about ids is
 * understood or refused by name; meaning is that of tokenizers 0.23.3.
 */
#ifndef TOK_HF_JSON_H
#define TOK_HF_JSON_H

#include "engine.h"
#include "load/hf_limits.h"
#include "load/json_scan.h"
#include "model/bpe.h"
#include "text/normalize_hf.h"
#include "text/pretokenize_hf.h"

enum tok_hf_model { TOK_HF_BPE, TOK_HF_UNIGRAM, TOK_HF_WORDPIECE, TOK_HF_WORDLEVEL };

struct tok_hf_added {
    struct tok_slice content; /* in added_bytes */
    uint32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    bool replaced; /* a later entry of the same id counts instead */
};

struct tok_hf_file {
    struct tok_model model; /* the vocabulary, added tokens included */
    struct tok_hf_normalizers normalizers;
    struct tok_hf_pretokenizers pretokenizers;
    bool bytes; /* pre-tokenization ends in ByteLevel */
    uint8_t *added_bytes;
    struct tok_hf_added *added;
    uint64_t added_count;
    struct tok_hf_limits limits;
    enum tok_hf_model kind;
    bool *in_model;   /* [count] of the vocabulary: ids of the model, added tokens alone are not */
    uint32_t unknown; /* of the model, or NGT_NO_ID */
    bool byte_fallback;
    uint32_t byte_ids[256]; /* <0xNN>, or NGT_NO_ID */
    /* BPE */
    bool fuse_unknown, ignore_merges;
    struct tok_slice prefix,
        suffix;                  /* continuing_subword_prefix, end_of_word_suffix; maybe empty */
    struct tok_bpe_rule *merges; /* rank: their number */
    uint64_t merge_count;
    /* WordPiece; the prefix is above */
    uint32_t most_characters; /* max_input_chars_per_word */
    /* Unigram */
    double *scores; /* of ids that are in_model */
    double
        min_score; /* of all entries, those that a later one of the same name replaces included */
};

/* bytes [n] are changed, and must outlive the file: slices point into them. limits: read truncation
 * and padding, which are passed over otherwise. */
NGT_NODISCARD enum ngt_status tok_hf_file_read(uint8_t *bytes, uint64_t n, const char *path,
                                               bool limits, struct tok_hf_file *ret_file,
                                               struct ngt_error *reterr);
void tok_hf_file_done(struct tok_hf_file *f);

/* A JSON object with the members of such a file? Decides which loader a file goes to. */
bool tok_hf_json_probe(const uint8_t *bytes, uint64_t n);
#endif
