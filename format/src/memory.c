#define _DEFAULT_SOURCE
#include "ngt/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)
#define WORTH (4ull << 20)

/* A wish: all works the same without. */
static void ask_for_huge_pages(void *memory, uint64_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    const uintptr_t end = ((uintptr_t)memory + (uintptr_t)size) & ~(HUGE_PAGE - 1);

    if (end > start)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)size;
#endif
}

void *ngt_grow(void *memory, uint64_t used, uint64_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    if (size < WORTH)
        return realloc(memory, (size_t)size);
    /* A mapping of which a part is on huge pages cannot be moved as a whole: realloc would copy all of it,
     * what was never touched too. */
    void *grown = malloc((size_t)size);
    if (!grown)
        return NULL;
    ask_for_huge_pages(grown, size);
    if (used)
        memcpy(grown, memory, (size_t)used);
    free(memory);
    return grown;
}
