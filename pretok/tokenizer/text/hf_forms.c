/*
 * Text is cut into stretches by characters that a form leaves alone and that take part in no
 * composition or reordering: such a character stays, and what comes after it up to the next one is
 * decomposed, ordered and (for the C forms) composed. A composing stretch begins with the starter
 * before the first character that needs work, since that one may be composed with.
 */
#include "text/hf_forms.h"

#include "text/utf8_inline.h"

enum {
    S_BASE = 0xAC00,
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    V_COUNT = 21,
    T_COUNT = 28,
    S_COUNT = 19 * V_COUNT * T_COUNT,
};

void tok_hf_marks_done(struct tok_hf_marks *m)
{
    free(m->codes);
    free(m->ranks);
    free(m->sorted);
    free(m->sorted_ranks);
    *m = (struct tok_hf_marks){0};
}

static enum ngt_status grow(struct tok_hf_marks *m, uint64_t count, struct ngt_error *reterr)
{
    uint64_t room = count + count / 2 + 64;
    uint32_t *codes = realloc(m->codes, room * sizeof *codes);
    if (codes)
        m->codes = codes;
    uint32_t *sorted = realloc(m->sorted, room * sizeof *sorted);
    if (sorted)
        m->sorted = sorted;
    uint8_t *ranks = realloc(m->ranks, room);
    if (ranks)
        m->ranks = ranks;
    uint8_t *sorted_ranks = realloc(m->sorted_ranks, room);
    if (sorted_ranks)
        m->sorted_ranks = sorted_ranks;
    if (!codes || !sorted || !ranks || !sorted_ranks)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a run of %llu combining characters",
                        (unsigned long long)count);
    m->room = room;
    return NGT_OK;
}

/* Full decomposition of one character; marks has room for 18 more, the longest there is. */
static uint64_t decompose(bool compatible, uint32_t c, struct tok_hf_marks *m, uint64_t count)
{
    const struct tok_hf_record *r = tok_hf_form(c);
    unsigned from = compatible && r->compatible ? r->compatible : r->canonical;

    if (c - S_BASE < S_COUNT) {
        uint32_t s = c - S_BASE;
        m->codes[count] = L_BASE + s / (V_COUNT * T_COUNT);
        m->codes[count + 1] = V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
        m->codes[count + 2] = T_BASE + s % T_COUNT;
        m->ranks[count] = m->ranks[count + 1] = m->ranks[count + 2] = 0;
        return count + (s % T_COUNT ? 3 : 2);
    }
    if (!from) {
        m->codes[count] = c;
        m->ranks[count] = r->rank;
        return count + 1;
    }
    for (uint32_t i = 1; i <= tok_hf_pool[from]; i++, count++) {
        m->codes[count] = tok_hf_pool[from + i];
        m->ranks[count] = tok_hf_form(m->codes[count])->rank;
    }
    return count;
}

/* A stable sort of one run of marks; counting where insertion would be quadratic. */
static void order_run(struct tok_hf_marks *m, uint64_t from, uint64_t end)
{
    if (end - from < 32) {
        for (uint64_t i = from + 1; i < end; i++) {
            uint32_t c = m->codes[i];
            uint8_t rank = m->ranks[i];
            uint64_t k = i;
            for (; k > from && m->ranks[k - 1] > rank; k--) {
                m->codes[k] = m->codes[k - 1];
                m->ranks[k] = m->ranks[k - 1];
            }
            m->codes[k] = c;
            m->ranks[k] = rank;
        }
        return;
    }
    uint64_t at[257] = {0};
    for (uint64_t i = from; i < end; i++)
        at[m->ranks[i] + 1]++;
    for (unsigned r = 0; r < 256; r++)
        at[r + 1] += at[r];
    for (uint64_t i = from; i < end; i++) {
        uint64_t k = at[m->ranks[i]]++;
        m->sorted[k] = m->codes[i];
        m->sorted_ranks[k] = m->ranks[i];
    }
    memcpy(m->codes + from, m->sorted, (end - from) * sizeof *m->codes);
    memcpy(m->ranks + from, m->sorted_ranks, end - from);
}

static void order(struct tok_hf_marks *m, uint64_t count)
{
    for (uint64_t i = 0; i < count;) {
        uint64_t end = i;
        while (end < count && m->ranks[end])
            end++;
        if (end - i > 1)
            order_run(m, i, end);
        i = end + 1;
    }
}

