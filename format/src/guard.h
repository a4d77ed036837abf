/* The mappings that a SIGBUS may fall into; see guard.c. */
#ifndef NGT_GUARD_H
#define NGT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct ngt_guard;

/* NULL without memory. bytes is page-aligned and stays mapped until ngt_guard_drop. */
struct ngt_guard *ngt_guard_add(const uint8_t *bytes, uint64_t size);
/* NULL is allowed. */
void ngt_guard_drop(struct ngt_guard *guard);
/* Whether a page could not be read: what was read since is zeros. */
bool ngt_guard_lost(const struct ngt_guard *guard);

#endif
