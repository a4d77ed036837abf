/*
 * Checkpoints: "checkpoint-0000001000.ngc" in the run folder, named by the number of steps done.
 * The latest is the one with the highest number.
 *
 * Layout, little-endian. A header of 4096 bytes:
 *
 *      0  "NGTCKPT\0"                        8  u32 version (1), u32 sections
 *     16  u64 steps done                    24  u64 floats of a state vector
 *     32  u32 layers, width, heads, kv_heads, head_dim, ffn, vocab, untied (0 or 1)
 *     64  f32 rms_eps, rope_theta           72  u32 bos, eos (2^32 - 1: none)
 *     80  u64 tokenizer digest low, high    96  u32 flags (those of the shards' header), u32 zero
 *    104  sections of 32 bytes: u32 kind, u32 zero, u64 offset, u64 bytes, u64 XXH3-64
 *   4088  u64 XXH3-64 of the 4088 bytes before; what is unused is zero
 *
 * then the sections in rising kind and offset, each at the next multiple of 4096, zeros between,
 * the file ending with the last. Every byte is covered by a hash or is zero. Nothing in it depends
 * on clock, host or the number of threads: an interrupted and an uninterrupted run end in equal
 * bytes.
 */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "kern/backend.h"
#include "ngt/file.h"
#include "ngt/layout.h"
#include "ngt/writer.h"

enum trainer_section {
    TRAINER_S_WEIGHTS = 1,  /* f32, canonical order of kern/backend.h */
    TRAINER_S_MOMENT1 = 2,  /* optional: absent means zero */
    TRAINER_S_MOMENT2 = 3,  /* optional */
    TRAINER_S_CONFIG = 4,   /* text: trainer_config_text, or "{}" */
    TRAINER_S_IDENTITY = 5, /* text: "key\tvalue\n" of the tokenizer */
    TRAINER_S_VOCABULARY =
        6, /* optional: u32 flags, u32 count, u64 starts[count + 1], kinds, bytes */
};
#define TRAINER_SECTION_COUNT 6

/* What a checkpoint says beside its state vectors. */
struct trainer_about {
    uint64_t step; /* steps done */
    struct kern_model model;
    uint32_t bos_id, eos_id; /* NGT_NO_ID where there is none */
    uint32_t flags;          /* NGT_FLAG_* */
    struct ngt_digest128 tokenizer;
    const char *config;               /* NUL-terminated */
    const char *identity;             /* NUL-terminated */
    struct ngt_vocabulary vocabulary; /* count 0: none */
};

/* Fills values [count] with a state vector, or says that there is none (*ret_have = false). */
typedef enum ngt_status (*trainer_state_fn)(void *context, enum kern_state which, uint64_t count,
                                            float *values, bool *ret_have,
                                            struct ngt_error *reterr);

/* Writes one, whole or not at all; replaces one of the same name. */
NGT_NODISCARD enum ngt_status trainer_checkpoint_write(const char *path,
                                                       const struct trainer_about *about,
                                                       trainer_state_fn state, void *context,
                                                       struct ngt_error *reterr);

struct trainer_checkpoint;

/*
 * Maps one and checks every byte of it before anything is used. NGT_E_CORRUPT with the offset,
 * NGT_E_UNSUPPORTED a newer version, NGT_E_IO.
 */
NGT_NODISCARD enum ngt_status trainer_checkpoint_open(const char *path,
                                                      struct trainer_checkpoint **ret_checkpoint,
                                                      struct ngt_error *reterr);
void trainer_checkpoint_close(struct trainer_checkpoint **c);
/* Lives as long as c. */
const struct trainer_about *trainer_checkpoint_about(const struct trainer_checkpoint *c);
/* [kern_parameter_count] or NULL where the checkpoint has none. Lives as long as c. */
const float *trainer_checkpoint_state(const struct trainer_checkpoint *c, enum kern_state which);
/* After reading state: NGT_E_IO when the file was cut or could not be read meanwhile. */
NGT_NODISCARD enum ngt_status trainer_checkpoint_check(const struct trainer_checkpoint *c,
                                                       struct ngt_error *reterr);

/* Name in the folder; malloced, NULL when out of memory. */
char *trainer_checkpoint_path(const char *folder, uint64_t step);
/* The latest; *ret_path = NULL when there is none. malloced */
NGT_NODISCARD enum ngt_status trainer_checkpoint_latest(const char *folder, char **ret_path,
                                                        uint64_t *ret_step,
                                                        struct ngt_error *reterr);
/* Removes all but the newest `keep`, and temporaries of processes that are gone. */
NGT_NODISCARD enum ngt_status trainer_checkpoint_prune(const char *folder, unsigned keep,
                                                       struct ngt_error *reterr);

#endif
