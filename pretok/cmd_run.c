/* pretok -t TOKENIZER -o DIR INPUT...: plan, this task's units, and the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "commands.h"
#include "dataset.h"
#include "finish.h"
#include "job/failure.h"
#include "job/plan_file.h"
#include "job_folder.h"
#include "ngt/file.h"
#include "overview.h"
#include "pipeline.h"
#include "task.h"

#define HERE NGT_NO_POS, NGT_NO_POS

struct run {
    const struct pretok_options *options;
    struct cli_console *console;
    struct tok_tokenizer *tokenizer;
    struct pretok_special special;
    struct pretok_keys keys;
    struct pretok_plan plan;
    bool as_planned; /* plan is the one in the folder, of which this task's share is there */
    struct pretok_task task;
    struct pretok_remote *remote;

    uint64_t *todo, todo_count; /* units, rising */
    uint64_t records_before;    /* of units done already; counts against --limit */
    uint64_t todo_bytes;
    bool complete;  /* nothing was to be done, and dataset.json is there */
    uint64_t units; /* committed by this run */
    double start;
    struct pretok_timing timing;
    struct pretok_ledger ledger; /* of all units done that are this task's */
    struct pretok_report report; /* of the finished job; its estimate and facts */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- what is told while it runs ---- */

static bool stopped(void *arg)
{
    (void)arg;
    return cli_stopped();
}

static void batch_done(void *arg, uint64_t unit, uint64_t documents, double seconds)
{
    const struct run *r = arg;

    cli_detail(r->console,
               "unit %" PRIu64 ": batch of %" PRIu64
               " documents tokenized in %.1f ms, %.2f ms each",
               unit, documents, seconds * 1e3, seconds * 1e3 / (double)documents);
}

static void progress(void *arg, uint64_t stored, uint64_t documents, uint64_t tokens)
{
    const struct run *r = arg;
    double seconds = now() - r->start;
    double share = r->todo_bytes ? (double)stored / (double)r->todo_bytes : 0;
    char bytes[24], count[24], total[24], rate[24], left[24] = "?";

    if (!cli_progress_shown(r->console))
        return;
    if (share > 0)
        cli_format_seconds(seconds / share - seconds, left);
    cli_progress(
        r->console, false, "%3.0f%%  %s read  %s documents  %s tokens  %s tokens/s  %s left",
        share * 100, cli_format_bytes(stored, bytes), cli_format_count(documents, count),
        cli_format_count(tokens, total),
        cli_format_count((uint64_t)((double)tokens / (seconds > 0 ? seconds : 1)), rate), left);
}

static void unit_done(void *arg, uint64_t unit, const struct pretok_ledger *ledger,
                      const struct pretok_receipt_source *sources, uint64_t source_count)
{
    struct run *r = arg;
    uint64_t bad = pretok_ledger_bad(ledger);

    r->units++;
    pretok_ledger_add(&r->ledger, ledger);
    for (uint64_t i = 0; i < source_count; i++)
        if (sources[i].lost)
            cli_say(r->console, "%s: not read to its end: %s", sources[i].name, sources[i].lost);
    cli_detail(r->console,
               "unit %" PRIu64 " of %" PRIu64 ": %" PRIu64 " records, %" PRIu64
               " documents, %" PRIu64 " refused, %" PRIu64 " tokens",
               unit, r->plan.unit_count, ledger->records, ledger->documents, bad, ledger->tokens);
}

static void unit_failed(void *arg, uint64_t unit, const struct ngt_error *error)
{
    const struct run *r = arg;

    pretok_failure_note(&r->plan, r->options->output, unit, error);
}

/* A share that nobody named on the command line is told, or a part could be taken for the whole. */
static void tell_task(const struct run *r)
{
    const struct pretok_task *t = &r->task;

    if (t->note[0])
        cli_say(r->console, "%s", t->note);
    else if (t->source[0] && !r->options->task)
        cli_say(r->console,
                "task %" PRIu64 " of %" PRIu64 ", as %s says (--task none does everything)",
                t->task, t->tasks, t->source);
    else if (t->share)
        cli_detail(r->console, "task %" PRIu64 " of %" PRIu64, t->task, t->tasks);
}

