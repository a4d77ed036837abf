/* kern/backend.h to whichever backend it is. */
#include "backend_ops.h"

#include <stdarg.h>
#include <stdio.h>

enum kern_status kern_fail(struct kern_error *reterr, enum kern_status code, const char *format,
                           ...)
{
    if (reterr) {
        va_list args;
        reterr->code = code;
        va_start(args, format);
        vsnprintf(reterr->message, sizeof reterr->message, format, args);
        va_end(args);
    }
    return code;
}

static void clear(struct kern_error *reterr)
{
    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
}

void kern_backend_free(struct kern_backend **backend)
{
    if (!*backend)
        return;
    (*backend)->ops->free(*backend);
    *backend = NULL;
}

enum kern_status kern_submit(struct kern_backend *b, const struct kern_slot *slot,
                             struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->submit(b, slot, reterr);
}

enum kern_status kern_collect(struct kern_backend *b, bool wait, bool *ret_have,
                              struct kern_result *ret_result, struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->collect(b, wait, ret_have, ret_result, reterr);
}

enum kern_status kern_state_get(struct kern_backend *b, enum kern_state which, float *ret_values,
                                struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->state_get(b, which, ret_values, reterr);
}

enum kern_status kern_state_set(struct kern_backend *b, enum kern_state which, const float *values,
                                struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->state_set(b, which, values, reterr);
}

enum kern_status kern_snapshot_take(struct kern_backend *b, struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->snapshot_take(b, reterr);
}

enum kern_status kern_snapshot_get(struct kern_backend *b, enum kern_state which, float *ret_values,
                                   struct kern_error *reterr)
{
    clear(reterr);
    return b->ops->snapshot_get(b, which, ret_values, reterr);
}

void kern_describe(const struct kern_backend *b, struct kern_device_name *ret_name)
{
    *ret_name = (struct kern_device_name){.peak_flops = 0};
    b->ops->describe(b, ret_name);
}
