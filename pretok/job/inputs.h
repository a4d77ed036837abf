/* The input files of a run: found, named, sorted, and known again later. */
#ifndef PRETOK_INPUTS_H
#define PRETOK_INPUTS_H

#include <stdbool.h>

#include "ngt/error.h"

enum pretok_format {
    PRETOK_FORMAT_AUTO = 0, /* an archive: each member by its own name */
    PRETOK_FORMAT_JSONL = 1,
    PRETOK_FORMAT_TEXT = 2,
    PRETOK_FORMAT_WARC = 3,
    PRETOK_FORMAT_PARQUET = 4, /* refused in a build without it */
};

/* Of head and tail, at most. */
#define PRETOK_INPUT_EDGE (UINT64_C(64) << 10)

struct pretok_remote;

struct pretok_input {
    char *name; /* in shards: relative to the folder given, or the file's own name */
    char *path; /* to open it, a path or an address (remote/url.h); NULL: standard input */
    char *
        address; /* of what has a query, which may be a secret: all of it, and path only what may be
                      shown. Not stored. Else NULL */
    char *etag;  /* of an address, where the server has one; else NULL */
    uint64_t size;
    uint64_t mtime;     /* nanoseconds since 1970 */
    uint64_t head_tail; /* XXH3-64 of its first and last 64 KiB */
    enum pretok_format format;
    bool plain;            /* not compressed, no archive: may be cut into ranges */
    bool parquet;          /* begins like one; not stored */
    bool name_in_path;     /* name is the end of path */
    uint64_t device, node; /* tells a file given twice; not stored */
};

struct pretok_inputs {
    struct pretok_input *items; /* [count], sorted bytewise by name */
    uint64_t count;
};

struct pretok_inputs_config {
    const char *const *operands; /* files, folders, "-" */
    uint64_t operand_count;
    const char *files_from; /* a list of files and folders, one a line; relative ones keep their
                               path as name */
    const char *const *include, *const *exclude; /* globs on the name, or on its last part when they
                                                    hold no slash */
    uint64_t include_count, exclude_count;
    enum pretok_format format;
    const char *output; /* this folder is passed over */
    /* Files planned before, or NULL: one that still has its size and time is taken as it was,
     * without reading its ends. A task among many spares the file server that; it looks at the ends
     * of what it reads anyway. */
    const struct pretok_inputs *known;
    const struct pretok_remote *remote; /* who asks for addresses; NULL: they are refused */
};

/*
 * NGT_E_DATA: nothing found, a file twice, two files of one name, a format that cannot be told.
 * NGT_E_UNSUPPORTED: parquet or an address, in a build without it. NGT_E_IO. NGT_E_REMOTE.
 */
NGT_NODISCARD enum ngt_status pretok_inputs_find(const struct pretok_inputs_config *config,
                                                 struct pretok_inputs *ret_inputs,
                                                 struct ngt_error *reterr);
void pretok_inputs_done(struct pretok_inputs *inputs);

/* By the extension under compression suffixes: *ret_archive for .tar and the like. False: unknown.
 */
bool pretok_format_of_name(const char *name, enum pretok_format *ret_format, bool *ret_archive);
/* Does one of the globs match the name? Those without a slash are held against its last part. */
bool pretok_name_matches(const char *name, const char *const *globs, uint64_t count);
const char *pretok_format_name(enum pretok_format format);

/* Size, time and head_tail of a file as it is now; of an address: job/remote_inputs.h. */
NGT_NODISCARD enum ngt_status pretok_input_probe(const char *path, struct pretok_input *ret_input,
                                                 struct ngt_error *reterr);
/* The same, and the file stays open at its beginning: *ret_fd is the caller's. */
NGT_NODISCARD enum ngt_status pretok_input_probe_open(const char *path,
                                                      struct pretok_input *ret_input, int *ret_fd,
                                                      struct ngt_error *reterr);
#endif
