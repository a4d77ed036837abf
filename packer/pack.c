#include "packer/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "materialise.h"
#include "packer/split.h"
#include "record.h"

#define HERE NGT_NO_POS, NGT_NO_POS

/* One side (training or held out) on its way. */
struct side {
    const struct ngt_dataset *set;
    const struct packer_config *config;
    struct ngt_pool *pool;
    const char *name; /* "train" or "val" */
    char *folder;
    struct packer_plan *plan;
    struct packer_report report;
    struct packer_record record;
    struct ngt_vocabulary vocabulary;
    struct ngt_vocabulary_frame *vocabulary_frame;
    const struct ngt_pair *identity;
    uint64_t identity_count;
    uint32_t pad;
    struct packer_shuffle shuffle; /* order NULL unless config->shuffle_ids */
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
}

static enum ngt_status open_writer(struct side *s, const char *path, struct ngt_writer **ret,
                                   struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(s->set->readers[0]);
    struct ngt_writer_config config = {
        .kind = NGT_PACKED,
        .vocab_size = h->vocab_size,
        .bos_id = h->bos_id,
        .eos_id = h->eos_id,
        .pad_id = h->pad_id,
        .flags = h->flags,
        .seq_len = s->config->seq_len,
        .tokenizer = h->tokenizer,
        .options = s->record.options,
        .option_count = s->record.option_count,
        .identity = s->identity,
        .identity_count = s->identity_count,
        .vocabulary = &s->vocabulary,
        .vocabulary_frame = s->vocabulary_frame,
    };
    enum ngt_status status = ngt_writer_open(path, &config, ret, reterr);
    uint64_t first_doc = 0;

    for (uint64_t i = 0; i < s->set->count && status == NGT_OK; i++) {
        uint32_t index;
        struct ngt_source source = {s->record.inputs[i].name, s->record.inputs[i].root, first_doc};
        status = ngt_writer_source(*ret, &source, &index, reterr);
        first_doc += ngt_reader_header(s->set->readers[i])->docs;
    }
    return status;
}

static enum ngt_status write_window(struct side *s, struct ngt_writer *w,
                                    const struct packer_window *window, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    for (uint64_t row = 0; row < window->count && status == NGT_OK; row++) {
        uint64_t first = window->segment_first[row], span = window->loss_first[row];
        status = ngt_writer_sequence(
            w, window->ids + row * s->config->seq_len, window->segments + first,
            window->segment_first[row + 1] - first, window->loss ? window->loss + 2 * span : NULL,
            window->loss ? window->loss_first[row + 1] - span : 0, reterr);
    }
    return status;
}

/* Sequences [first, end) into one shard. */
static enum ngt_status write_shard(struct side *s, const char *path, uint64_t first, uint64_t end,
                                   struct packer_window *window,
                                   struct ngt_shard_summary *ret_summary, struct ngt_error *reterr)
{
    struct ngt_writer *w = NULL;
    enum ngt_status status = open_writer(s, path, &w, reterr);

    for (uint64_t at = first; at < end && status == NGT_OK; at += window->room) {
        uint64_t n = end - at < window->room ? end - at : window->room;
        if (s->config->stopped && s->config->stopped()) {
            status =
                ngt_fail(reterr, NGT_E_STOPPED, NULL, HERE, "stopped; the same command goes on");
            break;
        }
        status = packer_window_fill(window, s->plan, s->set, s->shuffle.order ? &s->shuffle : NULL,
                                    at, n, s->pad, s->pool, reterr);
        if (status == NGT_OK)
            status = write_window(s, w, window, reterr);
        if (status == NGT_OK && s->config->progress)
            s->config->progress(s->config->context, s->name, at + n, s->report.sequences);
    }
    if (status == NGT_OK) {
        struct ngt_counter none = {"sequences", end - first};
        ngt_writer_set_docs(w, s->set->docs, s->report.filled);
        status = ngt_writer_commit(&w, &none, 1, ret_summary, reterr);
    }
    ngt_writer_abort(&w);
    return status;
}