static void say(void *arg, const char *message)
{
    cli_say(((const struct run *)arg)->console, "%s", message);
}

/* The most memory that the process has had, in bytes. */
static uint64_t peak_memory(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* Of all threads, so far. */
static double cpu_seconds(void)
{
    struct timespec t;

    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0
               ? (double)t.tv_sec + (double)t.tv_nsec * 1e-9
               : -1;
}

static void tell_timing(const struct run *r)
{
    const struct pretok_timing *t = &r->timing;
    double all =
        t->read + t->unpack + t->tokenize + t->write + t->commit + t->wait_read + t->wait_batch;

    char bytes[24];

    if (all <= 0)
        return;
    cli_detail(r->console, "peak memory %s with %u threads", cli_format_bytes(peak_memory(), bytes),
               pretok_options_threads(r->options));
    cli_detail(r->console,
               "threads' time: read %.1f%%, unpack ahead %.1f%%, tokenize %.1f%%, write %.1f%%, "
               "commit to disk %.1f%%; tokenizers waiting for records %.1f%%, readers waiting for "
               "room %.1f%%",
               100 * t->read / all, 100 * t->unpack / all, 100 * t->tokenize / all,
               100 * t->write / all, 100 * t->commit / all, 100 * t->wait_read / all,
               100 * t->wait_batch / all);
}

/* ---- what is to be done ---- */

static bool mine(const struct run *r, uint64_t unit)
{
    return (unit - 1) % r->task.tasks == r->task.task - 1;
}

static bool has_lost(const struct pretok_receipt *receipt)
{
    for (uint64_t i = 0; i < receipt->source_count; i++)
        if (receipt->sources[i].lost)
            return true;
    return false;
}

/* A unit with a receipt is done, unless its files are gone or it may do better this time. */
static bool is_done(const struct run *r, const struct pretok_receipt *receipt)
{
    struct ngt_error error;
    char text[600];
    const struct pretok_unit *u = &r->plan.units[receipt->unit - 1];

    if (pretok_receipt_check(receipt, &r->plan, r->options->output, false, &error) != NGT_OK) {
        ngt_error_print(&error, text, sizeof text);
        cli_say(r->console, "unit %" PRIu64 " is done again: %s", receipt->unit, text);
        return false;
    }
    if (r->plan.inputs.items[u->first_input].path == NULL)
        return r->complete; /* a stream starts over */
    return r->options->allow_lost || !has_lost(receipt);
}

static enum ngt_status find_todo(struct run *r, struct ngt_error *reterr)
{
    const struct pretok_plan_share share = {r->task.task, r->task.tasks};
    struct pretok_overview o = {0};
    enum ngt_status status = pretok_overview_load(&r->plan, r->options->output, &share, &o, reterr);

    if (status != NGT_OK)
        return status;
    r->todo = calloc(o.unit_count + 1, sizeof *r->todo);
    if (!r->todo)
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    else if (pretok_plan_is_stream(&r->plan))
        status = pretok_job_folder_complete(r->options->output, &r->complete, reterr);
    for (uint64_t u = 1; u <= o.unit_count && status == NGT_OK; u++) {
        const struct pretok_receipt *receipt = &o.receipts[u - 1];
        if (!mine(r, u))
            continue;
        /* with a limit, what a unit may read depends on those before it */
        bool after = r->options->limit_given && r->todo_count;
        if (receipt->unit && !after && is_done(r, receipt)) {
            pretok_ledger_add(&r->ledger, &receipt->ledger);
            r->records_before += receipt->ledger.records;
            continue;
        }
        r->todo[r->todo_count++] = u;
        r->todo_bytes += pretok_plan_bytes(&r->plan, u);
    }
    r->complete = false;
    if (status == NGT_OK && r->todo_count)
        status = pretok_job_folder_reopen(r->options->output, r->options->split_key, reterr);
    else if (status == NGT_OK)
        status = pretok_job_folder_complete(r->options->output, &r->complete, reterr);
    pretok_overview_done(&o);
    return status;
}

/* ---- the stages ---- */

/*
 * The plan: of a task among others the one that is there, when it was made for the same words. It
 * does not look for inputs then, which would cost the file server a look at each of them for each
 * task, nor at other tasks' units. Its own inputs it compares with the plan when it opens them.
 */
static enum ngt_status find_plan(struct run *r, const struct cli_list *operands,
                                 struct ngt_error *reterr)
{
    const struct pretok_options *o = r->options;
    const struct pretok_plan_share share = {r->task.task, r->task.tasks};
    struct pretok_plan planned = {0};
    char query[33] = "", *path = ngt_path_join(o->output, PRETOK_PLAN_FILE);
    bool known = false;
    enum ngt_status status =
        path ? NGT_OK : ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");

    if (status == NGT_OK && r->task.share) {
        struct ngt_error error; /* that there is none yet is no failure */
        enum ngt_status loaded = pretok_job_folder_load(o->output, &share, &planned, &error);
        known = loaded == NGT_OK;
        if (loaded == NGT_E_IO) {
            *reterr = error;
            status = loaded;
        }
    }
    if (status == NGT_OK && known && planned.query)
        status = pretok_options_query(o, operands, query, reterr);
    if (status != NGT_OK) {
        pretok_plan_done(&planned);
    } else if (known && planned.query && strcmp(query, planned.query) == 0) {
        r->plan = planned;
        r->as_planned = true;
        status = pretok_options_check(o, r->tokenizer, &r->special, &r->plan, path, reterr);
    } else {
        if (known && planned.mapped) { /* a share is not enough to compare with */
            pretok_plan_done(&planned);
            known = pretok_job_folder_load(o->output, NULL, &planned, NULL) == NGT_OK;
        }
        status = pretok_options_plan(o, operands, r->tokenizer, &r->special,
                                     known ? &planned : NULL, r->remote, &r->plan, reterr);
        pretok_plan_done(&planned);
    }
    free(path);
    return status;
}

static enum ngt_status prepare(struct run *r, const struct cli_list *operands,
                               struct ngt_error *reterr)
{
    const struct pretok_options *o = r->options;
    enum ngt_status status;

    status = pretok_options_output(o, reterr);
    if (status != NGT_OK)
        return status;
    status = pretok_task_find(o->task, &r->task, reterr);
    if (status == NGT_OK)
        tell_task(r);
    if (status == NGT_OK)
        status = pretok_options_keys(o, &r->keys, reterr);
    if (status == NGT_OK)
        status = pretok_options_tokenizer(o, &r->tokenizer, reterr);
    if (status == NGT_OK)
        status = pretok_options_special(o, r->tokenizer, &r->special, reterr);
    if (status == NGT_OK)
        status = pretok_options_remote(o, stopped, &r->remote, reterr);
    if (status == NGT_OK)
        status = find_plan(r, operands, reterr);
    if (status != NGT_OK)
        return status;
    if (o->on_lost && pretok_plan_is_stream(&r->plan))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--on-lost drop reads inputs twice, which standard input is not");
    if (r->task.share && pretok_plan_is_stream(&r->plan))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "standard input is one unit and cannot be split into tasks (--task none)");
    if (o->limit_given && r->task.tasks > 1)
        return ngt_fail(
            reterr, NGT_E_RANGE, NULL, HERE,
            "--limit counts records in order and cannot be split into tasks (--task none)");
    status = pretok_job_folder_make(o->output, o->split_key, r->task.tasks == 1, reterr);
    if (status == NGT_OK && !r->as_planned)
        status = pretok_job_folder_plan(o->output, &r->plan, reterr);
    if (status == NGT_OK)
        status = find_todo(r, reterr);
    return status;
}

