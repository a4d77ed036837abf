/* Normalizers and pre-tokenizers of a tokenizer.json, from JSON to the lists that text/ runs. Every
 * part is understood whole, or refused by its name and place. */
#ifndef TOK_HF_COMPONENTS_H
#define TOK_HF_COMPONENTS_H

#include "ngt/json.h"
#include "text/normalize_hf.h"
#include "text/pretokenize_hf.h"

/* root: the value of "normalizer", null included. On failure nothing is left to be released. */
NGT_NODISCARD enum ngt_status tok_hf_read_normalizers(const struct ngt_json *root, const char *path,
                                                      struct tok_hf_normalizers *ret,
                                                      struct ngt_error *reterr);

/* root: the value of "pre_tokenizer". may_drop: if the last step is ByteLevel, its characters are left
 * out; then *ret_bytes is true, and what the steps give is bytes of text, which the model shall take
 * for ByteLevel's characters. */
NGT_NODISCARD enum ngt_status tok_hf_read_pretokenizers(const struct ngt_json *root,
                                                        const char *path, bool may_drop,
                                                        struct tok_hf_pretokenizers *ret,
                                                        bool *ret_bytes, struct ngt_error *reterr);

/* Type names of a component that does not decide about ids (decoder, post_processor): all of them
 * must be in `known`, a list that ends in NULL. */
NGT_NODISCARD enum ngt_status tok_hf_check_types(const struct ngt_json *root, const char *where,
                                                 const char *const *known, const char *path,
                                                 struct ngt_error *reterr);
/* Is there a component of this type in root, at any depth? */
bool tok_hf_has_type(const struct ngt_json *root, const char *type);
#endif
