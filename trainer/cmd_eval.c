/* ngtrain eval RUNDIR FILE: the loss of the latest checkpoint on shards, or on a text. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ngt/dataset.h"
#include "ngt/file.h"
#include "ngt/json.h"
#include "ngt/sequence.h"
#include "trainer/commands.h"
#include "trainer/device.h"
#include "trainer/model.h"
#include "trainer/text.h"

/* Where the sequences come from: shards, or the ids of one text cut at T. */
struct source {
    struct ngt_dataset *set;
    struct ngt_sequences *sequences;
    struct tok_tokenizer *tokenizer;
    struct tok_ids ids;
    uint64_t bytes; /* of the text; 0 for shards */
    uint64_t count, length;
};

struct sums {
    double nll;
    uint64_t targets;
};

static enum ngt_status open_shards(struct source *s, const char *path,
                                   const struct trainer_options *options,
                                   const struct trainer_about *about, uint64_t length,
                                   struct ngt_error *reterr)
{
    unsigned flags = NGT_OPEN_VERIFY | (options->incomplete ? NGT_DATASET_INCOMPLETE : 0);
    enum ngt_status status = ngt_dataset_open(&path, 1, flags, &s->set, reterr);

    if (status != NGT_OK)
        return status;
    if (!s->set->count)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "the data set has no shards");
    const struct ngt_header *h = ngt_reader_header(s->set->readers[0]);
    if (h->vocab_size != about->model.vocab ||
        ((about->tokenizer.low || about->tokenizer.high) &&
         (h->tokenizer.low != about->tokenizer.low || h->tokenizer.high != about->tokenizer.high)))
        return ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, NGT_NO_POS,
                        "made with another tokenizer than the model's");
    status = ngt_sequences_new(s->set, h->kind == NGT_PACKED ? 0 : length, &s->sequences, reterr);
    if (status == NGT_OK) {
        s->count = ngt_sequences_count(s->sequences);
        s->length = ngt_sequences_len(s->sequences);
    }
    return status;
}

static enum ngt_status open_text(struct source *s, const char *path,
                                 const struct trainer_options *options,
                                 const struct trainer_about *about, uint64_t length,
                                 struct ngt_error *reterr)
{
    uint8_t *text = NULL;
    enum ngt_status status = ngt_file_read(path, UINT64_C(1) << 30, &text, &s->bytes, reterr);

    if (status == NGT_OK)
        status = trainer_text_open(options, about, &s->tokenizer, reterr);
    if (status == NGT_OK)
        status = trainer_text_encode(s->tokenizer, about, path, (const char *)text, s->bytes,
                                     &s->ids, reterr);
    if (status == NGT_OK && (about->flags & NGT_FLAG_EOS_ADDED) && about->eos_id != NGT_NO_ID) {
        status = tok_ids_reserve(&s->ids, 1, reterr);
        if (status == NGT_OK)
            s->ids.ids[s->ids.count++] = about->eos_id;
    }
    s->length = length;
    s->count = s->ids.count / length + (s->ids.count % length != 0);
    free(text);
    return status;
}

static enum ngt_status gather(const struct source *s, uint64_t index, uint32_t *tokens,
                              uint32_t *targets, uint32_t *first, struct ngt_error *reterr)
{
    if (s->sequences)
        return ngt_sequences_gather(s->sequences, index, tokens, targets, first, reterr);
    for (uint64_t i = 0; i < s->length; i++) {
        uint64_t at = index * s->length + i;
        bool inside = at < s->ids.count;
        tokens[i] = inside ? s->ids.ids[at] : 0;
        targets[i] = at + 1 < s->ids.count ? s->ids.ids[at + 1] : KERN_NO_TARGET;
        first[i] = inside ? 0 : (uint32_t)i; /* padding sees itself alone */
    }
    return NGT_OK;
}

static enum ngt_status take(struct kern_backend *backend, bool wait, struct sums *sums,
                            uint64_t *outstanding, struct ngt_error *reterr)
{
    while (*outstanding) {
        struct kern_result result;
        struct kern_error error = {0};
        bool have = false;
        if (kern_collect(backend, wait, &have, &result, &error) != KERN_OK)
            return trainer_kern_fail(reterr, &error, NULL);
        if (!have)
            break;
        sums->nll += result.nll;
        sums->targets += result.targets;
        --*outstanding;
    }
    return NGT_OK;
}

static enum ngt_status evaluate(const struct source *s, struct kern_backend *backend, uint32_t rows,
                                struct cli_console *console, struct sums *sums,
                                struct ngt_error *reterr)
{
    uint64_t positions = rows * s->length, outstanding = 0;
    uint32_t *memory = calloc(3 * positions, sizeof *memory);
    uint32_t *tokens = memory, *targets = memory + positions, *first = targets + positions;
    enum ngt_status status = NGT_OK;