static enum ngt_status work(struct run *r, struct ngt_error *reterr)
{
    const struct pretok_options *o = r->options;
    struct pretok_pipeline_config config = {
        .writer = {.plan = &r->plan,
                   .folder = o->output,
                   .tokenizer = r->tokenizer,
                   .bos_id = r->special.bos,
                   .eos_id = r->special.eos,
                   .pad_id = r->special.pad,
                   .bos = o->bos,
                   .eos = o->eos,
                   .shard_tokens = o->shard_tokens,
                   .verify_roundtrip = o->verify_roundtrip,
                   .text_hashes = o->dedup,
                   .filter = o->filter,
                   .keys = &r->keys,
                   .fail_on_bad = o->on_bad == 1,
                   .max_bad = o->max_bad},
        .max_doc_bytes = o->max_doc_bytes,
        .max_expansion = o->max_expansion,
        .drop_lost = o->on_lost == 1,
        .exclude = o->exclude.items,
        .exclude_count = o->exclude.count,
        .remote = r->remote,
        .limit = UINT64_MAX,
        .todo = r->todo,
        .todo_count = r->todo_count,
        .threads = pretok_options_threads(o),
        .arg = r,
        .stopped = stopped,
        .batch_done = o->verbose ? batch_done : NULL,
        .progress = progress,
        .unit_done = unit_done,
        .unit_failed = unit_failed,
    };

