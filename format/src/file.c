/*
 * Mappings, small files, and outputs that appear whole or not at all.
 *
 * A temporary is named "FINAL.tmp.HOST.PID.N": HOST and PID let a later run on the same host sweep
 * what a killed process left; N tells apart two outputs of one process. Neither reaches any file's
 * content.
 */
#include "ngt/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "direct.h"
#include "guard.h"
#include "ngt/memory.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define BUFFER_BYTES (1u << 20)

static enum ngt_status no_memory(struct ngt_error *reterr, const char *path)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory");
}

/* ---- mapping ---- */

enum ngt_status ngt_map_open(const char *path, struct ngt_map *ret_map, struct ngt_error *reterr)
{
    struct ngt_map map = {.fd = -1};
    struct stat st;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    map.path = strdup(path);
    if (!map.path)
        return no_memory(reterr, path);
    map.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (map.fd < 0) {
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
        goto out;
    }
    if (fstat(map.fd, &st) != 0) {
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot stat");
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE, "not a regular file");
        goto out;
    }
    map.size = (uint64_t)st.st_size;
    if (map.size) {
        void *p = mmap(NULL, map.size, PROT_READ, MAP_SHARED, map.fd, 0);
        if (p == MAP_FAILED) {
            status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot map %llu bytes",
                              (unsigned long long)map.size);
            goto out;
        }
        map.bytes = p;
        map.guard = ngt_guard_add(map.bytes, map.size);
        if (!map.guard) {
            status = no_memory(reterr, path);
            goto out;
        }
    }
    *ret_map = map;
    map = (struct ngt_map){.fd = -1};
out:
    ngt_map_close(&map);
    return status;
}

void ngt_map_close(struct ngt_map *map)
{
    ngt_guard_drop(map->guard);
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->size);
    if (map->fd >= 0)
        close(map->fd);
    free(map->path);
    *map = (struct ngt_map){.fd = -1};
}

enum ngt_status ngt_map_check(const struct ngt_map *map, struct ngt_error *reterr)
{
    struct stat st;

    if (map->fd < 0)
        return NGT_OK;
    if (fstat(map->fd, &st) != 0)
        return ngt_fail(reterr, NGT_E_IO, map->path, HERE, "cannot stat");
    if ((uint64_t)st.st_size < map->size) {
        errno = 0;
        return ngt_fail(
            reterr, NGT_E_IO, map->path, (uint64_t)st.st_size, NGT_NO_POS,
            "the file shrank from %llu to %llu bytes while it was read; restore it and start again",
            (unsigned long long)map->size, (unsigned long long)st.st_size);
    }
    if (ngt_map_lost(map)) {
        errno = 0;
        return ngt_fail(reterr, NGT_E_IO, map->path, HERE,
                        "a page could not be read: its disk failed, or the file was changed; "
                        "restore it and start again");
    }
    return NGT_OK;
}

bool ngt_map_lost(const struct ngt_map *map)
{
    return ngt_guard_lost(map->guard);
}

enum ngt_status ngt_map_outcome(const struct ngt_map *map, enum ngt_status status,
                                struct ngt_error *reterr)
{
    if (!ngt_map_lost(map))
        return status;
    ngt_error_clear(reterr);
    return ngt_map_check(map, reterr);
}

/* ---- whole files ---- */

enum ngt_status ngt_file_find(const char *path, bool *ret_there, struct stat *ret_stat,
                              struct ngt_error *reterr)
{
    struct stat st;

    ngt_error_clear(reterr);
    *ret_there = stat(path, ret_stat ? ret_stat : &st) == 0;
    if (!*ret_there && errno != ENOENT && errno != ENOTDIR)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot see whether it is there");
    return NGT_OK;
}

