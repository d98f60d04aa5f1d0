// All kernels on random matrices, in memory that is exactly as large as it must be: for the sanitizers.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "packed.h"

namespace {

struct Free {
    void operator()(void * memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory memory_of(size_t size) { return Memory(std::aligned_alloc(64, (size + 63) / 64 * 64)); }

// Parts of a product by threads, as the backend has them.
void multiply(int kernel, const sned_packed * matrix, const void * columns, int64_t count, std::vector<float> & y) {
    const auto part = [&](int64_t first, int64_t last) {
        const Memory scratch = memory_of(sned_scratch_bytes(matrix->columns));
        sned_multiply(kernel, matrix, columns, count, first, last, y.data(), matrix->rows, scratch.get());
    };
    const int64_t middle = matrix->rows / 2 / SNED_PANEL * SNED_PANEL;
    std::thread other(part, 0, middle);
    part(middle, matrix->rows);
    other.join();
}

bool check(std::mt19937 & random, int64_t bits, int64_t rows, int64_t blocks, int64_t count, unsigned zeros) {
    const int64_t width = 32 * blocks, apart = 2 + 4 * bits;
    std::vector<uint8_t> dense(size_t(rows * blocks * apart));
    for (auto & byte : dense) byte = random() % 100 < zeros ? (bits == 8 ? 0 : 0x88) : uint8_t(random());
    for (size_t i = 0; i < dense.size(); i += size_t(apart)) dense[i] = 0, dense[i + 1] = 0x20;
    const Memory bound(std::malloc(sned_pack_bound(bits, rows, width)));
    const size_t used = sned_pack_dense(bits, dense.data(), rows, width, bound.get());
    const Memory packed(std::malloc(used));
    std::copy_n(static_cast<uint8_t *>(bound.get()), used, static_cast<uint8_t *>(packed.get()));
    const auto * matrix = static_cast<const sned_packed *>(packed.get());
    std::vector<uint8_t> back(dense.size());
    sned_unpack_dense(matrix, back.data());
    if (back != dense) return false;

    const Memory columns = memory_of(sned_column_bytes(width) * size_t(count));
    std::vector<float> x(size_t(width), 0.0f);
    for (int64_t j = 0; j < count; ++j) {
        for (auto & value : x) value = float(random() % 2001) / 1000 - 1;
        sned_quantise(width, x.data(), static_cast<uint8_t *>(columns.get()) + size_t(j) * sned_column_bytes(width));
    }
    std::vector<float> first(size_t(rows * count)), y(first.size());
    multiply(SNED_PORTABLE, matrix, columns.get(), count, first);
    for (const int kernel : {SNED_AVX2, SNED_AVX512}) {
        if (!sned_has_kernel(kernel)) continue;
        multiply(kernel, matrix, columns.get(), count, y);
        if (y != first) return false;
    }
    return true;
}

}  // namespace

int main() {
    std::mt19937 random(1);
    for (int i = 0; i < 60; ++i) {
        const int64_t rows = 1 + random() % 40, blocks = 1 + random() % 40, count = 1 + random() % 30;
        const unsigned zeros = i % 3 == 0 ? 50 : random() % 101;
        if (!check(random, i % 2 ? 8 : 4, rows, blocks, count, zeros)) {
            std::printf("wrong: %d rows, %d blocks, %d columns\n", int(rows), int(blocks), int(count));
            return 1;
        }
    }
}
