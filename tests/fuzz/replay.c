/*
 * Stands in for libFuzzer where there is none: runs the target on the files named, and on what a
 * small generator makes of them: --mutate N changes random bytes of each file N times, from a fixed
 * seed. So fuzz targets are built and run with the normal tests. A file NAME.hex holds inputs in
 * hex, one a line, lines that begin with # aside; those are run as they are.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 88172645463325252u;

static uint64_t next(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

/* A few changes of the kinds that parsers trip over. */
static void mutate(uint8_t *data, size_t *size)
{
    static const uint64_t values[] = {0,      1,          0x7F,       0x80,      0xFF,
                                      0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, INT64_MAX, UINT64_MAX};

    for (uint64_t k = 1 + next(4); k > 0 && *size; k--) {
        size_t at = next(*size);
        uint64_t v = values[next(sizeof values / sizeof *values)];
        switch (next(5)) {
        case 0:
            data[at] = (uint8_t)next(256);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << next(8));
            break;
        case 2:
            at &= ~(size_t)7;
            memcpy(data + at, &v, *size - at < 8 ? *size - at : 8);
            break;
        case 3:
            memmove(data + at, data + at + 1, *size - at - 1);
            --*size;
            break;
        default:
            if (next(8) == 0)
                *size = at;
        }
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Runs each line of a hex file; false if it is none. */
static int run_lines(const char *path, const uint8_t *data, size_t size)
{
    for (size_t at = 0, end; at < size; at = end + 1) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        end = newline ? (size_t)(newline - data) : size;
        if (data[at] == '#')
            continue;
        size_t n = (end - at) / 2;
        uint8_t *input = malloc(n ? n : 1);
        if (!input)
            return 0;
        for (size_t i = 0; i < n; i++) {
            int high = hex_digit((char)data[at + 2 * i]),
                low = hex_digit((char)data[at + 2 * i + 1]);
            if (high < 0 || low < 0) {
                fprintf(stderr, "%s: not hex at byte %zu\n", path, at + 2 * i);
                free(input);
                return 0;
            }
            input[i] = (uint8_t)(high << 4 | low);
        }
        LLVMFuzzerTestOneInput(input, n);
        free(input);
    }
    return 1;
}

int main(int argc, char **argv)
{
    long rounds = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc) {
            rounds = atol(argv[++i]);
            continue;
        }
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return 1;
        }
        fseek(f, 0, SEEK_END);
        size_t size = (size_t)ftell(f);
        rewind(f);
        uint8_t *data = malloc(size + 1), *copy;
        if (!data || fread(data, 1, size, f) != size)
            return 1;
        fclose(f);
        if (strlen(argv[i]) > 4 && strcmp(argv[i] + strlen(argv[i]) - 4, ".hex") == 0) {
            if (!run_lines(argv[i], data, size))
                return 1;
            free(data);
            continue;
        }
        LLVMFuzzerTestOneInput(data, size);
        for (long r = 0; r < rounds; r++) {
            size_t n = size;
            /* of its exact size, so that a sanitizer sees the first byte beyond */
            copy = malloc(size + 1);
            if (!copy)
                return 1;
            memcpy(copy, data, size);
            mutate(copy, &n);
            copy = realloc(copy, n ? n : 1);
            LLVMFuzzerTestOneInput(copy, n);
            free(copy);
        }
        free(data);
    }
    return 0;
}