enum ngt_status ngt_file_read(const char *path, uint64_t limit, uint8_t **ret_bytes,
                              uint64_t *ret_size, struct ngt_error *reterr)
{
    uint8_t *bytes = NULL;
    uint64_t size = 0, room = 0;
    enum ngt_status status = NGT_OK;
    struct stat st;

    ngt_error_clear(reterr);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot open");
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        room = (uint64_t)st.st_size;
    if (room > limit)
        room = limit;
    room += 2; /* one to see the end, one for the NUL */
    bytes = ngt_grow(NULL, 0, room);
    if (!bytes) {
        status = no_memory(reterr, path);
        goto out;
    }
    for (;;) {
        if (size + 1 >= room) {
            uint8_t *larger = ngt_grow(bytes, size, room * 2);
            if (!larger) {
                status = no_memory(reterr, path);
                goto out;
            }
            bytes = larger;
            room *= 2;
        }
        ssize_t n = read(fd, bytes + size, room - size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = ngt_fail(reterr, NGT_E_IO, path, size, NGT_NO_POS, "cannot read");
            goto out;
        }
        if (n == 0)
            break;
        size += (uint64_t)n;
        if (size > limit) {
            status = ngt_fail(reterr, NGT_E_DATA, path, HERE,
                              "larger than the %llu bytes such a file may have",
                              (unsigned long long)limit);
            goto out;
        }
    }
    bytes[size] = 0;
    *ret_bytes = bytes;
    *ret_size = size;
    bytes = NULL;
out:
    free(bytes);
    close(fd);
    return status;
}

enum ngt_status ngt_file_write(const char *path, const void *bytes, uint64_t size,
                               struct ngt_error *reterr)
{
    struct ngt_output *out = NULL;
    enum ngt_status status = ngt_output_open(path, &out, reterr);

    if (status == NGT_OK)
        status = ngt_output_write(out, bytes, size, reterr);
    if (status == NGT_OK)
        status = ngt_output_commit(&out, reterr);
    ngt_output_abort(&out);
    return status;
}

/* ---- outputs ---- */

struct ngt_output {
    char *path, *temporary, *folder;
    int fd;
    uint64_t written; /* bytes handed to the file */
    uint64_t used;    /* bytes waiting in buffer */
    uint8_t *buffer;  /* aligned as direct writes want it */
    struct ngt_direct direct;
};

#define NAME_TRIES 1000u
static _Atomic unsigned output_number; /* only makes temporary names differ inside one process */

static void host_name(char out[65])
{
    if (gethostname(out, 65) != 0)
        snprintf(out, 65, "host");
    out[64] = '\0';
    for (char *c = out; *c; c++)
        if (*c == '.' || *c == '/')
            *c = '-';
}

enum ngt_status ngt_output_open(const char *path, struct ngt_output **ret_out,
                                struct ngt_error *reterr)
{
    struct ngt_output *out = NULL;
    enum ngt_status status = NGT_OK;
    char host[65];

    ngt_error_clear(reterr);
    out = calloc(1, sizeof *out);
    if (!out)
        return no_memory(reterr, path);
    out->fd = -1;
    out->path = strdup(path);
    out->folder = strdup(path);
    out->buffer = aligned_alloc(NGT_DIRECT_ALIGN, BUFFER_BYTES);
    if (!out->path || !out->folder || !out->buffer) {
        status = no_memory(reterr, path);
        goto out;
    }
    char *slash = strrchr(out->folder, '/');
    if (!slash)
        snprintf(out->folder, strlen(path) + 1, ".");
    else
        slash[slash == out->folder] = '\0';
    host_name(host);
    /* A name that is taken is a killed process's of the same host name and number, as containers
     * have them again and again, and may be a live one's in another container: never its file. */
    for (unsigned tries = 0; out->fd < 0; tries++) {
        free(out->temporary);
        if (asprintf(&out->temporary, "%s.tmp.%s.%ld.%u", path, host, (long)getpid(),
                     atomic_fetch_add(&output_number, 1)) < 0) {
            out->temporary = NULL;
            status = no_memory(reterr, path);
            goto out;
        }
        out->fd = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0 || (errno == EEXIST && tries < NAME_TRIES))
            continue;
        status = ngt_fail(reterr, NGT_E_IO, out->temporary, HERE, "cannot create");
        free(out->temporary); /* not ours to remove */
        out->temporary = NULL;
        goto out;
    }
    *ret_out = out;
    out = NULL;
out:
    ngt_output_abort(&out);
    return status;
}

/* errno says why `out` could not be written at `offset`. */
static enum ngt_status cannot_write(const struct ngt_output *out, uint64_t offset, const char *what,
                                    struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_IO, out->path, offset, NGT_NO_POS, "%s", what);
}

