/*
 * pretok bench: the stages one by one on documents held in memory, each thread on all of them, so
 * that what a core does in each stage can be told apart. Reading is timed with the bytes in the
 * page cache: the corpus is read once before.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "input/stream.h"
#include "ngt/json.h"
#include "ngt/pool.h"
#include "unit_reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define SECONDS 1.0 /* a stage is repeated that long */

struct document {
    uint64_t start, size;
};

struct bench {
    struct pretok_plan plan;
    const struct pretok_options *options;
    struct tok_tokenizer *tokenizer;
    struct pretok_bytes text;
    struct document *documents;
    uint64_t count, room;
    uint64_t stored, decompressed; /* bytes */
    double decompress, scan; /* seconds a pass: bytes of the stream; records out of them too */
    double tokenize;         /* seconds a pass of one thread */
    double tokenize_all;     /* seconds a pass a thread, all threads at once */
    uint64_t tokens;
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

static bool keep(struct bench *b, const struct pretok_batch *batch)
{
    for (uint64_t i = 0; i < batch->count; i++) {
        const struct pretok_item *item = &batch->items[i];
        if (item->record.reason != PRETOK_ACCEPTED)
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
            .text_key = b->options->text_key,
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
    for (uint64_t i = 0; i < b->plan.inputs.count && status == NGT_OK; i++) {
        struct pretok_stream_config config = {.path = b->plan.inputs.items[i].path,
                                              .bytes = UINT64_MAX};
        struct pretok_stream *stream = NULL;
        const char *member;
        const uint8_t *at;
        uint64_t n;
        bool more = true;
        status = pretok_stream_open(&config, &stream, reterr);
        while (status == NGT_OK && more) {
            status = pretok_stream_next(stream, &more, &member, reterr);
            for (n = 1; status == NGT_OK && more && n; b->decompressed += n)
                status = pretok_stream_read(stream, &at, &n, reterr);
        }
        pretok_stream_close(&stream);
    }
    return status;
}

static enum ngt_status encode_all(const struct bench *b, struct tok_scratch *scratch,
                                  struct tok_ids *ids, uint64_t *ret_tokens,
                                  struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    struct tok_counts counts = {0};

    *ret_tokens = 0;
    for (uint64_t i = 0; i < b->count && status == NGT_OK; i++) {
        ids->count = 0;
        status = tok_encode(b->tokenizer, scratch, (const char *)b->text.at + b->documents[i].start,
                            b->documents[i].size, ids, &counts, reterr);
        *ret_tokens += ids->count;
    }
    return status;
}

static void encode_task(void *arg, unsigned worker)
{
    struct bench *b = arg;
    struct tok_scratch *scratch = NULL;
    struct tok_ids ids = {0};
    struct ngt_error error;
    uint64_t tokens;
    enum ngt_status status = tok_scratch_new(b->tokenizer, &scratch, &error);

    if (status == NGT_OK)
        status = encode_all(b, scratch, &ids, &tokens, &error);
    if (status == NGT_OK && worker == 0)
        b->tokens = tokens;
    if (status != NGT_OK && worker == 0) {
        b->status = status;
        b->error = error;
    }
    tok_scratch_free(&scratch);
    tok_ids_done(&ids);
}

/* Seconds of a pass of `threads` threads, each over all documents; the fastest of several. */
static enum ngt_status time_encoding(struct bench *b, unsigned threads, double *ret_seconds,
                                     struct ngt_error *reterr)
{
    struct ngt_pool *pool = NULL;
    enum ngt_status status = ngt_pool_new(threads, &pool, reterr);
    double first = now();

    *ret_seconds = 1e300;
    while (status == NGT_OK && now() - first < SECONDS) {
        double start = now();
        ngt_pool_run(pool, encode_task, b);
        double seconds = now() - start;
        if (seconds < *ret_seconds)
            *ret_seconds = seconds;
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

    b->decompress = b->scan = 1e300;
    while (status == NGT_OK && now() - first < SECONDS) {
        double start = now();
        status = drain_all(b, reterr);
        double middle = now();
        if (status == NGT_OK)
            status = read_all(b, false, reterr);
        double end = now();
        if (middle - start < b->decompress)
            b->decompress = middle - start;
        if (end - middle < b->scan)
            b->scan = end - middle;
    }
    if (status == NGT_OK)
        status = time_encoding(b, 1, &b->tokenize, reterr);
    if (status == NGT_OK)
        status = time_encoding(b, b->threads, &b->tokenize_all, reterr);
    return status;
}

static void print_json(const struct bench *b)
{
    struct ngt_json_out out;
    double megabytes = (double)b->text.size / 1e6;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "documents", b->count);
    ngt_json_member_u64(&out, "text_bytes", b->text.size);
    ngt_json_member_u64(&out, "stored_bytes", b->stored);
    ngt_json_member_u64(&out, "decompressed_bytes", b->decompressed);
    ngt_json_member_u64(&out, "tokens", b->tokens);
    ngt_json_member_u64(&out, "threads", b->threads);
    ngt_json_member_double(&out, "decompress_mb_s", (double)b->decompressed / 1e6 / b->decompress);
    ngt_json_member_double(&out, "decompress_and_scan_mb_s",
                           (double)b->decompressed / 1e6 / b->scan);
    ngt_json_member_double(&out, "tokenize_mb_s_core", megabytes / b->tokenize);
    ngt_json_member_double(&out, "tokenize_mb_s_all",
                           megabytes * (double)b->threads / b->tokenize_all);
    ngt_json_member_double(&out, "whole_mb_s_core", megabytes / (b->scan + b->tokenize));
    ngt_json_object_end(&out);
    if (!out.failed)
        fwrite(out.bytes, 1, out.size, stdout);
    ngt_json_out_done(&out);
}

static void print(const struct bench *b)
{
    double megabytes = (double)b->text.size / 1e6, whole = b->scan + b->tokenize;

    printf("%" PRIu64 " documents, %.1f MB of text, %" PRIu64 " tokens, %.2f bytes a token\n",
           b->count, megabytes, b->tokens,
           b->tokens ? (double)b->text.size / (double)b->tokens : 0);
    printf("decompress          %9.1f MB/s a core   %5.1f%% of the time\n",
           (double)b->decompressed / 1e6 / b->decompress, 100 * b->decompress / whole);
    printf("decompress, scan    %9.1f MB/s a core   %5.1f%%\n",
           (double)b->decompressed / 1e6 / b->scan, 100 * b->scan / whole);
    printf("tokenize            %9.2f MB/s a core   %5.1f%%   %.2f M tokens/s\n",
           megabytes / b->tokenize, 100 * b->tokenize / whole,
           (double)b->tokens / 1e6 / b->tokenize);
    printf("tokenize, %u threads %8.2f MB/s in all\n", b->threads,
           megabytes * (double)b->threads / b->tokenize_all);
    printf("whole               %9.2f MB/s a core\n", megabytes / whole);
}

int pretok_cmd_bench(const struct pretok_options *o, const struct cli_list *operands,
                     struct cli_console *console)
{
    struct bench b = {.options = o, .threads = pretok_options_threads(o)};
    struct pretok_special special = {NGT_NO_ID, NGT_NO_ID, NGT_NO_ID};
    struct pretok_options planned = *o;
    struct ngt_error error;
    enum ngt_status status = pretok_options_tokenizer(o, &b.tokenizer, &error);

    planned.unit_bytes = UINT64_MAX; /* one unit */
    planned.shard_tokens = 1;
    if (status == NGT_OK)
        status =
            pretok_options_plan(&planned, operands, b.tokenizer, &special, NULL, &b.plan, &error);
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
    tok_close(&b.tokenizer);
    pretok_bytes_done(&b.text);
    free(b.documents);
    return code;
}
