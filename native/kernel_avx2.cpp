// The product with AVX2: eight weights at a time are spread by a table of shuffles, then a panel is dense.

#if defined(__x86_64__)

#include <immintrin.h>

#include "panels.h"
#include "spreading.h"

#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {
namespace {

constexpr int64_t kSide = 8;  // rows in a register: half of a panel

// Sixteen weights of the values from `value` on: zeros where the mask has none.
SNED_TARGET SNED_INLINE __m128i spread(uint64_t bits, __m128i values) {
    const auto first = uint8_t(bits), second = uint8_t(bits >> 8);
    const uint64_t behind = kSpreading.places[second] + kSpreading.counts[first];
    return _mm_shuffle_epi8(values, _mm_set_epi64x(int64_t(behind), int64_t(kSpreading.places[first])));
}

SNED_TARGET SNED_INLINE __m128i load(const uint8_t * at) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(at)); }

// Half of a step: the weights of eight rows, plain ones of 8 bits.
SNED_TARGET SNED_INLINE __m256i side8(uint64_t bits, const uint8_t *& value) {
    const __m128i offset = _mm_set1_epi8(char(0x80));
    const uint8_t * behind = value + _mm_popcnt_u32(uint16_t(bits));
    const __m128i low = spread(bits, _mm_xor_si128(load(value), offset));
    const __m128i high = spread(bits >> 16, _mm_xor_si128(load(behind), offset));
    value = behind + _mm_popcnt_u32(uint16_t(bits >> 16));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// The same of 4-bit values, each plus 8.
template <int Shift> SNED_TARGET SNED_INLINE __m256i side4(uint64_t bits, const uint8_t *& value) {
    const __m128i eights = _mm_set1_epi8(8), mask = _mm_set1_epi8(15);
    const uint8_t * behind = value + _mm_popcnt_u32(uint16_t(bits));
    const auto plain = [&](const uint8_t * at) SNED_TARGET {
        return _mm_xor_si128(_mm_and_si128(_mm_srli_epi16(load(at), Shift), mask), eights);
    };
    const __m128i low = spread(bits, plain(value)), high = spread(bits >> 16, plain(behind));
    value = behind + _mm_popcnt_u32(uint16_t(bits >> 16));
    return _mm256_xor_si256(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), _mm256_set1_epi8(8));
}

SNED_TARGET SNED_INLINE __m256 scales_at(const uint8_t * at) { return _mm256_cvtph_ps(load(at)); }

// A panel whose weights are all there.
struct Tile {
    int8_t * weights;
    float * scales;
};

SNED_TARGET void unpack(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    each_block(matrix, panel, [&](int64_t index, const Block & block) SNED_TARGET {
        const uint8_t * value = block.values;
        auto * weights = reinterpret_cast<__m256i *>(tile.weights + index * kBlock * kRows);
        for (int64_t step = 0; step < kSteps; ++step) {
            uint64_t bits = word(block.masks + 8 * step);
            for (int64_t side = 0; side < 2; ++side, bits >>= 32) {
                __m256i plain;
                if (matrix->bits == 8) plain = side8(bits, value);
                else plain = _mm256_sub_epi8(block.shift ? side4<4>(bits, value) : side4<0>(bits, value), _mm256_set1_epi8(8));
                _mm256_store_si256(weights++, plain);
            }
        }
        for (int64_t side = 0; side < kRows; side += kSide) {
            _mm256_store_ps(tile.scales + index * kRows + side, scales_at(block.scales + 2 * side));
        }
    });
}

// Four products of each of eight rows, in pairs. 2 * 128 * 127 is less than 2^15: nothing saturates.
SNED_TARGET SNED_INLINE __m256i pairs(__m256i weights, __m256i codes) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(codes, weights));
}

SNED_TARGET SNED_INLINE __m256i four(const int8_t * codes) {
    int32_t value;
    std::memcpy(&value, codes, sizeof value);
    return _mm256_set1_epi32(value);
}

SNED_TARGET SNED_INLINE __m256i stored(const int8_t * weights) {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(weights));
}

SNED_TARGET SNED_INLINE __m256 floats(__m256i sums) {
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

// The chains of a product added up, in ggml's order.
SNED_TARGET SNED_INLINE __m256 joined(const __m256 * c) {
    const __m256 even = _mm256_add_ps(_mm256_add_ps(c[0], c[4]), _mm256_add_ps(c[2], c[6]));
    return _mm256_add_ps(even, _mm256_add_ps(_mm256_add_ps(c[1], c[5]), _mm256_add_ps(c[3], c[7])));
}

SNED_TARGET __m256 dot8(const Tile & tile, const Column & column, int64_t blocks, int64_t side) {
    __m256 chains[kSteps];
    for (auto & chain : chains) chain = _mm256_setzero_ps();
    for (int64_t block = 0; block < blocks; ++block) {
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(tile.scales + block * kRows + side), _mm256_set1_ps(column.scales[block]));
        const int8_t * weights = tile.weights + block * kBlock * kRows + 4 * side;
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const __m256i sums = pairs(stored(weights + step * kStepBytes), four(column.codes + block * kBlock + 4 * step));
            chains[step] = _mm256_fmadd_ps(floats(sums), scale, chains[step]);
        }
    }
    return joined(chains);
}