    if (r->todo_count == 0)
        return NGT_OK;
    if (o->limit_given)
        config.limit = o->limit > r->records_before ? o->limit - r->records_before : 0;
    config.writer.identity = tok_identity(r->tokenizer, &config.writer.identity_count);
    struct ngt_vocabulary_frame *vocabulary = NULL;
    enum ngt_status status =
        ngt_vocabulary_frame_new(tok_vocabulary(r->tokenizer), &vocabulary, reterr);
    config.writer.vocabulary = vocabulary;
    if (status == NGT_OK)
        status = pretok_pipeline_run(&config, &r->timing, reterr);
    ngt_vocabulary_frame_free(&vocabulary);
    return status;
}

static enum ngt_status finish(struct run *r, struct ngt_error *reterr)
{
    struct pretok_finish_config config = {.plan = &r->plan,
                                          .folder = r->options->output,
                                          .version = pretok_program.version,
                                          .max_bad = r->options->max_bad,
                                          .allow_lost = r->options->allow_lost,
                                          .threads = pretok_options_threads(r->options),
                                          .arg = r,
                                          .say = NULL};

    if (r->task.share)
        return NGT_OK;
    if (r->complete)
        return pretok_dataset_ledger(r->options->output, &r->ledger, reterr);
    if (r->todo_count == 0)
        config.say = say; /* else the units have told it */
    enum ngt_status status = pretok_finish(&config, &r->report, reterr);
    if (status == NGT_OK)
        r->ledger = r->report.ledger;   /* duplicates are counted over all units */
    if (r->units == r->plan.unit_count) /* else others took their time too */
        r->report.facts.figures[PRETOK_F_CPU_SECONDS] = cpu_seconds();
    return status;
}

