// The product for any processor: a row is unpacked, and multiplied with every column.

#include "rows.h"

namespace sned {

void multiply_portable(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                       float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);
    for (int64_t i = first; i < last; ++i) {
        const Row row(matrix, i);
        const uint8_t *mask = row.mask, *value = row.values;
        for (int64_t block = 0; block < blocks; block += kLanes) {
            const int64_t lanes = lanes_at(block, blocks);
            for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes)) {
                const uint64_t bits = step_bits(mask, lanes);
                for (int64_t k = 0; k < 4 * lanes; ++k) {
                    weights[(block + k / 4) * kBlock + 4 * step + k % 4] = bits >> k & 1 ? int8_t(*value++ ^ 0x80) : int8_t(0);
                }
            }
        }
        for (int64_t j = 0; j < count; ++j) {
            const Column column(columns, width, j);
            float total = 0.0f;
            for (int64_t block = 0; block < blocks; ++block) {
                int32_t dot = 0;
                for (int64_t k = block * kBlock; k < (block + 1) * kBlock; ++k) dot += weights[k] * column.codes[k];
                total += float(dot) * (row.scale(block) * column.scales[block]);
            }
            y[j * stride + i] = total;
        }
    }
}

}  // namespace sned
