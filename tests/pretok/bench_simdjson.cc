/*
 * The peer of scripts/bench-cluster for JSON: simdjson reads "text" of each line of a file that is in
 * memory, unescaped, and checks its UTF-8. The best of several passes. bench_simdjson FILE
 */
#include <simdjson.h>

#include <cstdio>
#include <ctime>

static double cpu()
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    simdjson::padded_string bytes;
    double best = 1e300;
    size_t text = 0, documents = 0;

    if (argc != 2 || simdjson::padded_string::load(argv[1]).get(bytes))
        return 99;
    for (int pass = 0; pass < 5; pass++) {
        simdjson::ondemand::parser parser;
        simdjson::ondemand::document_stream lines;
        double start = cpu();
        text = documents = 0;
        if (parser.iterate_many(bytes, 16 << 20).get(lines))
            return 99;
        for (auto line : lines) {
            std::string_view value;
            if (line["text"].get_string().get(value))
                return 99;
            text += value.size();
            documents++;
        }
        double seconds = cpu() - start;
        if (seconds < best)
            best = seconds;
    }
    printf("{\"seconds\": %.6f, \"text_bytes\": %zu, \"documents\": %zu}\n", best, text, documents);
    return 0;
}
