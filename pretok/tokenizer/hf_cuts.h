/*
 * Where text of a byte pair encoding from a tokenizer.json may be cut, whatever stands around:
 * between characters that stand side by side in nothing that a merge makes. Merges on either side of
 * such a place are the same with and without the other side. The text is that of model/bpe.h.
 *
 * What stands against it is what the library does with a whole piece: runs of unknown characters are
 * one id, unknown characters may go so that their neighbours meet, a piece may be looked up whole.
 */
#ifndef TOK_HF_CUTS_H
#define TOK_HF_CUTS_H

#include "model/bpe.h"
#include "text/cuts_sp.h"

struct tok_hf_cuts {
    struct tok_sp_cuts cuts;
    bool known;    /* false: none, the rest says nothing */
    uint32_t fuse; /* runs of this id within a piece are one, if it is not NGT_NO_ID */
};

/*
 * whole: some pieces are an id that their merges do not give (tok_bpe_takes_whole). words: a marker
 * begins a piece, wherever it stands; otherwise text is one piece. NGT_E_NOMEM only.
 */
NGT_NODISCARD enum ngt_status tok_hf_cuts_init(struct tok_hf_cuts *cuts,
                                               const struct tok_bpe_config *config, bool whole,
                                               bool words, struct ngt_error *reterr);
void tok_hf_cuts_done(struct tok_hf_cuts *cuts);
#endif
