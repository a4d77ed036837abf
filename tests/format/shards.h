/* Small shards for tests: the same bytes on every call with the same arguments. */
#ifndef TESTS_SHARDS_H
#define TESTS_SHARDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt.h"

/* An own folder under $TMPDIR, removed by the caller; static storage. */
static inline const char *shards_folder(void)
{
    static char path[256];
    const char *base = getenv("TMPDIR");

    snprintf(path, sizeof path, "%s/ngt-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(99);
    }
    return path;
}

static inline void shards_remove(const char *folder)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        exit(99);
}

/* Vocabulary of `count` ids: 0 unknown, 1 BOS, 2 EOS, then "a", "b", ... "aa": spelled in base 26.
 */
struct shards_vocabulary {
    struct ngt_vocabulary v;
    uint8_t *kinds, *bytes;
    uint64_t *starts;
};

static inline void shards_vocabulary_init(struct shards_vocabulary *s, uint32_t count)
{
    uint64_t at = 0;

    s->kinds = malloc(count);
    s->starts = malloc((count + 1ull) * sizeof *s->starts);
    s->bytes = malloc(count * 8ull + 64);
    for (uint32_t i = 0; i < count; i++) {
        static const char *const names[3] = {"<unk>", "<s>", "</s>"};
        s->starts[i] = at;
        s->kinds[i] = i == 0 ? NGT_ID_UNKNOWN : i < 3 ? NGT_ID_CONTROL : NGT_ID_NORMAL;
        if (i < 3) {
            memcpy(s->bytes + at, names[i], strlen(names[i]));
            at += strlen(names[i]);
        } else {
            for (uint32_t n = i - 3;; n = n / 26 - 1) {
                s->bytes[at++] = (uint8_t)('a' + n % 26);
                if (n < 26)
                    break;
            }
        }
    }
    s->starts[count] = at;
    s->v = (struct ngt_vocabulary){
        .flags = 0, .count = count, .kinds = s->kinds, .starts = s->starts, .bytes = s->bytes};
}

static inline void shards_vocabulary_done(struct shards_vocabulary *s)
{
    free(s->kinds);
    free(s->starts);
    free(s->bytes);
}

struct shards_spec {
    uint32_t vocab;
    const uint64_t *lengths; /* ids of each document, EOS included where eos */
    uint64_t docs;
    bool eos;
    bool loss, strings, hashes; /* optional sections */
    uint64_t seed;
};

static inline uint64_t shards_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Writes a document shard; the ids of document d come from the seed and d. */
static inline enum ngt_status shards_write(const char *path, const struct shards_spec *spec,
                                           struct ngt_shard_summary *ret_summary,
                                           struct ngt_error *reterr)
{
    static const struct ngt_pair options[] = {{"eos", "true"}, {"max-doc-bytes", "1073741824"}};
    static const struct ngt_pair identity[] = {{"family", "test"}, {"name", "letters"}};
    struct shards_vocabulary vocabulary;
    struct ngt_writer *w = NULL;
    struct ngt_counter ledger[] = {{"records", spec->docs}, {"documents", spec->docs}};
    uint32_t source = 0;
    uint64_t state = spec->seed * 2 + 1;
    enum ngt_status status;

    shards_vocabulary_init(&vocabulary, spec->vocab);
    struct ngt_writer_config config = {
        .kind = NGT_DOCUMENTS,
        .vocab_size = spec->vocab,
        .bos_id = 1,
        .eos_id = 2,
        .pad_id = NGT_NO_ID,
        .flags = spec->eos ? NGT_FLAG_EOS_ADDED : 0,
        .tokenizer = {7, 9},
        .options = options,
        .option_count = 2,
        .identity = identity,
        .identity_count = 2,
        .vocabulary = &vocabulary.v,
    };
    status = ngt_writer_open(path, &config, &w, reterr);
    for (uint64_t d = 0; d < spec->docs && status == NGT_OK; d++) {
        uint64_t n = spec->lengths[d];
        uint32_t *ids = malloc((n + 1) * sizeof *ids);
        char name[32], meta[48];
        struct ngt_digest128 hash = {d, ~d};
        uint64_t spans[2] = {n / 3, n - n / 3};
        if (d % 3 == 0) {
            char file[32];
            snprintf(file, sizeof file, "part-%llu.jsonl", (unsigned long long)(d / 3));
            status = ngt_writer_source(w, &(struct ngt_source){file, d % 2 ? "member" : NULL, d},
                                       &source, reterr);
        }
        for (uint64_t i = 0; i < n; i++)
            ids[i] = 3 + (uint32_t)(shards_random(&state) % (spec->vocab - 3));
        if (spec->eos && n)
            ids[n - 1] = 2;
        snprintf(name, sizeof name, "doc-%llu", (unsigned long long)d);
        snprintf(meta, sizeof meta, "{\"n\": %llu}", (unsigned long long)d);
        struct ngt_doc doc = {
            .ids = ids,
            .count = n,
            .source = source,
            .record = d % 3 + 1,
            .offset = d % 3 * 100,
            .loss_spans = spec->loss && n > 3 && d % 2 ? spans : NULL,
            .loss_span_count = 1,
            .id = spec->strings && d ? name : NULL,
            .metadata = spec->strings ? meta : NULL,
            .text_hash = spec->hashes ? &hash : NULL,
        };
        if (status == NGT_OK)
            status = ngt_writer_doc(w, &doc, reterr);
        free(ids);
    }
    if (status == NGT_OK)
        status = ngt_writer_commit(&w, ledger, 2, ret_summary, reterr);
    ngt_writer_abort(&w);
    shards_vocabulary_done(&vocabulary);
    return status;
}

#endif
