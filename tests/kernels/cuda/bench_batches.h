/* What dump_batches writes and the benchmarks read: see there. */
#ifndef TEST_KERNELS_BENCH_BATCHES_H
#define TEST_KERNELS_BENCH_BATCHES_H

/* Batches of a file, used in turns; torch_step.py has the same number. */
#define BENCH_BATCHES 8

#endif
