/*
 * ngtrain SHARD|DIR...: from options to a run. Opens everything first, so that what does not fit
 * together is refused before anything is written; then hands over to trainer_drive.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ngt/file.h"
#include "ngt/json.h"
#include "ngt/pool.h"
#include "trainer/checkpoint.h"
#include "trainer/commands.h"
#include "trainer/device.h"
#include "trainer/drive.h"
#include "trainer/feed.h"
#include "trainer/keeper.h"
#include "trainer/metrics.h"
#include "trainer/report.h"
#include "trainer/rundir.h"

/* Steps the feed may be ahead of the device. Small steps are soon done, and a late page of the
 * mapping costs the same as with large ones: as many as fit into RING_BYTES, within these bounds.
 */
#define RING_STEPS 4u
#define RING_STEPS_MOST 64u
#define RING_BYTES (UINT64_C(32) << 20)
#define KEPT_CHECKPOINTS 2u
/* A thread has this long to end when the run does: a read of a slow disk ends by itself. */
#define JOIN_SECONDS 2.0

/* What was summed since the last line of metrics. */
struct since {
    uint64_t steps, targets;
    double seconds, wait, compute, busy, cpu;
};

struct run {
    const struct trainer_options *options;
    struct cli_console *console;
    struct trainer_config config;
    struct trainer_about about;
    char *config_text, *identity;
    struct ngt_dataset *set, *val_set;
    struct ngt_sequences *sequences, *val_sequences;
    struct ngt_pool *pool;
    struct kern_backend *backend;
    enum trainer_device device;
    uint64_t fitting; /* micro-batch of a new run where the default took too much memory; or 0 */
    struct kern_device_name name;
    struct trainer_metrics *metrics;
    struct trainer_ring *ring;
    struct trainer_feed *feed;
    struct trainer_keeper *keeper;
    int lock;
    uint64_t first_step, end_step;
    bool validate_first;
    struct since since;
    double mark, ring_mark, cpu_mark; /* at the last result: wall, ring waits, CPU time */
    double pace;                      /* seconds a step, smoothed; 0 before the first */
    struct trainer_report report;
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
}

static double wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* ---- the data ---- */

static enum ngt_status open_set(const struct run *r, const char *const *paths, uint64_t count,
                                struct ngt_dataset **ret_set, struct ngt_error *reterr)
{
    unsigned flags = NGT_OPEN_VERIFY | (r->options->incomplete ? NGT_DATASET_INCOMPLETE : 0);
    enum ngt_status status = ngt_dataset_open(paths, count, flags, ret_set, reterr);

    if (status == NGT_OK && !(*ret_set)->count)
        status = ngt_fail(reterr, NGT_E_DATA, paths[0], NGT_NO_POS, NGT_NO_POS,
                          "the data set has no shards");
    return status;
}

static enum ngt_status open_sequences(const struct run *r, const struct ngt_dataset *set,
                                      uint64_t seq_len, struct ngt_sequences **ret_sequences,
                                      struct ngt_error *reterr)
{
    bool packed = ngt_reader_header(set->readers[0])->kind == NGT_PACKED;

    if (!seq_len && r->options->seq_given)
        seq_len = r->options->seq_len;
    if (!seq_len && !packed)
        seq_len = trainer_preset_seq_len(r->options->model);
    return ngt_sequences_new(set, seq_len, ret_sequences, reterr);
}

/* --val, or DIR/val beside the one folder that was given. malloced, or NULL for none. */
static char *default_validation(const struct cli_list *operands)
{
    char *folder = operands->count == 1 ? ngt_path_join(operands->items[0], "val") : NULL;
    char *proof = folder ? ngt_path_join(folder, NGT_DATASET_FILE) : NULL;

    if (!proof || access(proof, F_OK) != 0) {
        free(folder);
        folder = NULL;
    }
    free(proof);
    return folder;
}

static enum ngt_status open_validation(struct run *r, const struct cli_list *operands,
                                       struct ngt_error *reterr)
{
    char *folder = r->options->val.count ? NULL : default_validation(operands);
    const char *const one[1] = {folder};
    const char *const *paths = folder ? one : r->options->val.items;
    uint64_t count = folder ? 1 : r->options->val.count;
    enum ngt_status status = NGT_OK;

