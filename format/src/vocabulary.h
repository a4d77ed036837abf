/* Internal: what a vocabulary frame holds (FORMAT.md, VOCABULARY). */
#ifndef NGT_SRC_VOCABULARY_H
#define NGT_SRC_VOCABULARY_H

#include "codec.h"
#include "ngt/writer.h"

struct ngt_vocabulary_frame {
    struct ngt_bytes stored;
    uint64_t logical_bytes;
};

#endif
