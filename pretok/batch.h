/*
 * What travels from reader to tokenizer to writer: some records of one unit, their texts in one
 * buffer, their ids in another. Batches are used over and over, so that steady state allocates
 * nothing; one that grew for a giant document gives that memory back.
 */
#ifndef PRETOK_BATCH_H
#define PRETOK_BATCH_H

#include "input/record.h"
#include "tok/tokenizer.h"

#define PRETOK_BATCH_RECORDS 512u
/* Half as much text halves what is in flight at most, four batches a thread; one still takes a hundred
 * milliseconds of tokenizing. */
#define PRETOK_BATCH_TEXT (512u << 10)

/*
 * Where records come from, inside a unit. The reader's while it is read, then of the batch that has
 * the last of its records: batches are written in their order, so whoever clears that one is the
 * last to have needed it. An archive of millions of members thus costs no memory.
 */
struct pretok_origin {
    uint64_t number;  /* within the unit, from 1: tells origins apart when memory is used again */
    const char *name; /* of the input */
    char *member;     /* in an archive, or NULL; owned */
    uint64_t start;   /* of the unit in the input */
    struct pretok_origin *next;
};

struct pretok_item {
    const struct pretok_origin *origin;
    struct pretok_record record; /* raw and keys do not hold here: see raw_start, keys_start */
    uint64_t raw_start, keys_start;
    uint64_t fields_start;          /* document: see pretok_batch_field */
    uint64_t ids_start, ids_count;  /* document: in ids, BOS and EOS included */
    struct ngt_digest128 text_hash; /* --dedup */
    uint64_t special;               /* strings of control tokens left as text */
    bool not_back;                  /* the ids do not spell the text; only if that is verified */
};

struct pretok_batch {
    struct pretok_item items[PRETOK_BATCH_RECORDS];
    uint64_t count;
    struct pretok_bytes text, raw; /* raw: bytes and keys of refused records */
    struct pretok_bytes fields;    /* values of documents' fields */
    struct tok_ids ids;
    struct pretok_origin *over; /* that ended in this batch or before it; owned */
    uint64_t sequence;          /* within the unit, from 0 */
    bool last;                  /* of the unit */
    uint64_t stored;            /* stored bytes of the unit read when it was filled */
    uint64_t excused;           /* refused records of the unit so far that damage explains */
};

/*
 * Takes the memory that a usual batch needs, pages and all: buffers are allocated once, before the
 * first record, and what a run takes at its beginning is what it takes at its end, however large
 * its input. False when out of memory.
 */
bool pretok_batch_prepare(struct pretok_batch *b);
void pretok_origins_free(struct pretok_origin **list);
void pretok_batch_clear(struct pretok_batch *b);
void pretok_batch_done(struct pretok_batch *b);
bool pretok_batch_full(const struct pretok_batch *b);

/* A document becomes a refused record; the beginning of its text stands for the record. False when out
 * of memory. */
bool pretok_batch_refuse(struct pretok_batch *b, struct pretok_item *item,
                         enum pretok_reason reason);

/* Copies the record's fields, which end with the next record, for item. False when out of memory. */
bool pretok_batch_keep_fields(struct pretok_batch *b, struct pretok_item *item,
                              const struct pretok_record *record);
/* The value of field `index` of those wanted; json NULL where the record has none. Lives as long as
 * the batch's content. */
struct pretok_field pretok_batch_field(const struct pretok_batch *b, const struct pretok_item *item,
                                       uint64_t index);

#endif
