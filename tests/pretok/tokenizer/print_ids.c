/*
 * print_ids TOKENIZER [all|none|SPECIAL...] < documents
 *
 * A document is its size in bytes as a line, then its bytes and a newline. Prints one line of ids a
 * document. The program behind scripts/check-tokenizers and check-sentencepiece; time of loading and
 * encoding goes to stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tok/tokenizer.h"

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const struct ngt_error *e)
{
    char text[600];

    ngt_error_print(e, text, sizeof text);
    fprintf(stderr, "print_ids: %s\n", text);
    return 1;
}

static bool read_document(char **text, uint64_t *room, uint64_t *n)
{
    if (scanf("%" SCNu64, n) != 1 || getchar() != '\n')
        return false;
    if (*n >= *room) {
        *room = *n + *n / 2 + 1024;
        *text = realloc(*text, *room);
        if (!*text)
            exit(1);
    }
    return fread(*text, 1, *n, stdin) == *n && getchar() == '\n';
}

int main(int argc, char **argv)
{
    /* file_limits, because the library cuts and fills up as well */
    struct tok_config config = {.parse_special = TOK_PARSE_ALL, .file_limits = true};
    struct tok_tokenizer *t = NULL;
    struct tok_scratch *s = NULL;
    struct tok_ids ids = {0};
    struct ngt_error e;
    char *text = NULL;
    uint64_t room = 0, n = 0, bytes = 0;
    double start = now(CLOCK_MONOTONIC), loaded, encoding = 0;

    if (argc < 2)
        return 2;
    config.path = argv[1];
    if (argc > 2 && strcmp(argv[2], "none") == 0) {
        config.parse_special = TOK_PARSE_NONE;
    } else if (argc > 2 && strcmp(argv[2], "all") != 0) {
        config.parse_special = TOK_PARSE_LIST;
        config.special_list = (const char *const *)argv + 2;
        config.special_count = (uint64_t)argc - 2;
    }
    if (tok_open(&config, &t, &e) != NGT_OK || tok_scratch_new(t, &s, &e) != NGT_OK)
        return fail(&e);
    loaded = now(CLOCK_MONOTONIC) - start;
    while (read_document(&text, &room, &n)) {
        double before = now(CLOCK_PROCESS_CPUTIME_ID);
        ids.count = 0;
        if (tok_encode(t, s, text, n, &ids, NULL, &e) != NGT_OK)
            return fail(&e);
        encoding += now(CLOCK_PROCESS_CPUTIME_ID) - before;
        bytes += n;
        for (uint64_t i = 0; i < ids.count; i++)
            printf(i ? " %" PRIu32 : "%" PRIu32, ids.ids[i]);
        putchar('\n');
    }
    fprintf(stderr, "loaded in %.0f ms, encoded %.1f MB at %.0f MB/s\n", 1000 * loaded,
            (double)bytes / 1e6, (double)bytes / 1e6 / encoding);
    tok_ids_done(&ids);
    tok_scratch_free(&s);
    tok_close(&t);
    free(text);
    return 0;
}
