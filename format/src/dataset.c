#include "ngt/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ngt/checked.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define DATASET_LIMIT (1ull << 32) /* bytes of a dataset.json: 20 million shards */

/* What dataset.json says of a shard; compared with the shard's own header. */
struct expected {
    bool known;
    uint64_t file_bytes;
    char root[17];
    struct ngt_drops *drops; /* of its folder; the set's once the shard is in the list */
};

struct list {
    struct ngt_dataset *set;
    struct expected *expected;
    uint64_t room;
};

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for the list of shards");
}

/* Takes ownership of path. */
static enum ngt_status list_add(struct list *l, char *path, const struct expected *expected,
                                struct ngt_error *reterr)
{
    if (!path)
        return no_memory(NULL, reterr);
    if (l->set->count == l->room) {
        uint64_t room = l->room ? l->room * 2 : 16;
        char **paths = realloc(l->set->paths, room * sizeof *paths);
        if (paths)
            l->set->paths = paths;
        struct expected *all = realloc(l->expected, room * sizeof *all);
        if (all)
            l->expected = all;
        struct ngt_drops **drops = realloc(l->set->drops, room * sizeof *drops);
        if (drops)
            l->set->drops = drops;
        if (!paths || !all || !drops) {
            free(path);
            return no_memory(NULL, reterr);
        }
        l->room = room;
    }
    l->set->paths[l->set->count] = path;
    l->set->drops[l->set->count] = expected ? expected->drops : NULL;
    l->expected[l->set->count++] = expected ? *expected : (struct expected){0};
    return NGT_OK;
}

/* A name inside the folder: no way out of it. */
static bool plain_name(const char *name)
{
    return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

/* The drop list that dataset.json names. *ret_drops NULL: none. */
static enum ngt_status open_drops(const struct ngt_json *root, const char *folder,
                                  const char *json_path, struct ngt_drops **ret_drops,
                                  struct ngt_error *reterr)
{
    const struct ngt_json *drops = ngt_json_get(root, "drops");
    const char *name, *hash;
    char found[17], *path = NULL;
    enum ngt_status status = NGT_OK;

    *ret_drops = NULL;
    if (!drops)
        return NGT_OK;
    if (!ngt_json_get_string(drops, "name", &name) || !plain_name(name) ||
        !ngt_json_get_string(drops, "hash", &hash))
        return ngt_fail(reterr, NGT_E_DATA, json_path, HERE, "\"drops\" lacks name or hash");
    if (!(path = ngt_path_join(folder, name)))
        return no_memory(folder, reterr);
    status = ngt_drops_open(path, ret_drops, reterr);
    if (status == NGT_OK) {
        ngt_digest64_hex(ngt_drops_hash(*ret_drops), found);
        if (strcmp(found, hash) != 0)
            status = ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                              "is not the drop list that " NGT_DATASET_FILE
                              " lists (hash %s, listed %.16s): it was replaced",
                              found, hash);
    }
    if (status != NGT_OK)
        ngt_drops_close(ret_drops);
    free(path);
    return status;
}

/* A folder of several sets is none itself. */
static enum ngt_status several_sets(const struct ngt_json *sets, const char *folder,
                                    struct ngt_error *reterr)
{
    char names[120] = "";
    size_t used = 0;

    for (const struct ngt_json *s = sets->first; s && used < sizeof names; s = s->next) {
        const char *name = "?";
        (void)ngt_json_get_string(s, "name", &name);
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", name);
    }
    return ngt_fail(
        reterr, NGT_E_DATA, folder, HERE,
        "holds several data sets, each in a folder of its own: %s%s; name those you want", names,
        used >= sizeof names ? " ..." : "");
}

static enum ngt_status add_listed(struct list *l, const char *folder, const char *json_path,
                                  struct ngt_error *reterr)
{
    uint8_t *bytes = NULL;
    uint64_t size, i = 0;
    bool drops_kept = false;
    struct ngt_json *root = NULL;
    struct ngt_drops *drops = NULL;
    enum ngt_status status;