    if (!count)
        return NGT_OK;
    status = open_set(r, paths, count, &r->val_set, reterr);
    if (status == NGT_OK) {
        const struct ngt_header *a = ngt_reader_header(r->set->readers[0]);
        const struct ngt_header *b = ngt_reader_header(r->val_set->readers[0]);
        if (a->vocab_size != b->vocab_size || a->tokenizer.low != b->tokenizer.low ||
            a->tokenizer.high != b->tokenizer.high)
            status = ngt_fail(reterr, NGT_E_MISMATCH, r->val_set->paths[0], NGT_NO_POS, NGT_NO_POS,
                              "--val: made with another tokenizer than the training set");
    }
    if (status == NGT_OK)
        status = open_sequences(r, r->val_set, ngt_sequences_len(r->sequences), &r->val_sequences,
                                reterr);
    if (status == NGT_OK && !ngt_sequences_count(r->val_sequences)) {
        cli_say(r->console, "%s: no sequences to validate on", paths[0]);
        ngt_sequences_free(&r->val_sequences);
    }
    free(folder);
    return status;
}

static enum ngt_status open_data(struct run *r, const struct cli_list *operands,
                                 struct ngt_error *reterr)
{
    enum ngt_status status = open_set(r, operands->items, operands->count, &r->set, reterr);

    if (status == NGT_OK)
        status = open_sequences(r, r->set, 0, &r->sequences, reterr);
    if (status == NGT_OK && (!ngt_sequences_count(r->sequences) || !r->set->targets))
        status = ngt_fail(reterr, NGT_E_DATA, operands->items[0], NGT_NO_POS, NGT_NO_POS,
                          "nothing to train on: no document has two tokens");
    if (status == NGT_OK)
        status = open_validation(r, operands, reterr);
    return status;
}

/* ---- the run folder, the configuration, the device ---- */

static uint64_t micro_of(const char *old_text)
{
    struct ngt_json *root = NULL;
    uint64_t micro = 0;

    if (old_text && ngt_json_parse(old_text, strlen(old_text), NULL, &root, NULL) == NGT_OK)
        (void)ngt_json_get_u64(root, "micro-batch", &micro);
    ngt_json_free(&root);
    return micro;
}

static enum ngt_status configure(struct run *r, const char *old_text, struct ngt_error *reterr)
{
    char *path = NULL;
    enum ngt_status status = trainer_config_resolve(
        r->options, r->set, ngt_sequences_count(r->sequences), ngt_sequences_len(r->sequences),
        r->device, old_text ? micro_of(old_text) : r->fitting, &r->config, reterr);

    if (status != NGT_OK)
        return status;
    free(r->config_text);
    r->config_text = trainer_config_text(&r->config);
    path = ngt_path_join(r->options->out, TRAINER_CONFIG_FILE);
    if (!r->config_text || !path)
        status = no_memory(reterr);
    else if (old_text)
        status = trainer_config_compare(old_text, r->config_text, path, reterr);
    free(path);
    return status;
}

static enum ngt_status open_device(struct run *r, bool *ret_unavailable, struct ngt_error *reterr)
{
    struct kern_config config = {
        .model = r->config.model,
        .rows = (uint32_t)r->config.micro_batch,
        .seq_len = (uint32_t)r->config.seq_len,
        .beta1 = (float)TRAINER_BETA1,
        .beta2 = (float)TRAINER_BETA2,
        .adam_eps = (float)TRAINER_ADAM_EPS,
        .weight_decay = (float)r->config.weight_decay,
        .clip = r->config.clip > 0 ? (float)r->config.clip : INFINITY,
    };

    return trainer_device_open(r->options, r->device, &config, r->pool, &r->backend,
                               ret_unavailable, reterr);
}

/* auto: CUDA, and the CPU where there is none. The default micro-batch depends on which it is. */
static enum ngt_status configure_and_open(struct run *r, const char *old_text,
                                          struct ngt_error *reterr)
{
    bool unavailable = false;
    enum ngt_status status = NGT_OK;

