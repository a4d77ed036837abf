/*
 * The CUDA backend's own structure, shared by its host files: launch.c starts the one kernel, ring.c feeds it
 * and takes its results, state.c moves weights, memory.c sets everything up, backend.c ties them together.
 * Plain C on the runtime's C interface.
 *
 * Invariants: everything is allocated before the first launch, as an allocation or a free may wait for a
 * resident kernel to end; while it is resident the host only writes pinned memory, copies on streams of its
 * own, and asks whether they are done. No call of the driver waits but the one for the kernel's end: a wait
 * inside the driver spins on a core. One thread calls, but for kern_snapshot_get.
 */
#ifndef KERN_CUDA_BACKEND_H
#define KERN_CUDA_BACKEND_H

#include <cuda_runtime_api.h>

#include "backend_ops.h"
#include "cuda/run.h"
#include "slot.h"

#define KERN_CUDA_GRAPHS 3u /* by enum kern_device_when */
#define KERN_CUDA_BOUNCE (UINT64_C(16) << 20)

struct kern_cuda {
    struct kern_backend base;
    struct kern_config config;
    struct kern_device_table *table;
    struct kern_cuda_run run; /* device addresses; control and slots as the device sees them */
    struct kern_cuda_control *control;
    unsigned char *slots;
    uint32_t ctas;
    uint64_t deadline_ns;
    cudaStream_t stream, copies;
    cudaGraphExec_t graphs[KERN_CUDA_GRAPHS];
    uint32_t first, last; /* phases of a launch outside residency */
    bool wait_phases;     /* stepwise: after each */
    bool resident;        /* the kernel is launched and has not been seen to end */

    uint64_t submitted, collected; /* slots published; results taken from the ring */
    uint64_t open;                 /* results that submitted slots will give */
    uint64_t *scratch;             /* [tokens] of the sort */
    float *staging;                /* [layout.size] host, of state_get and state_set */
    uint16_t *rounded;             /* [layout.size] */
    float *canonical;              /* [parameters] what weights() lends */
    bool canonical_valid;
    uint64_t busy_before;

    /* the snapshot: on the device where there is room, else in host memory */
    float *kept;        /* device [3][layout.size], or NULL */
    float *kept_host;   /* [3][layout.size], made with the first one where kept is NULL */
    float *drained;     /* [layout.size] */
    void *bounce;       /* pinned [KERN_CUDA_BOUNCE]: to other memory the driver would copy and wait */
    cudaStream_t drain; /* of whoever reads it */
    bool taken;

    struct kern_results results; /* taken from the device and not collected yet */
};

/* Fills *reterr from a failed call; `what` was being done. */
enum kern_status kern_cuda_failed(struct kern_error *reterr, cudaError_t code, const char *what);

/* Jumps to `out` with status set when a call fails. */
#define KERN_CUDA_TRY(call, what)                                                                  \
    do {                                                                                           \
        cudaError_t code_ = (call);                                                                \
        if (code_ != cudaSuccess) {                                                                \
            status = kern_cuda_failed(reterr, code_, what);                                        \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* launch.c */
cudaError_t kern_cuda_launch(struct kern_cuda *c, uint32_t first, uint32_t last, uint32_t resident);
/* Starts what a published slot needs: the resident kernel if it is not there, a graph, or launches. */
enum kern_status kern_cuda_start(struct kern_cuda *c, uint32_t when, struct kern_error *reterr);
/* The fault that the kernel told of, if any. */
enum kern_status kern_cuda_fault(const struct kern_cuda *c, struct kern_error *reterr);
/* Whether the device still works: a fault, or an error of the stream. */
enum kern_status kern_cuda_alive(struct kern_cuda *c, struct kern_error *reterr);

/* ring.c */
enum kern_status kern_cuda_submit(struct kern_backend *b, const struct kern_slot *s,
                                  struct kern_error *reterr);
enum kern_status kern_cuda_collect(struct kern_backend *b, bool wait, bool *ret_have,
                                   struct kern_result *ret_result, struct kern_error *reterr);
void kern_cuda_nap(uint64_t ns);
/* Waits until every slot submitted has been worked; a resident kernel then waits for the next. */
enum kern_status kern_cuda_settle(struct kern_cuda *c, struct kern_error *reterr);

/* Has a resident kernel copy the state to c->kept, and waits. */
enum kern_status kern_cuda_snapshot(struct kern_cuda *c, struct kern_error *reterr);

/* state.c */
/* Copies and waits. */
enum kern_status kern_cuda_copy(struct kern_cuda *c, void *to, const void *from, uint64_t bytes,
                                enum cudaMemcpyKind kind, struct kern_error *reterr);
enum kern_status kern_cuda_state_get(struct kern_backend *b, enum kern_state which,
                                     float *ret_values, struct kern_error *reterr);
enum kern_status kern_cuda_state_set(struct kern_backend *b, enum kern_state which,
                                     const float *values, struct kern_error *reterr);
enum kern_status kern_cuda_snapshot_take(struct kern_backend *b, struct kern_error *reterr);
enum kern_status kern_cuda_snapshot_get(struct kern_backend *b, enum kern_state which,
                                        float *ret_values, struct kern_error *reterr);
const float *kern_cuda_weights(struct kern_backend *b);

/* memory.c */
/* Finds the GPU and how many blocks it holds at once. */
enum kern_status kern_cuda_find(struct kern_cuda *c, struct kern_error *reterr);
/* Everything that the run needs, c->table being there. */
enum kern_status kern_cuda_allocate(struct kern_cuda *c, struct kern_error *reterr);
/* Gives back all of it; no kernel is resident. */
void kern_cuda_release(struct kern_cuda *c);

#endif
