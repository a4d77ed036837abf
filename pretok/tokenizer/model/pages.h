/*
 * Memory for tables that are looked up at random: on huge pages where the system gives them, because
 * with small ones nearly every look-up also misses the address cache (measured with a trie of 1.7
 * MB: 10 to 25% of the speed on multilingual text).
 */
#ifndef TOK_MODEL_PAGES_H
#define TOK_MODEL_PAGES_H

#include <stdint.h>

struct tok_pages {
    void *at;       /* zeroed; NULL: none */
    void *mapping;  /* what is given back */
    uint64_t total; /* bytes of it */
};

/* size bytes; at is NULL when there is no memory. */
struct tok_pages tok_pages_new(uint64_t size);
void tok_pages_done(struct tok_pages *p);
#endif
