// The product with AVX2: eight weights at a time are spread by a table of shuffles, then a panel is dense.

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>

#include "panels.h"

#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {
namespace {

constexpr int64_t kSide = 8;  // rows in a register: half of a panel

// For each mask of eight bits, which of the next values goes where; 0x80 makes a zero.
constexpr std::array<uint64_t, 256> shuffles() {
    std::array<uint64_t, 256> table{};
    for (int mask = 0; mask < 256; ++mask) {
        uint64_t next = 0;
        for (int i = 0; i < 8; ++i) table[size_t(mask)] |= (mask >> i & 1 ? next++ : uint64_t(0x80)) << 8 * i;
    }
    return table;
}

constexpr std::array<uint64_t, 256> kShuffles = shuffles();

// A panel whose weights are all there.
struct Tile {
    int8_t * weights;
    float * scales;
};

SNED_TARGET void unpack(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const __m128i low = _mm_set1_epi8(char(matrix->bits == 8 ? 255 : 15));
    const __m128i offset = _mm_set1_epi8(char(zero_of(matrix->bits)));
    each_block(matrix, panel, [&](int64_t index, const Block & block) SNED_TARGET {
        const uint8_t * value = block.values;
        int8_t * weights = tile.weights + index * kBlock * kRows;
        for (int64_t step = 0; step < kSteps; ++step) {
            uint64_t bits = word(block.masks + 8 * step);
            for (int64_t i = 0; i < 4; ++i, bits >>= 16, weights += 16) {
                const auto first = uint8_t(bits), second = uint8_t(bits >> 8);
                const uint8_t * behind = value + _mm_popcnt_u32(first);
                const __m128i values = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(value)),
                                                          _mm_loadl_epi64(reinterpret_cast<const __m128i *>(behind)));
                const __m128i plain = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(values, block.shift), low), offset);
                const __m128i places = _mm_set_epi64x(int64_t(kShuffles[second] + 0x0808080808080808), int64_t(kShuffles[first]));
                _mm_store_si128(reinterpret_cast<__m128i *>(weights), _mm_shuffle_epi8(plain, places));
                value = behind + _mm_popcnt_u32(second);
            }
        }
        for (int64_t row = 0; row < kRows; row += kSide) {
            const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i *>(block.scales + 2 * row));
            _mm256_store_ps(tile.scales + index * kRows + row, _mm256_cvtph_ps(halves));
        }
    });
}

// Four products of each of eight rows, in pairs. 2 * 128 * 127 is less than 2^15: nothing saturates.
SNED_TARGET SNED_INLINE __m256i pairs(const int8_t * weights, const int8_t * codes) {
    int32_t four;
    std::memcpy(&four, codes, sizeof four);
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i *>(weights));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(_mm256_set1_epi32(four), w));
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
            const __m256i sums = pairs(weights + step * kStepBytes, column.codes + block * kBlock + 4 * step);
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
            sums = _mm256_add_epi16(sums, pairs(weights + step * kStepBytes, column.codes + block * kBlock + 4 * step));
        }
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(tile.scales + block * kRows + side), _mm256_set1_ps(column.scales[block]));
        total = _mm256_fmadd_ps(floats(sums), scale, total);
    }
    return total;
}

}  // namespace

SNED_TARGET void multiply_avx2(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                               float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);
    const Tile tile = {weights, reinterpret_cast<float *>(weights + kRows * width)};
    for (int64_t row = first; row < last; row += kRows) {
        unpack(matrix, row / kRows, tile);
        for (int64_t j = 0; j < count; ++j) {
            const Column column(columns, width, j);
            for (int64_t side = 0; side < kRows && row + side < last; side += kSide) {
                alignas(32) float out[kSide];
                _mm256_store_ps(out, matrix->bits == 8 ? dot8(tile, column, blocks, side) : dot4(tile, column, blocks, side));
                const int64_t there = last - row - side < kSide ? last - row - side : kSide;
                std::memcpy(y + j * stride + row + side, out, size_t(there) * sizeof(float));
            }
        }
    }
}

}  // namespace sned

#endif
