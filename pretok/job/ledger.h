/*
 * The account of a unit, a shard or a whole run. Its law: records read = documents + quarantined +
 * filtered. Reason by reason, so that nothing is lost without a name.
 */
#ifndef PRETOK_LEDGER_H
#define PRETOK_LEDGER_H

#include <stdio.h>

#include "input/record.h"
#include "ngt/json.h"
#include "ngt/writer.h"

struct pretok_ledger {
    uint64_t records;
    uint64_t documents; /* empty ones included */
    uint64_t empty;     /* documents whose text is empty */
    uint64_t filtered;  /* left out, though nothing is wrong with them, and why: they add up */
    uint64_t filtered_by[PRETOK_FILTERS];
    uint64_t quarantined[PRETOK_REASONS];
    uint64_t excused;                      /* of those quarantined: in lost sources, whose damage
                                              explains them; counted for units, not for shards */
    uint64_t text_bytes;                   /* UTF-8 of documents, as tokenized */
    uint64_t tokens;                       /* BOS and EOS included */
    uint64_t replaced;                     /* characters that became U+FFFD */
    uint64_t special;                      /* strings of control tokens left as text */
    uint64_t duplicates, duplicate_tokens; /* documents that finish drops; counted there alone */
    uint64_t no_id, no_metadata; /* documents that lack what --id-key and --meta-keys name */
    bool verified;               /* --verify-roundtrip: the next one was counted, and is written */
    uint64_t not_back;           /* documents whose text the vocabulary does not give back */
};

#define PRETOK_LEDGER_COUNTERS 40 /* at most */

uint64_t pretok_ledger_bad(const struct pretok_ledger *l); /* quarantined for any reason */
void pretok_ledger_add(struct pretok_ledger *sum, const struct pretok_ledger *l);
/* NGT_E_CORRUPT when the law does not hold; path is what the ledger belongs to. */
NGT_NODISCARD enum ngt_status pretok_ledger_check(const struct pretok_ledger *l, const char *path,
                                                  struct ngt_error *reterr);

/*
 * Counters for a shard, in a fixed order, so that equal ledgers are equal bytes: all that exist, but
 * those of options and reasons that most jobs never meet only where they are not 0. Returns how
 * many. Keys are static.
 */
uint64_t pretok_ledger_counters(const struct pretok_ledger *l,
                                struct ngt_counter out[PRETOK_LEDGER_COUNTERS]);
/* The same as members of the JSON object that is open. */
void pretok_ledger_write(const struct pretok_ledger *l, struct ngt_json_out *out);
/* NGT_E_DATA: a counter is missing. */
NGT_NODISCARD enum ngt_status pretok_ledger_read(const struct ngt_json *object, const char *path,
                                                 struct pretok_ledger *ret_ledger,
                                                 struct ngt_error *reterr);
/* "3 not_json, 1 no_key": reasons that there are, quarantined and filtered; cut to fit. */
void pretok_ledger_reasons(const struct pretok_ledger *l, char *out, uint64_t room);
/* What a user reads: one line a figure. */
void pretok_ledger_print(const struct pretok_ledger *l, FILE *to);

#endif
