/* Texts that provoke what stands in front of SentencePiece models: spaces, scripts, what is malformed. */
#ifndef TEST_SP_TEXT_H
#define TEST_SP_TEXT_H

#include <stdbool.h>

#include "split_text.h"

/* Mostly text of one kind, now and then something else; valid, or cut off wherever n is. */
static void sp_random_text(uint64_t *seed, bool valid, uint8_t *text, uint64_t n)
{
    static const char *const kinds[][8] = {
        {"a", "b", "e", "th", "A", "X", " ", "  "},
        {" ", "\n", "\t", "<", "  ", "\t\t", "b\n", "c"},
        {"\xC3\xA9", "\xD0\xB0", "\xD1\x8F", " ", "a", "\xD0\xBA", "\xCC\x81", "\xC2\xA0"},
        {"\xE4\xB8\xAD", "\xE6\x96\x87", "\xE3\x80\x80", "a", "\xEF\xAC\x81", "\xF0\x9F\x98\x80",
         " ", "\xE3\x80\x82"},
        {"\xE2\x96\x81", "\x80", "\xE2\x96", "\xFF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\xAF",
         "\xF0\x9F\x98"},
    };
    uint32_t kind = split_random(seed) % 4, odd = split_random(seed) % 3 ? 24 : 500;

    for (uint64_t at = 0; at < n;) {
        uint32_t from = split_random(seed) % odd ? kind : split_random(seed) % (valid ? 4 : 5);
        const char *part = kinds[from][split_random(seed) % 8];
        if (valid && strlen(part) > n - at)
            part = "q";
        for (; *part && at < n; part++)
            text[at++] = (uint8_t)*part;
        if (split_random(seed) % 30 == 0)
            kind = split_random(seed) % 4;
    }
}
#endif
