#include "model/pages.h"

#include <stddef.h>
#include <sys/mman.h>

#define HUGE_PAGE (2ull << 20)
#define WORTH_ONE (256ull << 10)

struct tok_pages tok_pages_new(uint64_t size)
{
    /* A part of a huge page is none: tables that fill most of one get the rest of it too. */
    uint64_t whole = size < WORTH_ONE ? size : (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    struct tok_pages p = {.total = whole + HUGE_PAGE};
    void *mapping = size < UINT64_MAX / 2 ? mmap(NULL, p.total, PROT_READ | PROT_WRITE,
                                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                          : MAP_FAILED;

    if (mapping == MAP_FAILED)
        return (struct tok_pages){0};
    p.mapping = mapping;
    p.at = (void *)(((uintptr_t)mapping + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
#ifdef MADV_HUGEPAGE
    (void)madvise(p.at, whole, MADV_HUGEPAGE); /* a wish; without it all works the same */
#endif
    return p;
}

void tok_pages_done(struct tok_pages *p)
{
    if (p->mapping)
        (void)munmap(p->mapping, p->total);
    *p = (struct tok_pages){0};
}
