#include <inttypes.h>
#include <stdlib.h>

#include "cli/progress.h"
#include "ngt/file.h"
#include "options.h"
#include "packer/pack.h"
#include "packer/split.h"
#include "report.h"

static void show_progress(void *context, const char *side, uint64_t done, uint64_t sequences)
{
    cli_progress(context, false, "%s: %llu of %llu sequences", side, (unsigned long long)done,
                 (unsigned long long)sequences);
}

static enum ngt_status what_if(const struct packer_options *o, const struct ngt_dataset *set,
                               struct ngt_error *reterr)
{
    uint64_t *lengths = NULL;
    enum ngt_status status = packer_lengths(set, &lengths, reterr);

    if (status == NGT_OK)
        status = packer_what_if(stdout, o->what_if, o->json, lengths, set->docs, reterr);
    free(lengths);
    return status;
}

static enum ngt_status pack(const struct packer_options *o, const struct ngt_dataset *set,
                            struct ngt_pool *pool, struct cli_console *console,
                            struct ngt_error *reterr)
{
    struct packer_config config = {
        .out = o->out,
        .seq_len = o->seq_len,
        .seed = o->seed,
        .method = (enum packer_method)o->method,
        .val_share = o->val,
        .shard_tokens = o->shard_tokens,
        .shuffle_ids = o->shuffle_ids,
        .window_tokens = o->window_tokens,
        .version = packer_program.version,
        .stopped = cli_stopped,
        .progress = show_progress,
        .context = console,
    };
    struct packer_result result;
    enum ngt_status status = o->plan_only ? packer_plan_only(set, &config, pool, &result, reterr)
                                          : packer_pack(set, &config, pool, &result, reterr);

    if (status != NGT_OK)
        return status;
    if (cli_progress_shown(console) && !o->plan_only)
        cli_progress(console, true, "packed");
    if (result.was_complete)
        cli_say(console, "%s is complete already", o->out);
    if (o->json) {
        packer_result_json(stdout, &result);
        return NGT_OK;
    }
    if (result.dropped)
        printf("dropped: %" PRIu64 " of the input's documents, as its drop list says\n",
               result.dropped);
    packer_report_print(stdout, o->val > 0 ? "train" : "packed", config.method, &result.train);
    if (result.val.sequences)
        packer_report_print(stdout, "val", config.method, &result.val);
    return NGT_OK;
}

int main(int argc, char **argv)
{
    struct packer_options o = {0};
    const struct cli_command *command;
    struct cli_list operands = {0};
    struct cli_console *console = NULL;
    struct ngt_dataset *set = NULL;
    struct ngt_pool *pool = NULL;
    struct ngt_error error;
    enum ngt_status status = NGT_OK;
    int code = CLI_EXIT_FAILED;

    ngt_map_guard();
    enum cli_outcome outcome = cli_parse(&packer_program, argc, argv, &o, &command, &operands);
    if (outcome != CLI_RUN)
        return outcome == CLI_DONE ? CLI_EXIT_OK : CLI_EXIT_USAGE;
    console = cli_console_new(packer_program.name, (enum cli_progress_mode)o.progress, o.quiet,
                              o.verbose);
    if (!console)
        goto out;
    if (!o.what_if && (!o.seq_len_given || (!o.out && !o.plan_only))) {
        cli_say(console, "--seq-len T and -o DIR are needed (or --plan-only, or --what-if LIST)");
        code = CLI_EXIT_USAGE;
        goto out;
    }
    cli_catch_signals();
    status = ngt_pool_new(o.threads_given ? (unsigned)o.threads : ngt_pool_cores(), &pool, &error);
    if (status == NGT_OK)
        status = ngt_dataset_open(operands.items, operands.count,
                                  o.incomplete ? NGT_DATASET_INCOMPLETE : 0, &set, &error);
    if (status == NGT_OK)
        status = o.what_if ? what_if(&o, set, &error) : pack(&o, set, pool, console, &error);
    if (status != NGT_OK)
        cli_error(console, &error);
    code = status == NGT_OK          ? CLI_EXIT_OK
           : status == NGT_E_STOPPED ? CLI_EXIT_AGAIN
                                     : CLI_EXIT_FAILED;
    code = cli_end_output(console, code);
out:
    ngt_dataset_close(&set);
    ngt_pool_free(&pool);
    cli_console_free(&console);
    cli_done(command, &o, &operands);
    return code;
}
