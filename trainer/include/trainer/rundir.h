/* The run folder: its lock, and the small files in it. */
#ifndef TRAINER_RUNDIR_H
#define TRAINER_RUNDIR_H

#include "trainer/config.h"

#define TRAINER_CONFIG_FILE "config.json"
#define TRAINER_REPORT_FILE "report.json"
#define TRAINER_LOCK_FILE "lock"

/*
 * Makes the folder and locks it against a second run; the lock goes with the process.
 * NGT_E_EXISTS: another process holds it. *ret_fd is closed to unlock.
 */
NGT_NODISCARD enum ngt_status trainer_rundir_lock(const char *folder, int *ret_fd,
                                                  struct ngt_error *reterr);

/*
 * The options of the run as trainer_config_text wrote them (malloced), or *ret_text = NULL for a
 * new folder.
 */
NGT_NODISCARD enum ngt_status trainer_rundir_read(const char *folder, char **ret_text,
                                                  struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status trainer_rundir_write(const char *folder, const char *text,
                                                   const char *version,
                                                   const struct ngt_dataset *set,
                                                   struct ngt_error *reterr);

#endif
