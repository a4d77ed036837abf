/* fuzz_seeds checkpoint|huggingface FOLDER: one small, good input for the fuzz target of that name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/file.h"
#include "trainer/checkpoint.h"
#include "trainer/huggingface.h"

static enum ngt_status state(void *context, enum kern_state which, uint64_t count, float *values,
                             bool *ret_have, struct ngt_error *reterr)
{
    (void)context;
    (void)reterr;
    for (uint64_t i = 0; i < count; i++)
        values[i] = (float)i * (float)(which + 1);
    *ret_have = true;
    return NGT_OK;
}

/* config.json and model.safetensors of a folder in one file, removed there. */
static enum ngt_status join(const char *folder)
{
    char *names[3] = {ngt_path_join(folder, "config.json"),
                      ngt_path_join(folder, "model.safetensors"), ngt_path_join(folder, "seed")};
    uint8_t *config = NULL, *weights = NULL, *both = NULL;
    uint64_t n = 0, m = 0;

    enum ngt_status status = ngt_file_read(names[0], 1 << 16, &config, &n, NULL);
    if (status == NGT_OK)
        status = ngt_file_read(names[1], 1 << 20, &weights, &m, NULL);
    if (status == NGT_OK)
        both = malloc(2 + n + m);
    if (both) {
        both[0] = (uint8_t)n;
        both[1] = (uint8_t)(n >> 8);
        memcpy(both + 2, config, n);
        memcpy(both + 2 + n, weights, m);
        remove(names[0]);
        remove(names[1]);
        status = ngt_file_write(names[2], both, 2 + n + m, NULL);
    }
    free(config);
    free(weights);
    free(both);
    for (int i = 0; i < 3; i++)
        free(names[i]);
    return both ? status : NGT_E_NOMEM;
}

int main(int argc, char **argv)
{
    static const uint8_t kinds[3] = {1, 1, 3}, bytes[5] = {'a', 'b', 'c', '<', '>'};
    static const uint64_t starts[4] = {0, 1, 3, 5};
    struct trainer_about about = {.step = 3,
                                  .model = {.layers = 1,
                                            .width = 4,
                                            .heads = 2,
                                            .kv_heads = 1,
                                            .head_dim = 2,
                                            .ffn = 4,
                                            .vocab = 3,
                                            .rms_eps = 1e-5f,
                                            .rope_theta = 10000},
                                  .bos_id = NGT_NO_ID,
                                  .eos_id = 2,
                                  .config = "{\"seq-len\": 16}",
                                  .identity = "name\ttiny\n",
                                  .vocabulary = {0, 3, kinds, starts, bytes}};
    enum ngt_status status = NGT_E_RANGE;

    if (argc != 3)
        return 99;
    if (strcmp(argv[1], "checkpoint") == 0) {
        char *path = ngt_path_join(argv[2], "seed");
        status = trainer_checkpoint_write(path, &about, state, NULL, NULL);
        free(path);
    } else {
        float weights[1024] = {0};
        if (kern_parameter_count(&about.model) > 1024)
            return 99;
        status = trainer_hf_write(argv[2], &about, weights, 16, NULL);
        if (status == NGT_OK)
            status = join(argv[2]);
    }
    return status == NGT_OK ? 0 : 99;
}