    if ((status = ngt_file_read(json_path, DATASET_LIMIT, &bytes, &size, reterr)) != NGT_OK ||
        (status = ngt_json_parse((const char *)bytes, size, json_path, &root, reterr)) != NGT_OK)
        goto out;
    const struct ngt_json *shards = ngt_json_get(root, "shards"),
                          *sets = ngt_json_get(root, "sets");
    if (!shards && sets && sets->type == NGT_JSON_ARRAY) {
        status = several_sets(sets, folder, reterr);
        goto out;
    }
    if (!shards || shards->type != NGT_JSON_ARRAY) {
        status = ngt_fail(reterr, NGT_E_DATA, json_path, HERE,
                          "has no list \"shards\"; make the data set again");
        goto out;
    }
    if ((status = open_drops(root, folder, json_path, &drops, reterr)) != NGT_OK)
        goto out;
    for (const struct ngt_json *s = shards->first; s; s = s->next, i++) {
        const char *name, *digest;
        struct expected e = {.known = true, .drops = drops};
        if (!ngt_json_get_string(s, "name", &name) || !plain_name(name) ||
            !ngt_json_get_u64(s, "bytes", &e.file_bytes) ||
            !ngt_json_get_string(s, "root", &digest) || strlen(digest) != 16) {
            status = ngt_fail(reterr, NGT_E_DATA, json_path, NGT_NO_POS, i,
                              "an entry of \"shards\" lacks name, bytes or root");
            goto out;
        }
        memcpy(e.root, digest, 17);
        if ((status = list_add(l, ngt_path_join(folder, name), &e, reterr)) != NGT_OK)
            goto out;
        drops_kept = true;
    }
out:
    if (!drops_kept)
        ngt_drops_close(&drops);
    ngt_json_free(&root);
    free(bytes);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum ngt_status add_found(struct list *l, const char *folder, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    uint64_t first = l->set->count;
    DIR *dir = opendir(folder);

    if (!dir)
        return ngt_fail(reterr, NGT_E_IO, folder, HERE, "cannot read the folder");
    errno = 0;
    for (struct dirent *e; status == NGT_OK && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".ngt") == 0)
            status = list_add(l, ngt_path_join(folder, e->d_name), NULL, reterr);
        errno = 0;
    }
    if (status == NGT_OK && errno)
        status = ngt_fail(reterr, NGT_E_IO, folder, HERE, "cannot read the folder");
    closedir(dir);
    if (status == NGT_OK && l->set->count == first)
        return ngt_fail(reterr, NGT_E_DATA, folder, HERE, "holds no .ngt shards");
    if (status == NGT_OK)
        qsort(l->set->paths + first, l->set->count - first, sizeof *l->set->paths, by_bytes);
    return status;
}

static enum ngt_status add_path(struct list *l, const char *path, unsigned flags,
                                struct ngt_error *reterr)
{
    struct stat st;
    bool listed;
    enum ngt_status status;

    if (stat(path, &st) != 0)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
    if (!S_ISDIR(st.st_mode))
        return list_add(l, strdup(path), NULL, reterr);
    char *json_path = ngt_path_join(path, NGT_DATASET_FILE);
    if (!json_path)
        return no_memory(path, reterr);
    status = ngt_file_find(json_path, &listed, NULL, reterr);
    if (status != NGT_OK)
        ; /* neither */
    else if (listed)
        status = add_listed(l, path, json_path, reterr);
    else if (flags & NGT_DATASET_INCOMPLETE)
        status = add_found(l, path, reterr);
    else
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE,
                          "has no " NGT_DATASET_FILE
                          ", so the data set is not complete: finish it, or take the shards "
                          "there are with --incomplete");
    free(json_path);
    return status;
}

static enum ngt_status differ(const struct ngt_dataset *set, uint64_t i, const char *what,
                              struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_MISMATCH, set->paths[i], HERE,
                    "has another %s than %s: they do not belong together", what, set->paths[0]);
}

static enum ngt_status open_shard(struct list *l, uint64_t i, unsigned flags,
                                  struct ngt_error *reterr)
{
    struct ngt_dataset *set = l->set;
    enum ngt_status status =
        ngt_reader_open(set->paths[i], flags & NGT_OPEN_VERIFY, &set->readers[i], reterr);

