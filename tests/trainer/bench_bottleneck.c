/*
 * One row of the table this project began with: where a training run's time goes when text is tokenized
 * inside the loop, and when it is not. All rows train the same model on the same sequences in the same order,
 * so their losses are the same numbers.
 *
 *   bench_bottleneck ROW PRESET ROWS SEQ_LEN STEPS TOKENIZER TEXT SHARDS
 *
 *   ROW        inline-phase  each sequence tokenized when it is needed, the host waits after every phase
 *              inline-batch  a batch tokenized at once, the host waits for every micro-batch
 *              stepwise      from shards; the host waits for every micro-batch
 *              persistent    from shards; the resident kernel
 *   TEXT       documents, a NUL after each; SHARDS: what pretok made of them, in that order
 *
 * Prints one JSON object. tests/trainer/bottleneck.py runs the rows in turns (scripts/bench-bottleneck).
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cuda/device.h"
#include "kern/backend.h"
#include "ngt/pool.h"
#include "ngt/sequence.h"
#include "tok/tokenizer.h"
#include "trainer/device.h"

#define WARM 3u /* steps before the clock starts */

enum row { INLINE_PHASE, INLINE_BATCH, STEPWISE, PERSISTENT };
static const char *const row_names[] = {"inline-phase", "inline-batch", "stepwise", "persistent"};

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double host(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_bottleneck: %s: %s\n", what, why);
    exit(1);
}

static void must(enum ngt_status status, const struct ngt_error *error, const char *what)
{
    char text[512];

    if (status == NGT_OK)
        return;
    ngt_error_print(error, text, sizeof text);
    die(what, text);
}

static void must_kern(enum kern_status status, const struct kern_error *error)
{
    if (status == KERN_E_UNAVAILABLE) {
        fprintf(stderr, "bench_bottleneck: %s\n", error->message);
        exit(77);
    }
    if (status != KERN_OK)
        die("the device", error->message);
}

/* ---- sequences from text, as ngt_sequences makes them from document shards ---- */

struct stream {
    char *text;
    uint64_t size, at;
    struct tok_tokenizer *tokenizer;
    struct tok_scratch *scratch;
    struct tok_ids ids;   /* of the documents so far */
    uint64_t *starts;     /* [document_count + 1] in ids */
    uint64_t count, room; /* documents */
    uint32_t eos;
    double seconds; /* in the tokenizer */
};

static void next_document(struct stream *s)
{
    struct ngt_error error;
    double begin = wall();

    if (s->at >= s->size)
        die("the text", "too short for so many steps");
    uint64_t n = strlen(s->text + s->at);
    must(tok_encode(s->tokenizer, s->scratch, s->text + s->at, n, &s->ids, NULL, &error), &error,
         "tokenizing");
    must(tok_ids_reserve(&s->ids, 1, &error), &error, "tokenizing");
    s->ids.ids[s->ids.count++] = s->eos;
    s->at += n + 1;
    if (s->count + 2 > s->room) {
        s->room = 2 * s->room + 1024;
        s->starts = realloc(s->starts, s->room * sizeof *s->starts);
        if (!s->starts)
            die("the text", "out of memory");
    }
    s->starts[++s->count] = s->ids.count;
    s->seconds += wall() - begin;
}

/* Documents until sequence `index` and its last token's successor are there. */
static void tokenize_up_to(struct stream *s, uint64_t index, uint64_t length)
{
    while (s->ids.count < (index + 1) * length + 1)
        next_document(s);
}

