/* ngt-dump: what its files share. */
#ifndef DUMP_H
#define DUMP_H

#include <stdio.h>

#include "cli/options.h"
#include "ngt.h"

struct dump_config {
    bool header, list, docs, ids, text, stats, verify;
    bool json, incomplete, special;
    const char *range, *at;
    uint64_t doc, top;
    bool doc_given;
};

extern const struct cli_program dump_program;

/* The items (documents, or sequences of packed shards) that --range, --doc and --at choose, over
 * all shards. */
struct dump_selection {
    uint64_t first, end;
};
enum ngt_status dump_select(const struct dump_config *c, const struct ngt_dataset *set,
                            struct dump_selection *ret_selection, struct ngt_error *reterr);
uint64_t dump_items(const struct ngt_dataset *set); /* all there are */

/* Where item i of the set stands. */
struct dump_place {
    struct ngt_reader *r;
    uint64_t shard, index; /* inside it */
};
struct dump_place dump_place(const struct ngt_dataset *set, uint64_t item);

/*
 * A document's origin as a person names it: file (and archive member), line, byte. The records
 * before a unit that is not the first of its file stand in dataset.json; without it the line counts
 * from the unit's start (line_known false).
 */
struct dump_origin {
    struct ngt_source source;
    uint64_t record, offset; /* in the whole source, offset in decompressed bytes */
    bool record_known;
};
struct dump_units;
enum ngt_status dump_units_load(const struct ngt_dataset *set, struct dump_units **ret_units,
                                struct ngt_error *reterr);
void dump_units_free(struct dump_units **units);
enum ngt_status dump_origin(struct ngt_reader *r, const struct dump_units *units, uint64_t doc,
                            struct dump_origin *ret_origin, struct ngt_error *reterr);

/* One mode each; results go to out. */
enum ngt_status dump_header(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                            struct ngt_error *reterr);
enum ngt_status dump_list(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr);
enum ngt_status dump_docs(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr);
enum ngt_status dump_ids(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                         struct ngt_error *reterr);
enum ngt_status dump_text(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                          struct ngt_error *reterr);
enum ngt_status dump_stats(const struct dump_config *c, const struct ngt_dataset *set, FILE *out,
                           struct ngt_error *reterr);
/* Takes paths, since a damaged shard cannot be opened; goes on after a failure and returns the
 * first one. */
enum ngt_status dump_verify(const struct dump_config *c, const char *const *paths, uint64_t count,
                            FILE *out, struct ngt_error *reterr);

#endif