static enum ngt_status write_all(struct ngt_output *out, const uint8_t *bytes, uint64_t size,
                                 struct ngt_error *reterr)
{
    while (size) {
        const bool direct = ngt_direct_begin(&out->direct, out->fd, bytes, size, out->written);
        ssize_t n = write(out->fd, bytes, size > (1u << 30) ? 1u << 30 : size);
        if (direct && ngt_direct_end(&out->direct, n))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_write(out, out->written, "cannot write", reterr);
        bytes += n;
        size -= (uint64_t)n;
        out->written += (uint64_t)n;
    }
    return NGT_OK;
}

static enum ngt_status flush(struct ngt_output *out, struct ngt_error *reterr)
{
    uint64_t n = out->used;

    out->used = 0;
    return write_all(out, out->buffer, n, reterr);
}

enum ngt_status ngt_output_write(struct ngt_output *out, const void *bytes, uint64_t size,
                                 struct ngt_error *reterr)
{
    const uint8_t *from = bytes;

    ngt_error_clear(reterr);
    while (size) {
        if (out->used == 0 && size >= BUFFER_BYTES) {
            uint64_t whole = size - size % BUFFER_BYTES;
            enum ngt_status status = write_all(out, from, whole, reterr);
            if (status != NGT_OK)
                return status;
            from += whole;
            size -= whole;
            continue;
        }
        uint64_t n = BUFFER_BYTES - out->used;
        if (n > size)
            n = size;
        memcpy(out->buffer + out->used, from, n);
        out->used += n;
        from += n;
        size -= n;
        if (out->used == BUFFER_BYTES) {
            enum ngt_status status = flush(out, reterr);
            if (status != NGT_OK)
                return status;
        }
    }
    return NGT_OK;
}

