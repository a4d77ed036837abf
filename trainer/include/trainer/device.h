/* From the trainer's configuration to a backend, and from a backend's errors to the project's. */
#ifndef TRAINER_DEVICE_H
#define TRAINER_DEVICE_H

#include "kern/backend.h"
#include "ngt/pool.h"
#include "trainer/config.h"

/* Takes over a kern error; where names what was being done ("training step 12"), or NULL. */
enum ngt_status trainer_kern_fail(struct ngt_error *reterr, const struct kern_error *error,
                                  const char *where);

/*
 * Opens a device, TRAINER_CPU or TRAINER_CUDA. pool is borrowed until the backend is freed.
 * NGT_E_DATA: an option that this device does not have. *ret_unavailable: this build or machine has
 * no such device, and another may be tried.
 */
NGT_NODISCARD enum ngt_status trainer_device_open(const struct trainer_options *options,
                                                  enum trainer_device device,
                                                  const struct kern_config *config,
                                                  struct ngt_pool *pool,
                                                  struct kern_backend **ret_backend,
                                                  bool *ret_unavailable, struct ngt_error *reterr);

/*
 * Initial weights: N(0, std) of each tensor from a counter-based generator keyed by seed and
 * tensor; the same for any number of threads. values [kern_parameter_count].
 */
NGT_NODISCARD enum ngt_status trainer_weights_init(const struct kern_model *model, uint64_t seed,
                                                   struct ngt_pool *pool, float *values,
                                                   struct ngt_error *reterr);

#endif
