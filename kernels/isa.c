/* Which vector sets this machine and this build have. */
#include "kern/functions.h"

unsigned kern_isa_here(void)
{
    unsigned mask = 0;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        mask |= KERN_ISA_AVX2_FMA;
#endif
    return mask;
}

void kern_functions_fill(struct kern_functions *f, unsigned mask)
{
    kern_f32_functions(f);
    (void)mask;
}