enum ngt_status ngt_output_patch(struct ngt_output *out, uint64_t offset, const void *bytes,
                                 uint64_t size, struct ngt_error *reterr)
{
    const uint8_t *from = bytes;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = flush(out, reterr);

    if (status != NGT_OK)
        return status;
    ngt_direct_off(&out->direct, out->fd);
    if (offset > out->written || size > out->written - offset)
        return ngt_fail(reterr, NGT_E_RANGE, out->path, offset, NGT_NO_POS,
                        "patch beyond what was written");
    while (size) {
        ssize_t n = pwrite(out->fd, from, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_write(out, offset, "cannot write", reterr);
        from += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return NGT_OK;
}

void ngt_output_large(struct ngt_output *out)
{
    out->direct.wanted = true;
}

enum ngt_status ngt_output_room(struct ngt_output *out, uint8_t **ret_at, uint64_t *ret_bytes,
                                struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (out->used == BUFFER_BYTES)
        status = flush(out, reterr);
    *ret_at = out->buffer + out->used;
    *ret_bytes = BUFFER_BYTES - out->used;
    return status;
}

void ngt_output_put(struct ngt_output *out, uint64_t bytes)
{
    out->used += bytes;
}

uint64_t ngt_output_size(const struct ngt_output *out)
{
    return out->written + out->used;
}

/* As fsync; servers of files may answer EINTR. */
static int sync_all(int fd)
{
    int result;

    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

static enum ngt_status sync_folder(const char *folder, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return ngt_fail(reterr, NGT_E_IO, folder, HERE, "cannot open the folder");
    /* Some filesystems refuse fsync of a folder; then there is nothing to do. */
    if (sync_all(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = ngt_fail(reterr, NGT_E_IO, folder, HERE, "cannot sync the folder");
    close(fd);
    return status;
}

/* Renames the temporary, which is file `st`. A client of NFS that asks again when no answer came is told
 * that there is no such file, by a server that has renamed it: so what has the final name is looked at. */
static enum ngt_status take_name(const struct ngt_output *out, const struct stat *st,
                                 struct ngt_error *reterr)
{
    struct stat there;

    if (rename(out->temporary, out->path) == 0)
        return NGT_OK;
    int code = errno;
    if (stat(out->path, &there) == 0 && there.st_ino == st->st_ino && there.st_dev == st->st_dev)
        return NGT_OK;
    errno = code;
    return ngt_fail(reterr, NGT_E_IO, out->path, HERE, "cannot rename to the final name");
}

enum ngt_status ngt_output_commit(struct ngt_output **outp, struct ngt_error *reterr)
{
    struct ngt_output *out = *outp;
    struct stat st;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = flush(out, reterr);

    if (status == NGT_OK && sync_all(out->fd) != 0)
        status = cannot_write(out, NGT_NO_POS, "cannot sync", reterr);
    if (status == NGT_OK && fstat(out->fd, &st) != 0)
        status = cannot_write(out, NGT_NO_POS, "cannot stat", reterr);
    if (status == NGT_OK) {
        int fd = out->fd;
        out->fd = -1;
        if (close(fd) != 0 && errno != EINTR) /* it is closed then, and what it held was synced */
            status = cannot_write(out, NGT_NO_POS, "cannot close", reterr);
    }
    if (status == NGT_OK)
        status = take_name(out, &st, reterr);
    if (status == NGT_OK) {
        free(out->temporary);
        out->temporary = NULL;
        status = sync_folder(out->folder, reterr);
    }
    ngt_output_abort(outp);
    return status;
}

void ngt_output_abort(struct ngt_output **outp)
{
    struct ngt_output *out = *outp;

    if (!out)
        return;
    if (out->fd >= 0)
        close(out->fd);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out->folder);
    free(out->buffer);
    free(out);
    *outp = NULL;
}

/* A zombie has ended too: in a container whose first process collects nobody, one that lost its
 * parent stays a zombie for ever. */
static bool is_running(pid_t pid)
{
    char path[64], stat[512] = "";
    FILE *f;

    if (kill(pid, 0) != 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (!(f = fopen(path, "re")))
        return true; /* no /proc, or not ours to look at */
    size_t n = fread(stat, 1, sizeof stat - 1, f);
    fclose(f);
    stat[n] = '\0';
    const char *after =
        strrchr(stat, ')'); /* "PID (NAME) STATE ...", and the name may hold anything */
    return !after || (strncmp(after, ") Z", 3) != 0 && strncmp(after, ") X", 3) != 0);
}

bool ngt_output_is_stale(const char *name)
{
    char host[65], found[65];
    const char *at = NULL, *next = name;
    long pid;
    unsigned number;
    int used = 0;

    while ((next = strstr(next, ".tmp.")) != NULL)
        at = next, next += 5;
    if (!at || sscanf(at, ".tmp.%64[^.].%ld.%u%n", found, &pid, &number, &used) != 3 ||
        at[used] != '\0')
        return false;
    host_name(host);
    return strcmp(host, found) == 0 && pid > 0 && !is_running((pid_t)pid);
}

/* ---- folders ---- */

/* That of a new folder, in the one it is in. Whoever may make folders there need not be allowed to read it. */
static enum ngt_status sync_name(const char *path, struct ngt_error *reterr)
{
    char *parent = strdup(path);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    enum ngt_status status = NGT_OK;

    if (!parent)
        return no_memory(reterr, path);
    if (slash)
        slash[slash == parent] = '\0';
    if (access(slash ? parent : ".", R_OK) == 0)
        status = sync_folder(slash ? parent : ".", reterr);
    free(parent);
    return status;
}

enum ngt_status ngt_folder_make(const char *path, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    struct stat st;

    ngt_error_clear(reterr);
    char *copy = strdup(path);
    if (!copy)
        return no_memory(reterr, path);
    for (char *c = copy + 1; *copy; c++) {
        char end = *c;
        if (end != '/' && end != '\0')
            continue;
        *c = '\0';
        bool made = mkdir(copy, 0777) == 0;
        if (!made && errno != EEXIST)
            status = ngt_fail(reterr, NGT_E_IO, copy, HERE, "cannot create the folder");
        else if (made)
            status = sync_name(copy, reterr);
        if (status != NGT_OK)
            break;
        *c = end;
        if (end == '\0')
            break;
    }
    if (status == NGT_OK && stat(path, &st) != 0)
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot stat");
    else if (status == NGT_OK && !S_ISDIR(st.st_mode))
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE, "is no folder");
    free(copy);
    return status;
}

enum ngt_status ngt_folder_sweep(const char *path, struct ngt_error *reterr)
{
    DIR *dir = opendir(path);

    ngt_error_clear(reterr);
    if (!dir)
        return ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot read the folder");
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (ngt_output_is_stale(e->d_name))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    return NGT_OK;
}

char *ngt_path_join(const char *folder, const char *name)
{
    char *out = NULL;
    size_t n = strlen(folder);

    if (asprintf(&out, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name) < 0)
        return NULL;
    return out;
}
