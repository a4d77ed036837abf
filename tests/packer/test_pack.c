/* The whole job on shards made here: pairs trained, held-out side, reruns, refusals, same bytes for
 * any threads. */
#include "packer/pack.h"

#include <sys/stat.h>

#include "packer/split.h"
#include "shards.h"
#include "t.h"

static const char *folder;
static struct ngt_pool *pool;

static char *at(const char *name)
{
    static char path[8][512];
    static unsigned turn;

    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
    return path[turn];
}

#define DOCS 90
static uint64_t lengths[2][DOCS];

/* Two document shards; equal seeds for documents that repeat are not needed here. */
static struct ngt_shard_summary sums[2];

static struct ngt_dataset *input(bool loss)
{
    const char *const paths[2] = {at("in0.ngt"), at("in1.ngt")};
    struct ngt_dataset *set = NULL;
    uint64_t state = 99;

    for (unsigned k = 0; k < 2; k++) {
        for (unsigned d = 0; d < DOCS; d++)
            lengths[k][d] =
                shards_random(&state) % 7 == 0 ? 0 : shards_random(&state) % (d % 9 ? 40 : 300);
        struct shards_spec spec = {
            .vocab = 500, .lengths = lengths[k], .docs = DOCS, .seed = k, .loss = loss};
        T_REQUIRE(shards_write(paths[k], &spec, &sums[k], NULL) == NGT_OK);
    }
    T_REQUIRE(ngt_dataset_open(paths, 2, 0, &set, NULL) == NGT_OK);
    return set;
}

static struct packer_config config(const char *out, uint64_t t, enum packer_method method)
{
    return (struct packer_config){.out = out,
                                  .seq_len = t,
                                  .method = method,
                                  .seed = 3,
                                  .shard_tokens = 700,
                                  .window_tokens = 300,
                                  .version = "test"};
}

/* Pairs (token, target) of a set as seen by the trainer, as a sum of hashes: order plays no part,
 * multiplicity does. */
static uint64_t pairs(const struct ngt_dataset *set, uint64_t t, uint64_t *ret_count)
{
    struct ngt_sequences *s = NULL;
    uint32_t tokens[512], targets[512], first[512];
    uint64_t sum = 0;

    *ret_count = 0;
    T_REQUIRE(ngt_sequences_new(set, t, &s, NULL) == NGT_OK);
    for (uint64_t q = 0; q < ngt_sequences_count(s); q++) {
        T_REQUIRE(ngt_sequences_gather(s, q, tokens, targets, first, NULL) == NGT_OK);
        for (uint64_t i = 0; i < ngt_sequences_len(s); i++)
            if (targets[i] != NGT_NO_ID) {
                uint32_t pair[2] = {tokens[i], targets[i]};
                sum += ngt_digest64(pair, sizeof pair);
                ++*ret_count;
            }
    }
    ngt_sequences_free(&s);
    return sum;
}

static void check(const struct ngt_dataset *in, uint64_t t, enum packer_method method)
{
    char name[64];
    struct packer_result result;
    struct ngt_dataset *out = NULL;
    struct ngt_error e;
    uint64_t expected_count, count;

    snprintf(name, sizeof name, "out-%d-%d", (int)method, (int)t);
    struct packer_config c = config(at(name), t, method);
    T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_OK);
    T_EQ_STR(e.message, "");
    T_TRUE(!result.was_complete);
    T_EQ_U64(result.train.targets, in->tokens - in->filled_docs);
    T_REQUIRE(ngt_dataset_open((const char *const[]){c.out}, 1, NGT_OPEN_VERIFY, &out, NULL) ==
              NGT_OK);
    T_TRUE(out->count > 1);
    for (uint64_t i = 0; i < out->count; i++)
        T_EQ_INT(ngt_verify(out->paths[i], NULL, NULL), NGT_OK);
    T_EQ_U64(out->targets, in->targets);
    uint64_t expected = pairs(in, 512, &expected_count), sum = pairs(out, 0, &count);
    T_EQ_U64(count, expected_count);
    T_EQ_U64(sum, expected);
    ngt_dataset_close(&out);
    T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_OK);
    T_TRUE(result.was_complete);
    c.seed = 4;
    T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_E_EXISTS);
    T_TRUE(strstr(e.message, "seed is 3 there, 4 here") != NULL);
}

