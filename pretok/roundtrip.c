#include "roundtrip.h"

#include <string.h>

#include "ngt/reader.h"

bool pretok_roundtrip(const struct ngt_vocabulary *v, const uint32_t *ids, uint64_t count,
                      const uint8_t *text, uint64_t n, struct pretok_bytes *memory, bool *ret_same)
{
    /* one byte of room more than the text has, so that a longer spelling shows */
    memory->size = 0;
    if (!pretok_bytes_reserve(memory, n + 1))
        return false;
    /* control tokens that were parsed in the text spell their names */
    uint64_t spelt = ngt_vocabulary_text(v, ids, count, true, (char *)memory->at, n + 1);
    *ret_same = spelt == n && (n == 0 || memcmp(memory->at, text, n) == 0);
    return true;
}
