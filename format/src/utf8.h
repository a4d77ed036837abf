/* Internal: UTF-8 for the project's small files. */
#ifndef NGT_SRC_UTF8_H
#define NGT_SRC_UTF8_H

#include <stdint.h>

/* Bytes of the well-formed sequence at s (n > 0 bytes left), or 0; Unicode, table 3-7. */
unsigned ngt_utf8_length(const unsigned char *s, uint64_t n);

#endif
