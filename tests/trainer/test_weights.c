#include "trainer/device.h"

#include <math.h>

#include "t.h"

static struct kern_model model(void)
{
    struct kern_model m;
    T_REQUIRE(kern_model_preset("1m", &m));
    m.vocab = 301; /* tensors that end inside a piece */
    return m;
}

static float *make(const struct kern_model *m, uint64_t seed, unsigned threads)
{
    struct ngt_pool *pool = NULL;
    uint64_t n = kern_parameter_count(m);
    float *values = malloc(n * sizeof *values);

    T_REQUIRE(values && ngt_pool_new(threads, &pool, NULL) == NGT_OK);
    memset(values, 0xff, n * sizeof *values);
    T_EQ_INT(trainer_weights_init(m, seed, pool, values, NULL), NGT_OK);
    ngt_pool_free(&pool);
    return values;
}

T_CASE(threads_change_nothing)
{
    struct kern_model m = model();
    float *one = make(&m, 5, 1), *seven = make(&m, 5, 7), *other = make(&m, 6, 1);
    uint64_t n = kern_parameter_count(&m), equal = 0;

    T_EQ_MEM(one, seven, n * sizeof *one);
    for (uint64_t i = 0; i < n; i++)
        equal += one[i] == other[i] && one[i] != 1;
    T_TRUE(equal < n / 1000);
    free(one);
    free(seven);
    free(other);
}

T_CASE(each_tensor_has_its_deviation)
{
    struct kern_model m = model();
    float *values = make(&m, 1, 2);

    for (uint32_t i = 0; i < kern_tensor_count(&m); i++) {
        struct kern_tensor t;
        kern_tensor_at(&m, i, &t);
        double n = (double)t.rows * t.cols, sum = 0, squares = 0;
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++) {
            double v = (double)values[t.offset + j];
            sum += v;
            squares += v * v;
        }
        double std = (double)t.init_std, deviation = sqrt(squares / n);
        if (t.init_std == 0) {
            T_TRUE(sum == n && squares == n); /* ones */
        } else if (fabs(deviation - std) > 5 * std / sqrt(2 * n) ||
                   fabs(sum / n) > 5 * std / sqrt(n)) {
            T_FAIL("%s: mean %g, deviation %g, expected 0, %g", t.name, sum / n, deviation, std);
        }
    }
    free(values);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