T_CASE(every_pair_is_trained_once)
{
    for (int loss = 0; loss < 2; loss++) {
        struct ngt_dataset *in = input(loss);
        for (int m = 0; m < 3; m++) {
            check(in, 64, (enum packer_method)m);
            check(in, 37, (enum packer_method)m);
        }
        ngt_dataset_close(&in);
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s'/out-*", folder);
        T_REQUIRE(system(command) == 0);
    }
}

/* The same shards as a folder whose drop list names every document d with (d + turn) % 3 == 0. */
static struct ngt_dataset *with_drops(unsigned turn)
{
    struct ngt_dataset *set = input(false);
    struct ngt_dataset_shard shards[2] = {{"in0.ngt", sums[0]}, {"in1.ngt", sums[1]}};
    uint8_t bits[(2 * DOCS + 7) / 8] = {0};
    struct ngt_json_out out;
    uint64_t bytes, hash;
    char hex[17];

    ngt_dataset_close(&set);
    for (unsigned d = 0; d < 2 * DOCS; d++)
        if ((d + turn) % 3 == 0)
            bits[d / 8] |= (uint8_t)(1u << d % 8);
    T_REQUIRE(ngt_drops_write(at("dropped.ngd"), bits, 2 * DOCS, &bytes, &hash, NULL) == NGT_OK);
    ngt_digest64_hex(hash, hex);
    ngt_json_out_init(&out, false);
    ngt_dataset_json(&out, "test", "1", NGT_DOCUMENTS, (struct ngt_digest128){7, 9}, shards, 2);
    ngt_json_key(&out, "drops");
    ngt_json_object(&out);
    ngt_json_member_string(&out, "name", "dropped.ngd");
    ngt_json_member_string(&out, "hash", hex);
    ngt_json_object_end(&out);
    ngt_json_object_end(&out);
    T_REQUIRE(ngt_file_write(at("dataset.json"), out.bytes, out.size, NULL) == NGT_OK);
    ngt_json_out_done(&out);
    T_REQUIRE(ngt_dataset_open(&folder, 1, 0, &set, NULL) == NGT_OK);
    return set;
}

/* What the drop list names is in no sequence, all else in one; another list is another job. */
T_CASE(dropped_documents_are_left_out)
{
    static const enum packer_method methods[] = {PACKER_BEST_FIT, PACKER_CONCAT, PACKER_FIRST_FIT};

    for (unsigned m = 0; m < 3; m++) {
        struct ngt_dataset *in = with_drops(0), *out = NULL;
        char name[64];
        struct packer_result result;
        struct ngt_error e;
        uint64_t want = 0, got = 0, sum = 0;
        bool complete;
        snprintf(name, sizeof name, "dropped-%u", m);
        struct packer_config c = config(at(name), 64, methods[m]);
        T_EQ_U64(in->dropped, 60);
        T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_OK);
        T_EQ_U64(result.dropped, 60);
        T_EQ_U64(result.train.documents, 2 * DOCS);
        for (unsigned d = 0; d < 2 * DOCS; d++)
            want += d % 3 ? lengths[d / DOCS][d % DOCS] : 0;
        T_EQ_U64(result.train.tokens, want);
        const char *path = c.out;
        T_REQUIRE(ngt_dataset_open(&path, 1, NGT_OPEN_VERIFY, &out, &e) == NGT_OK);
        for (uint64_t i = 0; i < out->count; i++)
            for (uint64_t q = 0; q < ngt_reader_header(out->readers[i])->segments; q++) {
                struct ngt_segment s;
                T_REQUIRE(ngt_reader_segment(out->readers[i], q, &s, &e) == NGT_OK);
                if (s.doc % 3 == 0)
                    T_FAIL("document %u is there", (unsigned)s.doc);
                got += s.length;
                sum += s.doc;
            }
        T_EQ_U64(got, want);
        T_TRUE(sum > 0);
        ngt_dataset_close(&out);
        /* the same again is complete; another drop list is refused */
        T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_OK);
        complete = result.was_complete;
        T_TRUE(complete);
        ngt_dataset_close(&in);
        in = with_drops(1);
        T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_E_EXISTS);
        T_TRUE(strstr(e.message, "dropped") != NULL);
        c.shuffle_ids = true;
        T_EQ_INT(packer_pack(in, &c, pool, &result, &e), NGT_E_UNSUPPORTED);
        ngt_dataset_close(&in);
    }
}

static uint64_t digest_of(const char *path)
{
    uint8_t *bytes;
    uint64_t size, digest;

    T_REQUIRE(ngt_file_read(path, UINT64_MAX / 4, &bytes, &size, NULL) == NGT_OK);
    digest = ngt_digest64(bytes, size);
    free(bytes);
    return digest;
}

