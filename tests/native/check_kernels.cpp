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

bool check(std::mt19937 & random, int packer, bool grouped, int64_t bits, int64_t rows, int64_t blocks, int64_t count, unsigned zeros) {
    const int64_t width = 32 * blocks, apart = 2 + 4 * bits;
    std::vector<uint8_t> dense(size_t(rows * blocks * apart));
    for (auto & byte : dense) byte = random() % 100 < zeros ? (bits == 8 ? 0 : 0x88) : uint8_t(random());
    const size_t shared = size_t(1) << random() % 4;  // blocks with one scale
    for (size_t i = 0; i < dense.size(); i += size_t(apart)) {
        dense[i] = uint8_t(i / size_t(apart) % size_t(blocks) / shared), dense[i + 1] = 0x20;
        if (!grouped) continue;
        // Every other byte: of 8-bit values every other one, and of 4-bit ones those two columns.
        for (size_t k = 2; k < size_t(apart); k += 2) dense[i + k] = bits == 8 ? 0 : 0x88;
    }
    const Memory bound(std::malloc(sned_pack_bound(bits, rows, width)));
    const size_t used = sned_pack_dense(packer, bits, dense.data(), rows, width, bound.get());
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
    for (const int kernel : {SNED_AVX2, SNED_AVX512, SNED_NEON, SNED_VNNI}) {
        if (!sned_has_kernel(kernel)) continue;
        multiply(kernel, matrix, columns.get(), count, y);
        if (y != first) return false;
    }
    return true;
}

// Any bytes as a sparse GGUF's matrix, whose size is right as often as not.
void check_file(std::mt19937 & random) {
    const int64_t block = random() % 4 ? 32 : 32 * (1 + random() % 20);
    const int64_t groups[] = {0, 4, 8, 16, 32}, columns = 32 * (1 + random() % 8), bits = random() % 2 ? 8 : 4;
    const int64_t group = groups[random() % 5], rows = 1 + random() % 20, kept_of = group / 2;
    const int64_t kept = group ? columns / 2 : int64_t(random() % 3 ? random() % size_t(columns) : -1);
    const sned_file_form form = {rows, columns, bits, block, group, kept_of, kept};
    const int64_t mask = (group == 4 || group == 8 ? columns / group * (group - 1) : columns) / 8;
    const int64_t values = bits == 8 ? kept : group ? (kept + 31) / 32 * 16 : (kept + 1) / 2;
    const int64_t row = (2 * ((columns + block - 1) / block) + mask + values + 7) / 8 * 8;
    const size_t size = kept < 0 ? 64 + random() % 4096 : size_t(rows * row + SNED_SLACK - random() % 2);
    std::vector<uint8_t> file(size);
    const uint8_t likely[] = {0x0f, 0x55, 0x2d, 0x00};
    for (auto & byte : file) byte = random() % 64 ? likely[random() % 4] : uint8_t(random());
    const Memory out(std::malloc(sned_pack_bound(bits, rows, columns)));
    const size_t used = sned_pack_file(random() % 3, &form, file.data(), file.size(), bits, out.get());
    std::vector<uint8_t> dense(size_t(rows * columns / 32 * (2 + 4 * bits)));
    if (used > 0) sned_unpack_dense(static_cast<const sned_packed *>(out.get()), dense.data());
}

}  // namespace

int main() {
    std::printf("%s\n", sned_kernel_name(sned_best_kernel()));
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) check_file(random);
    for (int i = 0; i < 90; ++i) {
        const int64_t rows = 1 + random() % 40, blocks = 1 + random() % 40, count = 1 + random() % 30;
        const bool grouped = i % 4 < 2;
        const unsigned zeros = grouped ? 10 : i % 3 == 0 ? 50 : random() % 101;
        if (!check(random, i % 3, grouped, i % 2 ? 8 : 4, rows, blocks, count, zeros)) {
            std::printf("wrong: %d rows, %d blocks, %d columns\n", int(rows), int(blocks), int(count));
            return 1;
        }
    }
}
