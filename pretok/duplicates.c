#include "duplicates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/file.h"
#include "ngt/reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define MOST_PARTS 512u /* files open at once; beyond, the table grows */

/* A document: its text, its place in the order that decides, and where its bit is. */
struct entry {
    struct ngt_digest128 text;
    uint64_t source; /* unit, and the source's place in it */
    uint64_t record; /* there; or the document's number, where that gives the order */
    uint64_t set;
    uint64_t document;
};

struct slot {
    struct ngt_digest128 text;
    uint64_t source, record; /* of the first; source NONE: free */
};
#define NONE UINT64_MAX

struct search {
    const char *folder;
    const struct pretok_overview *overview;
    const struct pretok_sets *sets;
    struct pretok_dropped *dropped;
    uint64_t parts;
    FILE **files; /* [parts]; NULL: there is one part, and the shards are read again */
    struct slot *table;
    uint64_t slots; /* a power of two */
};

typedef enum ngt_status (*entry_fn)(struct search *s, const struct entry *e,
                                    struct ngt_error *reterr);

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the search of duplicates");
}

/* ---- entries, from the shards ---- */

static enum ngt_status walk_shard(struct search *s, const struct pretok_receipt *r, uint64_t shard,
                                  uint64_t first, entry_fn each, struct ngt_error *reterr)
{
    const struct pretok_receipt_shard *from = &r->shards[shard];
    char *path = pretok_receipt_shard_path(r, s->folder, shard);
    struct ngt_reader *reader = NULL;
    struct entry e = {.set = pretok_sets_of(s->sets, r, shard)};
    enum ngt_status status = path ? ngt_reader_open(path, 0, &reader, reterr) : no_memory(reterr);

    for (uint64_t d = 0; status == NGT_OK && d < from->summary.docs; d++) {
        struct ngt_provenance p;
        status = ngt_reader_text_hash(reader, d, &e.text, reterr);
        e.document = first + d;
        e.record = e.document;
        if (status == NGT_OK && s->sets->split) {
            status = ngt_reader_provenance(reader, d, &p, reterr);
            if (status == NGT_OK && p.source >= from->origin_count)
                status = ngt_fail(reterr, NGT_E_CORRUPT, path, HERE,
                                  "has more sources than the unit's receipt says");
            if (status != NGT_OK)
                break;
            e.source = r->unit << 32 | from->origins[p.source];
            e.record = p.record;
        }
        if (status == NGT_OK)
            status = each(s, &e, reterr);
    }
    ngt_reader_close(&reader);
    free(path);
    return status;
}

static enum ngt_status walk_shards(struct search *s, entry_fn each, struct ngt_error *reterr)
{
    uint64_t *first = calloc(s->sets->count + 1, sizeof *first); /* of each set's next shard */
    enum ngt_status status = first ? NGT_OK : no_memory(reterr);

    for (uint64_t u = 0; u < s->overview->unit_count && status == NGT_OK; u++) {
        const struct pretok_receipt *r = &s->overview->receipts[u];
        for (uint64_t k = 0; k < r->shard_count && status == NGT_OK; k++) {
            uint64_t *at = &first[pretok_sets_of(s->sets, r, k)];
            status = walk_shard(s, r, k, *at, each, reterr);
            *at += r->shards[k].summary.docs;
        }
    }
    free(first);
    return status;
}

/* ---- entries, by parts of the hash's range ---- */

static enum ngt_status files_failed(const struct search *s, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_IO, s->folder, HERE,
                    "cannot keep what finds duplicates in an unnamed file");
}

static enum ngt_status open_files(struct search *s, struct ngt_error *reterr)
{
    s->files = calloc(s->parts, sizeof *s->files);
    if (!s->files)
        return no_memory(reterr);
    for (uint64_t i = 0; i < s->parts; i++) {
        char *path = ngt_path_join(s->folder, PRETOK_RECEIPT_FOLDER "/duplicates.XXXXXX");
        int fd = path ? mkstemp(path) : -1;
        if (fd >= 0) {
            (void)unlink(path);
            if (!(s->files[i] = fdopen(fd, "w+b")))
                close(fd);
        }
        free(path);
        if (!s->files[i])
            return files_failed(s, reterr);
    }
    return NGT_OK;
}

static void close_files(struct search *s)
{
    for (uint64_t i = 0; s->files && i < s->parts; i++)
        if (s->files[i])
            fclose(s->files[i]);
    free(s->files);
}

static enum ngt_status put_entry(struct search *s, const struct entry *e, struct ngt_error *reterr)
{
    /* the upper bits choose the part, the lower ones the place in the table */
    uint64_t part = (uint64_t)((unsigned __int128)e->text.high * s->parts >> 64);

    return fwrite(e, sizeof *e, 1, s->files[part]) == 1 ? NGT_OK : files_failed(s, reterr);
}

static enum ngt_status walk_part(struct search *s, uint64_t part, entry_fn each,
                                 struct ngt_error *reterr)
{
    struct entry e;
    enum ngt_status status = NGT_OK;

    if (!s->files)
        return walk_shards(s, each, reterr);
    if (fflush(s->files[part]) != 0)
        return files_failed(s, reterr);
    rewind(s->files[part]);
    while (status == NGT_OK && fread(&e, sizeof e, 1, s->files[part]) == 1)
        status = each(s, &e, reterr);
    if (status == NGT_OK && ferror(s->files[part]))
        status = files_failed(s, reterr);
    return status;
}

