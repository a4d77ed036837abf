#include "trainer/huggingface.h"

#include "shards.h"

static struct trainer_about about(bool untied)
{
    return (struct trainer_about){.model = {.layers = 2,
                                            .width = 8,
                                            .heads = 4,
                                            .kv_heads = 2,
                                            .head_dim = 2,
                                            .ffn = 6,
                                            .vocab = 11,
                                            .untied = untied,
                                            .rms_eps = 1e-5f,
                                            .rope_theta = 10000},
                                  .bos_id = NGT_NO_ID,
                                  .eos_id = 2};
}

static void round_trip(bool untied)
{
    struct trainer_about a = about(untied), b;
    uint64_t n = kern_parameter_count(&a.model);
    float *weights = malloc(n * sizeof *weights), *back = NULL;
    struct ngt_error error;

    T_REQUIRE(weights);
    for (uint64_t i = 0; i < n; i++)
        weights[i] = (float)i * 0.37f - 5;
    char *folder = ngt_path_join(scratch_folder(), untied ? "untied" : "tied");
    T_REQUIRE(trainer_hf_write(folder, &a, weights, 64, &error) == NGT_OK);
    if (trainer_hf_read(folder, &b, &back, &error) != NGT_OK)
        T_FAIL("%s: %s", error.path, error.message);
    T_REQUIRE(back);
    T_EQ_MEM(back, weights, n * sizeof *weights);
    T_EQ_U64(b.model.kv_heads, 2);
    T_EQ_INT(b.model.untied, untied);
    T_TRUE(b.model.rms_eps == a.model.rms_eps);
    T_EQ_U64(b.bos_id, NGT_NO_ID);
    T_EQ_U64(b.eos_id, 2);
    free(weights);
    free(back);
    free(folder);
}

T_CASE(written_and_read_back)
{
    round_trip(false);
    round_trip(true);
}

T_CASE(hostile_weights_are_refused)
{
    struct trainer_about a = about(false), b;
    uint64_t n = kern_parameter_count(&a.model), size = 0;
    float *weights = calloc(n, sizeof *weights), *back = NULL;
    char *folder = ngt_path_join(scratch_folder(), "hostile");
    char *file = ngt_path_join(folder, "model.safetensors");
    struct ngt_error error;
    uint8_t *bytes = NULL;

    T_REQUIRE(weights && trainer_hf_write(folder, &a, weights, 64, NULL) == NGT_OK);
    T_REQUIRE(ngt_file_read(file, 1 << 20, &bytes, &size, NULL) == NGT_OK);
    for (uint64_t cut = size; cut-- > 0;) {
        T_REQUIRE(truncate(file, (off_t)cut) == 0);
        if (trainer_hf_read(folder, &b, &back, &error) == NGT_OK)
            T_FAIL("cut at %llu passed", (unsigned long long)cut);
    }
    uint64_t length = UINT64_MAX;
    memcpy(bytes, &length, 8);
    T_REQUIRE(ngt_file_write(file, bytes, size, NULL) == NGT_OK);
    T_EQ_INT(trainer_hf_read(folder, &b, &back, &error), NGT_E_DATA);
    T_TRUE(back == NULL);
    free(bytes);
    free(weights);
    free(file);
    free(folder);
}

int main(int argc, char **argv)
{
    int code = t_main(argc, argv);
    scratch_remove();
    return code;
}
