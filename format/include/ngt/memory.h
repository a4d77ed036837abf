/*
 * Large buffers by large pages. The first touch of each page of 4 KiB costs a fault, and on a virtual machine
 * often one of the host's too: more than what most programs do with 4 KiB.
 */
#ifndef NGT_MEMORY_H
#define NGT_MEMORY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * realloc for a buffer of which the first `used` bytes count, the only ones that are sure to stay: `size`
 * bytes, from malloc or realloc, on huge pages as far as the system has them for buffers of some megabytes. NULL:
 * no memory, and the old one is as it was.
 */
void *ngt_grow(void *memory, uint64_t used, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
