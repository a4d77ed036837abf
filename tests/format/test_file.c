/* Outputs appear whole or not at all; temporaries of dead processes are known and swept; a full
 * disk loses nothing. */
#include "ngt/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shards.h"
#include "t.h"

static const char *folder;

static char *at(const char *name)
{
    static char path[4][512];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
    return path[turn];
}

static unsigned files_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);

    T_REQUIRE(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

T_CASE(appears_at_commit)
{
    struct ngt_output *out = NULL;
    uint8_t *bytes, big[100000];
    uint64_t size;

    memset(big, 'x', sizeof big);
    T_REQUIRE(ngt_output_open(at("a"), &out, NULL) == NGT_OK);
    for (int i = 0; i < 40; i++) {
        T_EQ_INT(ngt_output_write(out, "0123456789", 10, NULL), NGT_OK);
        T_EQ_INT(ngt_output_write(out, big, sizeof big, NULL), NGT_OK);
    }
    T_EQ_INT(ngt_output_patch(out, 3, "abc", 3, NULL), NGT_OK);
    T_EQ_INT(ngt_output_patch(out, 4000399, "xx", 2, NULL), NGT_E_RANGE);
    T_EQ_INT(ngt_output_write(out, "end", 3, NULL), NGT_OK);
    T_EQ_U64(ngt_output_size(out), 4000403);
    T_TRUE(access(at("a"), F_OK) != 0);
    T_EQ_INT(ngt_output_commit(&out, NULL), NGT_OK);
    T_TRUE(out == NULL);
    T_REQUIRE(ngt_file_read(at("a"), 1 << 30, &bytes, &size, NULL) == NGT_OK);
    T_EQ_U64(size, 4000403);
    T_EQ_MEM(bytes, "012abc6789x", 11);
    T_EQ_MEM(bytes + size - 4, "xend", 4);
    free(bytes);
    T_EQ_INT(ngt_file_read(at("a"), 100, &bytes, &size, NULL), NGT_E_DATA);
}

static uint64_t random_next(uint64_t *seed)
{
    return (*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407)) >> 11;
}

/* Whichever way the bytes take, the file has them in their order. */
T_CASE(large_outputs_hold_what_was_put)
{
    enum { ALL = 5 << 20 };
    uint8_t *want = malloc(ALL), *got;
    uint64_t size, done = 0, seed = 11;

    T_REQUIRE(want);
    for (uint64_t i = 0; i < ALL; i++)
        want[i] = (uint8_t)(random_next(&seed) >> 20);
    for (int round = 0; round < 12; round++) {
        struct ngt_output *out = NULL;
        T_REQUIRE(ngt_output_open(at("large"), &out, NULL) == NGT_OK);
        T_REQUIRE(ngt_output_write(out, want, round < 2 ? 4096 : 100, NULL) == NGT_OK);
        ngt_output_large(out);
        for (done = ngt_output_size(out); done < ALL;) {
            uint64_t n = round ? random_next(&seed) % (round % 2 ? 3000000 : 300000) : 1 << 20,
                     room;
            n = n < ALL - done ? n : ALL - done;
            if (random_next(&seed) % 2) {
                T_REQUIRE(ngt_output_write(out, want + done, n, NULL) == NGT_OK);
            } else {
                uint8_t *to;
                T_REQUIRE(ngt_output_room(out, &to, &room, NULL) == NGT_OK && room);
                n = n < room ? n : room;
                memcpy(to, want + done, n);
                ngt_output_put(out, n);
            }
            done += n;
            T_REQUIRE(ngt_output_size(out) == done);
            if (round == 5 && done > 2 << 20) /* writes behind a patch */
                T_REQUIRE(ngt_output_patch(out, 77, want + 77, 1000, NULL) == NGT_OK);
        }
        T_REQUIRE(ngt_output_patch(out, 0, want, 4096, NULL) == NGT_OK);
        T_REQUIRE(ngt_output_commit(&out, NULL) == NGT_OK);
        T_REQUIRE(ngt_file_read(at("large"), ALL, &got, &size, NULL) == NGT_OK);
        T_REQUIRE(size == ALL);
        if (memcmp(got, want, ALL) != 0)
            T_FAIL("round %d: other bytes", round);
        free(got);
    }
    free(want);
}

T_CASE(abort_leaves_nothing)
{
    struct ngt_output *out = NULL;
    unsigned before = files_in(folder);

    T_REQUIRE(ngt_output_open(at("b"), &out, NULL) == NGT_OK);
    T_EQ_INT(ngt_output_write(out, "x", 1, NULL), NGT_OK);
    T_EQ_U64(files_in(folder), before + 1);
    ngt_output_abort(&out);
    T_EQ_U64(files_in(folder), before);
    T_EQ_INT(ngt_output_open(at("no/such/folder"), &out, NULL), NGT_E_IO);
}

