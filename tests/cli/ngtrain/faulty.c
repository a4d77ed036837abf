/*
 * Preloaded into ngtrain (LD_PRELOAD), this makes calls of the system go wrong that do so in the wild only when
 * nobody looks. NGT_FAULT=KIND:N picks one:
 *
 *   stall:N        the N-th look of the feed's thread at a shard (fstat, before every read) never returns
 *   die:N          the thread ends there and then, without a word, as no thread should
 *   shrink:N       the shard is cut behind its header just before the look
 *   cut:N          just after it: the read that follows is a SIGBUS
 *   full:N         the disk is full after the first write of the N-th checkpoint
 *   die-write:N    the thread that writes the N-th checkpoint ends before it is on disk
 *   slow-write:N   every checkpoint takes N seconds to come to disk
 *
 * The main thread's calls always work: it looks at the same files when it opens them.
 */
#undef _FILE_OFFSET_BITS /* fstat and fstat64 by their own names */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic long looks, checkpoints;

/* Whether this fault was asked for; *ret_n is its number. */
static bool fault(const char *kind, long *ret_n)
{
    const char *asked = getenv("NGT_FAULT");
    size_t n = strlen(kind);

    if (!asked || strncmp(asked, kind, n) != 0 || asked[n] != ':')
        return false;
    *ret_n = atol(asked + n + 1);
    return true;
}

/* Whether fd is a file whose path holds `part`; only off the main thread. */
static bool is_file(int fd, const char *part, char path[static 1024])
{
    char link[64];

    if (getpid() == (pid_t)syscall(SYS_gettid))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 1023);
    if (n < 0)
        return false;
    path[n] = '\0';
    return strstr(path, part) != NULL;
}

static void cut(const char *path)
{
    if (truncate(path, 4096) != 0)
        abort();
}

static void before_look(const char *path, long look)
{
    long n = 0;

    if (fault("stall", &n) && look >= n)
        for (;;)
            pause();
    if (fault("die", &n) && look == n)
        pthread_exit(NULL);
    if (fault("shrink", &n) && look == n)
        cut(path);
}

int fstat(int fd, struct stat *st)
{
    char path[1024];
    bool shard = is_file(fd, ".ngt", path);
    long look = shard ? ++looks : 0, n = 0;

    if (shard)
        before_look(path, look);
    int result = fstatat(fd, "", st, AT_EMPTY_PATH);
    if (shard && fault("cut", &n) && look == n)
        cut(path);
    return result;
}

/* by whichever name the program was compiled for: where longs have 64 bits the structures are the same */
int fstat64(int fd, struct stat64 *st)
{
    return fstat(fd, (struct stat *)(void *)st);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    char path[1024];
    long n = 0;

    if (fault("full", &n) && is_file(fd, ".ngc.tmp", path) && checkpoints + 1 == n &&
        lseek(fd, 0, SEEK_CUR) > 0) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, size);
}

int fsync(int fd)
{
    char path[1024];
    long n = 0;

    if (is_file(fd, ".ngc.tmp", path)) {
        long number = ++checkpoints;
        if (fault("die-write", &n) && number == n)
            pthread_exit(NULL);
        if (fault("slow-write", &n))
            nanosleep(&(struct timespec){n, 0}, NULL);
    }
    return (int)syscall(SYS_fsync, fd);
}
