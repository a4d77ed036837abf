/*
 * Writes document shards with every optional section for tests of programs: make_shards FOLDER. Two
 * shards and no dataset.json; the same bytes on every run.
 */
#include "shards.h"

int main(int argc, char **argv)
{
    static const uint64_t first[] = {5, 0, 1, 17, 2, 9, 300, 4}, second[] = {3, 40, 0, 12};
    struct shards_spec specs[] = {
        {.vocab = 40, .lengths = first, .docs = 8, .seed = 1, .strings = true, .hashes = true},
        {.vocab = 40, .lengths = second, .docs = 4, .seed = 2, .loss = true},
    };
    struct ngt_error error;
    char text[700];

    if (argc != 2)
        return 2;
    for (unsigned i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/part-%u.ngt", argv[1], i);
        if (shards_write(path, &specs[i], NULL, &error) != NGT_OK) {
            ngt_error_print(&error, text, sizeof text);
            fprintf(stderr, "%s\n", text);
            return 1;
        }
    }
    return 0;
}
