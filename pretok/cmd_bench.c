/*
 * pretok bench: the stages one by one on documents held in memory. Tokenizing is timed in the CPU
 * time of its thread: cold (a fresh scratch, the first 8 MB), half-warm (warmed by the first half of
 * the documents, the other half measured: what a long run sees), warm (all documents again). Before
 * that the ids are compared with those of the plain engine. Reading is timed with the bytes in the
 * page cache: the corpus is read once before.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "input/stream.h"
#include "ngt/json.h"
#include "ngt/pool.h"
#include "ngt/writer.h"
#include "unit_reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define SECONDS 1.0 /* a stage is repeated that long */

struct document {
    uint64_t start, size;
};

struct bench {
    struct pretok_plan plan;
    struct pretok_keys keys;
    const struct pretok_options *options;
    struct tok_tokenizer *tokenizer;
    struct pretok_bytes text;
    struct document *documents;
    uint64_t count, room;
    uint64_t stored, decompressed; /* bytes */
    double decompress, scan; /* seconds a pass: bytes of the stream; records out of them too */
    uint64_t half, eight;    /* documents: the first half of the bytes, the first 8 MB */
    double open, cold, half_warm, warm; /* seconds of one thread */
    double normalize, split;            /* seconds a pass: that stage and those before it */
    double write;                       /* seconds a pass: ids to a shard */
    double one, all; /* wall seconds a warm pass: one thread alone; each of all at once */
    struct tok_stats half_stats; /* of the half-warm pass */
    uint64_t tokens;
    bool compared;
    unsigned threads;
    enum ngt_status status;
    struct ngt_error error;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void least(double *seconds, double candidate)
{
    if (candidate < *seconds)
        *seconds = candidate;
}

static bool keep(struct bench *b, const struct pretok_batch *batch)
{
    for (uint64_t i = 0; i < batch->count; i++) {
        const struct pretok_item *item = &batch->items[i];
        if (item->record.reason != PRETOK_ACCEPTED || item->record.filtered)
            continue;
        if (b->count == b->room) {
            uint64_t room = b->room * 2 + 1024;
            struct document *grown = realloc(b->documents, room * sizeof *grown);
            if (!grown)
                return false;
            b->documents = grown;
            b->room = room;
        }
        b->documents[b->count++] = (struct document){b->text.size, item->record.text_bytes};
        if (!pretok_bytes_append(&b->text, batch->text.at + item->record.text_start,
                                 item->record.text_bytes))
            return false;
    }
    return true;
}

/* All units once. keep_them: the documents stay in memory. */
static enum ngt_status read_all(struct bench *b, bool keep_them, struct ngt_error *reterr)
{
    struct pretok_batch *batch = calloc(1, sizeof *batch);
    struct pretok_unit_reader *reader = NULL;
    enum ngt_status status = batch ? NGT_OK : NGT_E_NOMEM;

    for (uint64_t u = 1; u <= b->plan.unit_count && status == NGT_OK; u++) {
        struct pretok_unit_reader_config config = {
            .plan = &b->plan,
            .unit = u,
            .wanted = pretok_keys_wanted(&b->keys),
            .max_doc_bytes = b->options->max_doc_bytes,
            .limit = b->options->limit_given ? b->options->limit : UINT64_MAX};
        status = pretok_unit_reader_new(&config, &reader, reterr);
        while (status == NGT_OK && !batch->last) {
            pretok_batch_clear(batch);
            status = pretok_unit_reader_fill(reader, batch, reterr);
            if (status == NGT_OK && keep_them && !keep(b, batch))
                status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE,
                                  "the corpus does not fit into memory; give --limit");
        }
        batch->last = false;
        pretok_unit_reader_free(&reader);
    }
    if (batch)
        pretok_batch_done(batch);
    free(batch);
    return status;
}

static enum ngt_status drain_all(struct bench *b, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    b->decompressed = 0;
    for (uint64_t i = 0; i < b->plan.inputs.count; i++)
        if (b->plan.inputs.items[i].format == PRETOK_FORMAT_PARQUET)
            return ngt_fail(reterr, NGT_E_UNSUPPORTED, b->plan.inputs.items[i].path, HERE,
                            "bench measures reading of bytes in a row, which Parquet is not; "
                            "give text or JSON lines");
    for (uint64_t i = 0; i < b->plan.inputs.count && status == NGT_OK; i++) {
        struct pretok_stream_config config = {.place.path = b->plan.inputs.items[i].path,
                                              .bytes = UINT64_MAX};
        status = pretok_stream_drain(&config, &b->decompressed, reterr);
    }
    return status;
}

