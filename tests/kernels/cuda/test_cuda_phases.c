/*
 * Every phase of the device table on the GPU against its twin in double: device/phase_check.h says how,
 * device/phase_cases.h on what. A case's name runs it alone; NGT_TEST_SEED repeats its numbers.
 * Skipped where there is no GPU.
 */
#include "cuda_lab.h"
#include "phase_cases.h"

struct rig {
    struct kern_backend *backend;
    const struct kern_device_table *table;
};

static void must(enum kern_status status, const struct kern_error *error, const char *what)
{
    if (status == KERN_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, error->message);
    exit(1);
}

static void set(void *context, const unsigned char *arena)
{
    struct rig *r = context;
    struct kern_error error = {0};
    must(kern_cuda_arena_set(r->backend, 0, r->table->arena, arena, &error), &error, "to the GPU");
}

static void get(void *context, unsigned char *ret_arena)
{
    struct rig *r = context;
    struct kern_error error = {0};
    must(kern_cuda_arena_get(r->backend, 0, r->table->arena, ret_arena, &error), &error,
         "from the GPU");
}

static void run(void *context, uint32_t phase)
{
    struct rig *r = context;
    struct kern_error error = {0};
    char what[64];

    snprintf(what, sizeof what, "phase %u (%s)", phase,
             kern_device_op_name((enum kern_device_op)r->table->phases[phase].op));
    must(kern_cuda_phase_only(r->backend, phase, &error), &error, what);
}

static void take(void *context, const struct kern_slot *slot)
{
    struct rig *r = context;
    struct kern_error error = {0};

    kern_cuda_range(r->backend, 0, 1); /* FETCH is the first phase */
    must(kern_submit(r->backend, slot, &error), &error, "phase 0 (fetch)");
}

static bool result(void *context, struct kern_result *ret_result)
{
    struct rig *r = context;
    struct kern_error error = {0};
    bool have = false;

    must(kern_collect(r->backend, false, &have, ret_result, &error), &error, "the result");
    return have;
}

static void work(const struct phase_case *s, uint64_t seed, struct phase_worst *worst)
{
    struct device_lab *lab = phase_case_lab(s, seed);
    struct kern_error error = {0};
    struct rig r = {0};

    must(kern_cuda_new(&lab->config, &r.backend, &error), &error, s->name);
    r.table = kern_cuda_table(r.backend);
    T_EQ_U64(r.table->arena, lab->table->arena);
    T_EQ_U64(r.table->phase_count, lab->table->phase_count);
    if (phase_case_walk(s, lab, (struct phase_device){&r, set, get, run, take, result}, false, seed,
                        worst))
        T_FAIL("%s: phases differ from their twins, NGT_TEST_SEED=%llu", s->name,
               (unsigned long long)seed);
    kern_backend_free(&r.backend);
    device_lab_free(lab);
}

int main(int argc, char **argv)
{
    struct phase_worst worst[KERN_DEVICE_OPS] = {0};
    uint64_t seed = 0;
    unsigned worked = 0;

    if (!cuda_here())
        return 77;
    seed = phase_case_seed();
    for (unsigned i = 0; i < PHASE_CASES; i++) {
        bool wanted = argc < 2;
        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], phase_cases[i].name) == 0;
        if (!wanted)
            continue;
        printf("%s\n", phase_cases[i].name);
        fflush(stdout);
        work(&phase_cases[i], seed, worst);
        worked++;
    }
    if (!worked) {
        fprintf(stderr, "no such case\n");
        return 99;
    }
    phase_check_print(worst);
    return t_failures ? 1 : 0;
}