    if (status != NGT_OK)
        return status;
    const struct ngt_header *h = ngt_reader_header(set->readers[i]),
                            *first = ngt_reader_header(set->readers[0]);
    if (l->expected[i].known) {
        char root[17];
        ngt_digest64_hex(ngt_reader_header_hash(set->readers[i]), root);
        if (h->file_bytes != l->expected[i].file_bytes || strcmp(root, l->expected[i].root) != 0)
            return ngt_fail(reterr, NGT_E_MISMATCH, set->paths[i], HERE,
                            "is not the shard that " NGT_DATASET_FILE
                            " lists (root %s, listed %s): it was replaced",
                            root, l->expected[i].root);
    }
    if (h->kind != first->kind)
        return differ(set, i, "kind (documents or packed)", reterr);
    if (h->tokenizer.low != first->tokenizer.low || h->tokenizer.high != first->tokenizer.high)
        return differ(set, i, "tokenizer", reterr);
    if (h->vocab_size != first->vocab_size)
        return differ(set, i, "vocabulary size", reterr);
    if (h->seq_len != first->seq_len)
        return differ(set, i, "sequence length", reterr);
    bool overflow = ngt_add_u64(&set->tokens, set->tokens, h->tokens) ||
                    ngt_add_u64(&set->targets, set->targets, h->targets) ||
                    ngt_add_u64(&set->sequences, set->sequences, h->sequences) ||
                    ngt_add_u64(&set->segments, set->segments, h->segments);
    if (h->kind == NGT_DOCUMENTS)
        overflow |= ngt_add_u64(&set->docs, set->docs, h->docs) ||
                    ngt_add_u64(&set->filled_docs, set->filled_docs, h->filled_docs);
    else if (i == 0)
        set->docs = h->docs, set->filled_docs = h->filled_docs;
    return overflow
               ? ngt_fail(reterr, NGT_E_CORRUPT, set->paths[i], HERE, "counts add up beyond 2^64")
               : NGT_OK;
}

/* Gives each shard its part of its folder's drop list. */
static enum ngt_status place_drops(struct list *l, struct ngt_error *reterr)
{
    struct ngt_dataset *set = l->set;
    uint64_t at = 0;

    for (uint64_t i = 0; i < set->count; i++) {
        struct ngt_drops *d = set->drops[i];
        const struct ngt_header *h = ngt_reader_header(set->readers[i]);
        if (!d)
            continue;
        if (i == 0 || set->drops[i - 1] != d) {
            at = 0;
            set->dropped += ngt_drops_count(d);
        }
        set->drops_first[i] = at;
        at += h->docs;
        bool last = i + 1 == set->count || set->drops[i + 1] != d;
        if (h->kind != NGT_DOCUMENTS || (last && at != ngt_drops_documents(d)))
            return ngt_fail(reterr, NGT_E_MISMATCH, set->paths[i], HERE,
                            "the drop list beside it is for a data set of %" PRIu64
                            " documents, this one has %" PRIu64,
                            ngt_drops_documents(d), at);
    }
    return NGT_OK;
}

bool ngt_dataset_dropped(const struct ngt_dataset *set, uint64_t shard, uint64_t doc)
{
    return set->drops[shard] && ngt_drops_has(set->drops[shard], set->drops_first[shard] + doc);
}

enum ngt_status ngt_dataset_open(const char *const *paths, uint64_t count, unsigned flags,
                                 struct ngt_dataset **ret_set, struct ngt_error *reterr)
{
    struct list l = {0};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    l.set = calloc(1, sizeof *l.set);
    if (!l.set)
        return no_memory(NULL, reterr);
    for (uint64_t i = 0; i < count && status == NGT_OK; i++)
        status = add_path(&l, paths[i], flags, reterr);
    if (status == NGT_OK && l.set->count == 0)
        status = ngt_fail(reterr, NGT_E_DATA, count ? paths[0] : NULL, HERE,
                          "the data set has no shards");
    if (status != NGT_OK)
        goto out;
    l.set->readers = calloc(l.set->count, sizeof *l.set->readers);
    l.set->drops_first = calloc(l.set->count, sizeof *l.set->drops_first);
    if (!l.set->readers || !l.set->drops_first) {
        status = no_memory(NULL, reterr);
        goto out;
    }
    for (uint64_t i = 0; i < l.set->count && status == NGT_OK; i++)
        status = open_shard(&l, i, flags, reterr);
    if (status == NGT_OK)
        status = place_drops(&l, reterr);
    if (status != NGT_OK)
        goto out;
    *ret_set = l.set;
    l.set = NULL;
out:
    free(l.expected);
    ngt_dataset_close(&l.set);
    return status;
}

