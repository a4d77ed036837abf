#include "direct.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#define WORTH_IT (256u << 10) /* bytes a write: less is bound by the device's answer */
/* Below that rate the page cache is better: there a thread pays 1 to 3 s a GB, but never waits. Waiting
 * alone would break even at 300 to 1000 MB/s; on a busy machine it is also waiting for a core, which says
 * nothing against the device. */
#define BYTES_A_SECOND 128e6
#define GRACE 0.05 /* seconds that a file may lose before it is judged */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool set(struct ngt_direct *d, int fd, bool on)
{
    if (d->on == on)
        return true;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
        return false;
    d->on = on;
    return true;
}

bool ngt_direct_begin(struct ngt_direct *d, int fd, const void *bytes, uint64_t size,
                      uint64_t offset)
{
    const uint64_t all = (uint64_t)(uintptr_t)bytes | size | offset;
    const bool fits = d->wanted && size >= WORTH_IT && all % NGT_DIRECT_ALIGN == 0;

    if (!set(d, fd, fits))
        d->wanted = false;
    if (fits && d->on)
        d->start = now();
    return fits && d->on;
}

bool ngt_direct_end(struct ngt_direct *d, ssize_t written)
{
    if (written < 0) {
        d->wanted = d->wanted && errno != EINVAL;
        return errno == EINVAL;
    }
    d->bytes += (uint64_t)written;
    d->seconds += now() - d->start;
    d->wanted = d->wanted && d->seconds <= GRACE + (double)d->bytes / BYTES_A_SECOND;
    return false;
}

void ngt_direct_off(struct ngt_direct *d, int fd)
{
    d->wanted = false;
    (void)set(d, fd, false);
}
