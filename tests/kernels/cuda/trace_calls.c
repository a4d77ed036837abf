/*
 * Writes down every call that a program makes to CUDA, by CUPTI's callbacks: the runtime may be linked
 * statically, so nothing can be put between. The driver loads this library into any program:
 *
 *   CUDA_INJECTION64_PATH=libtrace_calls.so NGT_CUDA_CALLS=calls.txt ngtrain ...
 *
 * A line a call, in the order of their ends: begin and end (ns, monotonic), thread, depth (0: the program's own
 * call; 1: made by the runtime within one), R or D (runtime, driver), name. Read by trace_check.py. It is written
 * when the program ends by exit.
 *
 * CUPTI is looked for at run time, as machines that run need not be those that build: beside this library, where
 * the loader looks (LD_LIBRARY_PATH), and in the toolkit.
 */
#include <cuda.h>
#include <cupti.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 8 /* calls within calls whose begin is kept */

static FILE *out;
static __thread unsigned depth;
static __thread unsigned long long begin[DEPTH];

static unsigned long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static void CUPTIAPI on_call(void *context, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                             const void *data)
{
    const CUpti_CallbackData *call = data;

    (void)context;
    (void)id;
    if (call->callbackSite == CUPTI_API_ENTER) {
        if (depth < DEPTH)
            begin[depth] = now_ns();
        depth++;
    } else if (depth) {
        depth--;
        fprintf(out, "%llu %llu %ld %u %c %s\n", depth < DEPTH ? begin[depth] : 0, now_ns(),
                (long)syscall(SYS_gettid), depth, domain == CUPTI_CB_DOMAIN_DRIVER_API ? 'D' : 'R',
                call->functionName);
    }
}

/* ---- finding CUPTI ---- */

static void *open_in(const char *folder)
{
    char path[4096], name[64];
    void *found = NULL;

    snprintf(name, sizeof name, "libcupti.so.%d", CUDA_VERSION / 1000);
    for (int plain = 0; plain < 2 && !found; plain++) {
        snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "",
                 plain ? "libcupti.so" : name);
        found = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return found;
}

static void *open_cupti(void)
{
    static const char *const folders[] = {
        "",
        CUDA_ROOT "/lib64",
        CUDA_ROOT "/extras/CUPTI/lib64",
        "/usr/local/cuda/lib64",
        "/usr/local/cuda/extras/CUPTI/lib64",
    };
    Dl_info self;
    void *found = NULL;

    if (dladdr((void *)(size_t)open_cupti, &self) && strchr(self.dli_fname, '/')) {
        char *folder = strdup(self.dli_fname);
        if (folder) {
            *strrchr(folder, '/') = '\0';
            found = open_in(folder);
        }
        free(folder);
    }
    for (size_t i = 0; !found && i < sizeof folders / sizeof *folders; i++)
        found = open_in(folders[i]);
    return found;
}

/* Called by the driver when the program makes its first call. 0: the driver goes on without. */
int InitializeInjection(void);
int InitializeInjection(void)
{
    const char *path = getenv("NGT_CUDA_CALLS");
    void *cupti = open_cupti();
    CUpti_SubscriberHandle subscriber;

    if (!cupti) {
        fprintf(stderr, "trace_calls: CUPTI is not found (%s): add its folder to LD_LIBRARY_PATH\n",
                dlerror());
        return 0;
    }
    __typeof__(cuptiSubscribe) *subscribe =
        (__typeof__(cuptiSubscribe) *)(size_t)dlsym(cupti, "cuptiSubscribe");
    __typeof__(cuptiEnableDomain) *enable =
        (__typeof__(cuptiEnableDomain) *)(size_t)dlsym(cupti, "cuptiEnableDomain");
    if (!path || !(out = fopen(path, "w"))) {
        fprintf(stderr, "trace_calls: NGT_CUDA_CALLS names no file that can be written\n");
        return 0;
    }
    setvbuf(out, NULL, _IOFBF, 1 << 20);
    CUptiResult result = CUPTI_ERROR_UNKNOWN;
    if (subscribe && enable) {
        result = subscribe(&subscriber, (CUpti_CallbackFunc)on_call, NULL);
        if (result == CUPTI_SUCCESS)
            result = enable(1, subscriber, CUPTI_CB_DOMAIN_RUNTIME_API);
        if (result == CUPTI_SUCCESS)
            result = enable(1, subscriber, CUPTI_CB_DOMAIN_DRIVER_API);
    }
    if (result != CUPTI_SUCCESS)
        fprintf(stderr, "trace_calls: CUPTI does not work here (error %d)\n", (int)result);
    return result == CUPTI_SUCCESS;
}
