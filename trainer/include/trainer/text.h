/* Text in: the one place where the trainer meets a tokenizer. */
#ifndef TRAINER_TEXT_H
#define TRAINER_TEXT_H

#include "tok/tokenizer.h"
#include "trainer/model.h"

/*
 * Opens the tokenizer of a model: --tokenizer, which must be the very file the shards were made
 * with (NGT_E_MISMATCH), with the pattern and the engine they name. NGT_E_DATA: no --tokenizer.
 */
NGT_NODISCARD enum ngt_status trainer_text_open(const struct trainer_options *options,
                                                const struct trainer_about *about,
                                                struct tok_tokenizer **ret_tokenizer,
                                                struct ngt_error *reterr);

/*
 * Appends the ids of a text: BOS first where the shards have it. what names the text in messages.
 * NGT_E_DATA: not UTF-8 (offset).
 */
NGT_NODISCARD enum ngt_status trainer_text_encode(const struct tok_tokenizer *tokenizer,
                                                  const struct trainer_about *about,
                                                  const char *what, const char *text, uint64_t n,
                                                  struct tok_ids *ids, struct ngt_error *reterr);

#endif
