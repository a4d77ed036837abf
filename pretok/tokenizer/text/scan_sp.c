/* The scalar loops, which define what the vector ones compute. */
#include "text/scan_sp.h"

#include "text/scan_sp_wide.h"
#include "text/utf8.h"

void tok_sp_classes_finish(struct tok_sp_classes *classes)
{
    for (unsigned b = 0; b < 128; b++) {
        uint8_t bit = (uint8_t)(1u << (b >> 4));
        if (classes->of[b] == TOK_SP_SAME)
            classes->same[b & 15] |= bit;
        else if (classes->of[b] == TOK_SP_SPACE)
            classes->space[b & 15] |= bit;
    }
}

uint64_t tok_sp_clean_c(const uint8_t *text, uint64_t n)
{
    uint64_t at = 0;

    while (at < n) {
        unsigned size = tok_utf8_size(text + at, n - at);
        if (size == 0 ||
            (size == 3 && text[at] == 0xE2 && text[at + 1] == 0x96 && text[at + 2] == 0x81))
            break;
        at += size;
    }
    return at;
}

uint64_t tok_sp_copy_c(const struct tok_sp_classes *classes, const uint8_t *text, uint64_t n,
                       uint8_t *out, bool *space, uint8_t **ret_out)
{
    uint64_t at = 0;
    bool was_space = *space;

    for (; at < n; at++) {
        uint8_t class = classes->of[text[at]];
        if (class == TOK_SP_LOOK || (at + 1 < n && text[at + 1] >= 0x80))
            break;
        if (class == TOK_SP_SAME) {
            *out++ = text[at];
            was_space = false;
        } else {
            if (!(was_space && classes->squeeze))
                *out++ = ' ';
            was_space = true;
        }
    }
    *space = was_space;
    *ret_out = out;
    return at;
}

uint64_t tok_sp_cut_c(const struct tok_sp_cuts *cuts, const uint8_t *text, uint64_t n,
                      uint64_t from, uint32_t *ends, uint64_t room)
{
    uint64_t count = 0, last = from, at = from;
    struct tok_sp_loose before = {UINT64_MAX, 0};

    for (; at < n && count + 3 <= room; at++) {
        if (at > last && (tok_sp_breaks(text[at]) || tok_sp_breaks(text[at - 1])) &&
            !tok_sp_joins(cuts, text[at - 1], text[at]))
            ends[count++] = (uint32_t)(last = at);
        if (cuts->loose[text[at]])
            count = tok_sp_cut_wide(cuts, text, n, at, &before, &last, ends, count);
    }
    if (at >= n && last < n)
        ends[count++] = (uint32_t)n;
    return count;
}

void tok_sp_scan_init_c(struct tok_sp_scan *scan)
{
    *scan = (struct tok_sp_scan){tok_sp_clean_c, tok_sp_copy_c, tok_sp_cut_c};
}
