// The peer of scripts/bench-pretok: threads that call libsentencepiece on documents in memory, and nothing else.
//
//   bench_engine MODEL THREADS DOCUMENTS      DOCUMENTS: texts separated by NUL
//
// Prints bytes, ids and seconds. Documents are handed out in chunks, as pretok's batches are.
#include <sentencepiece_processor.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    sentencepiece::SentencePieceProcessor processor;
    if (!processor.Load(argv[1]).ok())
        return 1;
    std::ifstream in(argv[3], std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::vector<std::string_view> documents;
    for (size_t at = 0; at < all.size();) {
        size_t end = all.find('\0', at);
        if (end == std::string::npos)
            end = all.size();
        documents.emplace_back(all.data() + at, end - at);
        at = end + 1;
    }
    const size_t chunk = 64;
    std::atomic<size_t> next{0}, ids{0}, bytes{0};
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int t = 0; t < std::atoi(argv[2]); t++)
        threads.emplace_back([&] {
            std::vector<int> out;
            for (size_t i; (i = next.fetch_add(chunk)) < documents.size();)
                for (size_t k = i; k < i + chunk && k < documents.size(); k++) {
                    if (!processor.Encode(documents[k], &out).ok())
                        std::abort();
                    ids += out.size();
                    bytes += documents[k].size();
                }
        });
    for (auto &thread : threads)
        thread.join();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%zu %zu %.6f\n", bytes.load(), ids.load(), seconds);
    return 0;
}
