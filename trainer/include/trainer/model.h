/* A trained model, opened for use: the latest checkpoint of a run folder in a backend that only
 * computes forward. */
#ifndef TRAINER_MODEL_H
#define TRAINER_MODEL_H

#include "kern/backend.h"
#include "ngt/pool.h"
#include "trainer/checkpoint.h"
#include "trainer/config.h"

struct trainer_model {
    struct trainer_checkpoint *checkpoint;
    const struct trainer_about *about; /* the checkpoint's */
    struct ngt_pool *pool;
    struct kern_backend *backend; /* NULL when rows was 0 */
};

/*
 * path: a run folder, or one checkpoint. rows, seq_len: the largest batch for KERN_VALIDATE; 0 rows
 * opens the checkpoint alone. On failure nothing is left open.
 */
NGT_NODISCARD enum ngt_status
trainer_model_open(const char *path, const struct trainer_options *options, uint32_t rows,
                   uint32_t seq_len, struct trainer_model *ret_model, struct ngt_error *reterr);
void trainer_model_close(struct trainer_model *model);

/* The value of a key of the tokenizer's identity; malloced, NULL when there is none. */
char *trainer_identity(const struct trainer_about *about, const char *key);

/* The sequence length it was trained with, or 0 where that is not known (imported). */
uint64_t trainer_model_seq_len(const struct trainer_about *about);

#endif
