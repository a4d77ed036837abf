/* Paths from the root on, as they stand in plans. */
#ifndef PRETOK_REAL_PATH_H
#define PRETOK_REAL_PATH_H

/*
 * The last folder that was resolved: neighbours in the list lie in the same one, and each look at it
 * costs a file server a call for every part of the path. Begins as zeros.
 */
struct pretok_real_path {
    char *given, *real;
};

/* The path from the root on, a link at its end left as it is, or as given where its folder cannot be
 * looked at; malloced, NULL: no memory. */
char *pretok_real_path(struct pretok_real_path *cache, const char *path);
void pretok_real_path_done(struct pretok_real_path *cache);

#endif
