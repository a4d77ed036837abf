/* Small shards for the trainer's tests, in a folder of their own. */
#ifndef SHARDS_H
#define SHARDS_H

#include <unistd.h>

#include "ngt.h"
#include "t.h"

#define SHARD_VOCAB 50u

/* A new folder below the build's temporary one; the caller does not remove it on failure. */
__attribute__((unused)) static const char *scratch_folder(void)
{
    static char folder[] = "/tmp/ngtrain-test-XXXXXX";
    static int made;

    if (!made)
        T_REQUIRE(mkdtemp(folder) != NULL);
    made = 1;
    return folder;
}

__attribute__((unused)) static void scratch_remove(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", scratch_folder());
    T_TRUE(system(command) == 0);
}

/* One document shard; token i of document d is (7 * d + i) % vocab. Returns its path. */
__attribute__((unused)) static const char *make_shard(const char *name, const uint64_t *lengths,
                                                      uint64_t docs)
{
    static char path[256];
    static const struct ngt_pair identity[] = {{"name", "test"}};
    uint8_t kinds[SHARD_VOCAB], bytes[SHARD_VOCAB];
    uint64_t starts[SHARD_VOCAB + 1];
    uint32_t ids[4096], source = 0;
    struct ngt_writer *w = NULL;
    struct ngt_shard_summary summary;
    struct ngt_error error = {0};

    for (unsigned i = 0; i < SHARD_VOCAB; i++) {
        kinds[i] = NGT_ID_NORMAL;
        starts[i] = i;
        bytes[i] = (uint8_t)('A' + i);
    }
    starts[SHARD_VOCAB] = SHARD_VOCAB;
    struct ngt_vocabulary vocabulary = {0, SHARD_VOCAB, kinds, starts, bytes};
    struct ngt_writer_config config = {.kind = NGT_DOCUMENTS,
                                       .vocab_size = SHARD_VOCAB,
                                       .bos_id = NGT_NO_ID,
                                       .eos_id = 2,
                                       .pad_id = NGT_NO_ID,
                                       .tokenizer = {1, 2},
                                       .identity = identity,
                                       .identity_count = 1,
                                       .vocabulary = &vocabulary};
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    enum ngt_status status = ngt_writer_open(path, &config, &w, &error);
    if (status == NGT_OK)
        status = ngt_writer_source(w, &(struct ngt_source){.name = "x"}, &source, &error);
    for (uint64_t d = 0; d < docs && status == NGT_OK; d++) {
        T_REQUIRE(lengths[d] <= 4096);
        for (uint64_t i = 0; i < lengths[d]; i++)
            ids[i] = (uint32_t)((7 * d + i) % SHARD_VOCAB);
        struct ngt_doc doc = {
            .ids = ids, .count = lengths[d], .source = source, .record = d + 1, .offset = d};
        status = ngt_writer_doc(w, &doc, &error);
    }
    if (status == NGT_OK)
        status = ngt_writer_commit(&w, NULL, 0, &summary, &error);
    if (status != NGT_OK) {
        T_FAIL("%s: %s", error.path, error.message);
        exit(99);
    }
    return path;
}

#endif
