/*
 * What is kept of a JSON record while a reader goes through it. Strings of the text go, decoded, to
 * the caller's buffer or, where a template makes the text of several, to slots; values of fields are
 * captured byte by byte, several at a time where one holds another, each as a run of the chunk that is
 * copied when the value or the chunk ends. The reader says what comes and has checked it; bool is false
 * when out of memory.
 */
#ifndef PRETOK_JSON_KEEP_H
#define PRETOK_JSON_KEEP_H

#include "input/record.h"
#include "ngt/error.h"

struct pretok_json_keep;

/* What wanted points to is borrowed. max_text_bytes: of the text, before ill-formed UTF-8 is replaced.
 * NGT_E_DATA: a path that is empty, or has an empty part; NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status pretok_json_keep_new(const struct pretok_wanted *wanted,
                                                   uint64_t max_text_bytes,
                                                   struct pretok_json_keep **ret_keep,
                                                   struct ngt_error *reterr);
void pretok_json_keep_free(struct pretok_json_keep **keep);

/* A record begins; its text will be appended to text, which comes with each call. */
void pretok_json_keep_begin(struct pretok_json_keep *k, const struct pretok_bytes *text);
/* A chunk of bytes begins, ends inside the record. */
void pretok_json_keep_chunk(struct pretok_json_keep *k, const uint8_t *from);
bool pretok_json_keep_chunk_end(struct pretok_json_keep *k, const uint8_t *to);

/* A value begins with *at, in a container of that depth (0: it is the record). It ends before `to`. */
void pretok_json_keep_value(struct pretok_json_keep *k, const uint8_t *at, uint64_t depth,
                            struct pretok_bytes *text);
bool pretok_json_keep_value_end(struct pretok_json_keep *k, const uint8_t *to, uint64_t depth);
/* The container of that depth ends. */
void pretok_json_keep_leave(struct pretok_json_keep *k, uint64_t depth);
/* A key of the object of that depth begins. */
void pretok_json_keep_key(struct pretok_json_keep *k, uint64_t depth);
/* The key or string that has begun: decoded bytes of it; the end. True: it was a key. */
bool pretok_json_keep_put(struct pretok_json_keep *k, const uint8_t *bytes, uint64_t n);
bool pretok_json_keep_string_end(struct pretok_json_keep *k);
/* A code point of it, put as U+FFFD, was none. */
void pretok_json_keep_replaced(struct pretok_json_keep *k);
/* Decodes it from p on, as far as that is fast; returns how far. */
const uint8_t *pretok_json_keep_copy(struct pretok_json_keep *k, const uint8_t *p,
                                     const uint8_t *end);

/* The record is no JSON: nothing more is captured. */
void pretok_json_keep_drop(struct pretok_json_keep *k);
/* The record is complete: its text, or why there is none. */
bool pretok_json_keep_text(struct pretok_json_keep *k, struct pretok_bytes *text,
                           enum pretok_reason *ret_reason);
/* Its text and fields, checked; fields live until the next record. */
bool pretok_json_keep_finish(struct pretok_json_keep *k, struct pretok_bytes *text,
                             struct pretok_record *ret);
/* It is refused: takes its text back. */
void pretok_json_keep_refuse(const struct pretok_json_keep *k, struct pretok_bytes *text);
/* The keys of the object that lacks one, for a message. */
const char *pretok_json_keep_keys(const struct pretok_json_keep *k);
#endif
