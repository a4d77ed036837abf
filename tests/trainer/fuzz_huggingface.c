/*
 * A folder of somebody else's weights: two bytes with the length of config.json, config.json,
 * model.safetensors. Nothing may crash, and what is accepted has the size its model says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trainer/huggingface.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const char *folder, const char *name, const uint8_t *data, size_t size)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
}

static void remove_file(const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/ngtrain-fuzz-XXXXXX";
    struct trainer_about about;
    float *weights = NULL;

    if (size < 2)
        return 0;
    size_t config = data[0] | (size_t)data[1] << 8;
    if (config > size - 2)
        config = size - 2;
    if (!mkdtemp(folder))
        abort();
    put(folder, "config.json", data + 2, config);
    put(folder, "model.safetensors", data + 2 + config, size - 2 - config);
    if (trainer_hf_read(folder, &about, &weights, NULL) == NGT_OK) {
        volatile float sum = 0;
        for (uint64_t i = 0; i < kern_parameter_count(&about.model); i++)
            sum = sum + weights[i];
    }
    free(weights);
    remove_file(folder, "config.json");
    remove_file(folder, "model.safetensors");
    rmdir(folder);
    return 0;
}
