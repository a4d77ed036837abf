/* Texts that provoke splits: every class of character, runs, contractions, newlines. */
#ifndef TEST_SPLIT_TEXT_H
#define TEST_SPLIT_TEXT_H

#include <stdint.h>
#include <string.h>

static const char *const split_parts[] = {
    "a",
    "b",
    "e",
    "l",
    "s",
    "t",
    "r",
    "v",
    "m",
    "d",
    "S",
    "T",
    "R",
    "L",
    "E",
    "V",
    "M",
    "D",
    "A",
    "Z",
    "x",
    "1",
    "2",
    "0",
    " ",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\v",
    "\f",
    "\x1c", /* a space for Python only */
    "'",
    "'",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'LL",
    "'Re",
    "'vE",
    "'\xC5\xBF", /* U+017F, an s where case is ignored */
    "\xC5\xBF",
    "\xE2\x84\xAA", /* U+017F, Kelvin */
    "'l",
    "'r",
    ".",
    ",",
    "!",
    "/",
    "//",
    "-",
    "_",
    "$",
    "+",
    "\x7f",
    "\xC2\x80",
    "\xC2\x85",
    "\xC2\xA0",
    "\xE1\x9A\x80",
    "\xE2\x80\x83",
    "\xE2\x80\xA8",
    "\xE3\x80\x80",
    "\xE2\x80\x8B",
    "\xEF\xBB\xBF", /* spaces, then two that are none */
    "\xCC\x81",
    "\xE0\xA4\xBE",
    "\xE0\xA5\x8D",
    "\xE2\x83\x9D",
    "\xF0\x9D\x85\xA5", /* marks */
    "\xC3\xA9",
    "\xC3\x89",
    "\xC7\x85",
    "\xCA\xB0",
    "\xC2\xAA",
    "\xC3\x97",
    "\xC3\x9F",
    "\xD0\x96",
    "\xD0\xB6",
    "\xD1\x8F",
    "\xCE\xA3",
    "\xCF\x82",
    "\xD7\x90",
    "\xD8\xA8",
    "\xE0\xA4\x95",
    "\xE0\xB8\x81",
    "\xE1\x83\x90",
    "\xE1\xB2\x90",
    "\xE1\xBA\xA0",
    "\xE1\xBE\x88",
    "\xE3\x81\x82",
    "\xE3\x82\xAB",
    "\xE3\x83\xBC",
    "\xE4\xB8\xAD",
    "\xE6\x96\x87",
    "\xE9\xBE\xA5",
    "\xEA\xB0\x80",
    "\xED\x9E\xA3",
    "\xEA\x99\x80",
    "\xEA\x99\x81",
    "\xE4\xB7\x80",
    "\xF0\x90\x90\x80",
    "\xF0\x90\x90\xA8",
    "\xF0\xA0\x80\x80",
    "\xF0\x9D\x90\x80",
    "\xF0\x9D\x90\x9A", /* letters of 2 to 4 bytes and every case */
    "\xC2\xB2",
    "\xC2\xBD",
    "\xE2\x85\xA7",
    "\xE3\x80\x87",
    "\xD9\xA3",
    "\xE0\xA5\xA7",
    "\xF0\x9D\x9F\x8E",
    "\xEF\xBC\x91", /* numbers */
    "\xE3\x80\x82",
    "\xE2\x80\x94",
    "\xE2\x80\x99",
    "\xE2\x82\xAC",
    "\xF0\x9F\x98\x80",
    "\xEF\xBF\xBD",
    "\xCD\xB8",
    "\xF4\x8F\xBF\xBF",
    "\xEE\x80\x80",
    "\xE3\x80\x80",
    "\xEF\xBC\x8C",
    /* among kana: a mark, a symbol, punctuation, unassigned */
    "\xE3\x82\x99",
    "\xE3\x82\x9C",
    "\xE3\x83\xBB",
    "\xE3\x82\xA0",
    "\xE3\x82\x97",
};

static uint32_t split_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/*
 * Fills text with `size` bytes of valid UTF-8. Some texts draw from a few parts only, so that runs
 * and their edges are frequent; some are mostly plain words.
 */
__attribute__((unused)) static void split_random_text(uint64_t *seed, uint8_t *text, uint64_t size)
{
    enum { PARTS = sizeof split_parts / sizeof *split_parts };
    uint32_t few = 1 + split_random(seed) % 12, style = split_random(seed) % 4;
    const char *chosen[12];

    for (uint32_t i = 0; i < few; i++)
        chosen[i] = split_parts[split_random(seed) % PARTS];
    for (uint64_t at = 0; at < size;) {
        const char *part = split_parts[split_random(seed) % PARTS];
        uint32_t times = split_random(seed) % 16 == 0 ? 1 + split_random(seed) % 20 : 1;
        if (style < 2)
            part = chosen[split_random(seed) % few];
        else if (style == 2 && split_random(seed) % 8)
            part = split_parts[split_random(seed) % 32];
        for (; times; times--) {
            uint64_t n = strlen(part);
            if (n > size - at) {
                part = "q";
                n = 1;
            }
            if (at == size)
                break;
            memcpy(text + at, part, n);
            at += n;
        }
    }
}
#endif
