/*
 * JSON for the project's own small files (dataset.json, receipts, plans, reports): a strict reader
 * (RFC 8259, UTF-8 checked, depth at most 64, no duplicate keys) into a tree, and a writer whose
 * bytes depend on its calls alone. Corpora are read by pretok's scanner, not by this one.
 */
#ifndef NGT_JSON_H
#define NGT_JSON_H

#include <stdbool.h>

#include "ngt/error.h"

enum ngt_json_type {
    NGT_JSON_NULL,
    NGT_JSON_FALSE,
    NGT_JSON_TRUE,
    NGT_JSON_U64,    /* an integer in [0, 2^64) */
    NGT_JSON_NUMBER, /* any other number */
    NGT_JSON_STRING,
    NGT_JSON_ARRAY,
    NGT_JSON_OBJECT,
};

struct ngt_json {
    enum ngt_json_type type;
    const char *key;    /* member name inside an object, else NULL */
    uint64_t u64;       /* NGT_JSON_U64 */
    double number;      /* NGT_JSON_U64 and NGT_JSON_NUMBER */
    const char *string; /* NGT_JSON_STRING, NUL-terminated; length below, as NUL may occur inside */
    uint64_t length;    /* bytes of string; elements of array or object */
    const struct ngt_json *first, *next; /* first child; next sibling */
};

/* Parses bytes [size] whole. path only serves messages. Free with ngt_json_free (root). */
NGT_NODISCARD enum ngt_status ngt_json_parse(const char *bytes, uint64_t size, const char *path,
                                             struct ngt_json **ret_root, struct ngt_error *reterr);
void ngt_json_free(struct ngt_json **root);

/* Member of an object, or NULL (also when object is NULL or no object). */
const struct ngt_json *ngt_json_get(const struct ngt_json *object, const char *key);
/* Typed members; false when absent or of another type, and *ret is untouched. */
bool ngt_json_get_u64(const struct ngt_json *object, const char *key, uint64_t *ret);
bool ngt_json_get_string(const struct ngt_json *object, const char *key, const char **ret);

/* ---- writer: a growing buffer; commas, newlines and indentation are its own work ---- */
struct ngt_json_out {
    char *bytes; /* NUL-terminated; owned; released by ngt_json_out_done */
    uint64_t size, room;
    unsigned depth;
    bool compact;                  /* one line, for .jsonl */
    bool first, after_key, failed; /* failed: out of memory; checked once, at the end */
};
void ngt_json_out_init(struct ngt_json_out *out, bool compact);
void ngt_json_out_done(struct ngt_json_out *out);
void ngt_json_object(struct ngt_json_out *out);
void ngt_json_object_end(struct ngt_json_out *out);
void ngt_json_array(struct ngt_json_out *out);
void ngt_json_array_end(struct ngt_json_out *out);
void ngt_json_key(struct ngt_json_out *out, const char *key);
void ngt_json_string(struct ngt_json_out *out, const char *s);
/* any bytes: ill-formed UTF-8 is written as U+FFFD */
void ngt_json_string_n(struct ngt_json_out *out, const char *s, uint64_t n);
/* a value that is JSON already, as it stands */
void ngt_json_raw(struct ngt_json_out *out, const char *json);
void ngt_json_u64(struct ngt_json_out *out, uint64_t v);
/* shortest form that reads back equal; non-finite values become null */
void ngt_json_double(struct ngt_json_out *out, double v);
void ngt_json_bool(struct ngt_json_out *out, bool v);
void ngt_json_null(struct ngt_json_out *out);
/* key and value in one call */
void ngt_json_member_string(struct ngt_json_out *out, const char *key, const char *s);
void ngt_json_member_u64(struct ngt_json_out *out, const char *key, uint64_t v);
void ngt_json_member_double(struct ngt_json_out *out, const char *key, double v);
void ngt_json_member_bool(struct ngt_json_out *out, const char *key, bool v);
/* an object of strings (ngt/writer.h) */
struct ngt_pair;
void ngt_json_member_pairs(struct ngt_json_out *out, const char *key, const struct ngt_pair *pairs,
                           uint64_t count);
#endif
