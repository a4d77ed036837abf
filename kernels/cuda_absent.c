/* Stands in for the CUDA backend where the build has none. */
#include "backend_ops.h"

enum kern_status kern_cuda_new(const struct kern_config *config, struct kern_backend **ret_backend,
                               struct kern_error *reterr)
{
    (void)config, (void)ret_backend;
    return kern_fail(reterr, KERN_E_UNAVAILABLE,
                     "this build has no CUDA device half: use --device cpu");
}