static uint64_t bytes_of(const struct bench *b, uint64_t first, uint64_t end)
{
    return end > first ? b->documents[end - 1].start + b->documents[end - 1].size -
                             b->documents[first].start
                       : 0;
}

/* One document into ids, which are emptied before. */
static enum ngt_status encode_one(const struct bench *b, const struct tok_tokenizer *t,
                                  struct tok_scratch *scratch, uint64_t i, struct tok_ids *ids,
                                  struct ngt_error *reterr)
{
    ids->count = 0;
    return tok_encode(t, scratch, (const char *)b->text.at + b->documents[i].start,
                      b->documents[i].size, ids, NULL, reterr);
}

/* Documents [first, end); adds to *ret_tokens. */
static enum ngt_status encode_range(const struct bench *b, struct tok_scratch *scratch,
                                    struct tok_ids *ids, uint64_t first, uint64_t end,
                                    double *ret_seconds, uint64_t *ret_tokens,
                                    struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    double start = cpu();

    for (uint64_t i = first; i < end && status == NGT_OK; i++) {
        status = encode_one(b, b->tokenizer, scratch, i, ids, reterr);
        *ret_tokens += ids->count;
    }
    *ret_seconds = cpu() - start;
    return status;
}

/* The ids of the fast engine are those of the plain one, document by document. */
static enum ngt_status compare(struct bench *b, struct ngt_error *reterr)
{
    struct pretok_options plain = *b->options;
    struct tok_tokenizer *twin = NULL;
    struct tok_scratch *scratch = NULL, *twin_scratch = NULL;
    struct tok_ids ids = {0}, want = {0};
    enum ngt_status status;

    plain.engine = TOK_PLAIN;
    status = pretok_options_tokenizer(&plain, &twin, reterr);
    if (status == NGT_OK)
        status = tok_scratch_new(b->tokenizer, &scratch, reterr);
    if (status == NGT_OK)
        status = tok_scratch_new(twin, &twin_scratch, reterr);
    for (uint64_t i = 0; i < b->count && status == NGT_OK; i++) {
        status = encode_one(b, b->tokenizer, scratch, i, &ids, reterr);
        if (status == NGT_OK)
            status = encode_one(b, twin, twin_scratch, i, &want, reterr);
        if (status == NGT_OK &&
            (ids.count != want.count ||
             (ids.count && memcmp(ids.ids, want.ids, ids.count * sizeof *ids.ids) != 0)))
            status = ngt_fail(reterr, NGT_E_DATA, b->options->tokenizer, NGT_NO_POS, i + 1,
                              "document %llu has other ids by the fast engine than by the plain "
                              "one: please report this",
                              (unsigned long long)i + 1);
    }
    b->compared = status == NGT_OK;
    tok_scratch_free(&scratch);
    tok_scratch_free(&twin_scratch);
    tok_ids_done(&ids);
    tok_ids_done(&want);
    tok_close(&twin);
    return status;
}

static enum ngt_status time_stages(const struct bench *b, struct tok_scratch *scratch,
                                   enum tok_stage stage, double *ret_seconds,
                                   struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    *ret_seconds = 1e300;
    for (int pass = 0; pass < 3 && status == NGT_OK; pass++) {
        double start = cpu();
        for (uint64_t i = 0; i < b->count && status == NGT_OK; i++)
            status = tok_encode_stage(b->tokenizer, scratch, stage,
                                      (const char *)b->text.at + b->documents[i].start,
                                      b->documents[i].size, reterr);
        least(ret_seconds, cpu() - start);
    }
    return status;
}

/* Cold, half-warm, warm, and the stages before the model. */
static enum ngt_status time_encoding(struct bench *b, struct ngt_error *reterr)
{
    struct tok_scratch *scratch = NULL;
    struct tok_ids ids = {0};
    uint64_t tokens = 0;
    double seconds = 0, first = now();
    enum ngt_status status = NGT_OK;

