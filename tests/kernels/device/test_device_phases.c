/*
 * The check that a GPU's phases go through (phase_check.h) on a device that is the twin itself: it
 * passes as it is, and does not with any single fault put into what a phase writes.
 * With NGT_TEST_FULL all cases are worked, not only the small ones.
 */
#include <time.h>

#include "phase_cases.h"
#include "t.h"

enum fault {
    FAULT_NONE = 0,
    FAULT_UNWRITTEN, /* one element stays as it was poisoned */
    FAULT_BLOCK,     /* one tile's elements are 3% larger */
    FAULT_STRAY,     /* a byte that is nobody's to write */
    FAULT_ALL,       /* 2% off everywhere: what a wrong factor does */
};
#define FAULTS 5

struct impostor {
    struct device_lab *lab;
    unsigned char *arena;
    enum fault fault;
    uint32_t phase; /* that has it */
    bool done;      /* it had something to spoil */
};

static void set(void *context, const unsigned char *arena)
{
    struct impostor *d = context;
    memcpy(d->arena, arena, d->lab->table->arena);
}

static void get(void *context, unsigned char *ret_arena)
{
    struct impostor *d = context;
    memcpy(ret_arena, d->arena, d->lab->table->arena);
}

/* False: there were zeros alone. */
static bool scale(unsigned char *at, uint64_t bytes, bool wide, double factor)
{
    bool changed = false;

    for (uint64_t i = 0; i < bytes; i += wide ? 4 : 2) {
        uint16_t h;
        float f;
        if (wide) {
            memcpy(&f, at + i, 4);
            changed |= f != 0;
            f = (float)((double)f * factor);
            memcpy(at + i, &f, 4);
        } else {
            memcpy(&h, at + i, 2);
            changed |= (h & 0x7fff) != 0;
            h = device_lab_to_bf16((float)((double)device_lab_from_bf16(h) * factor));
            memcpy(at + i, &h, 2);
        }
    }
    return changed;
}

/* Spoils what a tile has written; false: there is nothing of the kind. */
static bool spoil(struct impostor *d, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *t = d->lab->table;
    struct kern_device_regions list;
    bool done = false;

    kern_device_regions(&d->lab->twin, p, tile, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        const struct kern_device_region *r = &list.at[i];
        unsigned char *at =
            d->arena + t->at[r->buffer].offset + r->copy * t->at[r->buffer].stride + r->start;
        bool wide = kern_device_matrix(t, (enum kern_device_buffer)r->buffer).bytes != 2;
        bool integers = r->buffer >= KERN_DEV_TOKENS && r->buffer <= KERN_DEV_FIRST_MIN;

        if (r->access == KERN_DEV_READS || (integers && d->fault != FAULT_UNWRITTEN))
            continue;
        switch (d->fault) {
        case FAULT_UNWRITTEN:
            memset(at, 0xff, wide ? 4 : 2);
            return true;
        default:
            for (uint64_t row = 0; row < r->rows; row++)
                done |= scale(at + row * r->stride, r->bytes, wide,
                              d->fault == FAULT_ALL ? 1.02 : 1.03);
        }
    }
    return done;
}

static void run(void *context, uint32_t phase)
{
    struct impostor *d = context;
    const struct kern_device_table *t = d->lab->table;
    const struct kern_device_phase *p = &t->phases[phase];
    struct kern_device_twin twin = d->lab->twin;

    twin.arena = d->arena;
    for (uint32_t tile = 0; tile < p->tiles; tile++)
        kern_device_twin_run(&twin, p, tile);
    if (!d->fault || phase != d->phase || d->done)
        return;
    if (d->fault == FAULT_STRAY) {
        d->arena[t->at[KERN_DEV_ROPE].offset + 5] ^= 0x40;
        d->done = true;
        return;
    }
    for (uint32_t tile = 0; tile < p->tiles && (d->fault == FAULT_ALL || !d->done); tile++)
        d->done |= spoil(d, p, p->tiles - 1 - tile);
}

static void take(void *context, const struct kern_slot *slot)
{
    (void)slot;
    run(context, 0);
}

/* Failures that the check finds in a case on a device with a fault. */
static uint64_t walk(const struct phase_case *s, struct impostor *d, struct phase_worst *worst)
{
    uint64_t failures = 0;

    d->lab = phase_case_lab(s, 1);
    d->arena = malloc(d->lab->table->arena);
    T_REQUIRE(d->arena);
    failures = phase_case_walk(s, d->lab, (struct phase_device){d, set, get, run, take, NULL},
                               d->fault != FAULT_NONE, 5, worst);
    free(d->arena);
    device_lab_free(d->lab);
    return failures;
}

static bool is_small(const struct phase_case *s)
{
    return s->rows * s->seq_len * s->width < 32000;
}

T_CASE(the_twin_passes)
{
    for (unsigned i = 0; i < PHASE_CASES; i++) {
        struct phase_worst worst[KERN_DEVICE_OPS] = {0};
        struct impostor d = {0};
        struct timespec a, b;

        if (!is_small(&phase_cases[i]) && !getenv("NGT_TEST_FULL"))
            continue;
        clock_gettime(CLOCK_MONOTONIC, &a);
        T_EQ_U64(walk(&phase_cases[i], &d, worst), 0);
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%-20s %.2f s on both sides\n", phase_cases[i].name,
               (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
        fflush(stdout);
        for (unsigned op = 0; op < KERN_DEVICE_OPS; op++)
            for (unsigned type = 0; type < 2; type++)
                T_TRUE(worst[op].whole[type] == 0 && worst[op].block[type] == 0);
    }
}

/* Every phase of a case, every fault. */
static void try_faults(const char *name)
{
    const struct phase_case *s = phase_cases;

    while (strcmp(s->name, name) != 0)
        s++;
    struct device_lab *lab = phase_case_lab(s, 1);
    for (uint32_t phase = 0; phase < lab->table->phase_count; phase++)
        for (int fault = FAULT_UNWRITTEN; fault < FAULTS; fault++) {
            struct phase_worst worst[KERN_DEVICE_OPS] = {0};
            struct impostor d = {.fault = (enum fault)fault, .phase = phase};
            uint64_t failures = walk(s, &d, worst);

            if (d.done && !failures)
                T_FAIL("%s: fault %d of phase %u (%s) passes", name, fault, phase,
                       kern_device_op_name((enum kern_device_op)lab->table->phases[phase].op));
        }
    device_lab_free(lab);
}

T_CASE(faults_are_found)
{
    try_faults("faults");
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