T_CASE(threads_and_windows_change_no_byte)
{
    struct ngt_dataset *in = input(true);
    uint64_t expected = 0;

    for (unsigned threads = 1; threads < 8; threads += 3) {
        struct ngt_pool *own = NULL;
        struct packer_result result;
        struct packer_config c = config(at("threads"), 48, PACKER_BEST_FIT);
        c.window_tokens = threads * 100;
        T_REQUIRE(ngt_pool_new(threads, &own, NULL) == NGT_OK);
        T_EQ_INT(packer_pack(in, &c, own, &result, NULL), NGT_OK);
        uint64_t digest =
            digest_of(at("threads/packed-000001.ngt")) ^ digest_of(at("threads/dataset.json"));
        if (threads == 1)
            expected = digest;
        T_EQ_U64(digest, expected);
        shards_remove(c.out);
        ngt_pool_free(&own);
    }
    ngt_dataset_close(&in);
}

static bool stop_at_once(void)
{
    return true;
}

T_CASE(a_stopped_run_goes_on)
{
    struct ngt_dataset *in = input(false);
    struct packer_config c = config(at("whole"), 48, PACKER_BEST_FIT);
    struct packer_result result;
    struct stat before, after;

    T_EQ_INT(packer_pack(in, &c, pool, &result, NULL), NGT_OK);
    uint64_t expected = digest_of(at("whole/packed-000001.ngt"));
    /* as if killed: the end is missing, one shard is damaged, one is whole */
    T_REQUIRE(unlink(at("whole/dataset.json")) == 0 &&
              truncate(at("whole/packed-000001.ngt"), 5000) == 0);
    T_REQUIRE(stat(at("whole/packed-000000.ngt"), &before) == 0);
    c.stopped = stop_at_once;
    T_EQ_INT(packer_pack(in, &c, pool, &result, NULL), NGT_E_STOPPED);
    T_TRUE(access(at("whole/dataset.json"), F_OK) != 0);
    c.stopped = NULL;
    T_EQ_INT(packer_pack(in, &c, pool, &result, NULL), NGT_OK);
    T_EQ_U64(digest_of(at("whole/packed-000001.ngt")), expected);
    T_REQUIRE(stat(at("whole/packed-000000.ngt"), &after) == 0);
    T_EQ_U64(before.st_ino, after.st_ino);
    ngt_dataset_close(&in);
}

T_CASE(held_out_by_document)
{
    struct ngt_dataset *in = input(false), *val = NULL, *train = NULL;
    struct packer_config c = config(at("held"), 64, PACKER_BEST_FIT);
    struct packer_result result;
    uint64_t *all, *a, *b, *a2, *b2, held = 0;

    c.val_share = 0.25;
    T_EQ_INT(packer_pack(in, &c, pool, &result, NULL), NGT_OK);
    T_EQ_U64(result.train.tokens + result.val.tokens, in->tokens);
    T_EQ_U64(result.train.filled + result.val.filled, in->filled_docs);
    T_REQUIRE(ngt_dataset_open((const char *const[]){at("held/val")}, 1, 0, &val, NULL) == NGT_OK);
    T_REQUIRE(ngt_dataset_open((const char *const[]){at("held")}, 1, 0, &train, NULL) == NGT_OK);
    T_EQ_U64(val->targets + train->targets, in->targets);
    /* a larger share only adds, and the choice follows the ids alone */
    T_REQUIRE(packer_lengths(in, &all, NULL) == NGT_OK);
    T_REQUIRE(packer_split(in, all, 0.25, pool, &a, &b, NULL) == NGT_OK);
    T_REQUIRE(packer_split(in, all, 0.5, pool, &a2, &b2, NULL) == NGT_OK);
    for (unsigned d = 0; d < 2 * DOCS; d++) {
        T_EQ_U64(a[d] + b[d], all[d]);
        T_TRUE(!b[d] || b2[d]);
        held += b[d] != 0;
    }
    T_TRUE(held > 20 && held < 60);
    free(all);
    free(a);
    free(b);
    free(a2);
    free(b2);
    ngt_dataset_close(&val);
    ngt_dataset_close(&train);
    ngt_dataset_close(&in);
}

int main(int argc, char **argv)
{
    folder = shards_folder();
    if (ngt_pool_new(2, &pool, NULL) != NGT_OK)
        return 99;
    int result = t_main(argc, argv);
    ngt_pool_free(&pool);
    shards_remove(folder);
    return result;
}
