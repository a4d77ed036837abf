#include "model/rule_table.h"

#include <string.h>

enum ngt_status tok_rule_table_init(struct tok_rule_table *t, uint64_t count,
                                    struct ngt_error *reterr)
{
    unsigned bits = 4;

    while (bits < 40 && 2 * (1ull << bits) < 3 * count)
        bits++;
    *t = (struct tok_rule_table){.mask = (1ull << bits) - 1, .shift = 64 - bits};
    if (count < 1ull << 38)
        t->memory = tok_pages_new((t->mask + 1) * sizeof *t->entries);
    t->entries = t->memory.at;
    if (!t->entries)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for %llu merges", (unsigned long long)count);
    /* all ones: a free pair, and the rank of none */
    memset(t->entries, 0xFF, (t->mask + 1) * sizeof *t->entries);
    return NGT_OK;
}

void tok_rule_table_done(struct tok_rule_table *t)
{
    tok_pages_done(&t->memory);
    *t = (struct tok_rule_table){0};
}

void tok_rule_table_put(struct tok_rule_table *t, uint32_t left, uint32_t right, uint32_t rank,
                        uint32_t result)
{
    struct tok_rule_entry *e =
        t->entries + (tok_rule_find(t, left, right) - (const struct tok_rule_entry *)t->entries);

    *e = (struct tok_rule_entry){(uint64_t)left << 32 | right, rank, result};
}
