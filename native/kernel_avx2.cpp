// The product with AVX2. One token at a time goes through a panel as it lies there; for several tokens a panel is unpacked
// first. Weights are spread to the places that a mask gives by tables of byte shuffles, sixteen at a time.

#if defined(__x86_64__)

#include "avx2.h"
#include "spreading.h"

namespace sned::SNED_VARIANT {
namespace {

constexpr int64_t kHalfValues = kBlock * kRows / 2;  // bytes, of a block half of whose weights are zeros

// Sixteen weights' places among the next values, as the sum of two entries: what eight bits of mask say of their own, and
// how far they move the next eight.
struct WideSpreading {
    alignas(16) uint64_t first[256][2] = {}, second[256][2] = {};

    constexpr WideSpreading() {
        for (size_t mask = 0; mask < 256; ++mask) {
            first[mask][0] = second[mask][1] = kSpreading.places[mask];
            first[mask][1] = kSpreading.counts[mask];
        }
    }
};

constexpr WideSpreading kWide;

SNED_TARGET SNED_INLINE __m256i with_high(__m128i low, const void * high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), load128(high), 1);
}

// Half of a step: the weights of eight rows by 32 bits of mask. 8-bit ones are as `own8` has them, 4-bit ones plus 8.
template <int Bits, int Shift> SNED_TARGET SNED_INLINE __m256i side(const uint8_t * mask, const uint8_t *& value) {
    uint32_t bits;
    std::memcpy(&bits, mask, sizeof bits);
    const __m256i first = with_high(load128(kWide.first[mask[0]]), kWide.first[mask[2]]);
    const __m256i second = with_high(load128(kWide.second[mask[1]]), kWide.second[mask[3]]);
    __m256i values = with_high(load128(value), value + _mm_popcnt_u32(uint16_t(bits)));
    value += _mm_popcnt_u32(bits);
    // The shuffle makes zeros where the mask has none: zero is stored as another number.
    const __m256i zero = _mm256_set1_epi8(char(zero_of(Bits)));
    if (Bits == 4) values = _mm256_and_si256(Shift ? _mm256_srli_epi16(values, 4) : values, _mm256_set1_epi8(15));
    const __m256i weights = _mm256_shuffle_epi8(_mm256_xor_si256(values, zero), _mm256_add_epi8(first, second));
    return Bits == 4 ? _mm256_xor_si256(weights, zero) : own8(_mm256_xor_si256(weights, zero));
}

SNED_TARGET SNED_INLINE __m256i whole8(const uint8_t *& value) {
    const __m256i weights = own8(load256(value));
    value += 32;
    return weights;
}

template <bool Masked>
SNED_TARGET void one8(const uint8_t * at, int64_t shared, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    __m256 chains[2][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm256_setzero_ps();
    }
    const uint8_t * scales = at;
    for (int64_t block = 0; block < blocks; ++block) {
        if (block % shared == 0) {
            scales = at;
            at += kScaleBytes;
        }
        const uint8_t *masks = at, *value = masks + (Masked ? kMaskBytes : 0);
        prefetch(at, Masked ? kScaleBytes + kMaskBytes + kHalfValues : kScaleBytes + kBlock * kRows);
        const __m256 scale = _mm256_set1_ps(column.scales[block]);
        const __m256 both[2] = {_mm256_mul_ps(scales_at(scales), scale), _mm256_mul_ps(scales_at(scales + 2 * kSide), scale)};
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const int64_t index = block * kSteps + step;
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half) {
                const __m256i weights = Masked ? side<8, 0>(masks + 8 * step + 4 * half, value) : whole8(value);
                const __m256 dots = dots8(weights, column.codes + 4 * index, column.quads + index);
                chains[half][step] = _mm256_fmadd_ps(dots, both[half], chains[half][step]);
            }
        }
        at = value;
    }
    for (int half = 0; half < 2; ++half) out[half] = joined(chains[half]);
}

