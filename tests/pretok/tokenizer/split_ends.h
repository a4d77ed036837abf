/* The ends that a program finds, and their comparison; for the tests of programs. */
#ifndef TEST_SPLIT_ENDS_H
#define TEST_SPLIT_ENDS_H

#include "split/scan.h"
#include "split_text.h"
#include "t.h"

enum { MOST = 1024 };

static const char *const programs[TOK_PROGRAMS] = {"gpt2",   "cl100k",   "llama3",
                                                   "qwen2",  "qwen3.5",  "o200k",
                                                   "tekken", "deepseek", "deepseek-coder"};

/* All ends, by calls with varying room; guards behind the room must stay. */
static uint64_t all_ends(tok_scan_fn scan, const uint8_t *text, uint64_t n, uint32_t *ends,
                         uint64_t *seed)
{
    uint64_t count = 0, from = 0;

    while (from < n) {
        uint64_t room = split_random(seed) % 4 == 0 ? 1 + split_random(seed) % 70 : MOST;
        uint64_t got;
        if (room > MOST - count)
            room = MOST - count;
        ends[count + room] = 0xABABABAB;
        got = scan(text, n, from, ends + count, room);
        if (got == 0 || got > room || ends[count + room] != 0xABABABAB) {
            T_FAIL("%" PRIu64 " ends in a room of %" PRIu64, got, room);
            return count;
        }
        count += got;
        if (ends[count - 1] <= from || ends[count - 1] > n) {
            T_FAIL("end %u behind %" PRIu64 " of %" PRIu64, ends[count - 1], from, n);
            return count;
        }
        from = ends[count - 1];
    }
    return count;
}

static void print_text(const uint8_t *text, uint64_t n)
{
    fprintf(stderr, "    \"");
    for (uint64_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] >= 0x7F || text[i] == '"' || text[i] == '\\')
            fprintf(stderr, "\\x%02X\"\"", text[i]);
        else
            fputc(text[i], stderr);
    fprintf(stderr, "\"\n");
}

static bool same_ends(const char *what, const uint8_t *text, uint64_t n, const uint32_t *a,
                      uint64_t count_a, const uint32_t *b, uint64_t count_b)
{
    for (uint64_t i = 0; i < count_a || i < count_b; i++)
        if (i >= count_a || i >= count_b || a[i] != b[i]) {
            T_FAIL("%s: piece %" PRIu64 " ends at %d, expected %d", what, i,
                   i < count_a ? (int)a[i] : -1, i < count_b ? (int)b[i] : -1);
            print_text(text, n);
            return false;
        }
    return true;
}

static uint64_t put_character(uint8_t *at, uint32_t c)
{
    if (c < 0x80)
        return at[0] = (uint8_t)c, 1;
    if (c < 0x800)
        return at[0] = (uint8_t)(0xC0 | c >> 6), at[1] = (uint8_t)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return at[0] = (uint8_t)(0xE0 | c >> 12), at[1] = (uint8_t)(0x80 | (c >> 6 & 63)),
               at[2] = (uint8_t)(0x80 | (c & 63)), 3;
    return at[0] = (uint8_t)(0xF0 | c >> 18), at[1] = (uint8_t)(0x80 | (c >> 12 & 63)),
           at[2] = (uint8_t)(0x80 | (c >> 6 & 63)), at[3] = (uint8_t)(0x80 | (c & 63)), 4;
}

/* Code points below end, each between two of a few ASCII characters; high planes are sampled. */
static uint8_t *all_characters(uint32_t end, uint64_t *ret_n)
{
    static const char around[] = "ab 1B.";
    uint8_t *text = malloc((uint64_t)end * 6);
    uint64_t n = 0;
    T_REQUIRE(text);

    for (uint32_t c = 1; c < end; c++) {
        if ((c >= 0xD800 && c < 0xE000) || (c > 0x32400 && c % 97))
            continue;
        text[n++] = (uint8_t)around[c % 6];
        n += put_character(text + n, c);
        text[n++] = (uint8_t)around[c / 6 % 6];
    }
    *ret_n = n;
    return text;
}
#endif