static void cut_sequence(const struct stream *s, uint64_t index, uint64_t length, uint32_t *tokens,
                         uint32_t *targets, uint32_t *first)
{
    uint64_t begin = index * length, doc = 0, low = 0, high = s->count;

    while (low + 1 < high) { /* the document of the first token */
        uint64_t middle = (low + high) / 2;
        if (s->starts[middle] <= begin)
            low = middle;
        else
            high = middle;
    }
    doc = low;
    for (uint64_t i = 0; i < length; i++) {
        uint64_t at = begin + i;
        while (at >= s->starts[doc + 1])
            doc++;
        tokens[i] = s->ids.ids[at];
        targets[i] = at + 1 < s->starts[doc + 1] ? s->ids.ids[at + 1] : KERN_NO_TARGET;
        first[i] = s->starts[doc] > begin ? (uint32_t)(s->starts[doc] - begin) : 0;
    }
}

static void open_stream(struct stream *s, const char *tokenizer, const char *text)
{
    struct ngt_error error;
    struct tok_config config = {.path = tokenizer, .engine = TOK_REFERENCE};
    FILE *f = fopen(text, "rb");

    if (!f || fseek(f, 0, SEEK_END) != 0)
        die(text, "cannot be read");
    s->size = (uint64_t)ftell(f);
    rewind(f);
    s->text = malloc(s->size + 1);
    if (!s->text || fread(s->text, 1, s->size, f) != s->size)
        die(text, "cannot be read");
    s->text[s->size] = 0;
    fclose(f);
    must(tok_open(&config, &s->tokenizer, &error), &error, tokenizer);
    must(tok_scratch_new(s->tokenizer, &s->scratch, &error), &error, tokenizer);
    s->eos = tok_special_ids(s->tokenizer).eos;
    s->room = 1024;
    s->starts = calloc(s->room, sizeof *s->starts);
    if (!s->starts)
        die(text, "out of memory");
}

/* ---- a run ---- */

struct bench {
    enum row row;
    struct kern_config config;
    struct kern_backend *backend;
    struct stream stream;
    struct ngt_dataset *set;
    struct ngt_sequences *sequences;
    uint32_t *tokens, *targets, *first;
    double waiting; /* the host, for the device */
    double busy, loss;
    uint64_t answered;
};

static void gather(struct bench *b, uint64_t step)
{
    uint64_t length = b->config.seq_len, rows = b->config.rows;
    struct ngt_error error;

    if (b->row == INLINE_BATCH)
        tokenize_up_to(&b->stream, step * rows + rows - 1, length);
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t index = step * rows + i, at = i * length;
        if (b->row == INLINE_PHASE)
            tokenize_up_to(&b->stream, index, length);
        if (b->row <= INLINE_BATCH)
            cut_sequence(&b->stream, index, length, b->tokens + at, b->targets + at, b->first + at);
        else
            must(ngt_sequences_gather(b->sequences, index, b->tokens + at, b->targets + at,
                                      b->first + at, &error),
                 &error, "the shards");
    }
}

static void collect(struct bench *b, bool all)
{
    struct kern_error error = {0};
    struct kern_result r;
    bool have = false;

    for (;;) {
        must_kern(kern_collect(b->backend, all, &have, &r, &error), &error);
        if (!have)
            return;
        b->busy += r.busy * r.compute_seconds;
        b->loss = r.nll / (double)r.targets;
        b->answered++;
    }
}

static void step(struct bench *b, uint64_t number)
{
    uint64_t n = (uint64_t)b->config.rows * b->config.seq_len, targets = 0;
    struct kern_error error = {0};

    gather(b, number);
    for (uint64_t i = 0; i < n; i++)
        targets += b->targets[i] != KERN_NO_TARGET;
    double begin = wall();
    must_kern(kern_submit(b->backend,
                          &(struct kern_slot){.kind = KERN_TRAIN,
                                              .step = number,
                                              .rows = b->config.rows,
                                              .tokens = b->tokens,
                                              .targets = b->targets,
                                              .first = b->first,
                                              .first_micro = true,
                                              .last_micro = true,
                                              .step_targets = targets,
                                              .lr = 3e-4,
                                              .bias1 = 1 - pow(0.9, (double)number + 1),
                                              .bias2 = 1 - pow(0.95, (double)number + 1)},
                          &error),
              &error);
    collect(b, b->row != PERSISTENT);
    b->waiting += wall() - begin;
}

