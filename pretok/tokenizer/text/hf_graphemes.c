/* See hf_graphemes.h. The rules are those of UAX 29, GB3 to GB13; numbers below are theirs. */
#include "text/hf_graphemes.h"

#include "text/hf_tables.h"
#include "text/utf8_inline.h"

enum hangul { HANGUL_NONE, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV, HANGUL_LVT };

static enum hangul hangul(uint32_t c)
{
    if (c < 0x1100 || c > 0xD7FB)
        return HANGUL_NONE;
    if (c <= 0x115F || (c >= 0xA960 && c <= 0xA97C))
        return HANGUL_L;
    if (c <= 0x11A7 || (c >= 0xD7B0 && c <= 0xD7C6))
        return HANGUL_V;
    if (c <= 0x11FF || c >= 0xD7CB)
        return HANGUL_T;
    if (c >= 0xAC00 && c <= 0xD7A3)
        return (c - 0xAC00) % 28 ? HANGUL_LVT : HANGUL_LV;
    return HANGUL_NONE;
}

uint64_t tok_hf_cluster_end(const uint8_t *text, uint64_t n, uint64_t at)
{
    unsigned size;
    uint32_t before = tok_utf8_get(text + at, &size);
    uint8_t of_before = tok_hf_grapheme(before);
    unsigned regional = 0;                  /* how many before, within the cluster */
    bool pictograph = false, zwj = false;   /* GB11: pictograph Extend* (ZWJ) */
    bool consonant = false, linker = false; /* GB9c: consonant [Extend Linker]*, one a linker */

    for (at += size; at < n; at += size) {
        unsigned was = of_before & TOK_HF_G_MASK;
        if (was == TOK_HF_G_REGIONAL)
            regional++;
        else
            regional = 0;
        if (was == TOK_HF_G_PICTOGRAPH) {
            pictograph = true;
            zwj = false;
        } else if (was == TOK_HF_G_ZWJ) {
            zwj = pictograph && !zwj;
            pictograph = pictograph && zwj;
        } else if (was != TOK_HF_G_EXTEND || zwj) {
            pictograph = zwj = false;
        }
        if (of_before & TOK_HF_G_CONSONANT) {
            consonant = true;
            linker = false;
        } else if (of_before & TOK_HF_G_LINKER) {
            linker = consonant;
        } else if (!(of_before & TOK_HF_G_CONJUNCT_EXTEND)) {
            consonant = linker = false;
        }
        uint32_t c = tok_utf8_get(text + at, &size);
        uint8_t of_c = tok_hf_grapheme(c);
        unsigned is = of_c & TOK_HF_G_MASK;
        enum hangul left = hangul(before), right = hangul(c);
        bool joined;
        if (before == '\r' && c == '\n') /* 3 */
            joined = true;
        else if (was == TOK_HF_G_CONTROL || is == TOK_HF_G_CONTROL) /* 4, 5 */
            joined = false;
        else if (is == TOK_HF_G_EXTEND || is == TOK_HF_G_ZWJ || is == TOK_HF_G_SPACING ||
                 was == TOK_HF_G_PREPEND) /* 9, 9a, 9b */
            joined = true;
        else if (left && right) /* 6, 7, 8 */
            joined = left == HANGUL_L ? right != HANGUL_T
                     : left == HANGUL_LV || left == HANGUL_V
                         ? right == HANGUL_V || right == HANGUL_T
                         : right == HANGUL_T;
        else if (of_c & TOK_HF_G_CONSONANT) /* 9c */
            joined = linker;
        else if (is == TOK_HF_G_PICTOGRAPH) /* 11 */
            joined = zwj;
        else if (is == TOK_HF_G_REGIONAL) /* 12, 13 */
            joined = regional % 2 == 1;
        else
            joined = false;
        if (!joined)
            break;
        before = c;
        of_before = of_c;
    }
    return at;
}
