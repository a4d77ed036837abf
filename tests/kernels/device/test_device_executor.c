/*
 * Every tile sees what it declares and nothing else, in random order: the slot's results must have
 * the bits of a plain walk.
 */
#include "t.h"

#include "device_lab.h"
#include "kern/device/executor.h"

/* All buffers of the two arenas, copy by copy; what lies between them is nobody's. */
static void check_same(const char *name, const struct device_lab *a, const struct device_lab *b)
{
    for (int id = 0; id < KERN_DEVICE_BUFFERS; id++) {
        enum kern_device_buffer buffer = (enum kern_device_buffer)id;
        uint64_t copies = kern_device_matrix(a->table, buffer).copies;

        for (uint32_t copy = 0; copy < copies; copy++)
            if (memcmp(device_lab_at(a, buffer, copy), device_lab_at(b, buffer, copy),
                       a->table->at[id].size) != 0)
                T_FAIL("%s: copy %u of %s differs from a plain walk's", name, copy,
                       kern_device_buffer_name(buffer));
    }
}

static void check_results(const char *name, const struct device_lab *a, const struct device_lab *b)
{
    if (a->twin.nll != b->twin.nll || a->twin.norm != b->twin.norm)
        T_FAIL("%s: loss %.17g, norm %.17g; a plain walk has %.17g, %.17g", name, a->twin.nll,
               a->twin.norm, b->twin.nll, b->twin.norm);
    T_TRUE(isfinite(a->twin.nll));
}

static void execute(const char *name, struct device_lab *lab, struct device_lab *plain,
                    bool thorough, uint64_t seed)
{
    struct kern_error error = {0};

    plain->twin.slot = lab->twin.slot;
    device_lab_walk(plain);
    if (kern_device_execute(&lab->twin, thorough, seed, &error) != KERN_OK)
        T_FAIL("%s: %s", name, error.message);
    check_results(name, lab, plain);
    check_same(name, lab, plain);
}

/* Two micro-batches of a step, then a validation slot. */
static void check(const char *name, struct kern_config config, bool segments, bool thorough)
{
    struct device_lab *lab = device_lab_new(&config, segments, 3);
    struct device_lab *plain = device_lab_new(&config, segments, 3);

    for (unsigned slot = 0; slot < 3 && !t_failures; slot++) {
        enum kern_slot_kind kind = slot < 2 && !config.forward_only ? KERN_TRAIN : KERN_VALIDATE;

        if (slot == 1 && !thorough)
            continue;
        device_lab_rows(lab, segments, 3 + slot);
        device_lab_rows(plain, segments, 3 + slot);
        device_lab_slot(lab, kind, slot == 0, slot == 1 || !thorough, 0);
        execute(name, lab, plain, thorough, 17 + slot);
    }
    device_lab_free(lab);
    device_lab_free(plain);
}

/* Reads of what FETCH writes by the phases from the first of this op on. */
static uint64_t reads_of_positions(const struct device_lab *lab, enum kern_device_op from)
{
    const struct kern_device_table *t = lab->table;
    uint64_t reads = 0;
    bool begun = false;

    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_device_phase *p = &t->phases[i];
        begun |= p->op == from;
        for (uint32_t tile = 0; begun && tile < p->tiles; tile++) {
            struct kern_device_regions list;
            kern_device_regions(&lab->twin, p, tile, &list);
            for (uint32_t k = 0; k < list.count; k++)
                reads += list.at[k].buffer >= KERN_DEV_TOKENS && list.at[k].buffer <= KERN_DEV_FIRST_MIN;
        }
    }
    return reads;
}

/* The resident kernel brings the next slot's positions while COLLECT runs (kernels/cuda/feed.cuh). */
T_CASE(positions_are_free_from_collect_on)
{
    for (unsigned scanned = 0; scanned < 2; scanned++) {
        struct kern_config config = lab_config(2, 128, 2, 2, 64, 64, scanned ? 4099 : 77, true, 2, 70);
        struct device_lab *lab = device_lab_new(&config, true, 3);

        T_EQ_INT(lab->table->head_scanned, scanned);
        device_lab_slot(lab, KERN_TRAIN, true, true, 0);
        T_TRUE(reads_of_positions(lab, KERN_DEV_EMBED_BACKWARD) > 0);
        T_EQ_INT(reads_of_positions(lab, KERN_DEV_COLLECT), 0);
        device_lab_free(lab);
    }
}

T_CASE(head_64)
{
    check("head 64", lab_config(2, 64, 1, 1, 64, 72, 77, false, 2, 264), true, true);
}

T_CASE(grouped_64_untied)
{
    check("grouped 64, untied", lab_config(1, 72, 4, 2, 64, 40, 301, true, 4, 130), true, true);
}

T_CASE(grouped_128)
{
    check("grouped 128", lab_config(1, 72, 3, 1, 128, 200, 77, false, 3, 175), true, true);
}

T_CASE(tiny)
{
    check("tiny", lab_config(1, 8, 1, 1, 64, 8, 2, false, 1, 1), false, true);
    check("wide", lab_config(1, 264, 1, 1, 64, 8, 5, true, 3, 13), true, true);
}

T_CASE(large_tiles)
{
    check("large tiles", lab_config(1, 64, 1, 1, 64, 64, 1001, false, 13, 128), false, false);
}

T_CASE(head_chunks)
{
    check("head chunks", lab_config(1, 8, 1, 1, 64, 8, 1100, true, 68, 128), true, false);
}

T_CASE(forward_only)
{
    struct kern_config config = lab_config(2, 64, 2, 1, 64, 72, 77, false, 2, 150);

    config.forward_only = true;
    check("forward only", config, true, true);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
