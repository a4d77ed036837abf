/* ngtrain export RUNDIR DIR: the latest checkpoint as transformers reads it. */
#include "trainer/commands.h"
#include "trainer/huggingface.h"
#include "trainer/model.h"

int trainer_cmd_export(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console)
{
    struct trainer_model model = {0};
    struct ngt_error error;

    enum ngt_status status = trainer_model_open(operands->items[0], options, 0, 0, &model, &error);
    if (status == NGT_OK)
        status = trainer_hf_write(operands->items[1], model.about,
                                  trainer_checkpoint_state(model.checkpoint, KERN_WEIGHTS),
                                  trainer_model_seq_len(model.about), &error);
    if (status == NGT_OK)
        cli_say(console, "%s: step %llu as LlamaForCausalLM; its tokenizer is not part of it",
                operands->items[1], (unsigned long long)model.about->step);
    else
        cli_error(console, &error);
    trainer_model_close(&model);
    return status == NGT_OK ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
