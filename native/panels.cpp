// From packed rows back to plain ones.

#include <algorithm>
#include <vector>

#include "slots.h"

namespace sned {
namespace {

void unpack_masked(const sned_packed * matrix, int64_t panel, int8_t * weights, uint8_t * scales) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    const int32_t zero = zero_of(matrix->bits), low = matrix->bits == 8 ? 255 : 15;
    each_block(matrix, panel, [&](int64_t index, const Block & block) {
        const uint8_t * value = block.values;
        for (int64_t step = 0; step < kSteps; ++step) {
            const uint64_t bits = word(block.masks + 8 * step);
            for (int64_t i = 0; i < kStepBytes; ++i) {
                const int32_t weight = bits >> i & 1 ? (*value++ >> block.shift & low) - zero : 0;
                weights[i / 4 * width + index * kBlock + 4 * step + i % 4] = int8_t(weight);
            }
        }
        for (int64_t row = 0; row < kRows; ++row) std::memcpy(scales + 2 * (row * blocks + index), block.scales + 2 * row, 2);
    });
}

void unpack_grouped(const sned_packed * matrix, int64_t panel, int8_t * weights, uint8_t * scales) {
    const int64_t width = matrix->columns, blocks = blocks_of(width), bits = matrix->bits;
    const uint8_t * at = panel_at(matrix, panel);
    std::fill_n(weights, kRows * width, int8_t(0));
    const uint8_t * own = at;
    for (int64_t block = 0; block < blocks; ++block, at += group_block(bits)) {
        if (block % matrix->shared == 0) {
            own = at;
            at += kScaleBytes;
        }
        const uint8_t *masks = at, *values = masks + kGroupMasks;
        for (int64_t row = 0; row < kRows; ++row) {
            std::memcpy(scales + 2 * (row * blocks + block), own + 2 * row, 2);
            for (int64_t group = 0; group < kGroups; ++group) {
                const uint8_t mask = group_mask(masks, row, group);
                int8_t * to = weights + row * width + block * kBlock + group * kGroup;
                for (int64_t slot = 0; slot < kSlots; ++slot) {
                    const SlotPlace place = slot_place(bits, row, slot);
                    const uint8_t value = values[group * group_values(bits) + place.byte];
                    to[kSlotColumns.of[mask][slot]] = bits == 8 ? int8_t(value) : int8_t((value >> place.shift & 15) - 8);
                }
            }
        }
    }
}

void unpack_slotted(const sned_packed * matrix, int64_t panel, int8_t * weights, uint8_t * scales) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    std::fill_n(weights, kRows * width, int8_t(0));
    each_stretch(matrix, panel, [&](int64_t index, const Stretch & stretch) {
        for (int64_t in = 0; in < stretch.blocks; ++in) {
            for (int64_t row = 0; row < kRows; ++row) {
                std::memcpy(scales + 2 * (row * blocks + index + in), stretch.scales_of(in) + 2 * row, 2);
                for (int64_t group = 0; group < kGroups; ++group) {
                    const uint8_t code = stretch.code(in, row, group);
                    int8_t * to = weights + row * width + (index + in) * kBlock + group * kGroup;
                    for (int64_t slot = 0; slot < kSlots; ++slot) {
                        to[kSlotCodes.columns[slot][code]] = int8_t(stretch.value(in, row, group, slot) - 8);
                    }
                }
            }
        }
    });
}

}  // namespace

void unpack_panel(const sned_packed * matrix, int64_t panel, int8_t * weights, uint8_t * scales) {
    if (matrix->layout == SNED_GROUPS) unpack_grouped(matrix, panel, weights, scales);
    else if (matrix->layout == SNED_SLOTS) unpack_slotted(matrix, panel, weights, scales);
    else unpack_masked(matrix, panel, weights, scales);
}

}  // namespace sned

extern "C" {

using namespace sned;

void sned_read_row(const sned_packed * matrix, int64_t row, float * out) {
    const int64_t width = matrix->columns, blocks = blocks_of(width), in = row % kRows;
    const uint8_t * at = panel_at(matrix, row / kRows);
    if (matrix->layout == SNED_WHOLE && matrix->shared == 1) {  // as embeddings are, of which some rows are wanted
        for (int64_t block = 0; block < blocks; ++block, at += kScaleBytes + kBlock * kRows) {
            const float scale = half_at(at + 2 * in);
            for (int64_t i = 0; i < kBlock; ++i) {
                const uint8_t value = at[kScaleBytes + i / 4 * kStepBytes + 4 * in + i % 4];
                *out++ = float(value - zero_of(8)) * scale;
            }
        }
        return;
    }
    std::vector<int8_t> weights(size_t(kRows * width));
    std::vector<uint8_t> scales(size_t(kRows * 2 * blocks));
    unpack_panel(matrix, row / kRows, weights.data(), scales.data());
    for (int64_t i = 0; i < width; ++i) {
        out[i] = float(weights[size_t(in * width + i)]) * half_at(&scales[size_t(2 * (in * blocks + i / kBlock))]);
    }
}

void sned_unpack_dense(const sned_packed * matrix, void * out) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    std::vector<int8_t> weights(size_t(kRows * width));
    std::vector<uint8_t> scales(size_t(kRows * 2 * blocks));
    auto * to = static_cast<uint8_t *>(out);
    for (int64_t row = 0; row < matrix->rows; ++row) {
        const int64_t in = row % kRows;
        if (in == 0) unpack_panel(matrix, row / kRows, weights.data(), scales.data());
        for (int64_t block = 0; block < blocks; ++block) {
            const int8_t * from = &weights[size_t(in * width + block * kBlock)];
            std::memcpy(to, &scales[size_t(2 * (in * blocks + block))], 2);
            to += 2;
            if (matrix->bits == 8) {
                std::memcpy(to, from, kBlock);
                to += kBlock;
                continue;
            }
            for (int64_t i = 0; i < kBlock / 2; ++i) *to++ = uint8_t((from[i] + 8) | (from[i + kBlock / 2] + 8) << 4);
        }
    }
}

}  // extern "C"
