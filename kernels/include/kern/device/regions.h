/*
 * What each tile reads and writes, as rectangles of bytes. Where the twin in C takes the long way
 * (ops.h) its reads stand here beside the device's: a superset of either.
 */
#ifndef KERN_DEVICE_REGIONS_H
#define KERN_DEVICE_REGIONS_H

#include "kern/device/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

enum kern_device_access {
    KERN_DEV_READS = 1,
    KERN_DEV_WRITES = 2,  /* all of it, without having read it */
    KERN_DEV_CHANGES = 3, /* in place: what no other tile of the phase touches */
};

/* `rows` runs of `bytes` bytes, `stride` apart, the first at byte `start` of a buffer's copy; the
 * same in `copies` copies. */
struct kern_device_region {
    uint32_t buffer; /* enum kern_device_buffer */
    uint32_t access; /* enum kern_device_access */
    uint32_t copy, copies;
    uint64_t start, rows, bytes, stride;
};

#define KERN_DEVICE_REGIONS_MAX 24
struct kern_device_regions {
    uint32_t count;
    struct kern_device_region at[KERN_DEVICE_REGIONS_MAX];
};

/*
 * Of one tile in the slot at work: t's table, slot and the slot's tokens, order and runs count
 * (EMBED_BACKWARD's rows follow from them, and what is added to from first_micro). The arena is not
 * looked at.
 */
void kern_device_regions(const struct kern_device_twin *t, const struct kern_device_phase *p,
                         uint32_t tile, struct kern_device_regions *ret_regions);

/* Copies, rows and columns of a buffer and the bytes of an element; rows 0: this table has none.
 * Flat vectors are one row; SPLITS is a row of bytes. */
struct kern_device_matrix {
    uint64_t copies, rows, cols, bytes;
};
struct kern_device_matrix kern_device_matrix(const struct kern_device_table *t,
                                             enum kern_device_buffer id);

/* "qkv_out" */
const char *kern_device_buffer_name(enum kern_device_buffer id);

#ifdef __cplusplus
}
#endif
#endif
