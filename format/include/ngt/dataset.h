/*
 * A data set: shards in order. From a folder: exactly what its dataset.json lists; from files: as
 * given.
 */
#ifndef NGT_DATASET_H
#define NGT_DATASET_H

#include "ngt/drops.h"
#include "ngt/json.h"
#include "ngt/reader.h"

#define NGT_DATASET_FILE "dataset.json"

struct ngt_dataset {
    uint64_t count;
    char **paths;                /* [count], in data order */
    struct ngt_reader **readers; /* [count] */
    uint64_t docs, filled_docs, tokens, targets, sequences,
        segments; /* sums; packed: docs of the first shard */
    /* [count] each: the drop list of the folder that listed the shard, or NULL, and the number that
     * the shard's first document has in it */
    struct ngt_drops **drops;
    uint64_t *drops_first;
    uint64_t dropped; /* documents, of docs */
};

#define NGT_DATASET_INCOMPLETE                                                                     \
    2u /* take the shards of a folder without dataset.json, sorted by name */

/*
 * paths: shards and folders, in any mix. All shards must be of one kind, one tokenizer, one
 * vocabulary size, and (packed) one seq_len: NGT_E_MISMATCH names the two that differ and how. A
 * folder without dataset.json is NGT_E_DATA unless NGT_DATASET_INCOMPLETE. A listed shard that is
 * missing, or whose size or header hash is another, is named, and so is a drop list. A folder of
 * several sets (pretok --split-by-key) is NGT_E_DATA and names them. flags also takes NGT_OPEN_*.
 */
NGT_NODISCARD enum ngt_status ngt_dataset_open(const char *const *paths, uint64_t count,
                                               unsigned flags, struct ngt_dataset **ret_set,
                                               struct ngt_error *reterr);
void ngt_dataset_close(struct ngt_dataset **set);

/* Is a document of a shard left out? Shards that were named one by one are taken whole. */
bool ngt_dataset_dropped(const struct ngt_dataset *set, uint64_t shard, uint64_t doc);

/* Document number over all shards -> shard and document in it. */
NGT_NODISCARD enum ngt_status ngt_dataset_doc(const struct ngt_dataset *set, uint64_t doc,
                                              uint64_t *ret_shard, uint64_t *ret_doc,
                                              struct ngt_error *reterr);

/* ---- writing dataset.json ---- */
struct ngt_dataset_shard {
    const char *name; /* inside the folder */
    struct ngt_shard_summary summary;
};

/*
 * Begins the object with program, version, kind, tokenizer and the shard list with totals; the
 * caller adds members of its own (ledger, units, report) and ends the object. ngt_dataset_open
 * reads "shards" only.
 */
void ngt_dataset_json(struct ngt_json_out *out, const char *program, const char *version,
                      enum ngt_kind kind, struct ngt_digest128 tokenizer,
                      const struct ngt_dataset_shard *shards, uint64_t count);
#endif
