/* ngtrain generate RUNDIR: text from the latest checkpoint, token by token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ngt/json.h"
#include "ngt/permutation.h"
#include "trainer/commands.h"
#include "trainer/device.h"
#include "trainer/model.h"
#include "trainer/random.h"
#include "trainer/sample.h"
#include "trainer/text.h"

struct generation {
    const struct trainer_options *options;
    struct trainer_model model;
    struct tok_tokenizer *tokenizer;
    struct tok_ids ids; /* prompt and what follows */
    struct kern_decoder *decoder;
    uint64_t prompt_tokens;
    float *logits;
    struct trainer_candidate *candidates;
    char *text;
    uint64_t text_room, shown; /* bytes of text already on standard output */
    double seconds;            /* of the tokens that were chosen */
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Without a prompt: what a document begins with, or what the one before it ended with. */
static enum ngt_status begin(struct generation *g, struct ngt_error *reterr)
{
    const struct trainer_about *about = g->model.about;
    enum ngt_status status = NGT_OK;

    if (g->options->prompt) {
        status = trainer_text_open(g->options, about, &g->tokenizer, reterr);
        if (status == NGT_OK)
            status = trainer_text_encode(g->tokenizer, about, "--prompt", g->options->prompt,
                                         strlen(g->options->prompt), &g->ids, reterr);
    }
    if (status == NGT_OK && !g->ids.count) {
        status = tok_ids_reserve(&g->ids, 1, reterr);
        if (status == NGT_OK)
            g->ids.ids[g->ids.count++] = about->bos_id != NGT_NO_ID   ? about->bos_id
                                         : about->eos_id != NGT_NO_ID ? about->eos_id
                                                                      : 0;
    }
    g->prompt_tokens = g->ids.count;
    if (status == NGT_OK)
        status = tok_ids_reserve(&g->ids, g->options->tokens, reterr);
    return status;
}

/* The text so far; only what is new goes out. A cut UTF-8 sequence is completed by what follows. */
static enum ngt_status spell(struct generation *g, struct ngt_error *reterr)
{
    const struct ngt_vocabulary *v = &g->model.about->vocabulary;
    uint64_t need = ngt_vocabulary_text(v, g->ids.ids, g->ids.count, g->options->special, g->text,
                                        g->text_room);

    if (need > g->text_room) {
        char *more = realloc(g->text, 2 * need);
        if (!more)
            return no_memory(reterr);
        g->text = more;
        g->text_room = 2 * need;
        need = ngt_vocabulary_text(v, g->ids.ids, g->ids.count, g->options->special, g->text,
                                   g->text_room);
    }
    if (!g->options->json && need > g->shown) {
        fwrite(g->text + g->shown, 1, need - g->shown, stdout);
        fflush(stdout);
    }
    if (need > g->shown)
        g->shown = need;
    return NGT_OK;
}

static enum ngt_status decode(struct generation *g, struct ngt_error *reterr)
{
    const struct trainer_about *about = g->model.about;
    struct trainer_sampling sampling = {g->options->temperature, g->options->top_k,
                                        g->options->top_p};
    uint64_t key = ngt_permutation_key(g->options->seed, 0, NGT_PURPOSE_SAMPLE);
    struct kern_error error = {0};
    enum ngt_status status = spell(g, reterr);
    double start = now();

    for (uint64_t i = 0; status == NGT_OK && i < g->prompt_tokens + g->options->tokens; i++) {
        bool wanted = i + 1 >= g->prompt_tokens;
        if (cli_stopped() || (wanted && g->ids.count - g->prompt_tokens == g->options->tokens))
            break;
        if (kern_decoder_step(g->decoder, g->ids.ids[i], wanted ? g->logits : NULL, &error) !=
            KERN_OK)
            return trainer_kern_fail(reterr, &error, NULL);
        if (!wanted)
            continue;
        uint64_t n = g->ids.count - g->prompt_tokens;
        uint32_t id = trainer_sample(&sampling, g->logits, about->model.vocab,
                                     trainer_uniform(key, n), g->candidates);
        if (n == 0)
            start = now();
        g->ids.ids[g->ids.count++] = id;
        if (id == about->eos_id)
            break;
        status = spell(g, reterr);
    }
    g->seconds = now() - start;
    return status;
}

static bool print_json(const struct generation *g)
{
    struct ngt_json_out j;
    uint64_t made = g->ids.count - g->prompt_tokens;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_key(&j, "text");
    ngt_json_string_n(&j, g->text, g->shown);
    ngt_json_member_u64(&j, "prompt_tokens", g->prompt_tokens);
    ngt_json_member_u64(&j, "tokens", made);
    ngt_json_member_double(&j, "tokens_per_second",
                           g->seconds > 0 && made > 1 ? (double)(made - 1) / g->seconds : 0);
    ngt_json_member_u64(&j, "step", g->model.about->step);
    ngt_json_key(&j, "ids");
    ngt_json_array(&j);
    for (uint64_t i = 0; i < g->ids.count; i++)
        ngt_json_u64(&j, g->ids.ids[i]);
    ngt_json_array_end(&j);
    ngt_json_object_end(&j);
    bool good = !j.failed;
    if (good)
        puts(j.bytes);
    ngt_json_out_done(&j);
    return good;
}

int trainer_cmd_generate(const struct trainer_options *options, const struct cli_list *operands,
                         struct cli_console *console)
{
    struct generation g = {.options = options};
    struct kern_error kern_error = {0};
    struct ngt_error error;
    int code = CLI_EXIT_FAILED;

    cli_catch_signals();
    ngt_error_clear(&error);
    enum ngt_status status =
        trainer_model_open(operands->items[0], options, 1, 1, &g.model, &error);
    if (status == NGT_OK && !g.model.about->vocabulary.count && !options->json)
        status = ngt_fail(&error, NGT_E_DATA, operands->items[0], NGT_NO_POS, NGT_NO_POS,
                          "the checkpoint holds no vocabulary (it was imported); --json gives the "
                          "ids");
    if (status == NGT_OK)
        status = begin(&g, &error);
    if (status != NGT_OK)
        goto out;
    uint64_t limit = g.prompt_tokens + options->tokens;
    uint64_t trained = trainer_model_seq_len(g.model.about);
    if (trained && limit > trained)
        cli_say(console, "beyond the %llu tokens of a training sequence what comes is a guess",
                (unsigned long long)trained);
    g.logits = malloc(g.model.about->model.vocab * sizeof *g.logits);
    g.candidates = malloc(g.model.about->model.vocab * sizeof *g.candidates);
    if (!g.logits || !g.candidates) {
        status = no_memory(&error);
        goto out;
    }
    if (limit > UINT32_MAX)
        status = ngt_fail(&error, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                          "--tokens: too many to hold");
    else if (kern_decoder_new(g.model.backend, (uint32_t)limit, &g.decoder, &kern_error) != KERN_OK)
        status = trainer_kern_fail(&error, &kern_error, NULL);
    if (status == NGT_OK)
        status = decode(&g, &error);
    if (status != NGT_OK)
        goto out;
    if (options->json ? !print_json(&g) : putchar('\n') == EOF)
        status = ngt_fail(&error, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                          "cannot write to standard output");
    if (status == NGT_OK)
        code = cli_stopped() ? CLI_EXIT_AGAIN : CLI_EXIT_OK;
out:
    if (status != NGT_OK)
        cli_error(console, &error);
    kern_decoder_free(&g.decoder);
    free(g.logits);
    free(g.candidates);
    free(g.text);
    tok_ids_done(&g.ids);
    tok_close(&g.tokenizer);
    trainer_model_close(&g.model);
    return code;
}
