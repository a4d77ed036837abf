/*
 * Files as the project uses them: read-only mappings, whole small files, and outputs that appear
 * whole or not at all.
 */
#ifndef NGT_FILE_H
#define NGT_FILE_H

#include <stdbool.h>

#include "ngt/error.h"

/* ---- read-only mapping ---- */
struct ngt_map {
    const uint8_t *bytes; /* NULL when size is 0 */
    uint64_t size;
    int fd;
    char *path;
    struct ngt_guard *guard; /* where a SIGBUS leaves its mark */
};

/* NGT_OK; NGT_E_IO cannot open or map; NGT_E_DATA not a regular file. */
NGT_NODISCARD enum ngt_status ngt_map_open(const char *path, struct ngt_map *ret_map,
                                           struct ngt_error *reterr);
void ngt_map_close(struct ngt_map *map);
/* NGT_E_IO when the file is no longer as large as it was when mapped: touching the missing part
 * would be a SIGBUS. Or when such a touch has happened (ngt_map_guard). */
NGT_NODISCARD enum ngt_status ngt_map_check(const struct ngt_map *map, struct ngt_error *reterr);

/* Whether a page could not be read since it was mapped: what was read may be zeros, and ngt_map_check
 * tells the error. Costs no system call. */
bool ngt_map_lost(const struct ngt_map *map);
/* How reading from it ended: status, or NGT_E_IO when a page could not be read, of which everything else that was
 * found wrong, or right, follows. */
NGT_NODISCARD enum ngt_status ngt_map_outcome(const struct ngt_map *map, enum ngt_status status,
                                              struct ngt_error *reterr);
/* Takes SIGBUS over for all mappings of the process, for a program to call once at its start: a page that
 * is gone reads as zeros and its mapping is lost, instead of the program. */
void ngt_map_guard(void);

/* ---- whole small files ---- */
/*
 * Whether something has that name, links followed; where it has, *ret_stat (may be NULL) is what.
 * NGT_E_IO: that cannot be known, which is not the same as that it is not there.
 */
struct stat;
NGT_NODISCARD enum ngt_status ngt_file_find(const char *path, bool *ret_there,
                                            struct stat *ret_stat, struct ngt_error *reterr);
/* *ret_bytes is malloced, ends with an extra NUL, and belongs to the caller. NGT_E_DATA when larger
 * than limit. */
NGT_NODISCARD enum ngt_status ngt_file_read(const char *path, uint64_t limit, uint8_t **ret_bytes,
                                            uint64_t *ret_size, struct ngt_error *reterr);
/* Atomic: temporary name in the same folder, fsync, rename over path, fsync of the folder. */
NGT_NODISCARD enum ngt_status ngt_file_write(const char *path, const void *bytes, uint64_t size,
                                             struct ngt_error *reterr);

/* ---- an output that appears whole or not at all ---- */
struct ngt_output;
/* Creates "PATH.tmp.HOST.PID.N" beside path. */
NGT_NODISCARD enum ngt_status ngt_output_open(const char *path, struct ngt_output **ret_out,
                                              struct ngt_error *reterr);
/* Appends; large writes go through, small ones are gathered. */
NGT_NODISCARD enum ngt_status ngt_output_write(struct ngt_output *out, const void *bytes,
                                               uint64_t size, struct ngt_error *reterr);
/*
 * The same without a copy: room for at least one byte that ngt_output_put then appends, aligned with the
 * file's own bytes as far as NGT_DIRECT_ALIGN. Holds until the next call that writes. May write what
 * was put before.
 */
NGT_NODISCARD enum ngt_status ngt_output_room(struct ngt_output *out, uint8_t **ret_at,
                                              uint64_t *ret_bytes, struct ngt_error *reterr);
void ngt_output_put(struct ngt_output *out, uint64_t bytes);
/* The output will be large and is not read again soon: it may go around the page cache. */
void ngt_output_large(struct ngt_output *out);
/* Overwrites [offset, offset + size) of what was appended already. */
NGT_NODISCARD enum ngt_status ngt_output_patch(struct ngt_output *out, uint64_t offset,
                                               const void *bytes, uint64_t size,
                                               struct ngt_error *reterr);
uint64_t ngt_output_size(const struct ngt_output *out);
/* fsync, rename to the final name, fsync of the folder; frees *out. After a failure what has the final
 * name is what had it before, or, when it was the folder that could not be synced, all of this. */
NGT_NODISCARD enum ngt_status ngt_output_commit(struct ngt_output **out, struct ngt_error *reterr);
/* Removes the temporary and frees *out; NULL is allowed. */
void ngt_output_abort(struct ngt_output **out);

/*
 * Is name a temporary that ngt_output_open made on this host by a process that no longer runs? Such
 * files are left behind by kill -9 and may be removed; those of other hosts may belong to a living
 * process.
 */
bool ngt_output_is_stale(const char *name);

/* mkdir -p, the new names synced; an existing folder is fine. */
NGT_NODISCARD enum ngt_status ngt_folder_make(const char *path, struct ngt_error *reterr);
/* Removes the stale temporaries in a folder (ngt_output_is_stale). */
NGT_NODISCARD enum ngt_status ngt_folder_sweep(const char *path, struct ngt_error *reterr);
/* malloced "folder/name", or NULL when out of memory */
char *ngt_path_join(const char *folder, const char *name);
#endif