    if (!memory)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    for (uint64_t i = 0; i < s->count && status == NGT_OK; i += rows) {
        struct kern_error error = {0};
        uint32_t n = s->count - i < rows ? (uint32_t)(s->count - i) : rows;
        if (cli_stopped()) {
            status = ngt_fail(reterr, NGT_E_STOPPED, NULL, NGT_NO_POS, NGT_NO_POS, "stopped");
            break;
        }
        for (uint32_t r = 0; r < n && status == NGT_OK; r++)
            status = gather(s, i + r, tokens + r * s->length, targets + r * s->length,
                            first + r * s->length, reterr);
        if (status != NGT_OK)
            break;
        struct kern_slot slot = {.kind = KERN_VALIDATE,
                                 .rows = n,
                                 .tokens = tokens,
                                 .targets = targets,
                                 .first = first,
                                 .first_micro = true,
                                 .last_micro = true};
        if (kern_submit(backend, &slot, &error) != KERN_OK)
            status = trainer_kern_fail(reterr, &error, NULL);
        else
            outstanding++;
        if (status == NGT_OK)
            status = take(backend, false, sums, &outstanding, reterr);
        cli_progress(console, i + rows >= s->count, "sequence %" PRIu64 " of %" PRIu64, i + n,
                     s->count);
    }
    if (status == NGT_OK)
        status = take(backend, true, sums, &outstanding, reterr);
    free(memory);
    return status;
}

static bool print(const struct source *s, const struct sums *sums, bool json)
{
    double loss = sums->targets ? sums->nll / (double)sums->targets : NAN;
    double bits = s->bytes ? sums->nll / M_LN2 / (double)s->bytes : NAN;

    if (!json) {
        printf("loss %.4f, perplexity %.2f, %" PRIu64 " targets", loss, exp(loss), sums->targets);
        if (s->bytes)
            printf(", %.4f bits a byte", bits);
        putchar('\n');
        return fflush(stdout) == 0;
    }
    struct ngt_json_out j;
    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_member_double(&j, "loss", loss);
    ngt_json_member_double(&j, "perplexity", exp(loss));
    ngt_json_member_u64(&j, "targets", sums->targets);
    ngt_json_member_u64(&j, "sequences", s->count);
    if (s->bytes)
        ngt_json_member_double(&j, "bits_per_byte", bits);
    ngt_json_object_end(&j);
    bool good = !j.failed && puts(j.bytes) != EOF && fflush(stdout) == 0;
    ngt_json_out_done(&j);
    return good;
}

int trainer_cmd_eval(const struct trainer_options *options, const struct cli_list *operands,
                     struct cli_console *console)
{
    const char *folder = operands->items[0], *path = operands->items[1];
    struct trainer_model alone = {0}, model = {0};
    struct source source = {0};
    struct sums sums = {0};
    struct ngt_error error;
    struct stat st;
    int code = CLI_EXIT_FAILED;

    cli_catch_signals();
    ngt_error_clear(&error);
    size_t n = strlen(path);
    bool shards = (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) ||
                  (n > 4 && strcmp(path + n - 4, ".ngt") == 0);
    /* the checkpoint first, without a backend: the sequence length comes from the data */
    enum ngt_status status = trainer_model_open(folder, options, 0, 0, &alone, &error);
    if (status != NGT_OK)
        goto out;
    uint64_t trained = trainer_model_seq_len(alone.about);
    uint64_t length = options->seq_given ? options->seq_len : trained ? trained : 1024;
    status = shards ? open_shards(&source, path, options, alone.about, length, &error)
                    : open_text(&source, path, options, alone.about, length, &error);
    if (status != NGT_OK)
        goto out;
    if (source.length > UINT32_MAX) {
        status = ngt_fail(&error, NGT_E_RANGE, path, NGT_NO_POS, NGT_NO_POS,
                          "sequences too long to compute");
        goto out;
    }
    uint32_t rows = source.length < 2048 ? (uint32_t)(4096 / source.length) : 1;
    status = trainer_model_open(folder, options, rows, (uint32_t)source.length, &model, &error);
    if (status == NGT_OK)
        status = evaluate(&source, model.backend, rows, console, &sums, &error);
    if (status == NGT_OK && !print(&source, &sums, options->json))
        status = ngt_fail(&error, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                          "cannot write to standard output");
    if (status == NGT_OK)
        code = CLI_EXIT_OK;
    else if (status == NGT_E_STOPPED)
        code = CLI_EXIT_AGAIN;
out:
    if (status != NGT_OK)
        cli_error(console, &error);
    trainer_model_close(&model);
    trainer_model_close(&alone);
    ngt_sequences_free(&source.sequences);
    ngt_dataset_close(&source.set);
    tok_ids_done(&source.ids);
    tok_close(&source.tokenizer);
    return code;
}
