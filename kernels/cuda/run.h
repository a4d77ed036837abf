/*
 * What the host and the kernel share: the kernel's arguments, the rings in pinned host memory, the
 * state in device memory. Plain C; included by launch.c and by the device code.
 *
 * Each counter stands on a line of its own, has one writer, and only grows. The host fills slot
 * n % KERN_CUDA_SLOTS and publishes ready = n + 1 (release); the kernel reads it and publishes
 * consumed = n + 1 when nothing of it is needed any more. Results go the other way alike.
 */
#ifndef KERN_CUDA_RUN_H
#define KERN_CUDA_RUN_H

#include <stdint.h>

#ifdef __cplusplus
#define _Alignas(n) alignas(n)
#endif

#include "kern/device/ops.h"
#include "kern/device/table.h"

#define KERN_CUDA_SLOTS 4u
/* A slot of the backend's own beside enum kern_slot_kind: weights and moments are copied to `kept`. While a
 * kernel is resident the driver cannot do that, as its copies inside the device are kernels too. */
#define KERN_CUDA_SNAPSHOT 100u
#define KERN_CUDA_RESULTS 64u
/* Multiprocessor numbers that ranks are kept for. */
#define KERN_CUDA_PROCESSORS 1024u
/* Dynamic shared memory of a block: what sm_86, 89 and 120 give one block. */
#define KERN_CUDA_TILE_BYTES 98304u
#define KERN_CUDA_SHARED_BYTES 101376u
#define KERN_CUDA_LINES 384u /* floats beside a tile */
/* Bytes that offsets and strides of buffers count in: an arena has up to 2^40. */
#define KERN_CUDA_UNIT 256u

/* Why the kernel gave up; 0 while it has not. */
enum kern_cuda_fault {
    KERN_CUDA_FAULT_NONE = 0,
    KERN_CUDA_FAULT_FEED = 1,    /* no slot within the deadline */
    KERN_CUDA_FAULT_BARRIER = 2, /* blocks that did not arrive */
    KERN_CUDA_FAULT_STOPPED = 3, /* the host asked for an urgent stop */
};

struct kern_cuda_result {
    uint64_t number; /* of the slot */
    uint64_t step;
    uint32_t kind;
    uint32_t updated;
    uint64_t targets;
    double nll, norm;
    uint64_t wait_ns, work_ns;               /* since the step's first slot was asked for */
    uint64_t busy_clocks, clocks, clocks_ns; /* since the start, of all blocks (kern_cuda_clocks) */
};

struct kern_cuda_control {
    _Alignas(128) uint64_t ready;    /* host: slots published */
    _Alignas(128) uint64_t consumed; /* kernel: slots read for good */
    _Alignas(128) uint64_t posted;   /* kernel: results posted */
    _Alignas(128) uint32_t stop;     /* host: 1 = leave at once */
    _Alignas(128) struct {
        uint32_t code, block, phase, reserved; /* kernel: enum kern_cuda_fault */
        uint64_t slot, expected, seen;
    } fault;
    _Alignas(128) struct kern_cuda_result results[KERN_CUDA_RESULTS];
};

/* In device memory, zero at the start. */
struct kern_cuda_state {
    _Alignas(128) uint32_t arrived; /* blocks at a barrier, ever; wraps */
    _Alignas(128) uint32_t abort;   /* a block gave up */
    _Alignas(128) uint32_t granted; /* slots that the leader has seen published; wraps */
    _Alignas(128) uint32_t on[KERN_CUDA_PROCESSORS]; /* resident blocks by multiprocessor */
    _Alignas(128) struct kern_device_slot slot;      /* the slot at work */
    double nll, norm;
    uint32_t updated;
    uint64_t number;                   /* slots worked so far */
    uint64_t posted;                   /* results so far */
    uint64_t asked_ns[2], began_ns[2]; /* of a slot by its number's parity: globaltimer */
    uint64_t wait_ns, work_ns;         /* of the step so far */
};

/* A block's clocks since the start. */
struct kern_cuda_clocks {
    _Alignas(64) uint64_t busy, all; /* inside tiles; inside the kernel */
    uint64_t ns;                     /* as `all`, by the global timer: gives the clock's rate */
};

struct kern_cuda_run {
    unsigned char *arena;
    const struct kern_device_phase *phases;
    const struct kern_device_piece *pieces;
    struct kern_cuda_state *state;
    struct kern_cuda_clocks *clocks;   /* [blocks] */
    uint32_t *tickets;                 /* [phase_count] tiles drawn beyond every block's first */
    uint64_t *phase_ns;                /* [phase_count] summed by the block of the last rank */
    float *kept;                       /* [3][layout.size] where a snapshot goes */
    struct kern_cuda_control *control; /* pinned */
    unsigned char *slots;              /* pinned [KERN_CUDA_SLOTS][slot_bytes] */
    uint64_t slot_bytes;
    uint64_t deadline_ns;

    uint32_t at[KERN_DEVICE_BUFFERS], stride[KERN_DEVICE_BUFFERS]; /* in units */
    uint32_t phase_count, piece_count;
    uint32_t blocks; /* of the largest launch: clocks there are */
    uint32_t tokens, seq_len, rows, first_blocks;
    uint32_t layers, width, heads, kv_heads, head_dim, ffn, vocab, vocab_padded;
    uint32_t q_width, kv_width, qkv_width;
    uint32_t final_rows, norm_slots, mlp_slots, vocab_tiles, head_splits, head_span, head_rows, gain_slots;
    uint32_t attention_rows, attention_back_rows;
    uint64_t by_heads, by_kv_heads, by_rows_heads, by_rows_kv_heads, by_group, by_seq_len; /* kern_device_divisor() of them */
    uint32_t untied, forward_only;
    struct kern_device_layout layout;
    struct kern_device_constants constants;

    /* tests: blocks dawdle before a barrier by a hash of this key (0: not); the barrier after this
     * phase is left out (UINT32_MAX: none) */
    uint64_t delay_key;
    uint32_t skip_barrier;
};

/* A slot in the ring: the header, then five arrays of round_up(tokens + 1, 32) u32 each: tokens,
 * targets, first, order, runs. */
#define KERN_CUDA_SLOT_HEADER 128u
KERN_DEVICE_INLINE uint64_t kern_cuda_slot_array(uint32_t tokens)
{
    return ((uint64_t)tokens + 32) / 32 * 32;
}

#endif
