/* Which vector sets this machine and this build have. */
#include "kern/functions.h"

/* vector/functions.c, once for each set. */
void kern_plain_functions(struct kern_functions *f);
void kern_avx2_functions(struct kern_functions *f);

unsigned kern_isa_here(void)
{
    unsigned mask = KERN_ISA_VECTOR;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        mask |= KERN_ISA_AVX2_FMA;
#endif
    return mask;
}

void kern_functions_fill(struct kern_functions *f, unsigned mask)
{
    kern_f32_functions(f);
    if (mask & KERN_ISA_VECTOR)
        kern_plain_functions(f);
#ifdef __x86_64__
    if (mask & KERN_ISA_AVX2_FMA)
        kern_avx2_functions(f);
#endif
}
