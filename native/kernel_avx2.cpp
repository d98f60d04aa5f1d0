// The product with AVX2: eight weights at a time are spread by a table of shuffles, then a row is dense.

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>

#include "rows.h"

#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt")))

namespace sned {
namespace {

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

// The row's weights in the order of steps of sixteen lanes; what lies in lanes that are not there does not matter.
SNED_TARGET void unpack(const Row & row, int64_t blocks, int8_t * weights) {
    const uint8_t *mask = row.mask, *value = row.values;
    const __m128i offset = _mm_set1_epi8(char(0x80));
    for (int64_t block = 0; block < blocks; block += kLanes) {
        const int64_t lanes = lanes_at(block, blocks);
        for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes)) {
            uint64_t bits = step_bits(mask, lanes);
            for (int64_t i = 0; i < 4; ++i, bits >>= 16, weights += 16) {
                const auto low = uint8_t(bits), high = uint8_t(bits >> 8);
                const uint8_t * behind = value + _mm_popcnt_u32(low);
                const __m128i values = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(value)),
                                                          _mm_loadl_epi64(reinterpret_cast<const __m128i *>(behind)));
                const __m128i places = _mm_set_epi64x(int64_t(kShuffles[high] + 0x0808080808080808), int64_t(kShuffles[low]));
                _mm_store_si128(reinterpret_cast<__m128i *>(weights), _mm_shuffle_epi8(_mm_xor_si128(values, offset), places));
                value = behind + _mm_popcnt_u32(high);
            }
        }
    }
}

// Four products of each of eight lanes added up. 2 * 128 * 127 is less than 2^15: nothing saturates.
SNED_TARGET __m256i fours(const int8_t * weights, const int8_t * inputs) {
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i *>(weights));
    const __m256i x = _mm256_load_si256(reinterpret_cast<const __m256i *>(inputs));
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)), _mm256_set1_epi16(1));
}

SNED_TARGET float dot(const int8_t * weights, const float * scales, const Column & column, int64_t blocks) {
    __m256 total = _mm256_setzero_ps();
    for (int64_t block = 0; block < blocks; block += kLanes) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int64_t at = block * kBlock; at < block * kBlock + kGroup; at += 4 * kLanes) {
            low = _mm256_add_epi32(low, fours(weights + at, column.stepped + at));
            high = _mm256_add_epi32(high, fours(weights + at + 32, column.stepped + at + 32));
        }
        const __m256 scale = _mm256_mul_ps(_mm256_load_ps(scales + block), _mm256_load_ps(column.scales + block));
        const __m256 behind = _mm256_mul_ps(_mm256_load_ps(scales + block + 8), _mm256_load_ps(column.scales + block + 8));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), scale, total);
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), behind, total);
    }
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

}  // namespace

SNED_TARGET void multiply_avx2(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                               float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns, blocks = blocks_of(width);
    auto * weights = static_cast<int8_t *>(scratch);
    auto * scales = reinterpret_cast<float *>(weights + rounded(width, kGroup));
    for (int64_t block = blocks; block < rounded(blocks, kLanes); ++block) scales[block] = 0.0f;
    for (int64_t i = first; i < last; ++i) {
        const Row row(matrix, i);
        unpack(row, blocks, weights);
        for (int64_t block = 0; block < blocks; block += 8) {
            __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i *>(row.scales + 2 * block));
            _mm256_storeu_ps(scales + block, _mm256_cvtph_ps(halves));
        }
        for (int64_t block = blocks; block < rounded(blocks, 8); ++block) scales[block] = 0.0f;
        for (int64_t j = 0; j < count; ++j) y[j * stride + i] = dot(weights, scales, Column(columns, width, j), blocks);
    }
}

}  // namespace sned

#endif
