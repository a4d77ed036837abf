#include "model/windows.h"

#include <string.h>

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

/* Many windows at once (merge_many.h). They begin before it is known where the ones in front of them
 * end, so each goes far into the next one's text. */
#define BATCH 16
#define STRIDE 42
#define OVERLAP 16
_Static_assert(STRIDE + OVERLAP + 3 < TOK_MANY_PARTS, "a window of bytes fits");

/* Symbols so far and where they end. */
struct so_far {
    uint32_t *symbols;
    uint64_t count, end;
};

/*
 * Goes on with a window that begins at `start`, at most at s->end: from a place where a symbol of both
 * ends, if the one before it and the one behind it are compatible. From the last such place on
 * symbols are the window's. *ret_joined: there is one, or s is empty.
 */
static enum ngt_status join(struct tok_chain *c, const struct tok_bpe *b, struct so_far *s,
                            const struct tok_new_word *window, uint64_t start, bool *ret_joined,
                            struct ngt_error *reterr)
{
    uint64_t end = s->end, kept = s->count, next = window->count, at = start + window->size;
    bool fits = kept == 0;

    if (fits)
        next = 0;
    while (!fits && kept && end >= start) {
        while (next && at > end)
            at -= tok_bpe_item_size(b, window->ids[--next]);
        if (at == end && next < window->count &&
            !tok_chain_compatible(c, b, s->symbols[kept - 1], window->ids[next], &fits, reterr))
            return NGT_E_NOMEM;
        if (!fits)
            end -= tok_bpe_item_size(b, s->symbols[--kept]);
    }
    *ret_joined = fits;
    if (fits) {
        memcpy(s->symbols + kept, window->ids + next, (window->count - next) * sizeof *s->symbols);
        s->count = kept + (window->count - next);
        s->end = start + window->size;
    }
    return NGT_OK;
}

/* Goes on with a batch of windows, as far as they can be joined. */
static enum ngt_status run_batch(struct tok_chain *c, const struct tok_bpe *b, const uint8_t *text,
                                 uint64_t n, struct so_far *s, struct ngt_error *reterr)
{
    struct tok_new_word windows[BATCH];
    uint64_t starts[BATCH], at = s->end, count = 0;
    bool joined = true;
    enum ngt_status status = NGT_OK;

    for (uint64_t i = s->count; i > 0 && at > s->end - OVERLAP && s->end >= OVERLAP; i--)
        at -= tok_bpe_item_size(b, s->symbols[i - 1]);
    for (; count < BATCH && at < n; count++) {
        struct tok_new_word *w = &windows[count];
        uint64_t end = window_end(b, text, n, at, STRIDE + OVERLAP);
        starts[count] = at;
        w->size = (uint32_t)(end - at);
        memcpy(w->text, text + at, w->size);
        memset(w->text + w->size, 0, 4);
        at = end == n ? n : window_end(b, text, n, at, STRIDE);
    }
    b->many.run(&b->many, windows, count);
    for (uint64_t i = 0; i < count && joined && status == NGT_OK; i++) {
        joined = windows[i].count > 0;
        if (joined)
            status = join(c, b, s, &windows[i], starts[i], &joined, reterr);
    }
    return status;
}

enum ngt_status tok_windows_run(struct tok_chain *c, const struct tok_bpe *b, const uint8_t *text,
                                uint64_t n, uint64_t from, uint32_t *symbols, uint64_t *ret_count,
                                uint64_t *ret_stop, struct ngt_error *reterr)
{
    uint64_t at = from, count = 0, farthest = from;
    unsigned tries = 0;
    enum ngt_status status = NGT_OK;

    while (at < n) {
        if (c->merges > 0 && b->many.run && n - at > 2 * STRIDE) {
            struct so_far s = {symbols, count, at};
            status = run_batch(c, b, text, n, &s, reterr);
            if (status != NGT_OK)
                return status;
            c->merges -= s.end - at < c->merges ? s.end - at : c->merges;
            count = s.count;
            at = s.end;
            if (at == n)
                break;
            for (unsigned i = 0; i < DROPPED(true) && count > 1; i++)
                at -= tok_bpe_item_size(b, symbols[--count]);
            if (at > farthest) {
                farthest = at;
                tries = 0;
                continue;
            }
        }
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
