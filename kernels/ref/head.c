/* Reference of kern/head.h: one row and one vocabulary entry at a time. */
#include "kern/head.h"
#include "real.h"

void REF(final_norm_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                             void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    const real *x = buffer(r, KERN_BUF_X, t->model.layers), *gain = weights(r, t->at.norm);
    real *norm = buffer(r, KERN_BUF_NORMF, 0), *rstd = buffer(r, KERN_BUF_RSTDF, 0);
    struct range rows = row_range(t, tile);

    (void)p, (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++)
        rstd[n] = norm_row(norm + n * width, x + n * width, gain, width, (real)t->model.rms_eps);
}

void REF(logits)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    uint64_t stride = t->head_rows;
    struct range rows = part_range(t, p->part);
    struct range ids = block_range(tile, t->vocab_tile, t->model.vocab);
    const real *norm = buffer(r, KERN_BUF_NORMF, 0), *head = weights(r, t->at.head);
    real *logits = buffer(r, KERN_BUF_LOGITS, 0);
    real *top = buffer(r, KERN_BUF_TILEMAX, 0) + tile * stride;
    real *sum = buffer(r, KERN_BUF_TILESUM, 0) + tile * stride;

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        uint64_t c = n - rows.begin;

        top[c] = -INFINITY;
        for (uint64_t id = ids.begin; id < ids.end; id++) {
            real y = dot(head + id * width, norm + n * width, width);
            logits[id * stride + c] = y;
            top[c] = y > top[c] ? y : top[c];
        }
        sum[c] = 0;
        for (uint64_t id = ids.begin; id < ids.end; id++)
            sum[c] += (real)exp(logits[id * stride + c] - top[c]);
    }
}

void REF(loss)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    uint64_t stride = t->head_rows;
    struct range part = part_range(t, p->part);
    struct range rows = block_range(tile, t->row_block, part.end - part.begin);
    const real *logits = buffer(r, KERN_BUF_LOGITS, 0);
    const real *tile_top = buffer(r, KERN_BUF_TILEMAX, 0);
    const real *tile_sum = buffer(r, KERN_BUF_TILESUM, 0);
    real *logsum = buffer(r, KERN_BUF_LOGSUM, 0), *nll = buffer(r, KERN_BUF_NLL, 0);

    (void)scratch;
    for (uint64_t c = rows.begin; c < rows.end; c++) {
        uint64_t n = part.begin + c;
        real top = -INFINITY, sum = 0;

        for (uint32_t i = 0; i < t->vocab_tiles; i++)
            top = tile_top[i * stride + c] > top ? tile_top[i * stride + c] : top;
        for (uint32_t i = 0; i < t->vocab_tiles; i++)
            sum += tile_sum[i * stride + c] * (real)exp(tile_top[i * stride + c] - top);
        logsum[n] = top + (real)log(sum);
        /* Selected, not multiplied by 0: a row without a target may hold anything. */
        if (r->targets[n] == KERN_NO_TARGET)
            nll[n] = 0;
        else
            nll[n] = logsum[n] - logits[r->targets[n] * stride + c];
    }
}

void REF(head_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    uint64_t stride = t->head_rows;
    struct range rows = part_range(t, p->part), ids = group_ids(t, tile);
    const real *norm = buffer(r, KERN_BUF_NORMF, 0), *head = weights(r, t->at.head);
    const real *logsum = buffer(r, KERN_BUF_LOGSUM, 0);
    real *dlogits = buffer(r, KERN_BUF_LOGITS, 0), *dhead = gradients(r, t->at.head);
    real *slot = buffer(r, KERN_BUF_HEAD_SLOT, tile);
    bool overwrite = r->first_micro && p->part == 0;

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++)
        for (uint64_t id = ids.begin; id < ids.end; id++) {
            real *d = dlogits + id * stride + (n - rows.begin);
            if (r->targets[n] == KERN_NO_TARGET)
                *d = 0;
            else
                *d = ((real)exp(*d - logsum[n]) - (real)(id == r->targets[n])) /
                     (real)r->step_targets;
        }
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        real *dnorm = slot + (n - rows.begin) * width;

        for (uint32_t j = 0; j < width; j++)
            dnorm[j] = 0;
        for (uint64_t id = ids.begin; id < ids.end; id++)
            for (uint32_t j = 0; j < width; j++)
                dnorm[j] += dlogits[id * stride + (n - rows.begin)] * head[id * width + j];
    }
    for (uint64_t id = ids.begin; id < ids.end; id++) {
        for (uint32_t j = 0; j < width && overwrite; j++)
            dhead[id * width + j] = 0;
        for (uint64_t n = rows.begin; n < rows.end; n++)
            for (uint32_t j = 0; j < width; j++)
                dhead[id * width + j] +=
                    dlogits[id * stride + (n - rows.begin)] * norm[n * width + j];
    }
}

void REF(final_norm_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                              void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    struct range part = part_range(t, p->part);
    struct range rows = block_range(tile, t->row_block, part.end - part.begin);
    const real *x = buffer(r, KERN_BUF_X, t->model.layers), *rstd = buffer(r, KERN_BUF_RSTDF, 0);
    uint32_t block = part.begin / t->row_block + tile;
    real *dx = buffer(r, KERN_BUF_DX, 0), *dnorm = scratch;
    real *dgain = buffer(r, KERN_BUF_GAIN_SLOT, 2 * t->model.layers) + (uint64_t)block * width;

    for (uint32_t j = 0; j < width; j++)
        dgain[j] = 0;
    for (uint64_t c = rows.begin; c < rows.end; c++) {
        uint64_t n = part.begin + c;

        for (uint32_t j = 0; j < width; j++) {
            dnorm[j] = 0;
            dx[n * width + j] = 0;
        }
        for (uint32_t group = 0; group < t->vocab_groups; group++)
            for (uint32_t j = 0; j < width; j++)
                dnorm[j] += buffer(r, KERN_BUF_HEAD_SLOT, group)[c * width + j];
        norm_row_backward(dx + n * width, dgain, dnorm, x + n * width, weights(r, t->at.norm),
                          rstd[n], width);
    }
}
