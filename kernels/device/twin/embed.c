/* FETCH, EMBED and EMBED_BACKWARD of kern/device/ops.h. */
#include "twin.h"

/* Smallest of first over the 32 positions of a sequence that begin at n. */
static uint32_t first_min(const struct kern_device_twin *t, uint64_t n)
{
    uint32_t least = UINT32_MAX;
    uint64_t seq_len = t->table->seq_len, end = n / seq_len * seq_len + seq_len;

    for (uint64_t i = n; i < n + 32 && i < end; i++)
        least = t->first[i] < least ? t->first[i] : least;
    return least;
}

void twin_fetch(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t tokens = table->tokens, seq_len = table->seq_len;
    uint64_t begin = tile * UINT64_C(256), end = begin + 256 < tokens ? begin + 256 : tokens;

    (void)p;
    for (uint64_t n = begin; n < end; n++) {
        u32_at(t, KERN_DEV_TOKENS, 0)[n] = t->tokens[n];
        u32_at(t, KERN_DEV_TARGETS, 0)[n] = t->targets[n];
        u32_at(t, KERN_DEV_FIRST, 0)[n] = t->first[n];
        u32_at(t, KERN_DEV_ORDER, 0)[n] = t->order[n];
        u32_at(t, KERN_DEV_RUNS, 0)[n] = t->runs[n];
        if (n % seq_len % 32 == 0)
            u32_at(t, KERN_DEV_FIRST_MIN, 0)[n / seq_len * table->first_blocks + n % seq_len / 32] =
                first_min(t, n);
    }
    if (end == tokens) /* one longer than the others */
        u32_at(t, KERN_DEV_RUNS, 0)[tokens] = t->runs[tokens];
}

void twin_embed(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width, begin = tile * UINT64_C(8);
    uint64_t end = begin + 8 < table->tokens ? begin + 8 : table->tokens;
    const uint16_t *embed = bf16_at(t, KERN_DEV_WEIGHTS, 0) + table->layout.embed;
    const uint32_t *tokens = u32_at(t, KERN_DEV_TOKENS, 0);
    const float *gain = gain_of(t, 0, 0);
    uint16_t *x = bf16_at(t, KERN_DEV_X, 0), *xg = bf16_at(t, KERN_DEV_XG, 0);
    float *slots = f32_at(t, KERN_DEV_SS, 0);

    for (uint64_t n = begin; n < end; n++) {
        double squares = 0;

        for (uint64_t j = 0; j < width; j++) {
            uint16_t stored = embed[tokens[n] * width + j];
            double v = from_bf16(stored);

            x[n * width + j] = stored;
            xg[n * width + j] = to_bf16(v * (double)gain[j]);
            squares += v * v;
        }
        for (uint32_t s = 0; s < table->norm_slots; s++)
            slots[n * table->norm_slots + s] = s ? 0 : (float)squares;
    }
    if (table->model.untied && t->slot.kind == KERN_TRAIN && t->slot.first_micro) {
        uint64_t rows = table->vocab_padded;
        float *g = f32_at(t, KERN_DEV_GRADIENTS, 0) + table->layout.embed;

        for (uint64_t i = rows * tile / p->tiles * width; i < rows * (tile + 1) / p->tiles * width;
             i++)
            g[i] = 0;
    }
}

void twin_embed_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                         uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width, blocks = (width + 255) / 256;
    const uint32_t *tokens = u32_at(t, KERN_DEV_TOKENS, 0);
    const uint32_t *order = u32_at(t, KERN_DEV_ORDER, 0), *runs = u32_at(t, KERN_DEV_RUNS, 0);
    const uint16_t *dx = bf16_at(t, KERN_DEV_DX, 0);
    float *g = f32_at(t, KERN_DEV_GRADIENTS, 0) + table->layout.embed;

    (void)p;
    for (uint64_t item = tile * UINT64_C(8); item < tile * UINT64_C(8) + 8; item++) {
        uint64_t run = item / blocks, column = item % blocks * 256;

        if (run >= t->slot.runs)
            return;
        uint64_t id = tokens[order[runs[run]]];
        for (uint64_t j = column; j < column + 256 && j < width; j++) {
            double sum = 0;

            for (uint64_t i = runs[run]; i < runs[run + 1]; i++)
                sum += from_bf16(dx[order[i] * width + j]);
            g[id * width + j] = (float)((double)g[id * width + j] + sum);
        }
    }
}
