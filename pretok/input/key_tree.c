#include "input/key_tree.h"

#include <stdlib.h>
#include <string.h>

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the keys of records");
}

/* The part of a path that begins at *at, decoded to out [strlen(path)]; *at moves behind its dot, or
 * to NULL after the last part. */
static uint64_t next_part(const char **at, uint8_t *out)
{
    const char *p = *at;
    uint64_t n = 0;

    for (; *p && *p != '.'; p++) {
        if (p[0] == '\\' && p[1] == '.')
            p++;
        out[n++] = (uint8_t)*p;
    }
    *at = *p ? p + 1 : NULL;
    return n;
}

enum ngt_status pretok_key_path_check(const char *path, const char *option,
                                      struct ngt_error *reterr)
{
    uint8_t *part = malloc(strlen(path) + 1);
    enum ngt_status status = part ? NGT_OK : no_memory(reterr);

    for (const char *at = path; at && status == NGT_OK;)
        if (!next_part(&at, part))
            status = ngt_fail(reterr, NGT_E_DATA, NULL, HERE, "--%s \"%.80s\" has an empty part",
                              option, path);
    for (const char *c = path; *c && status == NGT_OK; c++)
        if ((unsigned char)*c < 0x20)
            status = ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                              "--%s \"%.80s\" holds a control character", option, path);
    free(part);
    return status;
}

struct pretok_key *pretok_key_tree_new(void)
{
    struct pretok_key *root = calloc(1, sizeof *root);

    if (root)
        root->text = root->field = PRETOK_NO_SLOT;
    return root;
}

void pretok_key_tree_free(struct pretok_key **root)
{
    struct pretok_key *key = *root;

    /* down to a leaf, free it, up again: no recursion, however long a path is */
    while (key) {
        if (key->child) {
            struct pretok_key *child = key->child;
            key->child = child->next;
            key = child;
            continue;
        }
        struct pretok_key *parent = key->parent;
        free(key->at);
        free(key);
        key = parent;
    }
    *root = NULL;
}

struct pretok_key *pretok_key_child(const struct pretok_key *key, const uint8_t *name,
                                    uint64_t size)
{
    struct pretok_key *c = key->child;

    while (c && (c->size != size || memcmp(c->at, name, size) != 0))
        c = c->next;
    return c;
}

enum ngt_status pretok_key_tree_add(struct pretok_key *root, const char *path, const char *option,
                                    struct pretok_key **ret_key, struct ngt_error *reterr)
{
    enum ngt_status status = pretok_key_path_check(path, option, reterr);
    uint8_t *part = NULL;
    struct pretok_key *key = root;

    if (status == NGT_OK && !(part = malloc(strlen(path) + 1)))
        status = no_memory(reterr);
    for (const char *at = path; at && status == NGT_OK;) {
        uint64_t n = next_part(&at, part);
        struct pretok_key *child = pretok_key_child(key, part, n);
        if (!child && (child = pretok_key_tree_new()) != NULL) {
            struct pretok_key **last = &key->child;
            while (*last)
                last = &(*last)->next;
            *last = child;
            child->parent = key;
            child->size = n;
            child->at = malloc(n);
            if (child->at)
                memcpy(child->at, part, n);
        }
        if (!child || !child->at)
            status = no_memory(reterr);
        else
            key = child;
    }
    free(part);
    if (status == NGT_OK)
        *ret_key = key;
    return status;
}
