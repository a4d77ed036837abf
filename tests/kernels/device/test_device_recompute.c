/*
 * What is made again has the bits of what was kept: steps of a table with recompute, tile by tile in random
 * order, beside plain walks of the same model's table without. Every buffer that both have must be equal.
 */
#include "t.h"

#include "device_lab.h"
#include "kern/device/executor.h"

/* Copies that a table has: one for all layers holds the layer's that was worked last. */
static void check_buffer(const char *name, const struct device_lab *kept, const struct device_lab *again,
                         enum kern_device_buffer id)
{
    uint64_t copies = kern_device_matrix(kept->table, id).copies;
    bool shared = kern_device_matrix(again->table, id).copies < copies;
    uint32_t worked = again->twin.slot.kind == KERN_TRAIN ? 0 : again->table->model.layers - 1;

    T_EQ_U64(again->table->at[id].size, kept->table->at[id].size);
    T_EQ_INT(shared, id >= KERN_DEV_QKV_OUT && id <= KERN_DEV_HIDDEN);
    for (uint32_t copy = shared ? worked : 0; copy < (shared ? worked + 1 : copies); copy++)
        if (memcmp(device_lab_at(kept, id, copy), device_lab_at(again, id, shared ? 0 : copy),
                   kept->table->at[id].size) != 0)
            T_FAIL("%s: copy %u of %s has other bits", name, copy, kern_device_buffer_name(id));
}

static void check_slot(const char *name, struct device_lab *kept, struct device_lab *again, uint64_t seed)
{
    struct kern_error error = {0};

    kept->twin.slot = again->twin.slot;
    device_lab_walk(kept);
    if (kern_device_execute(&again->twin, false, seed, &error) != KERN_OK)
        T_FAIL("%s: %s", name, error.message);
    T_TRUE(again->twin.nll == kept->twin.nll && again->twin.norm == kept->twin.norm && isfinite(kept->twin.nll));
    for (int id = 0; id < KERN_DEVICE_BUFFERS && !t_failures; id++)
        check_buffer(name, kept, again, (enum kern_device_buffer)id);
}

/* A step of two micro-batches, a validation slot, and a step from what they left. */
static void check(const char *name, struct kern_config config)
{
    struct device_lab *kept = device_lab_new(&config, true, 3), *again = NULL;

    config.recompute = true;
    again = device_lab_new(&config, true, 3);
    T_TRUE(again->table->recompute && again->table->arena < kept->table->arena);
    T_EQ_INT(again->table->phase_count, kept->table->phase_count + 4 * (config.model.layers - 1));
    for (unsigned slot = 0; slot < 4 && !t_failures; slot++) {
        device_lab_rows(kept, true, 3 + slot);
        device_lab_rows(again, true, 3 + slot);
        device_lab_slot(again, slot == 2 ? KERN_VALIDATE : KERN_TRAIN, slot != 1, slot != 0, 0);
        check_slot(name, kept, again, 17 + slot);
    }
    printf("%s: %.2f MB for %.2f\n", name, (double)again->table->arena / 1e6,
           (double)kept->table->arena / 1e6);
    device_lab_free(kept);
    device_lab_free(again);
}

T_CASE(two_layers)
{
    check("two layers", lab_config(2, 64, 1, 1, 64, 72, 77, false, 2, 130));
}

T_CASE(grouped_untied)
{
    check("grouped, untied", lab_config(4, 72, 4, 2, 64, 40, 301, true, 2, 130));
}

T_CASE(head_128)
{
    check("head 128", lab_config(3, 72, 2, 1, 128, 72, 77, false, 2, 75));
}

T_CASE(scanned)
{
    check("scanned", lab_config(3, 72, 1, 1, 64, 64, 4200, false, 1, 70));
}

/* One layer, or no gradients: nothing would be made again, and the table is the other one. */
T_CASE(nothing_to_make)
{
    for (unsigned forward_only = 0; forward_only < 2; forward_only++) {
        struct kern_config config = lab_config(1 + forward_only, 64, 1, 1, 64, 72, 77, false, 2, 130);
        struct kern_error error = {0};

        config.forward_only = forward_only;
        struct device_lab *kept = device_lab_new(&config, true, 3);
        config.recompute = true;
        struct device_lab *again = device_lab_new(&config, true, 3);
        T_TRUE(!again->table->recompute);
        T_EQ_U64(again->table->arena, kept->table->arena);
        T_EQ_INT(again->table->phase_count, kept->table->phase_count);
        T_EQ_MEM(again->table->phases, kept->table->phases,
                 kept->table->phase_count * sizeof *kept->table->phases);
        if (forward_only)
            device_lab_slot(again, KERN_VALIDATE, true, true, 0);
        T_TRUE(kern_device_execute(&again->twin, false, 1, &error) == KERN_OK);
        device_lab_free(kept);
        device_lab_free(again);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
