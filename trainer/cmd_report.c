/* ngtrain report RUNDIR: the metrics as a picture and a few figures. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/file.h"
#include "ngt/json.h"
#include "trainer/commands.h"
#include "trainer/metrics.h"

enum { COLUMNS = 64, ROWS = 14 };

struct summary {
    uint64_t first, last, tokens, targets, skipped;
    double seconds, waiting, busy, cpu, loss, lowest;
    double val_loss, lowest_val;
};

static struct summary summarise(const struct trainer_history *h)
{
    struct summary s = {.loss = NAN, .lowest = NAN, .val_loss = NAN, .lowest_val = NAN};

    for (uint64_t i = 0; i < h->step_count; i++) {
        const struct trainer_metrics_line *l = &h->steps[i];
        if (i == 0)
            s.first = l->step;
        s.last = l->step;
        s.tokens += l->tokens;
        s.targets += l->targets;
        s.skipped += !l->updated;
        if (isfinite(l->seconds)) {
            s.seconds += l->seconds;
            s.waiting += l->wait_share * l->seconds;
            s.busy += l->gpu_busy * l->seconds;
            s.cpu += l->cpu_share * l->seconds;
        }
        if (isfinite(l->loss)) {
            s.loss = l->loss;
            s.lowest = fmin(s.lowest, l->loss);
        }
    }
    for (uint64_t i = 0; i < h->validation_count; i++) {
        s.val_loss = h->validations[i].val_loss;
        s.lowest_val = fmin(s.lowest_val, s.val_loss);
    }
    return s;
}

/* Loss over steps: the mean of each column, validation on top of it. */
static void draw(const struct trainer_history *h, const struct summary *s)
{
    double sum[COLUMNS] = {0}, low = INFINITY, high = -INFINITY;
    unsigned count[COLUMNS] = {0};
    char canvas[ROWS][COLUMNS + 1];
    double span = (double)(s->last - s->first + 1);

    for (uint64_t i = 0; i < h->step_count; i++) {
        int x = (int)((double)(h->steps[i].step - s->first) / span * COLUMNS);
        if (!isfinite(h->steps[i].loss) || x < 0 || x >= COLUMNS)
            continue;
        sum[x] += h->steps[i].loss;
        count[x]++;
    }
    for (int x = 0; x < COLUMNS; x++)
        if (count[x]) {
            sum[x] /= count[x];
            low = fmin(low, sum[x]);
            high = fmax(high, sum[x]);
        }
    for (uint64_t i = 0; i < h->validation_count; i++)
        if (isfinite(h->validations[i].val_loss)) {
            low = fmin(low, h->validations[i].val_loss);
            high = fmax(high, h->validations[i].val_loss);
        }
    if (!isfinite(low))
        return;
    if (high - low < 1e-9)
        high = low + 1e-9;
    for (int y = 0; y < ROWS; y++) {
        memset(canvas[y], ' ', COLUMNS);
        canvas[y][COLUMNS] = '\0';
    }
    for (int x = 0; x < COLUMNS; x++)
        if (count[x])
            canvas[(int)lround((high - sum[x]) / (high - low) * (ROWS - 1))][x] = '*';
    for (uint64_t i = 0; i < h->validation_count; i++) {
        const struct trainer_validation_line *v = &h->validations[i];
        int x = (int)(((double)v->step - (double)s->first) / span * COLUMNS);
        if (isfinite(v->val_loss) && x >= 0 && x < COLUMNS)
            canvas[(int)lround((high - v->val_loss) / (high - low) * (ROWS - 1))][x] = 'o';
    }
    for (int y = 0; y < ROWS; y++)
        printf("%8.3f |%s\n", high - (high - low) * y / (ROWS - 1), canvas[y]);
    printf("%8s +", "");
    for (int x = 0; x < COLUMNS; x++)
        putchar('-');
    printf("\n%9s %-10" PRIu64 "%*" PRIu64 "\n", "step", s->first, COLUMNS - 10, s->last);
    printf("%9s loss *%s\n", "", h->validation_count ? ", validation o" : "");
}