    b->cold = b->half_warm = b->warm = 1e300;
    do {
        tok_scratch_free(&scratch);
        status = tok_scratch_new(b->tokenizer, &scratch, reterr);
        if (status == NGT_OK)
            status = encode_range(b, scratch, &ids, 0, b->eight, &seconds, &tokens, reterr);
        least(&b->cold, seconds);
        tok_scratch_free(&scratch);
        if (status == NGT_OK)
            status = tok_scratch_new(b->tokenizer, &scratch, reterr);
        if (status != NGT_OK)
            break;
        status = encode_range(b, scratch, &ids, 0, b->half, &seconds, &tokens, reterr);
        struct tok_stats before = tok_scratch_stats(scratch);
        if (status == NGT_OK)
            status = encode_range(b, scratch, &ids, b->half, b->count, &seconds, &tokens, reterr);
        least(&b->half_warm, seconds);
        b->half_stats = tok_scratch_stats(scratch);
        b->half_stats.words -= before.words;
        b->half_stats.misses -= before.misses;
        for (int pass = 0; pass < 2 && status == NGT_OK; pass++) {
            b->tokens = 0;
            status = encode_range(b, scratch, &ids, 0, b->count, &seconds, &b->tokens, reterr);
            least(&b->warm, seconds);
        }
    } while (status == NGT_OK && now() - first < SECONDS && !b->options->quick);
    if (status == NGT_OK)
        status = time_stages(b, scratch, TOK_STAGE_NORMALIZE, &b->normalize, reterr);
    if (status == NGT_OK)
        status = time_stages(b, scratch, TOK_STAGE_SPLIT, &b->split, reterr);
    tok_scratch_free(&scratch);
    tok_ids_done(&ids);
    return status;
}

/* Ids to a shard in the folder for temporary files; they are made outside of the time. */
static enum ngt_status time_writing(struct bench *b, struct ngt_error *reterr)
{
    const char *folder = getenv("TMPDIR");
    char path[512];
    struct ngt_writer *writer = NULL;
    struct tok_scratch *scratch = NULL;
    struct tok_ids ids = {0};
    struct ngt_shard_summary summary;
    struct ngt_source source = {.name = "bench"};
    uint32_t index = 0;
    enum ngt_status status = tok_scratch_new(b->tokenizer, &scratch, reterr);
    struct ngt_writer_config config = {.kind = NGT_DOCUMENTS,
                                       .vocab_size = tok_vocabulary(b->tokenizer)->count,
                                       .bos_id = NGT_NO_ID,
                                       .eos_id = NGT_NO_ID,
                                       .pad_id = NGT_NO_ID,
                                       .tokenizer = tok_digest(b->tokenizer),
                                       .vocabulary = tok_vocabulary(b->tokenizer)};

    snprintf(path, sizeof path, "%s/pretok-bench-%ld.ngt", folder ? folder : "/tmp",
             (long)getpid());
    b->write = 0;
    if (status == NGT_OK)
        status = ngt_writer_open(path, &config, &writer, reterr);
    if (status == NGT_OK)
        status = ngt_writer_source(writer, &source, &index, reterr);
    for (uint64_t i = 0; i < b->count && status == NGT_OK; i++) {
        status = encode_one(b, b->tokenizer, scratch, i, &ids, reterr);
        struct ngt_doc doc = {.ids = ids.ids, .count = ids.count, .source = index, .record = i + 1};
        double start = cpu();
        if (status == NGT_OK)
            status = ngt_writer_doc(writer, &doc, reterr);
        b->write += cpu() - start;
    }
    double start = cpu();
    if (status == NGT_OK)
        status = ngt_writer_commit(&writer, NULL, 0, &summary, reterr);
    b->write += cpu() - start;
    ngt_writer_abort(&writer);
    (void)unlink(path);
    tok_scratch_free(&scratch);
    tok_ids_done(&ids);
    return status;
}

/* One pass to warm up and one that counts; all threads begin the second one together, more or less:
 * the pool starts them at once, and the first pass is the same work for each. */
