/*
 * No barrier of the resident kernel is spare: with the one after any phase left out and blocks that come
 * late, some steps' bits change, or the run ends with a fault. Each phase in a process of its own, as what
 * a missing barrier leads to may spoil a context. Skipped where there is no GPU.
 */
#include "cuda_lab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEYS 5u
/* A process that takes longer hangs: contexts and deadlines take a few seconds. */
#define PATIENCE 60
/* How a process ends; anything else is a fault. */
enum verdict { SAME_BITS = 11, OTHER_BITS = 12 };

static struct kern_config small(void)
{
    struct kern_config c = shape(1, 128, 2, 2, 64, 192, 1000, false, 4, 128);
    c.deadline = 2;
    return c;
}

/*
 * In a process of its own: the steps as they are, then without the barrier after `phase` until the bits
 * differ. By turns with all blocks, most of which have nothing to do in a small model's phase and run
 * ahead, and with a few that draw several tiles each: there a phase that ends early gives tiles twice.
 */
static int try_without(uint32_t phase)
{
    struct kern_config c = small();
    uint64_t n = kern_parameter_count(&c.model);
    float *weights = device_lab_canonical(&c.model, true, 5);
    struct trail all = walk(c, 0, UINT32_MAX, weights);
    bool differs = false;

    for (unsigned key = 1; key <= KEYS && !differs; key++) {
        c.ctas = key % 2 ? 0 : 7;
        struct trail t = walk(c, UINT64_C(0xd1342543de82ef95) * key, phase, weights);
        differs = !same_bits(&all, &t, n);
        done(&t);
    }
    done(&all);
    free(weights);
    return differs ? OTHER_BITS : SAME_BITS;
}

static int wait_for(pid_t child)
{
    int status = 0;

    for (unsigned i = 0; i < PATIENCE * 100; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

/* Runs this program again: a process that has used CUDA cannot be forked. */
static int in_child(const char *program, uint32_t phase)
{
    char number[16];
    pid_t child = 0;

    snprintf(number, sizeof number, "%u", phase);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY); /* a fault is what is hoped for */
        if (null >= 0)
            dup2(null, 2);
        execl("/proc/self/exe", program, "--without", number, (char *)NULL);
        _exit(99);
    }
    return child > 0 ? wait_for(child) : SAME_BITS;
}

int main(int argc, char **argv)
{
    struct kern_config c = small();
    struct kern_device_table *t = NULL;
    struct kern_error error = {0};
    uint32_t bits = 0, faults = 0, unnoticed = 0;

    if (argc == 3 && strcmp(argv[1], "--without") == 0)
        return try_without((uint32_t)strtoul(argv[2], NULL, 10));
    if (!cuda_here())
        return 77;
    if (kern_device_table_new(&c, &t, &error) != KERN_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 99;
    }
    /* The same way with nothing left out must find nothing. */
    T_EQ_INT(in_child(argv[0], UINT32_MAX), SAME_BITS);
    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_device_phase *p = &t->phases[i];
        const char *op = kern_device_op_name((enum kern_device_op)p->op);
        int verdict = 0;

        if (p->op == KERN_DEV_RESULT) /* has none: the next slot's FETCH may begin beside it */
            continue;
        verdict = in_child(argv[0], i);
        bits += verdict == OTHER_BITS;
        faults += verdict != OTHER_BITS && verdict != SAME_BITS;
        if (verdict != SAME_BITS)
            continue;
        unnoticed++;
        T_FAIL(
            "the barrier after phase %u (%s, layer %u) can be left out: %u keys give the same bits",
            i, op, p->layer, KEYS);
    }
    printf("barriers left out one by one: %u change bits, %u end in a fault, %u pass unnoticed\n",
           bits, faults, unnoticed);
    kern_device_table_free(&t);
    return t_failures ? 1 : 0;
}