/* The primary composite of two characters, or 0. */
static uint32_t composite(uint32_t a, uint32_t b)
{
    if (a - L_BASE < 19 && b - V_BASE < V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b - T_BASE - 1 < T_COUNT - 1)
        return a + (b - T_BASE);
    uint32_t low = 0, high = tok_hf_pair_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct tok_hf_pair *p = &tok_hf_pairs[middle];
        if (p->first < a || (p->first == a && p->second < b))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < tok_hf_pair_count && tok_hf_pairs[low].first == a && tok_hf_pairs[low].second == b)
        return tok_hf_pairs[low].composite;
    return 0;
}

/* Canonical composition in place. */
static uint64_t compose(struct tok_hf_marks *m, uint64_t count)
{
    uint64_t out = 0, starter = UINT64_MAX;
    uint8_t last = 0; /* rank of the character before, when something stands between */
    bool between = false;

    for (uint64_t i = 0; i < count; i++) {
        uint32_t c = m->codes[i], joined;
        uint8_t rank = m->ranks[i];
        if (starter != UINT64_MAX && (!between || last < rank) &&
            (joined = composite(m->codes[starter], c)) != 0) {
            m->codes[starter] = joined;
            continue;
        }
        m->codes[out] = c;
        m->ranks[out] = rank;
        if (rank == 0) {
            starter = out;
            between = false;
        } else {
            between = true;
            last = rank;
        }
        out++;
    }
    return out;
}

static enum ngt_status stretch(unsigned form, const uint8_t *text, uint64_t from, uint64_t end,
                               struct tok_hf_marks *m, struct tok_buffer *out,
                               struct ngt_error *reterr)
{
    bool compatible = (form & (TOK_HF_NFKC | TOK_HF_NFKD)) != 0;
    uint64_t count = 0;
    unsigned size;
    enum ngt_status status;

    for (uint64_t at = from; at < end; at += size) {
        if (m->room - count < 18 || !m->room) {
            status = grow(m, count + 18, reterr);
            if (status != NGT_OK)
                return status;
        }
        count = decompose(compatible, tok_utf8_get(text + at, &size), m, count);
    }
    order(m, count);
    if (form & (TOK_HF_NFC | TOK_HF_NFKC))
        count = compose(m, count);
    status = tok_buffer_reserve(out, count * 4, reterr);
    for (uint64_t i = 0; i < count && status == NGT_OK; i++)
        out->size += tok_utf8_put(m->codes[i], out->at + out->size);
    return status;
}

enum ngt_status tok_hf_normal_form(unsigned form, const uint8_t *text, uint64_t n,
                                   struct tok_hf_marks *marks, struct tok_buffer *out,
                                   bool *ret_changed, struct ngt_error *reterr)
{
    bool composing = (form & (TOK_HF_NFC | TOK_HF_NFKC)) != 0;
    uint64_t copied = 0, stable = 0, at = 0; /* stable: start of the last character without work */
    unsigned size;
    bool any = false;
    enum ngt_status status;

    *ret_changed = false;
    while (at < n) {
        uint64_t ascii = tok_ascii_prefix(text + at, n - at);
        if (ascii) {
            at += ascii;
            stable = at - 1;
            any = true;
            continue;
        }
        uint32_t c = tok_utf8_get(text + at, &size);
        if (!(tok_hf_form(c)->work & form)) {
            stable = at;
            any = true;
            at += size;
            continue;
        }
        uint64_t from = composing && any ? stable : at, end = at + size;
        while (end < n && (tok_hf_form(tok_utf8_get(text + end, &size))->work & form))
            end += size;
        status = tok_buffer_reserve(out, from - copied, reterr);
        if (status != NGT_OK)
            return status;
        tok_buffer_put(out, text + copied, from - copied);
        uint64_t before = out->size;
        status = stretch(form, text, from, end, marks, out, reterr);
        if (status != NGT_OK)
            return status;
        if (out->size - before != end - from ||
            memcmp(out->at + before, text + from, end - from) != 0)
            *ret_changed = true;
        copied = at = end;
        any = false; /* what the stretch ended in is followed by a character without work */
    }
    if (!*ret_changed) {
        out->size = 0;
        return NGT_OK;
    }
    status = tok_buffer_reserve(out, n - copied, reterr);
    if (status == NGT_OK)
        tok_buffer_put(out, text + copied, n - copied);
    return status;
}
