/* What a backend implements behind kern/backend.h. */
#ifndef KERN_BACKEND_OPS_PRIVATE_H
#define KERN_BACKEND_OPS_PRIVATE_H

#include "kern/backend.h"

struct kern_backend_ops {
    void (*free)(struct kern_backend *b);
    enum kern_status (*submit)(struct kern_backend *b, const struct kern_slot *slot,
                               struct kern_error *reterr);
    enum kern_status (*collect)(struct kern_backend *b, bool wait, bool *ret_have,
                                struct kern_result *ret_result, struct kern_error *reterr);
    enum kern_status (*state_get)(struct kern_backend *b, enum kern_state which, float *ret_values,
                                  struct kern_error *reterr);
    enum kern_status (*state_set)(struct kern_backend *b, enum kern_state which,
                                  const float *values, struct kern_error *reterr);
    enum kern_status (*snapshot_take)(struct kern_backend *b, struct kern_error *reterr);
    enum kern_status (*snapshot_get)(struct kern_backend *b, enum kern_state which,
                                     float *ret_values, struct kern_error *reterr);
    void (*describe)(const struct kern_backend *b, struct kern_device_name *ret_name);
    /* Weights in canonical order, in host memory, as they stand between two slots. */
    const float *(*weights)(struct kern_backend *b);
};

struct kern_backend {
    const struct kern_backend_ops *ops;
    struct kern_model model;
};

/* Fills *reterr (which may be NULL) and returns code. */
__attribute__((format(printf, 3, 4))) enum kern_status
kern_fail(struct kern_error *reterr, enum kern_status code, const char *format, ...);

#endif
