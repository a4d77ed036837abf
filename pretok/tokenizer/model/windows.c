#include "model/windows.h"

#include "model/short_merge.h"

#define WALKED (1u << 15)             /* bytes of a window for chain.h */
#define MERGED(walked) (8 * (walked)) /* bytes merged in short windows after so many */
/* pairs not met before in so many bytes */
#define BADLY(asked, bytes) (5 * (asked) > (bytes))
/* Symbols at the end of a window; of a short one, with 2 and 4 it is slower. */
#define DROPPED(merges) ((merges) ? 3u : 16u)
#define TRIES 8      /* windows without a step forward */
#define LEAST_REST 8 /* bytes behind a window: its end is not all that is left */

/* Where a window of `size` bytes ends that begins at `at`: before a character. */
static uint64_t window_end(const struct tok_bpe *b, const uint8_t *text, uint64_t n, uint64_t at,
                           uint64_t size)
{
    uint64_t end = at + size;

    if (n - at <= size)
        return n;
    end -= n - end < LEAST_REST ? LEAST_REST : 0;
    while (b->characters && (text[end] & 0xC0) == 0x80 && end > at + 1)
        end--;
    return end;
}

enum ngt_status tok_windows_run(struct tok_chain *c, const struct tok_bpe *b, const uint8_t *text,
                                uint64_t n, uint64_t from, uint32_t *symbols, uint64_t *ret_count,
                                uint64_t *ret_stop, struct ngt_error *reterr)
{
    uint64_t at = from, count = 0, farthest = from;
    unsigned tries = 0;
    enum ngt_status status = NGT_OK;

    while (at < n) {
        bool merges = c->merges > 0 && tok_short_merge_pays(b, text, n), fits = true;
        uint64_t end = window_end(b, text, n, at, merges ? TOK_SHORT_MERGE : WALKED);
        uint64_t size = end - at, stop = 0, more = 0, asked = c->asked;
        if (merges)
            more = tok_short_merge_run(b, text + at, size, 0, symbols + count, &stop);
        else
            status = tok_chain_run(c, b, text + at, size, 0, symbols + count, &more, &stop, reterr);
        if (status != NGT_OK)
            return status;
        if (merges)
            c->merges -= size < c->merges ? size : c->merges;
        else if (BADLY(c->asked - asked, size))
            c->merges = MERGED(size);
        if (at > farthest) {
            farthest = at;
            tries = 0;
        } else if (++tries > TRIES) {
            return tok_chain_run(c, b, text, n, from, symbols, ret_count, ret_stop, reterr);
        }
        if (count && more &&
            !tok_chain_compatible(c, b, symbols[count - 1], symbols[count], &fits, reterr))
            return NGT_E_NOMEM;
        if (!fits) {
            at -= tok_bpe_item_size(b, symbols[--count]);
            continue;
        }
        count += more;
        at += stop;
        /* what is no symbol; but at the very end of a window it may have been cut */
        if (end == n || (stop < size && size - stop >= LEAST_REST) || (stop < size && !more))
            break;
        for (unsigned i = 0; i < DROPPED(merges) && i + 1 < more; i++)
            at -= tok_bpe_item_size(b, symbols[--count]);
    }
    *ret_count = count;
    *ret_stop = at;
    return NGT_OK;
}
