#include "trainer/sample.h"

#include <math.h>

#include "t.h"
#include "trainer/random.h"

static uint32_t choose(double temperature, uint64_t k, double p, const float *logits, uint32_t n,
                       double u)
{
    struct trainer_sampling s = {temperature, k, p};
    struct trainer_candidate work[16];
    return trainer_sample(&s, logits, n, u, work);
}

static const float logits[4] = {1.0f, 3.0f, 3.0f, -2.0f};

T_CASE(greedy_takes_the_first_of_the_best)
{
    T_EQ_U64(choose(0, 0, 1, logits, 4, 0.9), 1);
}

T_CASE(top_k_and_top_p_limit_the_choice)
{
    for (int i = 1; i <= 100; i++) {
        T_EQ_U64(choose(1, 1, 1, logits, 4, i / 100.0), 1);
        uint32_t two = choose(5, 2, 1, logits, 4, i / 100.0);
        T_TRUE(two == 1 || two == 2);
        uint32_t p = choose(1, 0, 0.5, logits, 4, i / 100.0);
        T_TRUE(p == 1 || p == 2);
        T_EQ_U64(choose(1, 0, 0, logits, 4, i / 100.0), 1);
    }
}

T_CASE(frequencies_follow_the_softmax)
{
    unsigned count[4] = {0};
    double total = 0;
    for (uint64_t i = 0; i < 20000; i++)
        count[choose(1.5, 0, 1, logits, 4, trainer_uniform(3, i))]++;
    for (int i = 0; i < 4; i++)
        total += exp((double)logits[i] / 1.5);
    for (int i = 0; i < 4; i++) {
        double expected = exp((double)logits[i] / 1.5) / total * 20000;
        if (fabs(count[i] - expected) > 5 * sqrt(expected) + 1)
            T_FAIL("id %d: %u times, expected %.0f", i, count[i], expected);
    }
}

T_CASE(what_is_no_number_is_not_chosen)
{
    const float bad[4] = {NAN, -INFINITY, 0.5f, NAN};
    for (int i = 1; i <= 10; i++)
        T_EQ_U64(choose(1, 0, 1, bad, 4, i / 10.0), 2);
    const float none[2] = {NAN, NAN};
    T_EQ_U64(choose(1, 0, 1, none, 2, 0.5), 0);
    const float high[2] = {0, INFINITY};
    T_EQ_U64(choose(1, 0, 1, high, 2, 0.5), 1);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