static enum ngt_status write_dataset(struct side *s, const struct ngt_dataset_shard *shards,
                                     uint64_t count, struct ngt_error *reterr)
{
    struct ngt_json_out j;
    char *path = ngt_path_join(s->folder, NGT_DATASET_FILE);
    enum ngt_status status = NGT_OK;

    ngt_json_out_init(&j, false);
    ngt_dataset_json(&j, "ngt-pack", s->config->version, NGT_PACKED,
                     ngt_reader_header(s->set->readers[0])->tokenizer, shards, count);
    packer_record_json(&j, &s->record);
    ngt_json_key(&j, "report");
    ngt_json_object(&j);
    packer_report_json(&j, &s->report);
    ngt_json_object_end(&j);
    ngt_json_object_end(&j);
    if (!path || j.failed)
        status = no_memory(reterr);
    else
        status = ngt_file_write(path, j.bytes, j.size, reterr);
    ngt_json_out_done(&j);
    free(path);
    return status;
}

/* Every pair (token, next token of its document) stands in the set exactly once; a plan that breaks
 * this is a bug. */
static enum ngt_status balance(const struct side *s, const struct ngt_dataset_shard *shards,
                               uint64_t count, struct ngt_error *reterr)
{
    uint64_t tokens = 0, targets = 0;

    for (uint64_t i = 0; i < count; i++) {
        tokens += shards[i].summary.tokens;
        targets += shards[i].summary.targets;
    }
    if (tokens == s->report.tokens && targets == s->report.tokens - s->report.filled)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_CORRUPT, s->folder, HERE,
                    "%" PRIu64 " tokens and %" PRIu64 " targets were written of %" PRIu64
                    " tokens in %" PRIu64
                    " documents: a bug in ngt-pack, or input that changed meanwhile",
                    tokens, targets, s->report.tokens, s->report.filled);
}

static enum ngt_status write_side(struct side *s, struct ngt_error *reterr)
{
    const uint64_t t = s->config->seq_len, n = s->report.sequences;
    const uint64_t per_shard = s->config->shard_tokens > t ? s->config->shard_tokens / t : 1;
    const uint64_t count = n / per_shard + (n % per_shard != 0);
    uint64_t rows = s->config->window_tokens > t ? s->config->window_tokens / t : 1;
    struct packer_window window = {0};
    struct ngt_dataset_shard *shards = calloc(count + 1, sizeof *shards);
    char(*names)[40] = calloc(count + 1, sizeof *names);
    enum ngt_status status = shards && names ? NGT_OK : no_memory(reterr);

    if (rows > per_shard)
        rows = per_shard;
    if (rows > n)
        rows = n;
    if (status == NGT_OK)
        status = packer_window_init(&window, t, rows, reterr);
    for (uint64_t k = 0; k < count && status == NGT_OK; k++) {
        uint64_t first = k * per_shard, end = first + per_shard < n ? first + per_shard : n;
        snprintf(names[k], sizeof names[k], "packed-%06" PRIu64 ".ngt", k);
        shards[k].name = names[k];
        char *path = ngt_path_join(s->folder, names[k]);
        if (!path) {
            status = no_memory(reterr);
            break;
        }
        /* what a killed run left whole is kept: the record says it is of this very job */
        if (access(path, F_OK) != 0 || ngt_verify(path, &shards[k].summary, NULL) != NGT_OK ||
            shards[k].summary.sequences != end - first)
            status = write_shard(s, path, first, end, &window, &shards[k].summary, reterr);
        free(path);
    }
    if (status == NGT_OK)
        status = balance(s, shards, count, reterr);
    if (status == NGT_OK)
        status = write_dataset(s, shards, count, reterr);
    packer_window_done(&window);
    free(shards);
    free(names);
    return status;
}

static enum ngt_status make_shuffle(struct side *s, struct ngt_error *reterr)
{
    if (!s->config->shuffle_ids)
        return NGT_OK;
    s->shuffle.first = calloc(s->set->count + 1, sizeof *s->shuffle.first);
    if (!s->shuffle.first)
        return no_memory(reterr);
    for (uint64_t i = 0; i < s->set->count; i++)
        s->shuffle.first[i + 1] =
            s->shuffle.first[i] + ngt_reader_header(s->set->readers[i])->tokens;
    return ngt_permutation_new(s->set->tokens,
                               ngt_permutation_key(s->config->seed, 1, NGT_PURPOSE_PACK),
                               &s->shuffle.order, reterr);
}

/* lengths: of this side. Writes the side unless it is complete already. */
static enum ngt_status pack_side(const struct ngt_dataset *set, const struct packer_config *config,
                                 struct ngt_pool *pool, const char *name, const uint64_t *lengths,
                                 bool write, struct packer_report *ret_report, bool *ret_complete,
                                 struct ngt_error *reterr)
{
    const struct ngt_header *h = ngt_reader_header(set->readers[0]);
    struct side s = {.set = set, .config = config, .pool = pool, .name = name};
    bool complete = false;
    enum ngt_status status = packer_plan_new(lengths, set->docs, config->seq_len, config->method,
                                             config->seed, &s.plan, reterr);