/* ---- the table ---- */

static struct slot *slot_of(const struct search *s, struct ngt_digest128 text)
{
    uint64_t i = text.low & (s->slots - 1);

    while (s->table[i].source != NONE &&
           (s->table[i].text.low != text.low || s->table[i].text.high != text.high))
        i = (i + 1) & (s->slots - 1);
    return &s->table[i];
}

static enum ngt_status note_first(struct search *s, const struct entry *e, struct ngt_error *reterr)
{
    struct slot *slot = slot_of(s, e->text);

    (void)reterr;
    if (slot->source == NONE || e->source < slot->source ||
        (e->source == slot->source && e->record < slot->record))
        *slot = (struct slot){e->text, e->source, e->record};
    return NGT_OK;
}

static enum ngt_status drop_others(struct search *s, const struct entry *e,
                                   struct ngt_error *reterr)
{
    const struct slot *slot = slot_of(s, e->text);
    struct pretok_dropped *d = &s->dropped[e->set];

    (void)reterr;
    if (slot->source != e->source || slot->record != e->record) {
        d->bits[e->document / 8] |= (uint8_t)(1u << e->document % 8);
        d->documents++;
    }
    return NGT_OK;
}

/* Documents of a part are counted before, so that the table is never full. */
static enum ngt_status make_table(struct search *s, uint64_t texts, struct ngt_error *reterr)
{
    s->slots = 1024;
    while (s->slots < texts + texts / 2)
        s->slots *= 2;
    free(s->table);
    s->table = malloc(s->slots * sizeof *s->table);
    if (!s->table)
        return no_memory(reterr);
    memset(s->table, 0xFF, s->slots * sizeof *s->table);
    return NGT_OK;
}

static enum ngt_status search_part(struct search *s, uint64_t part, uint64_t documents,
                                   struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    if (s->files) {
        off_t end = ftello(s->files[part]);
        if (end < 0)
            return files_failed(s, reterr);
        documents = (uint64_t)end / sizeof(struct entry);
    }
    status = make_table(s, documents, reterr);
    if (status == NGT_OK)
        status = walk_part(s, part, note_first, reterr);
    if (status == NGT_OK)
        status = walk_part(s, part, drop_others, reterr);
    return status;
}

/* ---- what dropping costs ---- */

static enum ngt_status count_tokens(struct search *s, struct ngt_error *reterr)
{
    uint64_t *first = calloc(s->sets->count + 1, sizeof *first);
    enum ngt_status status = first ? NGT_OK : no_memory(reterr);

    for (uint64_t u = 0; u < s->overview->unit_count && status == NGT_OK; u++) {
        const struct pretok_receipt *r = &s->overview->receipts[u];
        for (uint64_t k = 0; k < r->shard_count && status == NGT_OK; k++) {
            uint64_t set = pretok_sets_of(s->sets, r, k), begin = first[set], at, n;
            struct pretok_dropped *d = &s->dropped[set];
            struct ngt_reader *reader = NULL;
            char *path = pretok_receipt_shard_path(r, s->folder, k);
            first[set] += r->shards[k].summary.docs;
            status = path ? ngt_reader_open(path, 0, &reader, reterr) : no_memory(reterr);
            for (uint64_t i = begin; i < first[set] && status == NGT_OK; i++) {
                if (!(d->bits[i / 8] >> i % 8 & 1))
                    continue;
                status = ngt_reader_doc(reader, i - begin, &at, &n, reterr);
                d->tokens += status == NGT_OK ? n : 0;
            }
            ngt_reader_close(&reader);
            free(path);
        }
    }
    free(first);
    return status;
}

enum ngt_status pretok_duplicates_find(const char *folder, const struct pretok_overview *o,
                                       const struct pretok_sets *sets, uint64_t texts,
                                       struct pretok_dropped *ret_dropped, struct ngt_error *reterr)
{
    struct search s = {
        .folder = folder, .overview = o, .sets = sets, .dropped = ret_dropped, .parts = 1};
    uint64_t documents = 0;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    for (uint64_t i = 0; i < sets->count; i++) {
        ret_dropped[i] =
            (struct pretok_dropped){.bits = calloc(sets->sets[i].documents / 8 + 1, 1)};
        documents += sets->sets[i].documents;
        if (!ret_dropped[i].bits)
            status = no_memory(reterr);
    }
    if (documents > texts) {
        s.parts = documents / texts + 1;
        s.parts = s.parts < MOST_PARTS ? s.parts : MOST_PARTS;
        if (status == NGT_OK)
            status = open_files(&s, reterr);
        if (status == NGT_OK)
            status = walk_shards(&s, put_entry, reterr);
    }
    for (uint64_t i = 0; i < s.parts && status == NGT_OK; i++)
        status = search_part(&s, i, documents, reterr);
    if (status == NGT_OK)
        status = count_tokens(&s, reterr);
    free(s.table);
    close_files(&s);
    return status;
}

void pretok_duplicates_done(struct pretok_dropped *dropped, uint64_t count)
{
    for (uint64_t i = 0; dropped && i < count; i++)
        free(dropped[i].bits);
    free(dropped);
}
