/*
 * What the options take from a record: the text, and beside it the values that become its id, its
 * metadata and the name of its set.
 */
#ifndef PRETOK_KEYS_H
#define PRETOK_KEYS_H

#include "input/record.h"
#include "ngt/error.h"

#define PRETOK_NO_FIELD UINT64_MAX

struct pretok_keys_config {
    const char *text_key, *text_template; /* template NULL: the key */
    const char *id_key;                   /* NULL: none */
    const char *meta_keys;                /* paths separated by commas ("\," is a comma), or NULL */
    const char *split_key;                /* NULL: none */
};

struct pretok_keys {
    struct pretok_template text;
    char **fields; /* paths, none twice */
    uint64_t field_count;
    uint64_t id, split; /* fields, or PRETOK_NO_FIELD */
    struct pretok_meta_key {
        uint64_t field;
        char *name; /* "PATH": with the quotes and the colon, as JSON */
    } * meta;       /* in the order given */
    uint64_t meta_count;
};

/* NGT_E_DATA: a path or the template is not of its form; the message names the option. */
NGT_NODISCARD enum ngt_status pretok_keys_new(const struct pretok_keys_config *config,
                                              struct pretok_keys *ret_keys,
                                              struct ngt_error *reterr);
void pretok_keys_done(struct pretok_keys *k);

/* As readers take it; lives as long as k. */
struct pretok_wanted pretok_keys_wanted(const struct pretok_keys *k);

#endif
