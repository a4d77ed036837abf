/* Strings of any length at any place in memory, with something special at any byte: as by one byte after the other. */
#include "input/json_string.h"

#include "t.h"

static const uint8_t *plain_run(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
        at++;
    return at;
}

/* The definition of the copy: consumed and copied bytes. */
static uint64_t plain_copy(const uint8_t *at, uint64_t n, uint8_t *out, uint64_t *ret_out)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint64_t i = 0, o = 0;

    while (n - i >= PRETOK_JSON_STRING_SLACK) {
        if (at[i] == '"' || at[i] < 0x20)
            break;
        if (at[i] == '\\') {
            const char *which = at[i + 1] ? strchr(letters, at[i + 1]) : NULL;
            if (!which)
                break;
            out[o++] = (uint8_t)values[which - letters];
            i += 2;
            continue;
        }
        out[o++] = at[i++];
    }
    *ret_out = o;
    return i;
}

T_CASE(every_place)
{
    static const uint8_t specials[] = {'"', '\\', 0, 1, 0x1F, '\n'},
                         others[] = {0x20, 0x7F, 0x80, 0xFF, '!', '#', '[', ']'};

    for (unsigned length = 0; length < 70; length++)
        for (unsigned place = 0; place <= length; place++)
            for (unsigned s = 0; s < sizeof specials + sizeof others; s++) {
                uint8_t *text = malloc(length + 1),
                        *end = text + length; /* exact: nothing behind is touched */
                memset(text, 'a', length + 1);
                if (place < length)
                    text[place] = s < sizeof specials ? specials[s] : others[s - sizeof specials];
                const uint8_t *got = pretok_json_string_run(text, end),
                              *want = plain_run(text, end);
                if (got != want)
                    T_FAIL("length %u, special %u at %u: stops at %d, expected %d", length, s,
                           place, (int)(got - text), (int)(want - text));
                free(text);
            }
}

/* Random strings, full of escapes or nearly without. */
T_CASE(copies)
{
    static const char alphabet[] = "\\\\\\nn\"\"/bfrtu0x \n\x80\xFF";
    uint64_t seed = 3;

    for (unsigned round = 0; round < 200000; round++) {
        uint8_t *text, *out, want[512];
        unsigned n;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        n = (unsigned)(seed >> 56) % 120;
        text = malloc(n + 1);
        out = malloc(n + PRETOK_JSON_STRING_SLACK + 1);
        for (unsigned i = 0; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint8_t r = (uint8_t)(seed >> 40);
            text[i] = round % 3 && r % 16 ? (uint8_t)('a' + r % 26)
                                          : (uint8_t)alphabet[(seed >> 50) % (sizeof alphabet - 1)];
        }
        uint8_t *to = out;
        uint64_t size, consumed = plain_copy(text, n, want, &size);
        const uint8_t *got = pretok_json_string_copy(text, text + n, &to);
        /* what lies within the last bytes may be left to the caller, but no sooner than it must */
        T_TRUE(got <= text + n && (uint64_t)(to - out) <= n);
        if ((uint64_t)(got - text) != consumed || (uint64_t)(to - out) != size ||
            memcmp(out, want, size) != 0) {
            /* a step ends where the next one would begin, beyond or before the plain loop's last byte */
            uint64_t at = (uint64_t)(got - text);
            if (n - consumed >= PRETOK_JSON_STRING_SLACK || n - at >= PRETOK_JSON_STRING_SLACK ||
                memcmp(out, want, size < (uint64_t)(to - out) ? size : (uint64_t)(to - out)) != 0)
                T_FAIL("round %u: %u and %u of %u bytes, expected %u and %u", round, (unsigned)at,
                       (unsigned)(to - out), n, (unsigned)consumed, (unsigned)size);
        }
        free(text);
        free(out);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
