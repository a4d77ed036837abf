#include "frames.h"

#include <string.h>

#include "layout.h"
#include "ngt/checked.h"

/* ---- writing ---- */

void ngt_frames_done(struct ngt_frames *f)
{
    ngt_bytes_done(&f->open);
    ngt_bytes_done(&f->entries);
    ngt_bytes_done(&f->stored);
    *f = (struct ngt_frames){0};
}

static enum ngt_status close_frame(struct ngt_frames *f, struct ngt_error *reterr)
{
    struct ngt_bytes frame = {0};
    enum ngt_status status = ngt_compress(&f->open, &frame, reterr);

    if (status != NGT_OK)
        return status;
    ngt_bytes_add64(&f->entries, f->open_first);
    ngt_bytes_add64(&f->entries, f->stored.size);
    ngt_bytes_add64(&f->entries, f->open.size);
    ngt_bytes_add64(&f->entries, ngt_digest64(frame.bytes, frame.size));
    ngt_bytes_add(&f->stored, frame.bytes, frame.size);
    f->logical += f->open.size;
    f->count++;
    f->open.size = 0;
    f->open_first = f->items;
    ngt_bytes_done(&frame);
    return NGT_OK;
}

enum ngt_status ngt_frames_add(struct ngt_frames *f, const char *string, struct ngt_error *reterr)
{
    uint64_t n = strlen(string);

    ngt_bytes_add_varint(&f->open, n);
    ngt_bytes_add(&f->open, string, n);
    f->items++;
    return f->open.size >= NGT_FRAME_BYTES ? close_frame(f, reterr) : NGT_OK;
}

enum ngt_status ngt_frames_end(struct ngt_frames *f, struct ngt_bytes *ret_section,
                               struct ngt_error *reterr)
{
    enum ngt_status status = f->open.size ? close_frame(f, reterr) : NGT_OK;
    struct ngt_bytes out = {0};
    uint64_t base = NGT_FRAMES_HEAD + f->count * NGT_FRAME_ENTRY;

    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < f->count && !f->entries.failed; i++) {
        uint8_t *offset = f->entries.bytes + i * NGT_FRAME_ENTRY + 8;
        ngt_put64(offset, ngt_get64(offset) + base);
    }
    ngt_bytes_add64(&out, f->count);
    ngt_bytes_add64(&out, ngt_digest64(f->entries.bytes, f->entries.size));
    ngt_bytes_add(&out, f->entries.bytes, f->entries.size);
    ngt_bytes_add(&out, f->stored.bytes, f->stored.size);
    out.failed |= f->open.failed | f->entries.failed | f->stored.failed;
    *ret_section = out;
    return NGT_OK;
}

/* ---- reading ---- */

const char *ngt_frames_count(const uint8_t *section, uint64_t bytes, uint64_t docs,
                             uint64_t *ret_count)
{
    if (bytes < NGT_FRAMES_HEAD)
        return "too short for its index";
    uint64_t count = ngt_get64(section);
    if (count > (bytes - NGT_FRAMES_HEAD) / NGT_FRAME_ENTRY)
        return "its index leaves it";
    if (count > docs || (count == 0) != (docs == 0))
        return "its number of frames does not fit the documents";
    if (ngt_digest64(section + NGT_FRAMES_HEAD, count * NGT_FRAME_ENTRY) != ngt_get64(section + 8))
        return "hash mismatch in its index: it was changed";
    *ret_count = count;
    return NULL;
}

const char *ngt_frames_at(const uint8_t *section, uint64_t bytes, uint64_t docs, uint64_t count,
                          uint64_t i, struct ngt_frame *ret_frame)
{
    const uint8_t *at = section + NGT_FRAMES_HEAD + i * NGT_FRAME_ENTRY,
                  *next = at + NGT_FRAME_ENTRY;
    const bool last = i + 1 == count;
    uint64_t first = ngt_get64(at), end = last ? docs : ngt_get64(next);
    uint64_t offset = ngt_get64(at + 8), stop = last ? bytes : ngt_get64(next + 8);

    if ((i == 0) != (first == 0) || first >= end || end > docs)
        return "the first documents of its frames do not rise from 0";
    if (offset < NGT_FRAMES_HEAD + count * NGT_FRAME_ENTRY || offset >= stop || stop > bytes)
        return "a frame lies outside of it, or overlaps another";
    *ret_frame = (struct ngt_frame){.first = first,
                                    .count = end - first,
                                    .offset = offset,
                                    .stored = stop - offset,
                                    .logical = ngt_get64(at + 16),
                                    .hash = ngt_get64(at + 24)};
    return ret_frame->logical < ret_frame->count ? "a frame is too short for its documents" : NULL;
}

const char *ngt_frames_find(const uint8_t *section, uint64_t bytes, uint64_t docs, uint64_t count,
                            uint64_t doc, struct ngt_frame *ret_frame)
{
    uint64_t low = 0, high = count;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (ngt_get64(section + NGT_FRAMES_HEAD + middle * NGT_FRAME_ENTRY) <= doc)
            low = middle;
        else
            high = middle;
    }
    const char *why = ngt_frames_at(section, bytes, docs, count, low, ret_frame);
    if (!why && (doc < ret_frame->first || doc - ret_frame->first >= ret_frame->count))
        why = "the first documents of its frames do not rise from 0";
    return why;
}