    r->device = r->options->device == TRAINER_CPU ? TRAINER_CPU : TRAINER_CUDA;
    status = configure(r, old_text, reterr);
    if (status == NGT_OK)
        status = open_device(r, &unavailable, reterr);
    /* the default micro-batch of a new run is what fits */
    while (status == NGT_E_NOMEM && r->device == TRAINER_CUDA && !old_text &&
           !r->options->micro_given && r->config.micro_batch > 1) {
        r->fitting = r->config.micro_batch / 2;
        status = configure(r, old_text, reterr);
        if (status == NGT_OK)
            status = open_device(r, &unavailable, reterr);
    }
    if (unavailable && r->options->device == TRAINER_AUTO) {
        ngt_error_clear(reterr);
        r->device = TRAINER_CPU;
        status = configure(r, old_text, reterr);
        if (status == NGT_OK)
            status = open_device(r, &unavailable, reterr);
    }
    return status;
}

/* "key\tvalue\n" of the tokenizer's identity: generate needs the pattern of rank files. */
static enum ngt_status describe(struct run *r, struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(r->set->readers[0]);
    const struct ngt_pair *pairs = NULL;
    uint64_t count = 0;
    size_t size = 0;
    FILE *f = NULL;

    r->about = (struct trainer_about){.model = r->config.model,
                                      .bos_id = h->bos_id,
                                      .eos_id = h->eos_id,
                                      .flags = h->flags,
                                      .tokenizer = h->tokenizer,
                                      .config = r->config_text};
    enum ngt_status status =
        ngt_reader_vocabulary(r->set->readers[0], &r->about.vocabulary, reterr);
    if (status == NGT_OK)
        status = ngt_reader_pairs(r->set->readers[0], NGT_S_TOKENIZER, &pairs, &count, reterr);
    if (status != NGT_OK)
        return status;
    f = open_memstream(&r->identity, &size);
    if (!f)
        return no_memory(reterr);
    for (uint64_t i = 0; i < count; i++)
        fprintf(f, "%s\t%s\n", pairs[i].key, pairs[i].value);
    if (fclose(f) != 0)
        return no_memory(reterr);
    r->about.identity = r->identity;
    return NGT_OK;
}

/* NGT_E_MISMATCH names the first number in which the checkpoint's model is not the run's. */
static enum ngt_status compare_models(const char *path, const struct kern_model *have,
                                      const struct kern_model *want, struct ngt_error *reterr)
{
    const struct {
        const char *what;
        double have, want;
    } numbers[] = {
        {"layers", have->layers, want->layers},
        {"residual width", have->width, want->width},
        {"heads", have->heads, want->heads},
        {"heads of keys and values (--kv-heads)", have->kv_heads, want->kv_heads},
        {"head dimension", have->head_dim, want->head_dim},
        {"MLP width", have->ffn, want->ffn},
        {"vocabulary", have->vocab, want->vocab},
        {"untied head (--untied)", have->untied, want->untied},
        {"RMSNorm epsilon", (double)have->rms_eps, (double)want->rms_eps},
        {"RoPE theta", (double)have->rope_theta, (double)want->rope_theta},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].have != numbers[i].want)
            return ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, NGT_NO_POS,
                            "another model: %s %g, where --model and the shards say %g",
                            numbers[i].what, numbers[i].have, numbers[i].want);
    return NGT_OK;
}

static enum ngt_status set_state(struct run *r, enum kern_state which, const float *values,
                                 struct ngt_error *reterr)
{
    struct kern_error error = {0};

    if (kern_state_set(r->backend, which, values, &error) != KERN_OK)
        return trainer_kern_fail(reterr, &error, "setting the weights");
    return NGT_OK;
}

static enum ngt_status load(struct run *r, const char *path, struct ngt_error *reterr)
{
    struct trainer_checkpoint *c = NULL;
    enum ngt_status status = trainer_checkpoint_open(path, &c, reterr);