void ngt_dataset_close(struct ngt_dataset **setp)
{
    struct ngt_dataset *set = *setp;

    if (!set)
        return;
    for (uint64_t i = 0; i < set->count; i++) {
        if (set->readers)
            ngt_reader_close(&set->readers[i]);
        free(set->paths[i]);
        if (i + 1 == set->count || set->drops[i + 1] != set->drops[i])
            ngt_drops_close(&set->drops[i]);
    }
    free(set->drops);
    free(set->drops_first);
    free(set->readers);
    free(set->paths);
    free(set);
    *setp = NULL;
}

enum ngt_status ngt_dataset_doc(const struct ngt_dataset *set, uint64_t doc, uint64_t *ret_shard,
                                uint64_t *ret_doc, struct ngt_error *reterr)
{
    uint64_t left = doc;

    ngt_error_clear(reterr);
    for (uint64_t i = 0; i < set->count; i++) {
        uint64_t docs = ngt_reader_header(set->readers[i])->docs;
        if (left < docs) {
            *ret_shard = i;
            *ret_doc = left;
            return NGT_OK;
        }
        left -= docs;
    }
    return ngt_fail(reterr, NGT_E_RANGE, set->paths[0], NGT_NO_POS, doc,
                    "the data set has only %" PRIu64 " documents", set->docs);
}

void ngt_dataset_json(struct ngt_json_out *out, const char *program, const char *version,
                      enum ngt_kind kind, struct ngt_digest128 tokenizer,
                      const struct ngt_dataset_shard *shards, uint64_t count)
{
    struct ngt_shard_summary sum = {0};
    char hex[33];

    for (uint64_t i = 0; i < count; i++) {
        const struct ngt_shard_summary *s = &shards[i].summary;
        sum.file_bytes += s->file_bytes;
        sum.tokens += s->tokens;
        sum.targets += s->targets;
        sum.sequences += s->sequences;
        sum.segments += s->segments;
        /* packed shards all carry the counts of the whole set */
        sum.docs = kind == NGT_PACKED ? s->docs : sum.docs + s->docs;
        sum.filled_docs = kind == NGT_PACKED ? s->filled_docs : sum.filled_docs + s->filled_docs;
    }
    ngt_json_object(out);
    ngt_json_member_string(out, "program", program);
    ngt_json_member_string(out, "version", version);
    ngt_json_member_string(out, "kind", kind == NGT_PACKED ? "packed" : "documents");
    ngt_digest128_hex(tokenizer, hex);
    ngt_json_member_string(out, "tokenizer", hex);
    ngt_json_member_u64(out, "documents", sum.docs);
    ngt_json_member_u64(out, "filled_documents", sum.filled_docs);
    ngt_json_member_u64(out, "tokens", sum.tokens);
    ngt_json_member_u64(out, "targets", sum.targets);
    if (kind == NGT_PACKED) {
        ngt_json_member_u64(out, "sequences", sum.sequences);
        ngt_json_member_u64(out, "segments", sum.segments);
    }
    ngt_json_member_u64(out, "bytes", sum.file_bytes);
    ngt_json_key(out, "shards");
    ngt_json_array(out);
    for (uint64_t i = 0; i < count; i++) {
        const struct ngt_shard_summary *s = &shards[i].summary;
        ngt_json_object(out);
        ngt_json_member_string(out, "name", shards[i].name);
        ngt_json_member_u64(out, "bytes", s->file_bytes);
        ngt_digest64_hex(s->header_hash, hex);
        ngt_json_member_string(out, "root", hex);
        if (kind == NGT_PACKED) {
            ngt_json_member_u64(out, "sequences", s->sequences);
            ngt_json_member_u64(out, "segments", s->segments);
        } else {
            ngt_json_member_u64(out, "documents", s->docs);
        }
        ngt_json_member_u64(out, "tokens", s->tokens);
        ngt_json_object_end(out);
    }
    ngt_json_array_end(out);
}
