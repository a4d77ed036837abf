/*
 * The folder that transformers reads: config.json and model.safetensors of a LlamaForCausalLM. The
 * names and the layout of our tensors are the same, so weights are copied as they are.
 */
#ifndef TRAINER_HUGGINGFACE_H
#define TRAINER_HUGGINGFACE_H

#include "kern/backend.h"
#include "trainer/checkpoint.h"

/* Writes both files. weights [kern_parameter_count]; seq_len 0: not known. */
NGT_NODISCARD enum ngt_status trainer_hf_write(const char *folder,
                                               const struct trainer_about *about,
                                               const float *weights, uint64_t seq_len,
                                               struct ngt_error *reterr);

/*
 * Reads both; dtypes F32, F16 and BF16. *ret_about has model, bos_id and eos_id; *ret_weights is
 * malloced. NGT_E_DATA names the member or the tensor that does not fit, NGT_E_UNSUPPORTED what the
 * model here does not have (biases, scaled RoPE, shards of weights).
 */
NGT_NODISCARD enum ngt_status trainer_hf_read(const char *folder, struct trainer_about *ret_about,
                                              float **ret_weights, struct ngt_error *reterr);

#endif
