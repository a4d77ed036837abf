/* The inside of JSON strings, where nearly all bytes of JSON lines are, at the speed of a copy. */
#ifndef PRETOK_JSON_STRING_H
#define PRETOK_JSON_STRING_H

#include <stdint.h>

/* First byte in [at, end) that is a quote, a backslash or a control character; end if there is none. */
const uint8_t *pretok_json_string_run(const uint8_t *at, const uint8_t *end);

/* So many bytes behind what it copied the next may write to. */
#define PRETOK_JSON_STRING_SLACK 16u

/*
 * Copies what a string holds from [at, end) to *out on, escapes of one letter undone, until something
 * else stands there: the closing quote, \u, an escape that is none, a control character, a backslash
 * that is the last byte, or fewer than PRETOK_JSON_STRING_SLACK bytes. Returns where that is and moves
 * *out behind what was copied. There must be room for end - at + PRETOK_JSON_STRING_SLACK bytes.
 */
const uint8_t *pretok_json_string_copy(const uint8_t *at, const uint8_t *end, uint8_t **out);

#endif
