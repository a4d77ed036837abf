/* The loops of scan_sp.c in the lanes of an instruction set. */
#include "simd/lanes.h"
#include "simd/utf8_errors.h"
#include "text/scan_sp.h"
#include "text/scan_sp_wide.h"

static uint64_t clean(const uint8_t *text, uint64_t n)
{
    const struct utf8_tables tables = utf8_tables();
    bytes before = all(0);
    uint64_t at = 0;

    for (; at + LANES <= n; at += LANES) {
        bytes x = load(text + at);
        if (ascii(bytes_or(x, before))) {
            before = x;
            continue;
        }
        bytes p1 = behind_1(x, before), p2 = behind_2(x, before), p3 = behind_3(x, before);
        bytes error = utf8_errors(&tables, x, p1, p2, p3);
        test marker = test_and(test_and(is(p2, 0xE2), is(p1, 0x96)), is(x, 0x81));
        if (any(bytes_or(error, bytes_of(marker))))
            break;
        before = x;
    }
    /* what the last good block began, the scalar loop begins again */
    at = utf8_last_whole(text, n, at);
    return at + tok_sp_clean_c(text + at, n - at);
}

static uint64_t copy(const struct tok_sp_classes *classes, const uint8_t *text, uint64_t n,
                     uint8_t *out, bool *space, uint8_t **ret_out)
{
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    const table16 same_table = table(classes->same), space_table = table(classes->space);
    const table16 bit_table = table(bits);
    lane_mask carry = *space;
    uint64_t at = 0;

    while (at + LANES + 1 <= n) {
        bytes x = load(text + at), bit = by_high(bit_table, x); /* none from 0x80 on */
        test not_same = misses(by_low_ascii(same_table, x), bit);
        test not_space = misses(by_low_ascii(space_table, x), bit);
        lane_mask spaces = ~mask_of(not_space);
        lane_mask bad =
            mask_of(test_and(not_same, not_space)) | mask_of(has(load(text + at + 1), 0x80));
        lane_mask again = classes->squeeze ? spaces & (spaces << 1 | carry) : 0;
        lane_mask stop = bad | again;
        unsigned take = stop ? zeros_below(stop) : LANES;
        store(out, pick(not_space, x, all(' ')));
        out += take;
        at += take;
        if (take)
            carry = spaces >> (take - 1) & 1;
        if (take == LANES)
            continue;
        if (bad >> take & 1)
            goto out;
        /* a run of spaces: drop it as far as this block knows */
        lane_mask ends = (~spaces | bad) >> take;
        at += ends ? zeros_below(ends) : LANES - take;
    }
out:
    *space = carry;
    at += tok_sp_copy_c(classes, text + at, n - at, out, space, ret_out);
    return at;
}

static bool space_joins_letters(const struct tok_sp_cuts *cuts)
{
    bool all = true;

    for (uint8_t c = 'a'; c <= 'z'; c++)
        all = all && tok_sp_joins(cuts, ' ', c) && tok_sp_joins(cuts, ' ', c ^ 0x20);
    return all;
}

static uint64_t cut(const struct tok_sp_cuts *cuts, const uint8_t *text, uint64_t n, uint64_t from,
                    uint32_t *ends, uint64_t room)
{
    static const uint8_t bits[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128};
    const table16 bit_table = table(bits), loose_table = table(cuts->loose_nibbles);
    uint64_t count = 0, last = from, at = from;
    struct tok_sp_loose before = {UINT64_MAX, 0};
    /* the byte before is part of a word, is a space: at `from` itself no cut is looked for */
    lane_mask carry = 1, space = 0;
    /* What is known of all spaces alike need not be looked up for each: in a run of them, and in
     * front of letters. */
    const lane_mask in_runs = tok_sp_joins(cuts, ' ', ' ') ? ~(lane_mask)0 : 0;
    const lane_mask to_letters = space_joins_letters(cuts) ? ~(lane_mask)0 : 0;

    for (; at < n && count + 2 * LANES < room; at += LANES) {
        bytes x = load(text + at);
        lane_mask high = mask_of(has(x, 0x80));
        lane_mask words = high | mask_of(within(bytes_or(x, all(0x20)), 'a', 'z'));
        lane_mask mask = ~(words & (words << 1 | carry));
        lane_mask spaces = mask_of(is(x, ' '));
        mask &= ~((spaces << 1 | space) & ((spaces & in_runs) | (words & ~high & to_letters)));
        space = spaces >> (LANES - 1);
        lane_mask wides = 0;
        if (high)
            wides = ~mask_of(misses(by_low(loose_table, x), by_high(bit_table, x)));
        carry = words >> (LANES - 1);
        if (at == from)
            mask &= ~(lane_mask)1;
        if (n - at < LANES) {
            mask &= ((lane_mask)1 << (n - at)) - 1;
            wides &= ((lane_mask)1 << (n - at)) - 1;
        }
        if (!wides) {
            for (; mask; mask &= mask - 1) {
                uint64_t p = at + zeros_below(mask);
                /* without a branch: what it would depend on is the text */
                ends[count] = (uint32_t)p;
                count += !tok_sp_joins(cuts, text[p - 1], text[p]) && p > last;
            }
            if (count)
                last = ends[count - 1];
            continue;
        }
        for (lane_mask left = mask | wides; left; left &= left - 1) {
            unsigned bit = zeros_below(left);
            uint64_t p = at + bit;
            if ((mask >> bit & 1) && p > last && !tok_sp_joins(cuts, text[p - 1], text[p]))
                ends[count++] = (uint32_t)(last = p);
            if (wides >> bit & 1)
                count = tok_sp_cut_wide(cuts, text, n, p, &before, &last, ends, count);
        }
    }
    if (at >= n && last < n)
        ends[count++] = (uint32_t)n;
    return count;
}

void TOK_ISA_NAME(tok_sp_scan_init)(struct tok_sp_scan *scan)
{
    *scan = (struct tok_sp_scan){clean, copy, cut};
}
