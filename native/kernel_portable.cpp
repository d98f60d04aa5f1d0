// The product for any processor: a panel is unpacked, and multiplied with every column. Slow, and what others are compared
// with.

#include <cmath>
#include <vector>

#include "panels.h"

namespace sned {
namespace {

float joined(const float * c) { return ((c[0] + c[4]) + (c[2] + c[6])) + ((c[1] + c[5]) + (c[3] + c[7])); }

}  // namespace

void multiply_portable(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                       float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, bits = matrix->bits, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);  // of the panel, a row after another
    std::vector<uint8_t> halves(size_t(kRows * 2 * blocks));
    for (int64_t panel = first / kRows; panel * kRows < last; ++panel) {
        unpack_panel(matrix, panel, weights, halves.data());
        for (int64_t i = panel * kRows; i < last && i < (panel + 1) * kRows; ++i) {
            const int8_t * row = weights + i % kRows * width;
            for (int64_t j = 0; j < count; ++j) {
                const Column column(columns, width, j);
                float chains[kSteps] = {};
                for (int64_t block = 0; block < blocks; ++block) {
                    const float scale = half_at(&halves[size_t(2 * (i % kRows * blocks + block))]) * column.scales[block];
                    int32_t total = 0;
                    for (int64_t step = 0; step < kSteps; ++step) {
                        int32_t dot = 0;
                        const int64_t at = block * kBlock + 4 * step;
                        for (int64_t k = at; k < at + 4; ++k) dot += row[k] * column.codes[k];
                        if (bits == 8) chains[step] = std::fma(scale, float(dot), chains[step]);
                        total += dot;
                    }
                    if (bits == 4) chains[0] = std::fma(scale, float(total), chains[0]);
                }
                y[j * stride + i] = bits == 4 ? chains[0] : joined(chains);
            }
        }
    }
}

}  // namespace sned
