/*
 * Writing around the page cache. What no one reads again soon costs there a page taken, a copy and
 * the pushing out of something else: 1.0 to 3.2 s of CPU a GB on the machine this was measured on, a
 * virtual one whose host has to provide each page first, against 0.1 to 0.3 s of direct writing. But a
 * direct write waits for the device, so a slow one gets the page cache after all.
 */
#ifndef NGT_DIRECT_H
#define NGT_DIRECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NGT_DIRECT_ALIGN 4096u /* memory, file offset and size, whatever the device */

struct ngt_direct {
    bool wanted;    /* by the owner; false again where it does not work or does not pay */
    bool on;        /* of the file */
    uint64_t bytes; /* written so, and how long that took */
    double seconds, start;
};

/* Before write(fd, bytes, size) at this offset: makes it direct where that is wanted and possible, else
 * ordinary. True: it is direct, and ngt_direct_end comes behind it. */
bool ngt_direct_begin(struct ngt_direct *d, int fd, const void *bytes, uint64_t size,
                      uint64_t offset);
/* written: what write said, errno as it left it. True: this file takes no direct writes, try again. */
bool ngt_direct_end(struct ngt_direct *d, ssize_t written);
/* Ordinary writes from here on. */
void ngt_direct_off(struct ngt_direct *d, int fd);
#endif
