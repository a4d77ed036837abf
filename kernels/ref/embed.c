/* Reference of kern/embed.h. */
#include "kern/embed.h"
#include "real.h"

void REF(embed_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    const real *embed = weights(r, t->at.embed);
    real *x = buffer(r, KERN_BUF_X, 0);
    struct range rows = row_range(t, tile);

    (void)p, (void)scratch;
    for (uint32_t n = rows.begin; n < rows.end; n++)
        for (uint32_t j = 0; j < width; j++)
            x[(uint64_t)n * width + j] = embed[(uint64_t)r->tokens[n] * width + j];
}

void REF(embed_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                         void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    const real *dx = buffer(r, KERN_BUF_DX, 0);
    real *dembed = gradients(r, t->at.embed);
    struct range ids = block_range(tile, t->embed_block, t->model.vocab);

    (void)p, (void)scratch;
    /* Tied: the head's backward has written this micro-batch's share already. */
    if (t->model.untied && r->first_micro)
        for (uint64_t i = (uint64_t)ids.begin * width; i < (uint64_t)ids.end * width; i++)
            dembed[i] = 0;
    for (uint32_t n = 0; n < t->tokens; n++) {
        uint32_t id = r->tokens[n];
        if (id < ids.begin || id >= ids.end)
            continue;
        for (uint32_t j = 0; j < width; j++)
            dembed[(uint64_t)id * width + j] += dx[(uint64_t)n * width + j];
    }
}
