/* Writes seeds of fuzz_sentencepiece into a folder: small models of every kind, each with a text. */
#include <stdio.h>
#include <stdlib.h>

#include "sp_models.h"

static struct sp_file file;

static void write_seed(const char *folder, unsigned number)
{
    static const char text[] = "aba  <u>A b\xC3\xA9 cd\n\xE2\x96\x81 X\xFF\xE4\xB8\xAD,abab  a";
    char path[4096];
    FILE *out;

    snprintf(path, sizeof path, "%s/%02u", folder, number);
    out = fopen(path, "wb");
    if (!out)
        exit(1);
    fputc((int)sizeof text - 1, out);
    fwrite(text, 1, sizeof text - 1, out);
    fwrite(file.bytes, 1, file.size, out);
    if (fclose(out))
        exit(1);
}

int main(int argc, char **argv)
{
    unsigned number = 0;

    if (argc != 2)
        return 2;
    for (unsigned i = 0; i < 4; i++) {
        sp_model_bpe(&file, i & 1, i >> 1);
        write_seed(argv[1], number++);
        sp_model_unigram(&file, i & 1, i >> 1 ? 3000 : 1);
        write_seed(argv[1], number++);
    }
    for (unsigned i = 0; i < 32; i += 5) {
        sp_model_text(&file, (struct sp_flags){i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3 & 1, i >> 4});
        write_seed(argv[1], number++);
    }
    return 0;
}