    if (status != NGT_OK)
        return status;
    const struct trainer_about *about = trainer_checkpoint_about(c);
    if (strcmp(about->config, "{}") != 0) /* an imported one fits any run of its model */
        status = trainer_config_compare(about->config, r->config_text, path, reterr);
    if (status == NGT_OK)
        status = compare_models(path, &about->model, &r->config.model, reterr);
    if (status == NGT_OK && about->step > r->config.schedule.steps)
        status = ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, NGT_NO_POS,
                          "--steps: the checkpoint is of a later step");
    for (int which = KERN_WEIGHTS; status == NGT_OK && which <= KERN_MOMENT2; which++) {
        const float *values = trainer_checkpoint_state(c, (enum kern_state)which);
        if (values)
            status = set_state(r, (enum kern_state)which, values, reterr);
    }
    if (status == NGT_OK)
        status = trainer_checkpoint_check(c, reterr);
    if (status == NGT_OK)
        r->first_step = about->step;
    trainer_checkpoint_close(&c);
    return status;
}

static enum ngt_status initialise(struct run *r, struct ngt_error *reterr)
{
    float *values = malloc(kern_parameter_count(&r->config.model) * sizeof *values);
    enum ngt_status status = NGT_OK;

    if (!values)
        return no_memory(reterr);
    status = trainer_weights_init(&r->config.model, r->config.seed, r->pool, values, reterr);
    if (status == NGT_OK)
        status = set_state(r, KERN_WEIGHTS, values, reterr);
    free(values);
    return status;
}

/* The latest checkpoint, or new weights; then the metrics up to there. */
static enum ngt_status restore(struct run *r, bool is_new, struct ngt_error *reterr)
{
    char *path = NULL;
    uint64_t step = 0, validated = UINT64_MAX;
    enum ngt_status status = trainer_checkpoint_latest(r->options->out, &path, &step, reterr);

    if (status == NGT_OK)
        status = path ? load(r, path, reterr) : initialise(r, reterr);
    if (status == NGT_OK && is_new)
        status = trainer_rundir_write(r->options->out, r->config_text, trainer_program.version,
                                      r->set, reterr);
    if (status == NGT_OK)
        status =
            trainer_metrics_open(r->options->out, r->first_step, &r->metrics, &validated, reterr);
    if (status == NGT_OK) {
        uint64_t steps = r->config.schedule.steps, every = r->options->val_every, s = r->first_step;
        r->end_step = r->options->stop_given && r->options->stop_after < steps
                          ? r->options->stop_after
                          : steps;
        /* a signal may have come between a step and its validation */
        r->validate_first =
            r->val_sequences && s && validated != s && ((every && s % every == 0) || s == steps);
        if (r->first_step > r->end_step)
            r->end_step = r->first_step;
        if (path)
            cli_detail(r->console, "goes on from %s", path);
    }
    free(path);
    return status;
}

/* ---- what happens during a run ---- */

static bool stopped(void *context)
{
    (void)context;
    return cli_stopped();
}

static bool feeding(void *context)
{
    struct run *r = context;
    return trainer_feed_alive(r->feed);
}

/* Takes the time since the last call: what lies between is not a step's. */
static void rest(struct run *r)
{
    r->mark = wall();
    r->ring_mark = trainer_ring_waited(r->ring);
    r->cpu_mark = cpu();
}

static void show(struct run *r, const struct trainer_metrics_line *line, bool last)
{
    char speed[24], left[24];
    uint64_t steps = r->config.schedule.steps;

    if (!cli_progress_shown(r->console))
        return;
    cli_format_count((uint64_t)((double)(r->config.batch * r->config.seq_len) / r->pace), speed);
    cli_format_seconds((double)(r->end_step - line->step) * r->pace, left);
    cli_progress(r->console, last,
                 "step %llu/%llu  loss %.4f  lr %.2e  norm %.3f  %s tokens/s  waiting %.1f%%  "
                 "%s %.0f%%  host %.0f%%  %s left",
                 (unsigned long long)line->step, (unsigned long long)steps, line->loss, line->lr,
                 line->grad_norm, speed, 100 * line->wait_share,
                 r->device == TRAINER_CUDA ? "GPU" : "busy", 100 * line->gpu_busy,
                 100 * line->cpu_share, left);
}

