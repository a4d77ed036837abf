/*
 * The normalizers of a tokenizer.json: a list of steps, Sequences flattened. A step that changes
 * nothing copies nothing.
 */
#ifndef TOK_NORMALIZE_HF_H
#define TOK_NORMALIZE_HF_H

#include "text/buffer.h"
#include "text/hf_charsmap.h"
#include "text/hf_forms.h"
#include "text/hf_pattern.h"
#include "text/utf8.h"

enum tok_hf_step {
    TOK_HF_FORM,
    TOK_HF_LOWERCASE,
    TOK_HF_STRIP_ACCENTS,
    TOK_HF_STRIP,
    TOK_HF_REPLACE,
    TOK_HF_PREPEND,
    TOK_HF_PRECOMPILED,
    TOK_HF_NMT,
    TOK_HF_BERT_CLEAN, /* BertNormalizer is up to four steps */
    TOK_HF_BERT_CHINESE,
    TOK_HF_BERT_ACCENTS, /* after NFD */
    TOK_HF_BYTE_CHARS,   /* bytes to the 256 characters of ByteLevel */
};

struct tok_hf_normalizer {
    enum tok_hf_step step;
    unsigned form;                 /* TOK_HF_NFC ... */
    bool left, right;              /* Strip */
    struct tok_hf_pattern pattern; /* Replace */
    uint8_t *content;              /* Replace, Prepend; owned */
    uint64_t content_size;
    struct tok_hf_charsmap *map; /* Precompiled; owned */
};

struct tok_hf_normalizers {
    struct tok_hf_normalizer *steps;
    uint64_t count;
};
void tok_hf_normalizers_done(struct tok_hf_normalizers *n);

struct tok_hf_normalize_scratch {
    struct tok_buffer buffers[2], lead;
    struct tok_hf_marks marks;
    struct tok_split_scratch **regexes; /* [count], NULL where there is none */
    uint64_t count;
};
NGT_NODISCARD enum ngt_status tok_hf_normalize_scratch_init(struct tok_hf_normalize_scratch *s,
                                                            const struct tok_hf_normalizers *n,
                                                            struct ngt_error *reterr);
void tok_hf_normalize_scratch_done(struct tok_hf_normalize_scratch *s);

struct tok_hf_text {
    const uint8_t *at;
    uint64_t n;
    /* Does it begin where the document begins? And how many of its first bytes come from the first
     * character of the document (by the library's alignments)? Metaspace's "first" asks whether a
     * piece begins with such a byte. */
    bool origin;
    uint64_t lead;
};

/* A whole document, and a part of a text. */
static inline struct tok_hf_text tok_hf_document(const uint8_t *at, uint64_t n)
{
    uint64_t first = n ? tok_utf8_lead_size(at[0]) : 0;
    return (struct tok_hf_text){at, n, true, first < n ? first : n};
}
static inline struct tok_hf_text tok_hf_part(struct tok_hf_text t, uint64_t from, uint64_t end)
{
    uint64_t lead = from < t.lead ? t.lead - from : 0, n = end - from;
    return (struct tok_hf_text){t.at + from, n, t.origin && from == 0, lead < n ? lead : n};
}

/* text becomes its normalized form, in place where nothing changes, else in the scratch's memory
 * until its next use. NGT_E_NOMEM only. */
NGT_NODISCARD enum ngt_status tok_hf_normalize(const struct tok_hf_normalizers *n,
                                               struct tok_hf_normalize_scratch *s,
                                               struct tok_hf_text *text, struct ngt_error *reterr);

/* The character by which ByteLevel writes a byte, and back (-1: none). */
uint32_t tok_hf_byte_char(uint8_t byte);
int tok_hf_char_byte(uint32_t c);
/* The bytes that text [n] of such characters stands for, at out, which has room for n; or UINT64_MAX where
 * one of them is none. */
uint64_t tok_hf_chars_bytes(const uint8_t *text, uint64_t n, uint8_t *out);
#endif
