/* When a write goes around the page cache, and when no more. */
#include "direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "t.h"

#define MIB (UINT64_C(1) << 20)

static const char *folder;
static uint8_t *memory; /* [MIB + NGT_DIRECT_ALIGN], aligned */

/* Open and empty; -1: the folder's file system knows no direct writes. */
static int file(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/file", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0 && (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT) != 0 ||
                    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool is_direct(int fd)
{
    return fcntl(fd, F_GETFL) & O_DIRECT;
}

T_CASE(only_what_is_aligned_and_large)
{
    static const struct {
        const char *name;
        uint64_t memory, size, offset;
        bool direct;
    } cases[] = {
        {"a block", 0, MIB, 0, true},          {"a block behind a header", 0, MIB, 4096, true},
        {"memory", 512, MIB, 4096, false},     {"size", 0, MIB - 1, 4096, false},
        {"offset", 0, MIB, 4095, false},       {"small", 0, 4096, 4096, false},
        {"a block again", 0, MIB, 8192, true},
    };
    struct ngt_direct d = {.wanted = true};
    int fd = file();

    if (fd < 0)
        T_SKIP("no direct writes here");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool direct =
            ngt_direct_begin(&d, fd, memory + cases[i].memory, cases[i].size, cases[i].offset);
        if (direct != cases[i].direct || is_direct(fd) != direct)
            T_FAIL("%s: direct %d, the file's flag %d", cases[i].name, direct, is_direct(fd));
        if (direct)
            T_TRUE(!ngt_direct_end(&d, (ssize_t)cases[i].size));
    }
    T_EQ_U64(d.bytes, 3 * MIB);
    ngt_direct_off(&d, fd);
    T_TRUE(!is_direct(fd));
    T_TRUE(!ngt_direct_begin(&d, fd, memory, MIB, 0));
    close(fd);
}

T_CASE(not_unless_wanted)
{
    struct ngt_direct d = {0};
    int fd = file();

    if (fd < 0)
        T_SKIP("no direct writes here");
    T_TRUE(!ngt_direct_begin(&d, fd, memory, MIB, 0));
    T_TRUE(!is_direct(fd));
    close(fd);
}

T_CASE(a_file_that_refuses_is_written_as_usual)
{
    struct ngt_direct d = {.wanted = true};
    int fd = file();

    if (fd < 0)
        T_SKIP("no direct writes here");
    T_TRUE(ngt_direct_begin(&d, fd, memory, MIB, 0));
    errno = ENOSPC;
    T_TRUE(!ngt_direct_end(&d, -1)); /* an error like any other */
    T_TRUE(ngt_direct_begin(&d, fd, memory, MIB, 0));
    errno = EINVAL;
    T_TRUE(ngt_direct_end(&d, -1));
    T_TRUE(!ngt_direct_begin(&d, fd, memory, MIB, 0));
    T_TRUE(!is_direct(fd));
    close(fd);
    /* and one that cannot even be asked */
    d = (struct ngt_direct){.wanted = true};
    T_REQUIRE((fd = open("/dev/null", O_WRONLY)) >= 0);
    T_TRUE(!ngt_direct_begin(&d, fd, memory, MIB, 0));
    T_TRUE(!d.wanted);
    close(fd);
}

T_CASE(a_slow_device_gets_the_page_cache)
{
    struct ngt_direct d = {.wanted = true};
    int fd = file();

    if (fd < 0)
        T_SKIP("no direct writes here");
    for (int i = 0; i < 8; i++) {
        T_TRUE(ngt_direct_begin(&d, fd, memory, MIB, 0));
        d.start -= .001; /* so much earlier: it took a millisecond */
        T_TRUE(!ngt_direct_end(&d, MIB));
    }
    T_TRUE(d.wanted);
    T_TRUE(ngt_direct_begin(&d, fd, memory, MIB, 0));
    d.start -= 1;
    T_TRUE(!ngt_direct_end(&d, MIB));
    T_TRUE(!d.wanted);
    T_TRUE(!ngt_direct_begin(&d, fd, memory, MIB, 0));
    T_TRUE(!is_direct(fd));
    close(fd);
}

int main(int argc, char **argv)
{
    char name[] = "/var/tmp/ngt-direct-XXXXXX", path[64];

    folder = mkdtemp(name);
    memory = aligned_alloc(NGT_DIRECT_ALIGN, MIB + NGT_DIRECT_ALIGN);
    if (!folder || !memory)
        return 99;
    int code = t_main(argc, argv);
    snprintf(path, sizeof path, "%s/file", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    free(memory);
    return code;
}
