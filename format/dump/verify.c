/* --verify: every shard, also those after a damaged one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dump.h"
#include "ngt/file.h"

/* The first failure stays: others follow, and successes. */
static enum ngt_status keep(struct ngt_error *reterr, const struct ngt_error *error)
{
    if (reterr->code == NGT_OK)
        *reterr = *error;
    return error->code;
}

static enum ngt_status one(const struct dump_config *c, const char *path, FILE *out,
                           struct ngt_error *reterr)
{
    struct ngt_shard_summary sum;
    struct ngt_error error;
    struct ngt_json_out j;
    char root[17], message[600];
    enum ngt_status status = ngt_verify(path, &sum, &error);

    if (status == NGT_OK)
        ngt_digest64_hex(sum.header_hash, root);
    else
        ngt_error_print(&error, message, sizeof message);
    if (c->json) {
        ngt_json_out_init(&j, true);
        ngt_json_object(&j);
        ngt_json_member_string(&j, "path", path);
        ngt_json_member_bool(&j, "ok", status == NGT_OK);
        if (status == NGT_OK) {
            ngt_json_member_string(&j, "root", root);
            ngt_json_member_u64(&j, "documents", sum.docs);
            ngt_json_member_u64(&j, "tokens", sum.tokens);
            ngt_json_member_u64(&j, "targets", sum.targets);
            ngt_json_member_u64(&j, "sequences", sum.sequences);
        } else {
            ngt_json_member_string(&j, "error", message);
        }
        ngt_json_object_end(&j);
        fwrite(j.bytes, 1, j.size, out);
        ngt_json_out_done(&j);
    } else if (status == NGT_OK) {
        fprintf(out,
                "%s: ok, root %s, %" PRIu64 " documents, %" PRIu64 " tokens, %" PRIu64 " targets",
                path, root, sum.docs, sum.tokens, sum.targets);
        if (sum.sequences)
            fprintf(out, ", %" PRIu64 " sequences", sum.sequences);
        fputc('\n', out);
    } else {
        fprintf(out, "DAMAGED %s\n", message);
    }
    return status == NGT_OK ? NGT_OK : keep(reterr, &error);
}

/* The shards a folder's dataset.json lists must be there and be those; then each is proved. */
static enum ngt_status folder(const struct dump_config *c, const char *path, FILE *out,
                              struct ngt_error *reterr)
{
    struct ngt_dataset *set = NULL;
    struct ngt_error error;
    enum ngt_status first = NGT_OK;
    enum ngt_status status =
        ngt_dataset_open(&path, 1, c->incomplete ? NGT_DATASET_INCOMPLETE : 0, &set, &error);

    if (status != NGT_OK) {
        char message[600];
        ngt_error_print(&error, message, sizeof message);
        if (!c->json)
            fprintf(out, "DAMAGED %s\n", message);
        return keep(reterr, &error);
    }
    for (uint64_t i = 0; i < set->count; i++) {
        status = one(c, set->paths[i], out, reterr);
        first = first == NGT_OK ? status : first;
    }
    ngt_dataset_close(&set);
    return first;
}

enum ngt_status dump_verify(const struct dump_config *c, const char *const *paths, uint64_t count,
                            FILE *out, struct ngt_error *reterr)
{
    enum ngt_status first = NGT_OK;

    for (uint64_t i = 0; i < count; i++) {
        struct stat st;
        struct ngt_error error;
        bool there;
        enum ngt_status status = ngt_file_find(paths[i], &there, &st, &error);
        if (status != NGT_OK)
            status = keep(reterr, &error);
        else
            status = there && S_ISDIR(st.st_mode) ? folder(c, paths[i], out, reterr)
                                                  : one(c, paths[i], out, reterr);
        first = first == NGT_OK ? status : first;
    }
    return first;
}
