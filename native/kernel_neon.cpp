// The product with NEON and its dot products (Armv8.2): weights are spread as by the AVX2 kernel, four rows in a register.

#if defined(__aarch64__)

#include <arm_neon.h>

#include "panels.h"
#include "spreading.h"

#define SNED_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {
namespace {

constexpr int64_t kSide = 4;  // rows in a register: a quarter of a panel

// A panel whose weights are all there.
struct Tile {
    int8_t * weights;
    float * scales;
};

SNED_TARGET void unpack(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const uint8x16_t low = vdupq_n_u8(matrix->bits == 8 ? 255 : 15), zero = vdupq_n_u8(zero_of(matrix->bits));
    each_block(matrix, panel, [&](int64_t index, const Block & block) SNED_TARGET {
        const uint8_t * value = block.values;
        int8_t * weights = tile.weights + index * kBlock * kRows;
        const int8x16_t shift = vdupq_n_s8(int8_t(-block.shift));
        for (int64_t step = 0; step < kSteps; ++step) {
            uint64_t bits = word(block.masks + 8 * step);
            for (int64_t i = 0; i < kStepBytes; i += 16, bits >>= 16, weights += 16) {
                const auto first = uint8_t(bits), second = uint8_t(bits >> 8);
                const uint64_t behind = kSpreading.places[second] + kSpreading.counts[first];
                const uint8x16_t places = vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(kSpreading.places[first]), vcreate_u64(behind)));
                const uint8x16_t plain = vsubq_u8(vandq_u8(vshlq_u8(vld1q_u8(value), shift), low), zero);
                vst1q_s8(weights, vreinterpretq_s8_u8(vqtbl1q_u8(plain, places)));
                value += __builtin_popcount(uint16_t(bits));
            }
        }
        for (int64_t row = 0; row < kRows; ++row) tile.scales[index * kRows + row] = block.scale(row);
    });
}

SNED_TARGET SNED_INLINE int32x4_t dot(int32x4_t sums, const int8_t * weights, const int8_t * codes) {
    int32_t four;
    std::memcpy(&four, codes, sizeof four);
    return vdotq_s32(sums, vld1q_s8(weights), vreinterpretq_s8_s32(vdupq_n_s32(four)));
}

SNED_TARGET float32x4_t dot8(const Tile & tile, const Column & column, int64_t blocks, int64_t side) {
    float32x4_t c[kSteps];
    for (auto & chain : c) chain = vdupq_n_f32(0.0f);
    for (int64_t block = 0; block < blocks; ++block) {
        const float32x4_t scale = vmulq_n_f32(vld1q_f32(tile.scales + block * kRows + side), column.scales[block]);
        const int8_t * weights = tile.weights + block * kBlock * kRows + 4 * side;
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const int32x4_t sums = dot(vdupq_n_s32(0), weights + step * kStepBytes, column.codes + block * kBlock + 4 * step);
            c[step] = vfmaq_f32(c[step], vcvtq_f32_s32(sums), scale);
        }
    }
    const float32x4_t even = vaddq_f32(vaddq_f32(c[0], c[4]), vaddq_f32(c[2], c[6]));
    return vaddq_f32(even, vaddq_f32(vaddq_f32(c[1], c[5]), vaddq_f32(c[3], c[7])));
}

SNED_TARGET float32x4_t dot4(const Tile & tile, const Column & column, int64_t blocks, int64_t side) {
    float32x4_t total = vdupq_n_f32(0.0f);
    for (int64_t block = 0; block < blocks; ++block) {
        const int8_t * weights = tile.weights + block * kBlock * kRows + 4 * side;
        int32x4_t sums = vdupq_n_s32(0);
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            sums = dot(sums, weights + step * kStepBytes, column.codes + block * kBlock + 4 * step);
        }
        const float32x4_t scale = vmulq_n_f32(vld1q_f32(tile.scales + block * kRows + side), column.scales[block]);
        total = vfmaq_f32(total, vcvtq_f32_s32(sums), scale);
    }
    return total;
}

}  // namespace

void multiply_neon(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last, float * y,
                   int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);
    const Tile tile = {weights, reinterpret_cast<float *>(weights + kRows * width)};
    for (int64_t row = first; row < last; row += kRows) {
        unpack(matrix, row / kRows, tile);
        for (int64_t j = 0; j < count; ++j) {
            const Column column(columns, width, j);
            for (int64_t side = 0; side < kRows && row + side < last; side += kSide) {
                float out[kSide];
                vst1q_f32(out, matrix->bits == 8 ? dot8(tile, column, blocks, side) : dot4(tile, column, blocks, side));
                const int64_t there = last - row - side < kSide ? last - row - side : kSide;
                std::memcpy(y + j * stride + row + side, out, size_t(there) * sizeof(float));
            }
        }
    }
}

}  // namespace sned

#endif
