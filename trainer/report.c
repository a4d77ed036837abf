#include "trainer/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/progress.h"
#include "ngt/file.h"
#include "ngt/json.h"
#include "trainer/rundir.h"

struct trainer_breakdown trainer_report_breakdown(const struct trainer_report *r)
{
    struct trainer_breakdown b = {.compute = r->busy_seconds, .waiting = r->wait_seconds};

    b.synchronisation = r->compute_seconds - r->busy_seconds;
    if (b.synchronisation < 0)
        b.synchronisation = 0;
    b.host = r->wall_seconds - b.compute - b.waiting - b.synchronisation;
    if (b.host < 0) /* clocks of two machines */
        b.host = 0;
    return b;
}

static void row(FILE *out, const char *name, double seconds, double of)
{
    fprintf(out, "  %-18s %10.2f s %6.1f%%\n", name, seconds, of > 0 ? 100 * seconds / of : 0);
}

void trainer_report_print(const struct trainer_report *r, FILE *out)
{
    struct trainer_breakdown b = trainer_report_breakdown(r);
    char tokens[24], speed[24];

    cli_format_count(r->tokens, tokens);
    cli_format_count(r->step_seconds > 0 ? (uint64_t)((double)r->tokens / r->step_seconds) : 0,
                     speed);
    fprintf(out, "steps %" PRIu64 " to %" PRIu64 " of %" PRIu64 ": loss %.4f", r->first_step + 1,
            r->last_step, r->total_steps, r->loss);
    if (r->validated)
        fprintf(out, ", validation loss %.4f", r->val_loss);
    if (r->skipped)
        fprintf(out, ", %" PRIu64 " without an update", r->skipped);
    double flops = r->step_seconds > 0 ? r->flop / r->step_seconds : 0;
    fprintf(out, "\n%s tokens, %s tokens/s, %.3g TFLOP/s", tokens, speed, flops * 1e-12);
    if (r->peak_flops > 0)
        fprintf(out, " (%.1f%% of the device's %.0f)", 100 * flops / r->peak_flops,
                r->peak_flops * 1e-12);
    fprintf(out, ", host CPU %.0f%%\n", 100 * r->cpu_share);
    row(out, "compute", b.compute, r->wall_seconds);
    row(out, "waiting for data", b.waiting, r->wall_seconds);
    row(out, "synchronisation", b.synchronisation, r->wall_seconds);
    row(out, "host", b.host, r->wall_seconds);
    if (r->checkpoint_seconds >= 0.005)
        fprintf(out, "  (of the host's, %.2f s for checkpoints)\n", r->checkpoint_seconds);
}

static void to_json(const struct trainer_report *r, struct ngt_json_out *j)
{
    struct trainer_breakdown b = trainer_report_breakdown(r);

    ngt_json_object(j);
    ngt_json_member_string(j, "device", r->device ? r->device : "");
    ngt_json_member_u64(j, "threads", r->threads);
    ngt_json_member_u64(j, "first_step", r->first_step);
    ngt_json_member_u64(j, "last_step", r->last_step);
    ngt_json_member_u64(j, "total_steps", r->total_steps);
    ngt_json_member_u64(j, "steps", r->steps);
    ngt_json_member_u64(j, "steps_without_update", r->skipped);
    ngt_json_member_double(j, "loss", r->loss);
    if (r->validated)
        ngt_json_member_double(j, "val_loss", r->val_loss);
    ngt_json_member_u64(j, "tokens", r->tokens);
    ngt_json_member_double(j, "tokens_per_second",
                           r->step_seconds > 0 ? (double)r->tokens / r->step_seconds : 0);
    ngt_json_member_double(j, "flop_per_second",
                           r->step_seconds > 0 ? r->flop / r->step_seconds : 0);
    if (r->peak_flops > 0 && r->step_seconds > 0)
        ngt_json_member_double(j, "mfu", r->flop / r->step_seconds / r->peak_flops);
    ngt_json_member_double(j, "wall_seconds", r->wall_seconds);
    ngt_json_member_double(j, "compute_seconds", b.compute);
    ngt_json_member_double(j, "waiting_seconds", b.waiting);
    ngt_json_member_double(j, "synchronisation_seconds", b.synchronisation);
    ngt_json_member_double(j, "host_seconds", b.host);
    ngt_json_member_double(j, "checkpoint_seconds", r->checkpoint_seconds);
    ngt_json_member_double(j, "validation_seconds", r->validation_seconds);
    ngt_json_member_double(j, "gpu_busy", r->wall_seconds > 0 ? b.compute / r->wall_seconds : 0);
    ngt_json_member_double(j, "cpu_share", r->cpu_share);
    ngt_json_object_end(j);
}

void trainer_report_json(const struct trainer_report *r, FILE *out)
{
    struct ngt_json_out j;

    ngt_json_out_init(&j, false);
    to_json(r, &j);
    if (!j.failed)
        fwrite(j.bytes, 1, j.size, out);
    if (!j.failed && j.size && j.bytes[j.size - 1] != '\n')
        fputc('\n', out);
    ngt_json_out_done(&j);
}

enum ngt_status trainer_report_write(const struct trainer_report *r, const char *folder,
                                     struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, TRAINER_REPORT_FILE);
    struct ngt_json_out j;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    ngt_json_out_init(&j, false);
    to_json(r, &j);
    if (!path || j.failed)
        status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    else
        status = ngt_file_write(path, j.bytes, j.size, reterr);
    ngt_json_out_done(&j);
    free(path);
    return status;
}
