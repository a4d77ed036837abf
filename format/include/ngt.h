/* libngt: reading, writing and proving .ngt shards. FORMAT.md is the specification. */
#ifndef NGT_H
#define NGT_H

#include "ngt/checked.h"
#include "ngt/dataset.h"
#include "ngt/digest.h"
#include "ngt/drops.h"
#include "ngt/error.h"
#include "ngt/file.h"
#include "ngt/json.h"
#include "ngt/layout.h"
#include "ngt/memory.h"
#include "ngt/permutation.h"
#include "ngt/pool.h"
#include "ngt/reader.h"
#include "ngt/sequence.h"
#include "ngt/verify.h"
#include "ngt/writer.h"

#endif