static void open_bench(struct bench *b, char **argv)
{
    struct ngt_error error;
    struct kern_error kern_error = {0};
    struct ngt_pool *pool = NULL;
    const char *paths[] = {argv[8]};

    while (strcmp(row_names[b->row], argv[1]) != 0)
        if (++b->row > PERSISTENT)
            die(argv[1], "inline-phase, inline-batch, stepwise or persistent");
    if (!kern_model_preset(argv[2], &b->config.model))
        die(argv[2], "no such preset");
    must(ngt_dataset_open(paths, 1, 0, &b->set, &error), &error, argv[8]);
    b->config.model.vocab = (uint32_t)ngt_reader_header(b->set->readers[0])->vocab_size;
    b->config.rows = (uint32_t)atoi(argv[3]);
    b->config.seq_len = (uint32_t)atoi(argv[4]);
    b->config.beta1 = 0.9f, b->config.beta2 = 0.95f, b->config.adam_eps = 1e-8f;
    b->config.weight_decay = 0.1f, b->config.clip = 1;
    b->config.launch = b->row == PERSISTENT ? KERN_PERSISTENT : KERN_STEPWISE;
    must(ngt_sequences_new(b->set, b->config.seq_len, &b->sequences, &error), &error, argv[8]);
    if (b->row <= INLINE_BATCH)
        open_stream(&b->stream, argv[6], argv[7]);
    must_kern(kern_cuda_new(&b->config, &b->backend, &kern_error), &kern_error);
    kern_cuda_wait_phases(b->backend, b->row == INLINE_PHASE);

    uint64_t n = (uint64_t)b->config.rows * b->config.seq_len;
    float *weights = calloc(kern_parameter_count(&b->config.model), sizeof *weights);
    b->tokens = calloc(n, sizeof *b->tokens);
    b->targets = calloc(n, sizeof *b->targets);
    b->first = calloc(n, sizeof *b->first);
    if (!weights || !b->tokens || !b->targets || !b->first)
        die("the model", "out of memory");
    must(ngt_pool_new(2, &pool, &error), &error, "threads");
    must(trainer_weights_init(&b->config.model, 1, pool, weights, &error), &error, "weights");
    must_kern(kern_state_set(b->backend, KERN_WEIGHTS, weights, &kern_error), &kern_error);
    ngt_pool_free(&pool);
    free(weights);
}

int main(int argc, char **argv)
{
    struct bench b = {.row = INLINE_PHASE};
    uint64_t steps = argc == 9 ? strtoull(argv[5], NULL, 10) : 0;

    if (argc != 9 || !steps) {
        fprintf(stderr, "bench_bottleneck ROW PRESET ROWS SEQ_LEN STEPS TOKENIZER TEXT SHARDS\n");
        return 2;
    }
    open_bench(&b, argv);
    for (uint64_t i = 0; i < WARM; i++)
        step(&b, i);
    while (b.answered < WARM)
        collect(&b, true);
    b.waiting = b.busy = b.stream.seconds = 0;
    double begin = wall(), cpu = host();
    for (uint64_t i = 0; i < steps; i++)
        step(&b, WARM + i);
    double last = wall();
    while (b.answered < WARM + steps)
        collect(&b, true);
    b.waiting += wall() - last;
    double seconds = wall() - begin;
    cpu = host() - cpu;
    printf("{\"row\": \"%s\", \"seconds\": %.6f, \"tokens\": %" PRIu64
           ", \"tokenize\": %.6f, \"waiting\": %.6f, \"gpu_busy\": %.6f, \"cpu\": %.6f, "
           "\"loss\": %.17g}\n",
           argv[1], seconds, steps * b.config.rows * b.config.seq_len, b.stream.seconds, b.waiting,
           b.busy, cpu, b.loss);
    kern_backend_free(&b.backend);
    return 0;
}
