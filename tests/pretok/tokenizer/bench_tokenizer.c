/*
 * Speed of any tokenizer file, in one thread:
 *
 *   bench_tokenizer [--reference] [--ids] TOKENIZER TEXTS
 *
 * TEXTS: JSON lines with "text" (name ends in .jsonl), or texts separated by NUL bytes. Prints MB/s
 * of text in CPU time: cold (a fresh scratch, the first 8 MB), half-warm (warm by the first half of
 * the documents, the other half measured), warm (the best of later passes over all). --ids prints a
 * line of ids a document instead, for scripts/check-sentencepiece.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input/jsonl.h"
#include "ngt/file.h"
#include "tok/tokenizer.h"

struct texts {
    struct pretok_bytes bytes;
    uint64_t *starts; /* [count + 1] */
    uint64_t count, room;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_tokenizer: %s\n", what);
    exit(1);
}

static void note_end(struct texts *t, uint64_t end)
{
    if (t->count + 2 > t->room) {
        t->room = t->room * 2 + 1024;
        t->starts = realloc(t->starts, t->room * sizeof *t->starts);
        if (!t->starts)
            die("out of memory");
        t->starts[0] = 0;
    }
    t->starts[++t->count] = end;
}

static void read_jsonl(struct texts *t, const uint8_t *bytes, uint64_t n)
{
    struct pretok_jsonl_config config = {.text_key = "text", .max_text_bytes = UINT64_C(1) << 31};
    struct pretok_jsonl *j = NULL;
    struct pretok_record r;
    const uint8_t *at = bytes, *end = bytes + n;
    enum pretok_event event;

    if (pretok_jsonl_new(&config, &j, NULL) != NGT_OK)
        die("out of memory");
    pretok_jsonl_start(j, true);
    while ((event = pretok_jsonl_next(j, &at, end, &t->bytes, &r)) != PRETOK_MORE) {
        if (event != PRETOK_DOCUMENT)
            die("a line that is no document");
        note_end(t, r.text_start + r.text_bytes);
    }
    if (pretok_jsonl_end(j, &t->bytes, &r) == PRETOK_DOCUMENT)
        note_end(t, r.text_start + r.text_bytes);
    pretok_jsonl_free(&j);
}

static void read_texts(struct texts *t, const char *path)
{
    struct ngt_error error = {0};
    uint8_t *bytes = NULL;
    uint64_t n = 0, length = strlen(path);

    if (ngt_file_read(path, UINT64_C(1) << 32, &bytes, &n, &error) != NGT_OK)
        die(error.message);
    if (length > 6 && strcmp(path + length - 6, ".jsonl") == 0) {
        read_jsonl(t, bytes, n);
        free(bytes);
        return;
    }
    /* without the NUL bytes between them */
    uint64_t used = 0;
    for (uint64_t at = 0; at < n;) {
        const uint8_t *nul = memchr(bytes + at, 0, n - at);
        uint64_t end = nul ? (uint64_t)(nul - bytes) : n;
        memmove(bytes + used, bytes + at, end - at);
        used += end - at;
        note_end(t, used);
        at = end + 1;
    }
    t->bytes.at = bytes;
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Documents [first, end); returns MB/s. ids is emptied before each. */
static double run(const struct tok_tokenizer *tokenizer, struct tok_scratch *scratch,
                  const struct texts *t, uint64_t first, uint64_t end, struct tok_ids *ids,
                  bool print)
{
    struct ngt_error error = {0};
    double begin = cpu_seconds();

    for (uint64_t i = first; i < end; i++) {
        ids->count = 0;
        if (tok_encode(tokenizer, scratch, (const char *)t->bytes.at + t->starts[i],
                       t->starts[i + 1] - t->starts[i], ids, NULL, &error) != NGT_OK)
            die(error.message);
        for (uint64_t k = 0; print && k < ids->count; k++)
            printf(k + 1 == ids->count ? "%u" : "%u ", ids->ids[k]);
        if (print)
            putchar('\n');
    }
    return 1e-6 * (double)(t->starts[end] - t->starts[first]) / (cpu_seconds() - begin);
}

int main(int argc, char **argv)
{
    struct tok_config config = {.engine = TOK_FAST};
    struct tok_tokenizer *tokenizer = NULL;
    struct tok_scratch *scratch = NULL;
    struct tok_ids ids = {0};
    struct ngt_error error = {0};
    struct texts t = {0};
    bool print = false;
    uint64_t eight = 0, half = 0;
    double begin;

    for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
        if (strcmp(argv[1], "--reference") == 0)
            config.engine = TOK_REFERENCE;
        else if (strcmp(argv[1], "--ids") == 0)
            print = true;
        else
            die("unknown option");
    }
    if (argc != 3)
        die("usage: bench_tokenizer [--reference] [--ids] TOKENIZER TEXTS");
    config.path = argv[1];
    begin = cpu_seconds();
    if (tok_open(&config, &tokenizer, &error) != NGT_OK)
        die(error.message);
    double opened = cpu_seconds() - begin;
    read_texts(&t, argv[2]);
    if (tok_scratch_new(tokenizer, &scratch, &error) != NGT_OK)
        die(error.message);
    if (print) {
        run(tokenizer, scratch, &t, 0, t.count, &ids, true);
    } else if (t.count) {
        while (eight < t.count && t.starts[eight] < 8000000)
            eight++;
        while (half < t.count && t.starts[half] < t.starts[t.count] / 2)
            half++;
        double cold = run(tokenizer, scratch, &t, 0, eight, &ids, false), best = 0;
        tok_scratch_free(&scratch);
        if (tok_scratch_new(tokenizer, &scratch, &error) != NGT_OK)
            die(error.message);
        run(tokenizer, scratch, &t, 0, half, &ids, false);
        double rest = half < t.count ? run(tokenizer, scratch, &t, half, t.count, &ids, false) : 0;
        for (unsigned pass = 0; pass < 5; pass++) {
            double speed = run(tokenizer, scratch, &t, 0, t.count, &ids, false);
            best = speed > best ? speed : best;
        }
        printf("%8.1f cold %8.1f half-warm %8.1f warm MB/s  %6.1f ms to open  %s  %s\n", cold, rest,
               best, 1e3 * opened, strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
               strrchr(argv[2], '/') ? strrchr(argv[2], '/') + 1 : argv[2]);
    }
    tok_ids_done(&ids);
    tok_scratch_free(&scratch);
    tok_close(&tokenizer);
    free(t.bytes.at);
    free(t.starts);
    return 0;
}
