/*
 * The keys of a record that are wanted, as a tree: what a reader of JSON follows while it goes down
 * into objects. A path is dotted: "meta.url" is url inside meta; "\." is a dot in a key.
 */
#ifndef PRETOK_KEY_TREE_H
#define PRETOK_KEY_TREE_H

#include <stdbool.h>

#include "ngt/error.h"

#define PRETOK_NO_SLOT UINT32_MAX

struct pretok_key {
    uint8_t *at; /* the key's bytes, [size]; owned; NULL in the root */
    uint64_t size;
    struct pretok_key *parent, *child, *next; /* next: sibling */
    uint32_t text,
        field;       /* what its value is wanted for: slots of the caller's, or PRETOK_NO_SLOT */
    bool text_below; /* it, or a key below it, is wanted as text */
};

/* NGT_E_DATA: an empty path, or one with an empty part; option names it in the message. */
NGT_NODISCARD enum ngt_status pretok_key_path_check(const char *path, const char *option,
                                                    struct ngt_error *reterr);

/* NULL: out of memory. */
struct pretok_key *pretok_key_tree_new(void);
void pretok_key_tree_free(struct pretok_key **root);
/* The key that a path leads to, added where it is not there yet. NGT_E_DATA as above, NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status pretok_key_tree_add(struct pretok_key *root, const char *path,
                                                  const char *option, struct pretok_key **ret_key,
                                                  struct ngt_error *reterr);
/* Its child of that name, or NULL. */
struct pretok_key *pretok_key_child(const struct pretok_key *key, const uint8_t *name,
                                    uint64_t size);

#endif
