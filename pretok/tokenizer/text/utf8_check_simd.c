/* The loop of utf8_check.c in the lanes of an instruction set. */
#include "simd/lanes.h"
#include "simd/utf8_errors.h"
#include "text/utf8_check.h"

uint64_t TOK_ISA_NAME(tok_utf8_check)(const uint8_t *text, uint64_t n)
{
    const struct utf8_tables tables = utf8_tables();
    bytes before = all(0);
    uint64_t at = 0;

    for (; at + LANES <= n; at += LANES) {
        bytes x = load(text + at);
        if (!ascii(bytes_or(x, before)) &&
            any(utf8_errors(&tables, x, behind_1(x, before), behind_2(x, before),
                            behind_3(x, before))))
            break;
        before = x;
    }
    at = utf8_last_whole(text, n, at);
    return at + tok_utf8_check_c(text + at, n - at);
}
