/* kern/device/validate.h: the parts in turn, and what they share. */
#include "kern/device/validate.h"

#include "backend_ops.h"
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

enum kern_status check_refuse(const struct check *c, const struct kern_device_phase *p,
                              const char *format, ...)
{
    char what[160];
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (!p)
        return kern_fail(c->reterr, KERN_E_DEVICE, "device table: %s", what);
    return kern_fail(c->reterr, KERN_E_DEVICE, "device table: phase %u (%s, layer %u, part %u): %s",
                     (unsigned)(p - c->t->phases), kern_device_op_name((enum kern_device_op)p->op),
                     p->layer, p->part, what);
}

const struct kern_device_phase *check_find(const struct kern_device_table *t,
                                           enum kern_device_op op, uint32_t layer, uint32_t part)
{
    for (uint32_t i = 0; i < t->phase_count; i++)
        if (t->phases[i].op == op && t->phases[i].layer == layer && t->phases[i].part == part)
            return &t->phases[i];
    return NULL;
}

enum kern_status kern_device_validate(const struct kern_device_table *t, struct kern_error *reterr)
{
    struct check c = {t, reterr};
    enum kern_status status = check_buffers(&c);

    for (uint32_t i = 0; i < t->phase_count && status == KERN_OK; i++)
        status = check_phase(&c, &t->phases[i]);
    if (status == KERN_OK)
        status = check_order(&c);
    if (status == KERN_OK)
        status = check_pieces(&c);
    return status;
}