T_CASE(a_full_disk_is_told_and_leaves_nothing)
{
    struct ngt_output *out = NULL;
    struct ngt_error e;
    uint8_t block[4096] = {1};
    enum ngt_status status = NGT_OK;

    if (access("/dev/full", W_OK) != 0)
        T_SKIP("no /dev/full here");
    T_REQUIRE(symlink("/dev/full", at("full")) == 0);
    /* the temporary is a name of ours; a device can only stand in for it through the descriptor */
    T_REQUIRE(ngt_output_open(at("c"), &out, NULL) == NGT_OK);
    int full = open("/dev/full", O_WRONLY), low = -1;
    for (int fd = 3; fd < 64 && low < 0; fd++) {
        char link[64], target[512];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n > 0) {
            target[n] = '\0';
            low = strstr(target, "/c.tmp.") ? fd : -1;
        }
    }
    T_REQUIRE(full >= 0 && low >= 0 && dup2(full, low) == low);
    close(full);
    for (int i = 0; i < 1000 && status == NGT_OK; i++)
        status = ngt_output_write(out, block, sizeof block, &e);
    T_EQ_INT(status, NGT_E_IO);
    T_EQ_INT(e.sys_errno, ENOSPC);
    ngt_output_abort(&out);
    T_TRUE(access(at("c"), F_OK) != 0);
}

/* A page that a file has no more reads as zeros, and the mapping says so; the others go on. */
T_CASE(a_file_cut_while_mapped_is_lost_and_nothing_else)
{
    struct ngt_map cut = {.fd = -1}, whole = {.fd = -1};
    struct ngt_error error;
    uint8_t *bytes = calloc(1, 40000);
    unsigned sum = 0;

    T_REQUIRE(bytes);
    memset(bytes, 'x', 40000);
    T_REQUIRE(ngt_file_write(at("cut"), bytes, 40000, NULL) == NGT_OK);
    T_REQUIRE(ngt_file_write(at("whole"), bytes, 40000, NULL) == NGT_OK);
    T_REQUIRE(ngt_map_open(at("cut"), &cut, NULL) == NGT_OK);
    T_REQUIRE(ngt_map_open(at("whole"), &whole, NULL) == NGT_OK);
    ngt_map_guard();
    T_REQUIRE(truncate(at("cut"), 10000) == 0);
    T_TRUE(!ngt_map_lost(&cut));
    for (uint64_t i = 0; i < cut.size; i++)
        sum += cut.bytes[i] == 'x';
    T_EQ_U64(sum, 10000);
    T_TRUE(ngt_map_lost(&cut));
    ngt_error_clear(&error);
    T_EQ_INT(ngt_map_check(&cut, &error), NGT_E_IO);
    T_TRUE(strstr(error.message, "shrank from 40000 to 10000 bytes") != NULL);
    /* grown again: what was read is wrong all the same */
    T_REQUIRE(truncate(at("cut"), 40000) == 0);
    ngt_error_clear(&error);
    T_EQ_INT(ngt_map_check(&cut, &error), NGT_E_IO);
    T_TRUE(strstr(error.message, "a page could not be read") != NULL);
    T_EQ_MEM(whole.bytes, bytes, 40000);
    T_EQ_INT(ngt_map_check(&whole, NULL), NGT_OK);
    ngt_map_close(&cut);
    T_REQUIRE(ngt_map_open(at("cut"), &cut, NULL) == NGT_OK);
    T_TRUE(!ngt_map_lost(&cut)); /* a new mapping begins anew */
    ngt_map_close(&cut);
    ngt_map_close(&whole);
    free(bytes);
}

/* A SIGBUS outside every mapping still ends the program. */
T_CASE(other_faults_end_the_program)
{
    int status = 0;
    pid_t child = fork();

    T_REQUIRE(child >= 0);
    if (child == 0) {
        ngt_map_guard();
        raise(SIGBUS);
        raise(SIGBUS);
        _exit(0);
    }
    T_REQUIRE(waitpid(child, &status, 0) == child);
    T_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

T_CASE(stale_temporaries_are_those_of_dead_processes)
{
    struct ngt_output *out = NULL;
    char name[300] = "";

    T_TRUE(!ngt_output_is_stale("shard.ngt"));
    T_TRUE(!ngt_output_is_stale("shard.ngt.tmp.elsewhere.1.0"));
    T_REQUIRE(ngt_output_open(at("d"), &out, NULL) == NGT_OK);
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strncmp(e->d_name, "d.tmp.", 6) == 0)
            snprintf(name, sizeof name, "%s", e->d_name);
    closedir(d);
    T_TRUE(name[0] && !ngt_output_is_stale(name)); /* we live */
    ngt_output_abort(&out);
    pid_t child = fork();
    if (child == 0) {
        struct ngt_output *left = NULL;
        _exit(ngt_output_open(at("e"), &left, NULL) == NGT_OK ? 0 : 1);
    }
    int code;
    T_REQUIRE(waitpid(child, &code, 0) == child && code == 0);
    unsigned before = files_in(folder);
    T_EQ_INT(ngt_folder_sweep(folder, NULL), NGT_OK);
    T_EQ_U64(files_in(folder), before - 1);
}

T_CASE(folders)
{
    struct ngt_error e;

    T_EQ_INT(ngt_folder_make(at("x/y/z"), NULL), NGT_OK);
    T_EQ_INT(ngt_folder_make(at("x/y/z/"), NULL), NGT_OK);
    T_EQ_INT(ngt_file_write(at("x/file"), "1", 1, NULL), NGT_OK);
    T_EQ_INT(ngt_folder_make(at("x/file"), &e), NGT_E_DATA);
    T_TRUE(ngt_folder_make(at("x/file/y"), &e) != NGT_OK);
    char *joined = ngt_path_join("a/", "b");
    T_EQ_STR(joined, "a/b");
    free(joined);
}

int main(int argc, char **argv)
{
    folder = shards_folder();
    int result = t_main(argc, argv);
    shards_remove(folder);
    return result;
}
