/*
 * A JSON reader for files of many megabytes: the caller asks for what it expects, in order, and gets
 * slices of the file. Strings are unescaped in place, so a string can be read once only; what has
 * merely been stepped over (tok_json_skip) is as it was.
 *
 * Every function returns false after it has filled the error: not valid JSON, or not the type that
 * was asked for. Depth is bounded; nothing is recursive; nothing is allocated.
 */
#ifndef TOK_JSON_SCAN_H
#define TOK_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct tok_slice {
    uint8_t *at;
    uint64_t size;
};

struct tok_json {
    uint8_t *start, *at, *end;
    const char *path;
    struct ngt_error *reterr;
    const char *what; /* where in the file: names the place in messages */
};

/* bytes [n] are checked to be UTF-8 here, once. */
NGT_NODISCARD bool tok_json_start(struct tok_json *j, uint8_t *bytes, uint64_t n, const char *path,
                                  struct ngt_error *reterr);
/* Fails with a message of one's own at the place where the reader stands. */
bool tok_json_refuse(struct tok_json *j, const char *format, ...) NGT_PRINTF(2, 3);

/* First character of the next value, 'd' for numbers; '\0' where there is none. */
char tok_json_peek(struct tok_json *j);
/* open is '{' or '['. */
NGT_NODISCARD bool tok_json_enter(struct tok_json *j, char open);
/* Is there another element before `close`? Steps over the comma; *first is true at the start and is
 * kept by this function. */
NGT_NODISCARD bool tok_json_more(struct tok_json *j, char close, bool *first, bool *ret_more);
NGT_NODISCARD bool tok_json_key(struct tok_json *j, struct tok_slice *ret_key);
NGT_NODISCARD bool tok_json_string(struct tok_json *j, struct tok_slice *ret);
NGT_NODISCARD bool tok_json_u32(struct tok_json *j, uint32_t *ret);
/* Rounded as the reference's JSON reader rounds. */
NGT_NODISCARD bool tok_json_double(struct tok_json *j, double *ret);
/* Steps over a value; *ret (may be NULL): its bytes. */
NGT_NODISCARD bool tok_json_skip(struct tok_json *j, struct tok_slice *ret);

/* The members of an object that was stepped over, so that a large one need not be stepped over again
 * to find them. Keys are as in the file, escapes and all. */
struct tok_json_members {
    struct tok_slice keys[16], values[16];
    unsigned count; /* UINT_MAX: not an object, or one of more members */
};
NGT_NODISCARD bool tok_json_skip_noting(struct tok_json *j, struct tok_slice *ret,
                                        struct tok_json_members *ret_members);
/* Nothing but white space is left. */
NGT_NODISCARD bool tok_json_end(struct tok_json *j);

static inline bool tok_slice_is(struct tok_slice s, const char *text)
{
    uint64_t n = __builtin_strlen(text);
    return s.size == n && __builtin_memcmp(s.at, text, n) == 0;
}
#endif
