/* From provenance within a unit to file, line and byte. */
#include <stdlib.h>
#include <string.h>

#include "dump.h"

struct unit_start {
    char *source;
    uint64_t start, records_before;
};

struct dump_units {
    struct unit_start *starts; /* sorted by source and start */
    uint64_t count, room;
};

static int by_source(const void *a, const void *b)
{
    const struct unit_start *x = a, *y = b;
    int order = strcmp(x->source, y->source);

    return order ? order : (x->start > y->start) - (x->start < y->start);
}

/* Folders whose dataset.json was read already need no second look: shards of one folder follow each
 * other. */
static enum ngt_status load_folder(struct dump_units *u, const char *folder,
                                   struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, NGT_DATASET_FILE);
    uint8_t *bytes = NULL;
    uint64_t size;
    struct ngt_json *root = NULL;
    enum ngt_status status = NGT_OK;

    if (!path)
        return ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    if (ngt_file_read(path, 1ull << 32, &bytes, &size, NULL) != NGT_OK)
        goto out; /* none there: lines count from the unit's start */
    if ((status = ngt_json_parse((const char *)bytes, size, path, &root, reterr)) != NGT_OK)
        goto out;
    const struct ngt_json *units = ngt_json_get(root, "units");
    for (const struct ngt_json *s = units ? units->first : NULL; s; s = s->next) {
        const char *name;
        uint64_t start, before;
        if (!ngt_json_get_string(s, "source", &name) || !ngt_json_get_u64(s, "start", &start) ||
            !ngt_json_get_u64(s, "records_before", &before))
            continue;
        if (u->count == u->room) {
            uint64_t room = u->room ? u->room * 2 : 64;
            struct unit_start *larger = realloc(u->starts, room * sizeof *larger);
            if (larger) {
                u->starts = larger;
                u->room = room;
            }
        }
        char *copy = u->count < u->room ? strdup(name) : NULL;
        if (!copy) {
            status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
            goto out;
        }
        u->starts[u->count++] = (struct unit_start){copy, start, before};
    }
out:
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}

enum ngt_status dump_units_load(const struct ngt_dataset *set, struct dump_units **ret_units,
                                struct ngt_error *reterr)
{
    struct dump_units *u = calloc(1, sizeof *u);
    char *last = NULL;
    enum ngt_status status = NGT_OK;

    if (!u)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    for (uint64_t i = 0; i < set->count && status == NGT_OK; i++) {
        const char *slash = strrchr(set->paths[i], '/');
        char *folder =
            slash ? strndup(set->paths[i], (size_t)(slash - set->paths[i])) : strdup(".");
        if (!folder)
            status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
        else if (!last || strcmp(folder, last) != 0)
            status = load_folder(u, folder, reterr);
        free(last);
        last = folder;
    }
    free(last);
    if (u->count)
        qsort(u->starts, u->count, sizeof *u->starts, by_source);
    if (status == NGT_OK)
        *ret_units = u;
    else
        dump_units_free(&u);
    return status;
}

void dump_units_free(struct dump_units **units)
{
    if (!*units)
        return;
    for (uint64_t i = 0; i < (*units)->count; i++)
        free((*units)->starts[i].source);
    free((*units)->starts);
    free(*units);
    *units = NULL;
}

enum ngt_status dump_origin(struct ngt_reader *r, const struct dump_units *units, uint64_t doc,
                            struct dump_origin *ret_origin, struct ngt_error *reterr)
{
    struct ngt_provenance p;
    enum ngt_status status;

    if ((status = ngt_reader_provenance(r, doc, &p, reterr)) != NGT_OK ||
        (status = ngt_reader_source(r, p.source, &ret_origin->source, reterr)) != NGT_OK)
        return status;
    ret_origin->offset = ret_origin->source.start + p.offset;
    ret_origin->record = p.record;
    ret_origin->record_known = ret_origin->source.start == 0;
    if (!ret_origin->record_known && units && units->count) {
        struct unit_start key = {(char *)(uintptr_t)ret_origin->source.name,
                                 ret_origin->source.start, 0};
        const struct unit_start *u =
            bsearch(&key, units->starts, units->count, sizeof key, by_source);
        if (u) {
            ret_origin->record += u->records_before;
            ret_origin->record_known = true;
        }
    }
    return NGT_OK;
}