static enum ngt_status step_done(void *context, const struct kern_result *result, double lr,
                                 struct ngt_error *reterr)
{
    struct run *r = context;
    struct since *s = &r->since;
    uint64_t done = result->step + 1;
    double now = wall(), seconds = now - r->mark;
    /* the CPU waits where the ring is empty; a device knows better than the host when it waited */
    double wait = r->device == TRAINER_CPU ? trainer_ring_waited(r->ring) - r->ring_mark
                                           : result->wait_seconds;
    enum ngt_status status = NGT_OK;

    s->steps++;
    s->targets += result->targets;
    s->seconds += seconds;
    s->wait += wait;
    s->compute += result->compute_seconds;
    s->busy += result->busy * result->compute_seconds;
    s->cpu += cpu() - r->cpu_mark;
    rest(r);
    r->pace = r->pace > 0 ? 0.9 * r->pace + 0.1 * seconds : seconds;

    struct trainer_report *report = &r->report;
    report->compute_seconds += result->compute_seconds;
    report->busy_seconds += result->busy * result->compute_seconds;
    report->wait_seconds += wait;
    report->step_seconds += seconds;
    report->steps++;
    if (!result->updated) {
        report->skipped++;
        cli_say(r->console, "step %llu: no update: %s", (unsigned long long)done,
                result->targets ? "the gradient norm is not finite" : "no targets");
    }
    if (done % r->options->log_every != 0 && done != r->end_step && result->updated)
        return NGT_OK;
    struct trainer_metrics_line line = {
        .step = done,
        .loss = result->targets ? result->nll / (double)result->targets : NAN,
        .lr = lr,
        .grad_norm = result->grad_norm,
        .tokens = s->steps * r->config.batch * r->config.seq_len,
        .targets = s->targets,
        .seconds = s->seconds,
        .wait_share = s->seconds > 0 ? fmin(1, s->wait / s->seconds) : 0,
        .gpu_busy = s->seconds > 0 ? fmin(1, s->busy / s->seconds) : 0,
        .cpu_share = s->seconds > 0 ? fmin(1, s->cpu / s->seconds / ngt_pool_cores()) : 0,
        .updated = result->updated,
    };
    report->loss = line.loss;
    *s = (struct since){0};
    status = trainer_metrics_step(r->metrics, &line, reterr);
    /* a disk that is full is told now, not at the next checkpoint */
    if (status == NGT_OK)
        status = trainer_keeper_check(r->keeper, reterr);
    show(r, &line, done == r->end_step);
    return status;
}

static enum ngt_status validated(void *context, uint64_t step, double nll, uint64_t targets,
                                 double compute_seconds, struct ngt_error *reterr)
{
    struct run *r = context;
    struct trainer_validation_line line = {
        .step = step, .val_loss = targets ? nll / (double)targets : NAN, .val_tokens = targets};

    r->report.compute_seconds += compute_seconds;
    r->report.busy_seconds += compute_seconds;
    r->report.validation_seconds += wall() - r->mark;
    r->report.val_loss = line.val_loss;
    r->report.validated = true;
    rest(r);
    cli_say(r->console, "step %llu: validation loss %.4f, perplexity %.2f, %llu targets",
            (unsigned long long)step, line.val_loss, exp(line.val_loss),
            (unsigned long long)targets);
    return trainer_metrics_validation(r->metrics, &line, reterr);
}

static void tell_kept(struct run *r)
{
    struct trainer_kept kept;

    if (trainer_keeper_told(r->keeper, &kept))
        cli_detail(r->console, "step %llu: checkpoint on disk after %.2f s",
                   (unsigned long long)kept.step, kept.seconds);
}

static enum ngt_status checkpoint(void *context, uint64_t step, struct ngt_error *reterr)
{
    struct run *r = context;
    double begin = wall();
    /* the metrics of a checkpoint's steps are on disk before it is: a resumed run misses none */
    enum ngt_status status = trainer_metrics_sync(r->metrics, reterr);

