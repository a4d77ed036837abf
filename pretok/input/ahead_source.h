/*
 * Decompressing ahead of the reader, by whoever has nothing better to do. A compressed stream can
 * only be unpacked in order, but while one thread makes records of its bytes another may unpack the
 * next ones. No thread of its own: a thread that waits for its turn calls pretok_ahead_work.
 *
 *   decoder -> [bytes] [bytes] ... -> reader       at most BLOCKS blocks, allocated once
 *
 * What the reader sees does not depend on who unpacked what, and when.
 */
#ifndef PRETOK_AHEAD_SOURCE_H
#define PRETOK_AHEAD_SOURCE_H

#include "input/source.h"

struct pretok_ahead;

/* NULL when out of memory. */
struct pretok_ahead *pretok_ahead_new(void);
/* Nobody may be working; NULL is allowed. */
void pretok_ahead_free(struct pretok_ahead **a);

/* Both from any thread, at any time. Whether there is something to do: a source stands on it, a block
 * is free, and nobody else is at it. Does not wait. */
bool pretok_ahead_wanted(struct pretok_ahead *a);
/* Does it, until no block is free or the source is at its end. */
void pretok_ahead_work(struct pretok_ahead *a);

/*
 * A source that reads lower, which it takes over, through a; file is what lies below, for the count.
 * One at a time; freeing it waits for whoever works. Never fails.
 */
void pretok_ahead_source_new(struct pretok_ahead *a, struct pretok_source *lower,
                             struct pretok_source *file, struct pretok_source **ret);
/* pretok_file_source_count of file when what was read last had been unpacked. */
uint64_t pretok_ahead_source_count(const struct pretok_source *s);

#endif
