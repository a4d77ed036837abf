/* pretok plan: inputs and units fixed, nothing read but their ends; or, with --sample, a dry run. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "job_folder.h"
#include "ngt/file.h"
#include "sample.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static bool stopped(void *arg)
{
    (void)arg;
    return cli_stopped();
}

static enum ngt_status write_stats(const char *path, const struct pretok_plan *plan,
                                   const struct pretok_estimate *e, struct ngt_error *reterr)
{
    struct ngt_json_out out;
    enum ngt_status status;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_string(&out, "program", "pretok");
    ngt_json_member_string(&out, "version", pretok_program.version);
    ngt_json_member_u64(&out, "inputs", plan->inputs.count);
    ngt_json_member_u64(&out, "units", plan->unit_count);
    if (e) {
        ngt_json_key(&out, "estimate");
        ngt_json_object(&out);
        pretok_estimate_write(e, NULL, &out);
        ngt_json_object_end(&out);
    }
    ngt_json_object_end(&out);
    status = out.failed ? ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory")
                        : ngt_file_write(path, out.bytes, out.size, reterr);
    ngt_json_out_done(&out);
    return status;
}

/* Reads, tokenizes, tells; what is told stays beside the plan. */
static enum ngt_status sample(const struct pretok_options *o, const struct pretok_plan *plan,
                              const struct tok_tokenizer *t, const struct pretok_special *special,
                              const struct pretok_remote *remote, struct pretok_estimate *ret,
                              struct ngt_error *reterr)
{
    struct pretok_keys keys = {0};
    struct pretok_writer_config writer = {.plan = plan,
                                          .tokenizer = t,
                                          .bos_id = special->bos,
                                          .eos_id = special->eos,
                                          .bos = o->bos,
                                          .eos = o->eos,
                                          .shard_tokens = o->shard_tokens,
                                          .verify_roundtrip = o->verify_roundtrip,
                                          .text_hashes = o->dedup,
                                          .filter = o->filter,
                                          .keys = &keys};
    struct pretok_sample_config config = {.writer = &writer,
                                          .max_doc_bytes = o->max_doc_bytes,
                                          .max_expansion = o->max_expansion,
                                          .exclude = o->exclude.items,
                                          .exclude_count = o->exclude.count,
                                          .remote = remote,
                                          .seed = o->sample_seed,
                                          .threads = pretok_options_threads(o),
                                          .stopped = stopped};
    enum ngt_status status = pretok_options_keys(o, &keys, reterr);

    if (status == NGT_OK)
        status = pretok_options_sample(o, &config.share, &config.records, reterr);
    if (status == NGT_OK)
        status = pretok_sample_take(&config, ret, reterr);
    if (status == NGT_OK)
        status = pretok_estimate_save(ret, o->output, reterr);
    pretok_keys_done(&keys);
    return status;
}

int pretok_cmd_plan(const struct pretok_options *o, const struct cli_list *operands,
                    struct cli_console *console)
{
    struct tok_tokenizer *t = NULL;
    struct pretok_remote *remote = NULL;
    struct pretok_special special;
    struct pretok_plan plan = {0};
    struct ngt_error error;
    enum ngt_status status = NGT_OK;
    struct pretok_estimate estimate;
    uint64_t bytes = 0, records;
    double share;

    ngt_error_clear(&error);
    cli_catch_signals();
    status = pretok_options_output(o, &error);
    if (status == NGT_OK && o->sample)
        status = pretok_options_sample(o, &share, &records, &error);
    if (status == NGT_OK && o->sample && o->limit_given)
        status = ngt_fail(&error, NGT_E_RANGE, NULL, HERE,
                          "--sample estimates all of the input; leave out --limit");
    if (status == NGT_OK)
        status = pretok_options_tokenizer(o, &t, &error);
    if (status == NGT_OK)
        status = pretok_options_special(o, t, &special, &error);
    if (status == NGT_OK)
        status = pretok_options_remote(o, stopped, &remote, &error);
    if (status == NGT_OK)
        status = pretok_options_plan(o, operands, t, &special, NULL, remote, &plan, &error);
    if (status == NGT_OK)
        status = pretok_job_folder_make(o->output, o->split_key, true, &error);
    if (status == NGT_OK)
        status = pretok_job_folder_plan(o->output, &plan, &error);
    if (status == NGT_OK) {
        for (uint64_t i = 0; i < plan.inputs.count; i++)
            bytes += plan.inputs.items[i].size;
        printf("inputs       %15" PRIu64 "   %" PRIu64 " bytes\n", plan.inputs.count, bytes);
        printf("units        %15" PRIu64 "\n", plan.unit_count);
        for (uint64_t u = 1; u <= plan.unit_count && o->verbose; u++) {
            const struct pretok_unit *unit = &plan.units[u - 1];
            printf("unit %" PRIu64 ": %s", u, plan.inputs.items[unit->first_input].name);
            if (unit->input_count > 1)
                printf(" and %" PRIu64 " more", unit->input_count - 1);
            if (unit->part)
                printf(" from %" PRIu64, unit->start);
            printf(", %" PRIu64 " bytes\n", unit->bytes);
        }
    }
    if (status == NGT_OK && o->sample) {
        status = sample(o, &plan, t, &special, remote, &estimate, &error);
        if (status == NGT_OK)
            pretok_estimate_print(&estimate, NULL, stdout);
    }
    if (status == NGT_OK && o->stats)
        status = write_stats(o->stats, &plan, o->sample ? &estimate : NULL, &error);
    int code = pretok_exit(console, status, &error);
    pretok_plan_done(&plan);
    pretok_remote_free(&remote);
    tok_close(&t);
    return code;
}
