/*
 * Writes checkpoints behind a run's back: the state is copied where it stands (kern_snapshot_take), and a
 * thread writes the copy out while training goes on. One at a time: a second one waits for the first.
 */
#ifndef TRAINER_KEEPER_H
#define TRAINER_KEEPER_H

#include "kern/backend.h"
#include "trainer/checkpoint.h"

struct trainer_keeper;

/* What became of a checkpoint; told once. */
struct trainer_kept {
    uint64_t step;
    double seconds; /* until it was on disk, in the thread */
};

/*
 * folder, backend: borrowed until the keeper is freed. keep: checkpoints that remain in the folder. patience:
 * seconds that the device may be left without a slot while a slow disk is waited for; then it is told to
 * stop, and the next slot starts it again.
 */
NGT_NODISCARD enum ngt_status trainer_keeper_new(const char *folder, struct kern_backend *backend,
                                                 unsigned keep, double patience,
                                                 struct trainer_keeper **ret_keeper,
                                                 struct ngt_error *reterr);
/*
 * Waits for the thread; an error it met is lost here, so finish first. NULL is allowed. false: it hangs in a
 * write and did not end within `seconds`; what it was given must stay until the process ends.
 */
bool trainer_keeper_free(struct trainer_keeper **keeper, double seconds);

/*
 * Waits for the last checkpoint (its error is this call's), takes the snapshot, and begins to write
 * *about, whose strings must live as long as the keeper. Called with no result outstanding.
 */
NGT_NODISCARD enum ngt_status trainer_keeper_begin(struct trainer_keeper *keeper,
                                                   const struct trainer_about *about,
                                                   struct ngt_error *reterr);
/* Waits until everything begun is on disk, or says why it is not. */
NGT_NODISCARD enum ngt_status trainer_keeper_finish(struct trainer_keeper *keeper,
                                                    struct ngt_error *reterr);
/* The error of a checkpoint that has failed meanwhile; waits for nothing. */
NGT_NODISCARD enum ngt_status trainer_keeper_check(struct trainer_keeper *keeper,
                                                   struct ngt_error *reterr);
/* Whether a checkpoint has come to its end since the last call that said so. */
bool trainer_keeper_told(struct trainer_keeper *keeper, struct trainer_kept *ret_kept);

#endif
