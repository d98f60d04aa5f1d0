// All kernels on random matrices, in memory that is exactly as large as it must be: for the sanitizers.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "packed.h"

namespace {

struct Free {
    void operator()(void * memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory memory_of(size_t size) { return Memory(std::aligned_alloc(64, (size + 63) / 64 * 64)); }

bool check(std::mt19937 & random, int64_t rows, int64_t blocks, int64_t count, unsigned zeros) {
    const int64_t width = 32 * blocks;
    std::vector<uint8_t> dense(size_t(rows * blocks * 34));
    for (auto & byte : dense) byte = random() % 100 < zeros ? 0 : uint8_t(random());
    for (size_t i = 0; i < dense.size(); i += 34) dense[i] = 0, dense[i + 1] = 0x20;
    const Memory bound = memory_of(sned_pack_bound(rows, width));
    const size_t used = sned_pack_q8_0(dense.data(), rows, width, bound.get());
    const Memory packed(std::malloc(used));
    std::copy_n(static_cast<uint8_t *>(bound.get()), used, static_cast<uint8_t *>(packed.get()));
    const auto * matrix = static_cast<const sned_packed *>(packed.get());
    std::vector<uint8_t> back(dense.size());
    sned_unpack_q8_0(matrix, back.data());
    if (back != dense) return false;

    const Memory columns = memory_of(sned_column_bytes(width) * size_t(count));
    const Memory scratch = memory_of(sned_scratch_bytes(width));
    std::vector<float> x(size_t(width), 0.0f);
    for (int64_t j = 0; j < count; ++j) {
        for (auto & value : x) value = float(random() % 2001) / 1000 - 1;
        sned_quantise(width, x.data(), static_cast<uint8_t *>(columns.get()) + size_t(j) * sned_column_bytes(width));
    }
    std::vector<float> first(size_t(rows * count)), y(first.size());
    sned_multiply(SNED_PORTABLE, matrix, columns.get(), count, 0, rows, first.data(), rows, scratch.get());
    for (const int kernel : {SNED_AVX2, SNED_AVX512}) {
        if (!sned_has_kernel(kernel)) continue;
        sned_multiply(kernel, matrix, columns.get(), count, 0, rows, y.data(), rows, scratch.get());
        for (size_t i = 0; i < y.size(); ++i) {
            if (std::fabs(y[i] - first[i]) > 1e-3f * float(blocks)) return false;
        }
    }
    return true;
}

}  // namespace

int main() {
    std::mt19937 random(1);
    for (int i = 0; i < 60; ++i) {
        const int64_t rows = 1 + random() % 40, blocks = 1 + random() % 40, count = 1 + random() % 30;
        const unsigned zeros = i % 3 == 0 ? 50 : random() % 101;
        if (!check(random, rows, blocks, count, zeros)) {
            std::printf("wrong: %d rows, %d blocks, %d columns\n", int(rows), int(blocks), int(count));
            return 1;
        }
    }
}