static void encode_task(void *arg, unsigned worker)
{
    struct bench *b = arg;
    struct tok_scratch *scratch = NULL;
    struct tok_ids ids = {0};
    struct ngt_error error;
    uint64_t tokens = 0;
    double seconds = 0, start = 0;
    enum ngt_status status = tok_scratch_new(b->tokenizer, &scratch, &error);

    for (int pass = 0; pass < 3 && status == NGT_OK; pass++) {
        if (pass == 1)
            start = now();
        status = encode_range(b, scratch, &ids, 0, b->count, &seconds, &tokens, &error);
    }
    if (worker == 0) {
        b->all = (now() - start) / 2;
        b->status = status;
        if (status != NGT_OK)
            b->error = error;
    }
    tok_scratch_free(&scratch);
    tok_ids_done(&ids);
}

/* Wall seconds a pass when that many threads encode all documents at once; the best of several. */
static enum ngt_status time_threads(struct bench *b, unsigned threads, double *ret_seconds,
                                    struct ngt_error *reterr)
{
    struct ngt_pool *pool = NULL;
    enum ngt_status status = ngt_pool_new(threads, &pool, reterr);

    *ret_seconds = 1e300;
    for (int pass = 0; pass < 3 && status == NGT_OK; pass++) {
        ngt_pool_run(pool, encode_task, b);
        least(ret_seconds, b->all);
        status = b->status;
        if (status != NGT_OK && reterr)
            *reterr = b->error;
    }
    ngt_pool_free(&pool);
    return status;
}

static enum ngt_status measure(struct bench *b, struct ngt_error *reterr)
{
    enum ngt_status status = read_all(b, true, reterr);
    double first = now();

    b->decompress = b->scan = b->options->quick ? 0 : 1e300;
    while (status == NGT_OK && now() - first < SECONDS && !b->options->quick) {
        double start = cpu();
        status = drain_all(b, reterr);
        double middle = cpu();
        if (status == NGT_OK)
            status = read_all(b, false, reterr);
        least(&b->decompress, middle - start);
        least(&b->scan, cpu() - middle);
    }
    while (b->half < b->count && b->documents[b->half].start < b->text.size / 2)
        b->half++;
    while (b->eight < b->count && b->documents[b->eight].start < 8000000)
        b->eight++;
    if (status == NGT_OK && b->options->engine == TOK_FAST && !b->options->quick)
        status = compare(b, reterr);
    if (status == NGT_OK)
        status = time_encoding(b, reterr);
    if (b->options->quick)
        return status;
    if (status == NGT_OK)
        status = time_writing(b, reterr);
    if (status == NGT_OK)
        status = time_threads(b, 1, &b->one, reterr);
    if (status == NGT_OK)
        status = time_threads(b, b->threads, &b->all, reterr);
    return status;
}

static double rate(uint64_t bytes, double seconds)
{
    return bytes ? (double)bytes / 1e6 / seconds : 0;
}

static double hits(const struct bench *b)
{
    return b->half_stats.words ? 1 - (double)b->half_stats.misses / (double)b->half_stats.words : 0;
}

static void print_json(const struct bench *b)
{
    struct ngt_json_out out;
    double whole = b->scan + b->warm + b->write;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "documents", b->count);
    ngt_json_member_u64(&out, "text_bytes", b->text.size);
    ngt_json_member_u64(&out, "stored_bytes", b->stored);
    ngt_json_member_u64(&out, "tokens", b->tokens);
    ngt_json_member_bool(&out, "compared", b->compared);
    if (b->options->engine == TOK_FAST)
        ngt_json_member_string(&out, "simd", tok_simd());
    ngt_json_member_double(&out, "open_seconds", b->open);
    ngt_json_member_double(&out, "cold_mb_s", rate(bytes_of(b, 0, b->eight), b->cold));
    ngt_json_member_double(&out, "half_warm_mb_s",
                           rate(bytes_of(b, b->half, b->count), b->half_warm));
    ngt_json_member_double(&out, "warm_mb_s", rate(b->text.size, b->warm));
    ngt_json_member_double(&out, "half_warm_hits", hits(b));
    ngt_json_member_double(&out, "normalize_seconds", b->normalize);
    ngt_json_member_double(&out, "split_seconds", b->split - b->normalize);
    ngt_json_member_double(&out, "encode_seconds", b->warm - b->split);
    if (!b->options->quick) {
        ngt_json_member_u64(&out, "decompressed_bytes", b->decompressed);
        ngt_json_member_double(&out, "decompress_seconds", b->decompress);
        ngt_json_member_double(&out, "scan_seconds", b->scan - b->decompress);
        ngt_json_member_double(&out, "write_seconds", b->write);
        ngt_json_member_double(&out, "whole_mb_s_core", rate(b->text.size, whole));
        ngt_json_member_u64(&out, "threads", b->threads);
        ngt_json_member_double(&out, "thread_scaling", (double)b->threads * b->one / b->all);
    }
    ngt_json_object_end(&out);
    if (!out.failed)
        fwrite(out.bytes, 1, out.size, stdout);
    ngt_json_out_done(&out);
}

