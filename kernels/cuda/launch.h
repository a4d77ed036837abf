/* The kernel's address for the runtime's launch calls. */
#ifndef KERN_CUDA_LAUNCH_H
#define KERN_CUDA_LAUNCH_H

#ifdef __cplusplus
extern "C" {
#endif

/* run.cu's kernel: (struct kern_cuda_run, uint32_t first, uint32_t last, uint32_t resident) */
const void *kern_cuda_entry(void);

#ifdef __cplusplus
}
#endif
#endif