// A block of 4-bit values. Weights are taken plus 8, and eight times the codes' sum is subtracted.
template <int Shift>
SNED_TARGET SNED_INLINE void block4(const uint8_t * scales, const uint8_t * masks, const uint8_t *& value, const Column & column,
                                    int64_t block, __m256 (&out)[2]) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 8
    for (int64_t step = 0; step < kSteps; ++step) {
        const __m256i codes = four(column.codes + block * kBlock + 4 * step);
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const __m256i weights = side<4, Shift>(masks + 8 * step + 4 * half, value);
            sums[half] = add4(sums[half], weights, codes);
        }
    }
    const __m256 scale = _mm256_set1_ps(column.scales[block]);
    for (int half = 0; half < 2; ++half) {
        const __m256i dots = _mm256_add_epi32(dots4(sums[half]), _mm256_set1_epi32(column.totals[block]));
        const __m256 both = _mm256_mul_ps(scales_at(scales + half * kScaleBytes / 2), scale);
        out[half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), both, out[half]);
    }
}

SNED_TARGET void one4(const uint8_t * at, int64_t shared, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    for (auto & each : out) each = _mm256_setzero_ps();
    PairScales scales(shared);
    int64_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
        prefetch(at, 2 * (kScaleBytes + kMaskBytes) + kHalfValues);
        const uint8_t *masks = scales.pass(block, at), *low = masks + 2 * kMaskBytes, *high = low;
        block4<0>(scales.first, masks, low, column, block, out);
        block4<4>(scales.second, masks + kMaskBytes, high, column, block + 1, out);
        at = low > high ? low : high;
    }
    if (block < blocks) {
        const uint8_t *masks = scales.pass_last(block, at), *value = masks + kMaskBytes;
        block4<0>(scales.first, masks, value, column, block, out);
    }
}

SNED_TARGET void one_by_masks(const sned_packed * matrix, const uint8_t * at, const Column & column, __m256 (&out)[2]) {
    const int64_t blocks = blocks_of(matrix->columns);
    if (matrix->bits == 4) one4(at, matrix->shared, column, blocks, out);
    else if (matrix->layout == SNED_MASKS) one8<true>(at, matrix->shared, column, blocks, out);
    else one8<false>(at, matrix->shared, column, blocks, out);
}

SNED_TARGET void unpack_masks(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    each_block(matrix, panel, [&](int64_t index, const Block & block) SNED_TARGET {
        const uint8_t *masks = block.masks, *value = block.values;
        auto * weights = reinterpret_cast<__m256i *>(tile.weights + index * kBlock * kRows);
        for (int64_t half = 0; half < 2 * kSteps; ++half, masks += 4) {
            __m256i plain;
            if (matrix->layout == SNED_WHOLE) plain = whole8(value);
            else if (matrix->bits == 8) plain = side<8, 0>(masks, value);
            else plain = block.shift ? side<4, 4>(masks, value) : side<4, 0>(masks, value);
            _mm256_store_si256(weights++, plain);
        }
        for (int64_t row = 0; row < kRows; row += kSide) {
            _mm256_store_ps(tile.scales + index * kRows + row, scales_at(block.scales + 2 * row));
        }
    });
}

}  // namespace

SNED_TARGET void multiply(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                          float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns;
    auto * weights = static_cast<uint8_t *>(scratch);
    const Tile tile = {weights, reinterpret_cast<float *>(weights + kRows * width)};
    const bool grouped = matrix->layout == SNED_GROUPS;
    for (int64_t row = first; row < last; row += kRows) {
        if (count > 2) {
            if (grouped) unpack_groups(matrix, row / kRows, tile);
            else unpack_masks(matrix, row / kRows, tile);
            multiply_tile(matrix, tile, columns, count, last - row, y + row, stride);
            continue;
        }
        const uint8_t * at = panel_at(matrix, row / kRows);
        for (int64_t j = 0; j < count; ++j) {
            __m256 out[2];
            if (grouped) one_by_groups(matrix, at, Column(columns, width, j), out);
            else one_by_masks(matrix, at, Column(columns, width, j), out);
            for (int64_t half = 0; half < kRows; half += kSide) {
                store(out[half / kSide], y + j * stride + row + half, last - row - half);
            }
        }
    }
}

}  // namespace sned::SNED_VARIANT

#endif