static enum ngt_status write_stats(const struct run *r, enum ngt_status outcome,
                                   struct ngt_error *reterr)
{
    const struct pretok_timing *t = &r->timing;
    struct ngt_json_out out;
    enum ngt_status status;
    double seconds = now() - r->start;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_string(&out, "program", "pretok");
    ngt_json_member_string(&out, "version", pretok_program.version);
    ngt_json_member_u64(&out, "exit_code",
                        outcome == NGT_OK          ? CLI_EXIT_OK
                        : outcome == NGT_E_STOPPED ? CLI_EXIT_AGAIN
                                                   : CLI_EXIT_FAILED);
    ngt_json_member_u64(&out, "task", r->task.task);
    ngt_json_member_u64(&out, "tasks", r->task.tasks);
    ngt_json_member_u64(&out, "threads", pretok_options_threads(r->options));
    ngt_json_member_u64(&out, "units", r->units);
    ngt_json_member_u64(&out, "input_bytes", r->todo_bytes);
    ngt_json_member_double(&out, "seconds", seconds);
    ngt_json_member_u64(&out, "peak_memory_bytes", peak_memory());
    ngt_json_key(&out, "thread_seconds");
    ngt_json_object(&out);
    ngt_json_member_double(&out, "read", t->read);
    ngt_json_member_double(&out, "unpack", t->unpack);
    ngt_json_member_double(&out, "tokenize", t->tokenize);
    ngt_json_member_double(&out, "write", t->write);
    ngt_json_member_double(&out, "commit", t->commit);
    ngt_json_member_double(&out, "wait_read", t->wait_read);
    ngt_json_member_double(&out, "wait_batch", t->wait_batch);
    ngt_json_object_end(&out);
    ngt_json_key(&out, "ledger");
    ngt_json_object(&out);
    pretok_ledger_write(&r->ledger, &out);
    ngt_json_object_end(&out);
    if (r->report.estimated) {
        ngt_json_key(&out, "estimate");
        ngt_json_object(&out);
        pretok_estimate_write(&r->report.estimate, &r->report.facts, &out);
        ngt_json_object_end(&out);
    }
    ngt_json_object_end(&out);
    status = out.failed ? ngt_fail(reterr, NGT_E_NOMEM, r->options->stats, HERE, "out of memory")
                        : ngt_file_write(r->options->stats, out.bytes, out.size, reterr);
    ngt_json_out_done(&out);
    return status;
}

static void tell_end(const struct run *r, enum ngt_status status)
{
    double seconds = now() - r->start;
    char a[24], b[24], c[24];

    tell_timing(r);
    if (r->timing.wall > 0)
        cli_progress(r->console, true, "%s text, %s tokens in %s",
                     cli_format_bytes(r->ledger.text_bytes, a),
                     cli_format_count(r->ledger.tokens, b), cli_format_seconds(seconds, c));
    if (status == NGT_E_STOPPED)
        cli_say(r->console, "stopped; %" PRIu64 " units committed; the same command goes on",
                r->units);
    if (status == NGT_OK && r->complete)
        cli_say(r->console, "the data set is complete already");
    if (status == NGT_OK || r->ledger.records)
        pretok_ledger_print(&r->ledger, stdout);
    if (status == NGT_OK && r->report.estimated)
        pretok_estimate_print(&r->report.estimate, &r->report.facts, stdout);
}

int pretok_cmd_run(const struct pretok_options *o, const struct cli_list *operands,
                   struct cli_console *console)
{
    struct run r = {.options = o, .console = console, .start = now()};
    struct ngt_error error, second;
    enum ngt_status status;
    bool began = false;

    ngt_error_clear(&error);
    cli_catch_signals();
    status = prepare(&r, operands, &error);
    if (status == NGT_OK) {
        began = true;
        status = work(&r, &error);
    }
    if (status == NGT_OK)
        status = finish(&r, &error);
    if (began) {
        tell_end(&r, status);
        if (o->stats && write_stats(&r, status, &second) != NGT_OK) {
            if (status == NGT_OK) {
                status = second.code;
                error = second;
            } else {
                cli_error(console, &second);
            }
        }
    }
    /* tell_end has said so */
    int code = status == NGT_E_STOPPED ? CLI_EXIT_AGAIN : pretok_exit(console, status, &error);
    free(r.todo);
    pretok_plan_done(&r.plan);
    pretok_remote_free(&r.remote);
    pretok_keys_done(&r.keys);
    tok_close(&r.tokenizer);
    return code;
}