static void print(const struct summary *s)
{
    char tokens[24], speed[24], seconds[24];

    cli_format_count(s->tokens, tokens);
    cli_format_count(s->seconds > 0 ? (uint64_t)((double)s->tokens / s->seconds) : 0, speed);
    cli_format_seconds(s->seconds, seconds);
    printf("\n%-18s %" PRIu64 "\n%-18s %.4f (lowest %.4f)\n", "steps", s->last, "loss", s->loss,
           s->lowest);
    if (!isnan(s->val_loss))
        printf("%-18s %.4f (lowest %.4f), perplexity %.2f\n", "validation loss", s->val_loss,
               s->lowest_val, exp(s->val_loss));
    printf("%-18s %s in %s, %s a second\n", "tokens", tokens, seconds, speed);
    if (s->skipped)
        printf("%-18s %" PRIu64 " steps\n", "without update", s->skipped);
    if (s->seconds > 0)
        printf("%-18s device busy %.1f%%, waiting for data %.1f%%, host CPU %.1f%%\n", "time",
               100 * s->busy / s->seconds, 100 * s->waiting / s->seconds,
               100 * s->cpu / s->seconds);
}

/* The table of the last call, as that call stored it. */
static void print_breakdown(const char *folder)
{
    static const char *const names[][2] = {{"compute", "compute_seconds"},
                                           {"waiting for data", "waiting_seconds"},
                                           {"synchronisation", "synchronisation_seconds"},
                                           {"host", "host_seconds"}};
    char *path = ngt_path_join(folder, "report.json");
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    struct ngt_json *root = NULL;

    if (path && ngt_file_read(path, 1 << 20, &bytes, &size, NULL) == NGT_OK &&
        ngt_json_parse((const char *)bytes, size, path, &root, NULL) == NGT_OK) {
        const struct ngt_json *wall = ngt_json_get(root, "wall_seconds");
        printf("\nlast run\n");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct ngt_json *v = ngt_json_get(root, names[i][1]);
            if (v && wall && wall->number > 0)
                printf("  %-16s %10.2f s %6.1f%%\n", names[i][0], v->number,
                       100 * v->number / wall->number);
        }
    }
    ngt_json_free(&root);
    free(bytes);
    free(path);
}

static bool print_json(const struct summary *s, uint64_t validations)
{
    struct ngt_json_out j;
    double seconds = s->seconds > 0 ? s->seconds : 1;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_member_u64(&j, "step", s->last);
    ngt_json_member_double(&j, "loss", s->loss);
    ngt_json_member_double(&j, "lowest_loss", s->lowest);
    ngt_json_member_double(&j, "val_loss", s->val_loss);
    ngt_json_member_double(&j, "lowest_val_loss", s->lowest_val);
    ngt_json_member_u64(&j, "validations", validations);
    ngt_json_member_u64(&j, "tokens", s->tokens);
    ngt_json_member_u64(&j, "targets", s->targets);
    ngt_json_member_double(&j, "seconds", s->seconds);
    ngt_json_member_double(&j, "tokens_per_second", (double)s->tokens / seconds);
    ngt_json_member_double(&j, "wait_share", s->waiting / seconds);
    ngt_json_member_double(&j, "gpu_busy", s->busy / seconds);
    ngt_json_member_double(&j, "cpu_share", s->cpu / seconds);
    ngt_json_member_u64(&j, "steps_without_update", s->skipped);
    ngt_json_object_end(&j);
    bool good = !j.failed;
    if (good)
        puts(j.bytes);
    ngt_json_out_done(&j);
    return good;
}

int trainer_cmd_report(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console)
{
    struct trainer_history history = {0};
    struct ngt_error error;
    const char *folder = operands->items[0];

    if (trainer_history_read(folder, &history, &error) != NGT_OK) {
        cli_error(console, &error);
        return CLI_EXIT_FAILED;
    }
    struct summary s = summarise(&history);
    if (options->json) {
        if (!print_json(&s, history.validation_count))
            cli_say(console, "out of memory");
    } else if (!history.step_count) {
        printf("no step is done yet\n");
    } else {
        draw(&history, &s);
        print(&s);
        print_breakdown(folder);
    }
    trainer_history_done(&history);
    return CLI_EXIT_OK;
}
