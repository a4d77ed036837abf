#include "trainer/schedule.h"

#include <math.h>

double trainer_schedule_lr(const struct trainer_schedule *s, uint64_t step)
{
    if (step < s->warmup)
        return s->lr * (double)(step + 1) / (double)s->warmup;
    if (step + 1 >= s->steps)
        return s->min_lr;
    double progress = (double)(step + 1 - s->warmup) / (double)(s->steps - s->warmup);
    return s->min_lr + 0.5 * (1.0 + cos(M_PI * progress)) * (s->lr - s->min_lr);
}

double trainer_schedule_bias(double beta, uint64_t step)
{
    /* -expm1(n log beta) keeps its digits where beta^n is near 1 */
    return -expm1((double)(step + 1) * log(beta));
}
