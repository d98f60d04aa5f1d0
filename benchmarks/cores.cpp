// What two threads on two processors have: how far they are from each other, and what they read of memory.
//
// Prints a line each round: nanoseconds until one sees what the other wrote; arithmetic of both, in times of one's; GB/s that one reads,
// and both. The best of five each.

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

constexpr size_t kBytes = size_t(512) << 20;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void stay_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// The time that `work(0)` and `work(1)` take on two processors at once.
template <typename Work> double both(Work work) {
    std::atomic<int> ready{0}, done{0};
    std::thread other([&] {
        stay_on(1);
        ++ready;
        while (ready.load() != 2) {}
        work(1);
        ++done;
    });
    while (ready.load() != 1) {}
    ++ready;
    const double started = seconds();
    work(0);
    while (done.load() != 1) {}
    const double taken = seconds() - started;
    other.join();
    return taken;
}

double passing() {
    constexpr int kTurns = 300;
    std::atomic<int> line{0};
    return 1e9 / kTurns / 2 * both([&](int self) {
        for (int i = 0; i < kTurns; ++i) {
            while (line.load(std::memory_order_acquire) != 2 * i + self) {}
            line.store(2 * i + self + 1, std::memory_order_release);
        }
    });
}

volatile uint64_t sink;

void compute() {
    uint64_t sums[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 1 << 20; ++i) {
        for (auto & sum : sums) sum = sum * 3 + uint64_t(i);
    }
    for (const auto sum : sums) sink = sum;
}

using Line = uint64_t __attribute__((vector_size(64)));

void read(const Line * from, size_t count) {
    Line sums[4] = {};
    for (size_t i = 0; i < count; i += 4) {
        for (size_t k = 0; k < 4; ++k) sums[k] ^= from[i + k];
    }
    for (const auto & sum : sums) sink = sum[0] ^ sum[7];
}

template <typename Measure> double least(Measure measure) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) best = std::min(best, measure());
    return best;
}

}  // namespace

int main(int count, char ** words) {
    const int rounds = count > 1 ? std::atoi(words[1]) : 5;
    void * got = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) return 1;
    madvise(got, kBytes, MADV_HUGEPAGE);
    std::memset(got, 1, kBytes);
    const auto * memory = static_cast<const Line *>(got);
    constexpr size_t kCount = kBytes / sizeof(Line);
    stay_on(0);
    const auto alone = [](auto work) {
        const double started = seconds();
        work();
        return seconds() - started;
    };
    for (int i = 0; i < rounds; ++i) {
        const double together = least([] { return both([](int) { compute(); }); });
        std::printf("ns %.0f both %.2f one %.1f two %.1f\n", least(passing), together / least([&] { return alone(compute); }),
                    kBytes / 1e9 / least([&] { return alone([&] { read(memory, kCount); }); }),
                    kBytes / 1e9 / least([&] { return both([&](int self) { read(memory + self * (kCount / 2), kCount / 2); }); }));
        std::fflush(stdout);
    }
}
