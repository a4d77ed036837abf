/* From the name of a token to its id: a hash table over names that lie elsewhere. */
#ifndef TOK_NAMES_H
#define TOK_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "ngt/error.h"

struct tok_names {
    const uint8_t *bytes;   /* borrowed */
    const uint64_t *starts; /* [ids + 1], borrowed */
    struct tok_name_slot {
        uint64_t head; /* the first eight bytes: short names are all here */
        uint32_t id;   /* plus 1; 0: free */
        uint32_t tag;  /* of hash and size, so that few others look at a name */
    } * slots;
    uint64_t mask, seed;
    struct tok_pages memory;
};

/* Room for `count` names. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_names_init(struct tok_names *n, const uint8_t *bytes,
                                             const uint64_t *starts, uint64_t count,
                                             const char *path, struct ngt_error *reterr);
void tok_names_done(struct tok_names *n);
/* Puts id, of which the bytes are known; the id that had this name before and loses it, or
 * NGT_NO_ID. */
uint32_t tok_names_put(struct tok_names *n, uint32_t id);
/* NGT_NO_ID where there is none. */
uint32_t tok_names_find(const struct tok_names *n, const void *name, uint64_t size);

/*
 * The same in two steps. The first one brings what the second looks at into the cache, so that those
 * who ask for many wait for several at once.
 */
struct tok_name_key {
    const uint8_t *name;
    uint64_t size, head, hash;
};
/* readable: bytes that may be read at name, size or more; faster from 8 on. */
struct tok_name_key tok_names_key(const struct tok_names *n, const void *name, uint64_t size,
                                  uint64_t readable);
uint32_t tok_names_find_key(const struct tok_names *n, const struct tok_name_key *key);
/* Of an id that is soon put. */
void tok_names_expect(const struct tok_names *n, uint32_t id);
#endif
