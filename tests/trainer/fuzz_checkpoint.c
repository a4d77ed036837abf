/*
 * A checkpoint from an enemy who can compute hashes: they are put right, and everything an opened
 * checkpoint offers is read. Nothing may crash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ngt/checked.h"
#include "ngt/digest.h"
#include "ngt/reader.h"
#include "trainer/checkpoint.h"
#include "trainer/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Offsets are those of trainer/checkpoint.h. */
static void mend(uint8_t *c, size_t size)
{
    uint32_t sections;
    uint64_t hash;

    if (size < 4096)
        return;
    memcpy(c, "NGTCKPT", 8);
    memcpy(&sections, c + 12, 4);
    for (uint32_t i = 0; i < sections && i < TRAINER_SECTION_COUNT; i++) {
        uint64_t offset, bytes;
        memcpy(&offset, c + 104 + 32 * i + 8, 8);
        memcpy(&bytes, c + 104 + 32 * i + 16, 8);
        if (!ngt_in_range(offset, bytes, size))
            continue;
        hash = ngt_digest64(c + offset, bytes);
        memcpy(c + 104 + 32 * i + 24, &hash, 8);
    }
    hash = ngt_digest64(c, 4088);
    memcpy(c + 4088, &hash, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], text[64];
    uint8_t *copy = malloc(size + 1);
    struct trainer_checkpoint *c = NULL;
    int fd = memfd_create("checkpoint", MFD_CLOEXEC);

    if (!copy || fd < 0)
        abort();
    memcpy(copy, data, size);
    mend(copy, size);
    if (write(fd, copy, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (trainer_checkpoint_open(path, &c, NULL) == NGT_OK) {
        const struct trainer_about *about = trainer_checkpoint_about(c);
        volatile float sum = 0;
        for (int which = 0; which < 3; which++) {
            const float *v = trainer_checkpoint_state(c, (enum kern_state)which);
            for (uint64_t i = 0; v && i < kern_parameter_count(&about->model); i++)
                sum = sum + v[i];
        }
        if (about->vocabulary.count)
            ngt_vocabulary_text(&about->vocabulary, (const uint32_t[]){0, 1, 2, UINT32_MAX}, 4,
                                true, text, sizeof text);
        (void)trainer_model_seq_len(about);
        free(trainer_identity(about, "name"));
    }
    trainer_checkpoint_close(&c);
    close(fd);
    free(copy);
    return 0;
}
