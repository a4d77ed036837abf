#include "trainer/schedule.h"

#include <math.h>

#include "t.h"

static void near(double a, double b, const char *what)
{
    if (!(fabs(a - b) <= 1e-12 * fabs(b) + 1e-300))
        T_FAIL("%s: %.17g, expected %.17g", what, a, b);
}

T_CASE(warmup_rises_to_the_rate)
{
    struct trainer_schedule s = {.steps = 100, .warmup = 10, .lr = 1e-3, .min_lr = 1e-4};
    near(trainer_schedule_lr(&s, 0), 1e-4, "first step");
    near(trainer_schedule_lr(&s, 4), 5e-4, "half way");
    near(trainer_schedule_lr(&s, 9), 1e-3, "end of the warm-up");
}

T_CASE(cosine_falls_to_the_minimum)
{
    struct trainer_schedule s = {.steps = 100, .warmup = 10, .lr = 1e-3, .min_lr = 1e-4};
    near(trainer_schedule_lr(&s, 54), 5.5e-4, "middle of the cosine");
    near(trainer_schedule_lr(&s, 99), 1e-4, "last step");
    for (uint64_t i = 10; i < 99; i++)
        if (trainer_schedule_lr(&s, i + 1) >= trainer_schedule_lr(&s, i))
            T_FAIL("does not fall at step %llu", (unsigned long long)i);
}

T_CASE(borders)
{
    struct trainer_schedule none = {.steps = 1, .warmup = 0, .lr = 1, .min_lr = 0.5};
    near(trainer_schedule_lr(&none, 0), 0.5, "one step");
    struct trainer_schedule all = {.steps = 4, .warmup = 4, .lr = 1, .min_lr = 0.5};
    near(trainer_schedule_lr(&all, 3), 1, "warm-up to the end");
    struct trainer_schedule flat = {.steps = 5, .warmup = 0, .lr = 2, .min_lr = 2};
    for (uint64_t i = 0; i < 5; i++)
        near(trainer_schedule_lr(&flat, i), 2, "flat");
}

T_CASE(bias_corrections)
{
    near(trainer_schedule_bias(0.9, 0), 0.1, "first");
    near(trainer_schedule_bias(0.9, 1), 0.19, "second");
    near(trainer_schedule_bias(0.95, 0), 0.05, "first of the second moment");
    near(trainer_schedule_bias(0.9, 1000000), 1, "far");
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
