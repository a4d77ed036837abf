/* ngtrain import DIR RUNDIR: the weights of a LlamaForCausalLM as step 0 of a new run folder. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trainer/commands.h"
#include "trainer/huggingface.h"
#include "trainer/rundir.h"

static enum ngt_status weights_only(void *context, enum kern_state which, uint64_t count,
                                    float *values, bool *ret_have, struct ngt_error *reterr)
{
    (void)reterr;
    *ret_have = which == KERN_WEIGHTS;
    if (*ret_have)
        memcpy(values, context, count * sizeof *values);
    return NGT_OK;
}

int trainer_cmd_import(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console)
{
    const char *folder = operands->items[1];
    struct trainer_about about = {0};
    struct ngt_error error;
    float *weights = NULL;
    char *there = NULL, *path = trainer_checkpoint_path(folder, 0);
    uint64_t step = 0;
    int lock = -1;

    (void)options;
    enum ngt_status status = trainer_hf_read(operands->items[0], &about, &weights, &error);
    if (status == NGT_OK)
        status = trainer_rundir_lock(folder, &lock, &error);
    if (status == NGT_OK)
        status = trainer_checkpoint_latest(folder, &there, &step, &error);
    if (status == NGT_OK && there)
        status = ngt_fail(&error, NGT_E_EXISTS, there, NGT_NO_POS, NGT_NO_POS,
                          "the run folder has a checkpoint already; take another folder");
    if (status == NGT_OK && !path)
        status = ngt_fail(&error, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    if (status == NGT_OK)
        status = trainer_checkpoint_write(path, &about, weights_only, weights, &error);
    if (status == NGT_OK)
        cli_say(console, "%s: %llu weights; train on with -o %s and the --model of this shape",
                path, (unsigned long long)kern_parameter_count(&about.model), folder);
    else
        cli_error(console, &error);
    if (lock >= 0)
        close(lock);
    free(weights);
    free(there);
    free(path);
    return status == NGT_OK ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