    r->about.step = step;
    if (status == NGT_OK)
        status = trainer_keeper_begin(r->keeper, &r->about, reterr);
    tell_kept(r);
    r->report.checkpoint_seconds += wall() - begin;
    rest(r);
    return status;
}

/* ---- */

static void announce(struct run *r)
{
    char parameters[24], tokens[24];

    cli_format_count(kern_parameter_count(&r->config.model), parameters);
    cli_format_count(ngt_sequences_count(r->sequences) * r->config.seq_len, tokens);
    cli_say(r->console,
            "model %s, %s parameters, vocabulary %u; %llu sequences of %llu (%s tokens); steps "
            "%llu to %llu of %llu, %llu sequences each; %s",
            r->config.model_name, parameters, r->config.model.vocab,
            (unsigned long long)ngt_sequences_count(r->sequences),
            (unsigned long long)r->config.seq_len, tokens, (unsigned long long)r->first_step + 1,
            (unsigned long long)r->end_step, (unsigned long long)r->config.schedule.steps,
            (unsigned long long)r->config.batch, r->name.name);
}

static uint64_t ring_steps(const struct trainer_config *c)
{
    uint64_t steps = RING_BYTES / (3 * sizeof(uint32_t) * c->batch * c->seq_len);

    return steps < RING_STEPS ? RING_STEPS : steps > RING_STEPS_MOST ? RING_STEPS_MOST : steps;
}

static enum ngt_status train(struct run *r, bool *ret_stopped, struct ngt_error *reterr)
{
    struct trainer_feed_config feed = {
        .train = r->sequences,
        .validation = r->val_sequences,
        .schedule = r->config.schedule,
        .first_step = r->first_step,
        .end_step = r->end_step,
        .batch = r->config.batch,
        .micro_batch = r->config.micro_batch,
        .seed = r->config.seed,
        .val_every = r->options->val_every,
        .checkpoint_every = r->options->checkpoint_every,
        .validate_first = r->validate_first,
    };
    struct trainer_drive drive = {.backend = r->backend,
                                  .validation_micros = trainer_feed_validation_micros(&feed),
                                  .deadline = r->options->deadline,
                                  .context = r,
                                  .feeding = feeding,
                                  .stopped = stopped,
                                  .step_done = step_done,
                                  .validated = validated,
                                  .checkpoint = checkpoint};
    uint64_t done = 0;

    enum ngt_status status =
        trainer_ring_new(ring_steps(&r->config) * trainer_feed_micros(&feed), r->config.micro_batch,
                         r->config.seq_len, &r->ring, reterr);
    if (status != NGT_OK)
        return status;
    drive.ring = r->ring;
    status = trainer_feed_start(&feed, r->ring, &r->feed, reterr);
    if (status != NGT_OK)
        return status;
    double begin = wall(), cpu_begin = cpu();
    rest(r);
    status = trainer_keeper_new(r->options->out, r->backend, KEPT_CHECKPOINTS,
                                r->options->deadline / 2, &r->keeper, reterr);
    if (status == NGT_OK)
        status = trainer_drive(&drive, r->first_step, &done, ret_stopped, reterr);
    if (status == NGT_OK) {
        double last = wall();
        status = trainer_keeper_finish(r->keeper, reterr);
        r->report.checkpoint_seconds += wall() - last;
    }
    if (status != NGT_OK)
        return status;
    tell_kept(r);
    struct trainer_report *p = &r->report;
    p->wall_seconds = wall() - begin;
    p->cpu_share =
        p->wall_seconds > 0 ? (cpu() - cpu_begin) / p->wall_seconds / ngt_pool_cores() : 0;
    p->first_step = r->first_step;
    p->last_step = done;
    p->total_steps = r->config.schedule.steps;
    p->tokens = p->steps * r->config.batch * r->config.seq_len;
    p->flop =
        (double)p->tokens * kern_flop_per_token(&r->config.model, (uint32_t)r->config.seq_len);
    p->device = r->device == TRAINER_CUDA ? "cuda" : "cpu";
    p->peak_flops = r->name.peak_flops;
    p->threads = ngt_pool_workers(r->pool);
    return NGT_OK;
}

