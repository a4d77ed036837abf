/*
 * dump_batches FOLDER ROWS SEQ_LEN FILE: what ngtrain would train on first, for programs that know no shards
 * (scripts/bench-train --data): ROWS * BENCH_BATCHES sequences of the data set, in the keyed order of its first
 * epoch, again from its start where it has fewer. FILE: u32 sequences, length, vocabulary, 0; then for each sequence
 * tokens, targets (UINT32_MAX: none) and the first positions of their segments, u32 [length] each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_batches.h"
#include "ngt.h"

static void must(enum ngt_status status, const struct ngt_error *error)
{
    char text[600];

    if (status == NGT_OK)
        return;
    ngt_error_print(error, text, sizeof text);
    fprintf(stderr, "dump_batches: %s\n", text);
    exit(1);
}

int main(int argc, char **argv)
{
    struct ngt_dataset *set = NULL;
    struct ngt_sequences *from = NULL;
    struct ngt_permutation *order = NULL;
    struct ngt_error error = {0};

    if (argc != 5) {
        fprintf(stderr, "dump_batches FOLDER ROWS SEQ_LEN FILE\n");
        return 2;
    }
    const char *const folder[1] = {argv[1]};
    uint32_t wanted = (uint32_t)atoi(argv[2]) * BENCH_BATCHES, seq_len = (uint32_t)atoi(argv[3]);
    must(ngt_dataset_open(folder, 1, NGT_OPEN_VERIFY, &set, &error), &error);
    must(ngt_sequences_new(set, seq_len, &from, &error), &error);
    uint64_t count = ngt_sequences_count(from);
    if (!count || !wanted) {
        fprintf(stderr, "dump_batches: no sequences\n");
        return 1;
    }
    must(ngt_permutation_new(count, ngt_permutation_key(0, 0, NGT_PURPOSE_EPOCH), &order, &error),
         &error);
    uint32_t header[4] = {wanted, seq_len, (uint32_t)ngt_reader_header(set->readers[0])->vocab_size,
                          0};
    uint32_t *values = malloc(3ul * seq_len * sizeof *values);
    FILE *out = fopen(argv[4], "wb");
    bool good = out && values && fwrite(header, sizeof header, 1, out) == 1;
    for (uint32_t i = 0; good && i < wanted; i++) {
        must(ngt_sequences_gather(from, ngt_permutation_at(order, i % count), values,
                                  values + seq_len, values + 2ul * seq_len, &error),
             &error);
        good = fwrite(values, sizeof *values, 3ul * seq_len, out) == 3ul * seq_len;
    }
    if (!out || fclose(out) != 0 || !good) {
        perror(argv[4]);
        return 1;
    }
    free(values);
    ngt_permutation_free(&order);
    ngt_sequences_free(&from);
    ngt_dataset_close(&set);
    return 0;
}
