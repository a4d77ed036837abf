/* Reads and tokenizes a piece of the sample, and says what it holds. */
#ifndef PRETOK_SAMPLE_PIECE_H
#define PRETOK_SAMPLE_PIECE_H

#include <pthread.h>

#include "sample_draw.h"
#include "set_name.h"

#define PRETOK_COLD_LEVEL 9 /* of the format's cold sections */

/* What all pieces share. */
struct pretok_sampling {
    const struct pretok_sample_config *config;
    pthread_mutex_t lock;               /* of what follows */
    char (*sets)[PRETOK_SET_NAME_ROOM]; /* [PRETOK_SETS] that were met */
    uint64_t set_count, records, lost;
};

/* What a thread needs for it. NGT_E_NOMEM, and what the tokenizer gives. */
struct pretok_piece_reader;
NGT_NODISCARD enum ngt_status pretok_piece_reader_new(struct pretok_sampling *shared,
                                                      struct pretok_piece_reader **ret_reader,
                                                      struct ngt_error *reterr);
void pretok_piece_reader_free(struct pretok_piece_reader **reader);

/*
 * to, tokenized: [p->times], or [1] of a window: what there is in the piece, for each point on it or for all (the
 * others stay as they are), and how many bytes of text were tokenized for it.
 */
NGT_NODISCARD enum ngt_status pretok_piece_read(struct pretok_piece_reader *reader,
                                                const struct pretok_piece *p,
                                                struct pretok_observation *to, double *tokenized,
                                                struct ngt_error *reterr);

#endif