    if (status != NGT_OK)
        return status;
    s.report = packer_plan_report(s.plan);
    s.pad = h->pad_id != NGT_NO_ID ? h->pad_id : h->eos_id != NGT_NO_ID ? h->eos_id : 0;
    if (s.report.sequences == 0) {
        status = ngt_fail(reterr, NGT_E_DATA, set->paths[0], HERE,
                          strcmp(name, "val") == 0
                              ? "no document was held out; take a larger share with --val"
                              : "there are no tokens to pack");
        goto out;
    }
    if (!write)
        goto done;
    s.folder = strcmp(name, "val") == 0 ? ngt_path_join(config->out, "val") : strdup(config->out);
    if (!s.folder) {
        status = no_memory(reterr);
        goto out;
    }
    if ((status = ngt_folder_make(s.folder, reterr)) != NGT_OK ||
        (status = ngt_folder_sweep(s.folder, reterr)) != NGT_OK ||
        (status = packer_record_new(set, config, name, &s.record, reterr)) != NGT_OK ||
        (status = packer_record_claim(&s.record, s.folder, &complete, reterr)) != NGT_OK)
        goto out;
    if (!complete) {
        if ((status = ngt_reader_vocabulary(set->readers[0], &s.vocabulary, reterr)) != NGT_OK ||
            (status = ngt_vocabulary_frame_new(&s.vocabulary, &s.vocabulary_frame, reterr)) !=
                NGT_OK ||
            (status = ngt_reader_pairs(set->readers[0], NGT_S_TOKENIZER, &s.identity,
                                       &s.identity_count, reterr)) != NGT_OK ||
            (status = make_shuffle(&s, reterr)) != NGT_OK ||
            (status = write_side(&s, reterr)) != NGT_OK)
            goto out;
    }
done:
    *ret_report = s.report;
    *ret_complete = complete;
out:
    ngt_permutation_free(&s.shuffle.order);
    free(s.shuffle.first);
    ngt_vocabulary_frame_free(&s.vocabulary_frame);
    packer_record_done(&s.record);
    packer_plan_free(&s.plan);
    free(s.folder);
    return status;
}

static enum ngt_status run(const struct ngt_dataset *set, const struct packer_config *config,
                           struct ngt_pool *pool, bool write, struct packer_result *ret_result,
                           struct ngt_error *reterr)
{
    uint64_t *lengths = NULL, *train = NULL, *val = NULL;
    struct packer_result result = {0};
    bool val_complete = true, train_complete = false;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (ngt_reader_header(set->readers[0])->kind != NGT_DOCUMENTS)
        return ngt_fail(reterr, NGT_E_MISMATCH, set->paths[0], HERE,
                        "is packed already; ngt-pack takes document shards, as pretok writes them");
    if (set->dropped && config->shuffle_ids)
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, set->paths[0], HERE,
                        "--shuffle-ids mixes all ids, also those of the %" PRIu64
                        " documents that the drop list names: name the shards one by one",
                        set->dropped);
    if ((status = packer_lengths(set, &lengths, reterr)) != NGT_OK)
        return status;
    if (config->val_share > 0) {
        status = packer_split(set, lengths, config->val_share, pool, &train, &val, reterr);
        /* held-out data first: DIR/dataset.json, which completes the whole, comes last */
        if (status == NGT_OK)
            status =
                pack_side(set, config, pool, "val", val, write, &result.val, &val_complete, reterr);
    }
    if (status == NGT_OK)
        status = pack_side(set, config, pool, "train", train ? train : lengths, write,
                           &result.train, &train_complete, reterr);
    result.was_complete = val_complete && train_complete;
    result.dropped = set->dropped;
    if (status == NGT_OK)
        *ret_result = result;
    free(lengths);
    free(train);
    free(val);
    return status;
}

enum ngt_status packer_pack(const struct ngt_dataset *set, const struct packer_config *config,
                            struct ngt_pool *pool, struct packer_result *ret_result,
                            struct ngt_error *reterr)
{
    return run(set, config, pool, true, ret_result, reterr);
}

enum ngt_status packer_plan_only(const struct ngt_dataset *set, const struct packer_config *config,
                                 struct ngt_pool *pool, struct packer_result *ret_result,
                                 struct ngt_error *reterr)
{
    return run(set, config, pool, false, ret_result, reterr);
}
