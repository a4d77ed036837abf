/*
 * make_shards DIR DOCS SEED [LONGEST [VOCAB]]: a small data set of two document shards for the tests of
 * ngtrain from outside: words of a made-up language whose next id is easy to guess, so that a loss
 * falls quickly. The documents of the first shard are shorter than LONGEST before their EOS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt.h"

enum { MOST = 200 };

static uint32_t vocab = 96; /* the last id is EOS */
static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

static enum ngt_status write_shard(const char *folder, const char *name, uint64_t docs,
                                   uint32_t longest, struct ngt_dataset_shard *ret_shard,
                                   struct ngt_error *reterr)
{
    static const struct ngt_pair identity[] = {{"name", "made-up"}};
    uint8_t *kinds = malloc(vocab), *bytes = malloc(vocab + 8);
    uint64_t *starts = malloc((vocab + 1) * sizeof *starts);
    uint32_t ids[MOST + 1], source = 0, eos = vocab - 1;
    struct ngt_writer *w = NULL;
    char *path = ngt_path_join(folder, name);

    if (!kinds || !bytes || !starts)
        abort();
    for (unsigned i = 0; i < vocab; i++) {
        kinds[i] = i == eos ? NGT_ID_CONTROL : NGT_ID_NORMAL;
        starts[i] = i;
        bytes[i] = (uint8_t)(' ' + i % 95);
    }
    memcpy(bytes + eos, "</s>", 4);
    starts[vocab] = vocab + 3;
    struct ngt_vocabulary vocabulary = {0, vocab, kinds, starts, bytes};
    struct ngt_writer_config config = {.kind = NGT_DOCUMENTS,
                                       .vocab_size = vocab,
                                       .bos_id = NGT_NO_ID,
                                       .eos_id = eos,
                                       .pad_id = NGT_NO_ID,
                                       .flags = NGT_FLAG_EOS_ADDED,
                                       .tokenizer = {11, 12},
                                       .identity = identity,
                                       .identity_count = 1,
                                       .vocabulary = &vocabulary};
    enum ngt_status status = path ? ngt_writer_open(path, &config, &w, reterr) : NGT_E_NOMEM;
    if (status == NGT_OK)
        status = ngt_writer_source(w, &(struct ngt_source){.name = "made-up"}, &source, reterr);
    for (uint64_t d = 0; d < docs && status == NGT_OK; d++) {
        uint32_t n = next_random(longest), id = next_random(eos);
        for (uint32_t i = 0; i < n; i++) {
            ids[i] = id;
            id = next_random(8) ? (5 * id + 3) % eos : next_random(eos);
        }
        ids[n] = eos;
        struct ngt_doc doc = {
            .ids = ids, .count = n + 1, .source = source, .record = d + 1, .offset = d};
        status = ngt_writer_doc(w, &doc, reterr);
    }
    if (status == NGT_OK)
        status = ngt_writer_commit(&w, NULL, 0, &ret_shard->summary, reterr);
    ret_shard->name = name;
    free(path);
    free(kinds);
    free(bytes);
    free(starts);
    return status;
}

int main(int argc, char **argv)
{
    struct ngt_dataset_shard shards[2];
    struct ngt_json_out j;
    struct ngt_error error = {0};
    char text[600];

    if (argc < 4 || argc > 6)
        return 99;
    uint32_t longest = argc > 4 ? (uint32_t)atoi(argv[4]) : MOST;
    if (argc > 5)
        vocab = (uint32_t)atoi(argv[5]);
    if (longest < 1 || longest > MOST || vocab < 2 || vocab > 1u << 20)
        return 99;
    uint64_t docs = strtoull(argv[2], NULL, 10);
    random_state = strtoull(argv[3], NULL, 10);
    enum ngt_status status = ngt_folder_make(argv[1], &error);
    if (status == NGT_OK)
        status = write_shard(argv[1], "0.ngt", docs, longest, &shards[0], &error);
    if (status == NGT_OK)
        status = write_shard(argv[1], "1.ngt", docs / 2, MOST, &shards[1], &error);
    if (status == NGT_OK) {
        char *path = ngt_path_join(argv[1], NGT_DATASET_FILE);
        ngt_json_out_init(&j, false);
        ngt_dataset_json(&j, "make_shards", "1", NGT_DOCUMENTS, (struct ngt_digest128){11, 12},
                         shards, 2);
        ngt_json_object_end(&j);
        status = ngt_file_write(path, j.bytes, j.size, &error);
        ngt_json_out_done(&j);
        free(path);
    }
    if (status == NGT_OK)
        return 0;
    ngt_error_print(&error, text, sizeof text);
    fprintf(stderr, "make_shards: %s\n", text);
    return 99;
}
