/* --split-by-key: the folder of a value's set. */
#ifndef PRETOK_SET_NAME_H
#define PRETOK_SET_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define PRETOK_SET_NAME_ROOM 128 /* its terminator included */

/*
 * json [n]: a value. Strings stand for themselves, numbers, true and false for their spelling; null,
 * objects and arrays are no name, and false is returned.
 *
 * Letters, digits, "-", "_" and "." stay, every other byte becomes %XX, and so does a dot or a dash at
 * the beginning and the first byte of a name that the job's folder has itself. The empty string is
 * "%". What would be longer than 100 bytes is cut and gets "~" and the value's XXH3-64: different
 * values have different names, and none leads out of the folder.
 */
bool pretok_set_name(const uint8_t *json, uint64_t n, char out[PRETOK_SET_NAME_ROOM]);

#endif
