/* A folder of its own for a test, and files in it. */
#ifndef TEST_PRETOK_FOLDER_H
#define TEST_PRETOK_FOLDER_H

#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

static char t_folder[] = "/tmp/ngt-pretok-XXXXXX";

static const char *t_path(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", t_folder, name);
    return path;
}

__attribute__((unused)) static const char *t_put(const char *name, const void *bytes, size_t n)
{
    const char *path = t_path(name);
    FILE *f = fopen(path, "wb");

    T_REQUIRE(f && (n == 0 || fwrite(bytes, 1, n, f) == n) && fclose(f) == 0);
    return path;
}

static int t_main_in_folder(int argc, char **argv)
{
    char command[64];

    T_REQUIRE(mkdtemp(t_folder) != NULL);
    int code = t_main(argc, argv);
    snprintf(command, sizeof command, "rm -rf %s", t_folder);
    return system(command) == 0 ? code : 99;
}

#endif
