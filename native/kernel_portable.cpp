// The product for any processor: a row is unpacked, and multiplied with every column.

#include "rows.h"

namespace sned {

void multiply_portable(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                       float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns;
    auto * codes = static_cast<int8_t *>(scratch);
    for (int64_t row = first; row < last; ++row) {
        const Row parts(matrix, row);
        const uint8_t * value = parts.values;
        for (int64_t i = 0; i < width; ++i) codes[i] = parts.mask[i / 8] >> i % 8 & 1 ? int8_t(*value++) : int8_t(0);
        for (int64_t j = 0; j < count; ++j) {
            const Column column(columns, width, j);
            float total = 0.0f;
            for (int64_t start = 0; start < width; start += kScaled) {
                const int64_t end = start + kScaled < width ? start + kScaled : width;
                int32_t dot = 0;
                for (int64_t i = start; i < end; ++i) dot += codes[i] * column.codes[i];
                total += float(dot) * (half_to_float(parts.half(start / matrix->block)) * column.scales[start / kScaled]);
            }
            y[j * stride + row] = total;
        }
    }
}

}  // namespace sned