static void print_stage(const struct bench *b, const char *name, double seconds, double whole)
{
    if (seconds > whole / 2000)
        printf("  %-14s %9.1f MB/s   %5.1f%%\n", name, rate(b->text.size, seconds),
               100 * seconds / whole);
}

static void print(const struct bench *b)
{
    double whole = b->scan + b->warm + b->write;

    printf("%" PRIu64 " documents, %.1f MB of text, %" PRIu64 " tokens, %.2f bytes a token%s\n",
           b->count, (double)b->text.size / 1e6, b->tokens,
           b->tokens ? (double)b->text.size / (double)b->tokens : 0,
           b->compared ? "; ids equal the plain engine's" : "");
    bool fast = b->options->engine == TOK_FAST;
    printf("tokenize, one core%s%s: cold %.1f, half-warm %.1f, warm %.1f MB/s", fast ? ", " : "",
           fast ? tok_simd() : "", rate(bytes_of(b, 0, b->eight), b->cold),
           rate(bytes_of(b, b->half, b->count), b->half_warm), rate(b->text.size, b->warm));
    if (b->half_stats.words)
        printf("; half-warm, %.2f%% of the words were in the cache", 100 * hits(b));
    printf("\nopening the tokenizer: %.0f ms\n", 1e3 * b->open);
    if (b->options->quick)
        return;
    printf("a core, all stages, warm: %.1f MB/s\n", rate(b->text.size, whole));
    print_stage(b, "decompress", b->decompress, whole);
    print_stage(b, "JSON, UTF-8", b->scan - b->decompress, whole);
    print_stage(b, "normalize", b->normalize, whole);
    print_stage(b, "pre-tokenize", b->split - b->normalize, whole);
    print_stage(b, "words, merge", b->warm - b->split, whole);
    print_stage(b, "write", b->write, whole);
    printf("%u threads: %.2f times one\n", b->threads, (double)b->threads * b->one / b->all);
}

int pretok_cmd_bench(const struct pretok_options *o, const struct cli_list *operands,
                     struct cli_console *console)
{
    struct bench b = {.options = o, .threads = pretok_options_threads(o)};
    struct pretok_special special = {NGT_NO_ID, NGT_NO_ID, NGT_NO_ID};
    struct pretok_options planned = *o;
    struct ngt_error error;
    double start = cpu();
    enum ngt_status status = pretok_options_tokenizer(o, &b.tokenizer, &error);

    b.open = cpu() - start;

    planned.unit_bytes = UINT64_MAX; /* one unit */
    planned.shard_tokens = 1;
    if (status == NGT_OK)
        status = pretok_options_keys(o, &b.keys, &error);
    if (status == NGT_OK)
        status =
            pretok_options_plan(&planned, operands, b.tokenizer, &special, NULL, NULL, &b.plan, &error);
    for (uint64_t i = 0; i < b.plan.inputs.count && status == NGT_OK; i++) {
        b.stored += b.plan.inputs.items[i].size;
        if (!b.plan.inputs.items[i].path)
            status = ngt_fail(&error, NGT_E_RANGE, NULL, HERE,
                              "bench reads its corpus several "
                              "times and so takes files only");
    }
    if (status == NGT_OK)
        status = measure(&b, &error);
    if (status == NGT_OK)
        o->json ? print_json(&b) : print(&b);
    int code = pretok_exit(console, status, &error);
    pretok_plan_done(&b.plan);
    pretok_keys_done(&b.keys);
    tok_close(&b.tokenizer);
    pretok_bytes_done(&b.text);
    free(b.documents);
    return code;
}
