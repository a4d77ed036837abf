#include "job/real_path.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/file.h"
#include "remote/url.h"

char *pretok_real_path(struct pretok_real_path *cache, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash + (slash == path) - path)) : strdup(".");
    char *full = NULL;

    if (pretok_url_is(path)) {
        free(folder);
        return strdup(path);
    }
    if (folder && (!cache->given || strcmp(cache->given, folder) != 0)) {
        free(cache->given);
        free(cache->real);
        cache->real = realpath(folder, NULL);
        cache->given = folder;
        folder = NULL;
    }
    if (cache->given)
        full = cache->real ? ngt_path_join(cache->real, name) : strdup(path);
    free(folder);
    return full;
}

void pretok_real_path_done(struct pretok_real_path *cache)
{
    free(cache->given);
    free(cache->real);
    *cache = (struct pretok_real_path){0};
}