SNED_TARGET __m256 dot4(const Tile & tile, const Column & column, int64_t blocks, int64_t side) {
    __m256 total = _mm256_setzero_ps();
    for (int64_t block = 0; block < blocks; ++block) {
        const int8_t * weights = tile.weights + block * kBlock * kRows + 4 * side;
        __m256i sums = _mm256_setzero_si256();  // 8 * 2 * 8 * 127 is less than 2^15
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            sums = _mm256_add_epi16(sums, pairs(stored(weights + step * kStepBytes), four(column.codes + block * kBlock + 4 * step)));
        }
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(tile.scales + block * kRows + side), _mm256_set1_ps(column.scales[block]));
        total = _mm256_fmadd_ps(floats(sums), scale, total);
    }
    return total;
}

// A panel multiplied with one column while it is spread.
SNED_TARGET void one8(const uint8_t * at, bool masked, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    __m256 chains[2][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm256_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; ++block) {
        const uint8_t * masks = masked ? at + kScaleBytes : kWhole;
        const uint8_t * value = at + kScaleBytes + (masked ? kMaskBytes : 0);
        const __m256 scale = _mm256_set1_ps(column.scales[block]);
        const __m256 both[2] = {_mm256_mul_ps(scales_at(at), scale), _mm256_mul_ps(scales_at(at + kScaleBytes / 2), scale)};
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const uint64_t bits = word(masks + 8 * step);
            const __m256i codes = four(column.codes + block * kBlock + 4 * step);
            const __m256i low = pairs(side8(bits, value), codes), high = pairs(side8(bits >> 32, value), codes);
            chains[0][step] = _mm256_fmadd_ps(floats(low), both[0], chains[0][step]);
            chains[1][step] = _mm256_fmadd_ps(floats(high), both[1], chains[1][step]);
        }
        at = value;
    }
    for (int side = 0; side < 2; ++side) out[side] = joined(chains[side]);
}

// A block of 4-bit values. Weights are taken plus 8, and eight times the codes' sum is subtracted; 8 * 2 * 15 * 127 is less
// than 2^15.
template <int Shift>
SNED_TARGET SNED_INLINE void block4(const uint8_t * scales, const uint8_t * masks, const uint8_t *& value, const Column & column,
                                    int64_t block, __m256 (&out)[2]) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 8
    for (int64_t step = 0; step < kSteps; ++step) {
        const uint64_t bits = word(masks + 8 * step);
        const __m256i codes = four(column.codes + block * kBlock + 4 * step);
        sums[0] = _mm256_add_epi16(sums[0], _mm256_maddubs_epi16(side4<Shift>(bits, value), codes));
        sums[1] = _mm256_add_epi16(sums[1], _mm256_maddubs_epi16(side4<Shift>(bits >> 32, value), codes));
    }
    const __m256 scale = _mm256_set1_ps(column.scales[block]);
    for (int side = 0; side < 2; ++side) {
        const __m256i wide = _mm256_madd_epi16(sums[side], _mm256_set1_epi16(1));
        const __m256 dot = _mm256_cvtepi32_ps(_mm256_add_epi32(wide, _mm256_set1_epi32(column.totals[block])));
        out[side] = _mm256_fmadd_ps(dot, _mm256_mul_ps(scales_at(scales + side * kScaleBytes / 2), scale), out[side]);
    }
}

SNED_TARGET void one4(const uint8_t * at, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    for (auto & each : out) each = _mm256_setzero_ps();
    int64_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
        const uint8_t *masks = at + 2 * kScaleBytes, *low = masks + 2 * kMaskBytes, *high = low;
        block4<0>(at, masks, low, column, block, out);
        block4<4>(at + kScaleBytes, masks + kMaskBytes, high, column, block + 1, out);
        at = low > high ? low : high;
    }
    if (block < blocks) {
        const uint8_t *masks = at + kScaleBytes, *value = masks + kMaskBytes;
        block4<0>(at, masks, value, column, block, out);
    }
}

SNED_TARGET void store(__m256 from, float * to, int64_t there) {
    alignas(32) float out[kSide];
    _mm256_store_ps(out, from);
    if (there > 0) std::memcpy(to, out, size_t(there < kSide ? there : kSide) * sizeof(float));
}

}  // namespace

SNED_TARGET void multiply_avx2(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                               float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);
    const Tile tile = {weights, reinterpret_cast<float *>(weights + kRows * width)};
    for (int64_t row = first; row < last; row += kRows) {
        if (count == 1) {
            __m256 out[2];
            const uint8_t * at = panel_at(matrix, row / kRows);
            if (matrix->bits == 8) one8(at, matrix->masked, Column(columns, width), blocks, out);
            else one4(at, Column(columns, width), blocks, out);
            for (int64_t side = 0; side < 2; ++side) store(out[side], y + row + side * kSide, last - row - side * kSide);
            continue;
        }
        unpack(matrix, row / kRows, tile);
        for (int64_t j = 0; j < count; ++j) {
            const Column column(columns, width, j);
            for (int64_t side = 0; side < kRows; side += kSide) {
                const __m256 out = matrix->bits == 8 ? dot8(tile, column, blocks, side) : dot4(tile, column, blocks, side);
                store(out, y + j * stride + row + side, last - row - side);
            }
        }
    }
}

}  // namespace sned

#endif