static int conclude(struct run *r, bool stop, struct ngt_error *reterr)
{
    const struct trainer_report *p = &r->report;
    bool done = p->last_step == p->total_steps;

    if (trainer_report_write(p, r->options->out, reterr) != NGT_OK)
        return CLI_EXIT_FAILED;
    if (r->options->json)
        trainer_report_json(p, stdout);
    else if (!r->options->quiet && p->steps)
        trainer_report_print(p, stdout);
    if (fflush(stdout) != 0) {
        (void)ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                       "cannot write to standard output");
        return CLI_EXIT_FAILED;
    }
    if (stop) {
        cli_say(r->console, "stopped after step %llu of %llu; the same command goes on",
                (unsigned long long)p->last_step, (unsigned long long)p->total_steps);
        return CLI_EXIT_AGAIN;
    }
    if (!done)
        cli_say(r->console, "ended after step %llu of %llu as asked; goes on without --stop-after",
                (unsigned long long)p->last_step, (unsigned long long)p->total_steps);
    else if (!p->steps)
        cli_say(r->console, "%s: all %llu steps are done", r->options->out,
                (unsigned long long)p->total_steps);
    return CLI_EXIT_OK;
}

/* A thread that hangs in a call of the system keeps what it works on; the end of the process takes it along. */
static void release(struct run *r)
{
    bool read = trainer_feed_stop(&r->feed, JOIN_SECONDS);
    bool written = trainer_keeper_free(&r->keeper, fmax(r->options->deadline, JOIN_SECONDS));

    if (!written)
        cli_say(r->console, "step %llu: its checkpoint did not come to disk; the one before stays",
                (unsigned long long)r->about.step);
    trainer_metrics_close(&r->metrics);
    if (written) {
        kern_backend_free(&r->backend);
        free(r->config_text);
        free(r->identity);
    }
    ngt_pool_free(&r->pool);
    if (read) {
        trainer_ring_free(&r->ring);
        ngt_sequences_free(&r->val_sequences);
        ngt_sequences_free(&r->sequences);
    }
    if (read && written) {
        ngt_dataset_close(&r->val_set);
        ngt_dataset_close(&r->set);
    }
    if (r->lock >= 0)
        close(r->lock);
}

int trainer_cmd_train(const struct trainer_options *options, const struct cli_list *operands,
                      struct cli_console *console)
{
    struct run r = {.options = options, .console = console, .lock = -1};
    struct ngt_error error;
    char *old_text = NULL;
    bool stop = false;
    int code = CLI_EXIT_FAILED;
    unsigned threads = options->threads ? (unsigned)options->threads : ngt_pool_cores();

    ngt_error_clear(&error);
    cli_catch_signals();
    enum ngt_status status = open_data(&r, operands, &error);
    if (status == NGT_OK)
        status = trainer_rundir_lock(options->out, &r.lock, &error);
    if (status == NGT_OK)
        status = trainer_rundir_read(options->out, &old_text, &error);
    if (status == NGT_OK)
        status = ngt_pool_new(threads, &r.pool, &error);
    if (status == NGT_OK)
        status = configure_and_open(&r, old_text, &error);
    if (status == NGT_OK)
        status = describe(&r, &error);
    if (status == NGT_OK)
        status = restore(&r, !old_text, &error);
    if (status != NGT_OK)
        goto out;
    kern_describe(r.backend, &r.name);
    if (r.first_step < r.end_step)
        announce(&r);
    if (r.first_step == r.end_step && !r.validate_first) {
        r.report.last_step = r.first_step;
        cli_say(console, "%s: step %llu of %llu is done; nothing to do", options->out,
                (unsigned long long)r.first_step, (unsigned long long)r.config.schedule.steps);
        code = CLI_EXIT_OK;
        goto out;
    }
    status = train(&r, &stop, &error);
    if (status == NGT_OK)
        code = conclude(&r, stop, &error);
out:
    if (error.code != NGT_OK)
        cli_error(console, &error);
    release(&r);
    free(old_text);
    return code;
}
