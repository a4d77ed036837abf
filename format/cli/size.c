#include <string.h>

#include "cli/options.h"

/* Powers of 1000 or 1024 by the letter: K M G T. */
static bool unit_of(const char *suffix, uint64_t *ret_unit)
{
    static const char letters[] = "KMGT";
    uint64_t unit = 1;

    if (*suffix == '\0') {
        *ret_unit = 1;
        return true;
    }
    char letter = (char)(*suffix >= 'a' ? *suffix - 'a' + 'A' : *suffix);
    const char *at = strchr(letters, letter);
    if (!at)
        return false;
    suffix++;
    uint64_t base = 1000;
    if (*suffix == 'i') {
        base = 1024;
        suffix++;
    }
    if (*suffix == 'B') /* 256MiB is what some people type */
        suffix++;
    if (*suffix != '\0')
        return false;
    for (long i = 0; i <= at - letters; i++)
        unit *= base;
    *ret_unit = unit;
    return true;
}

bool cli_parse_size(const char *text, uint64_t *ret_value)
{
    uint64_t whole = 0, fraction = 0, scale = 1, unit = 0, value;
    const char *c = text;

    if (*c < '0' || *c > '9')
        return false;
    for (; *c >= '0' && *c <= '9'; c++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*c - '0'), &whole))
            return false;
    bool has_point = *c == '.';
    if (has_point) {
        c++;
        if (*c < '0' || *c > '9')
            return false;
        /* more than 18 digits cannot change a 64-bit result that matters; they must be digits */
        for (; *c >= '0' && *c <= '9'; c++)
            if (scale < 1000000000000000000u) {
                fraction = fraction * 10 + (uint64_t)(*c - '0');
                scale *= 10;
            }
    }
    if (!unit_of(c, &unit) || (has_point && unit == 1))
        return false;
    if (__builtin_mul_overflow(whole, unit, &value) ||
        __builtin_add_overflow(value, (uint64_t)((unsigned __int128)fraction * unit / scale),
                               &value))
        return false;
    *ret_value = value;
    return true;
}
