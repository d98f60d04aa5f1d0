// The product with AVX2: eight weights at a time are spread by a table of shuffles, then a row is dense.

#if defined(__x86_64__)

#include <immintrin.h>

#include <array>

#include "rows.h"

#define SNED_TARGET __attribute__((target("avx2,fma,popcnt")))

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

SNED_TARGET void unpack(const Row & row, int64_t columns, int8_t * codes) {
    const uint8_t * value = row.values;
    for (int64_t column = 0; column < columns; column += kStep) {
        uint64_t bits = row.bits(column, columns);
        for (int64_t i = 0; i < kStep; i += 16, bits >>= 16) {
            const auto low = uint8_t(bits), high = uint8_t(bits >> 8);
            const uint8_t * behind = value + _mm_popcnt_u32(low);
            const __m128i values = _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(value)),
                                                      _mm_loadl_epi64(reinterpret_cast<const __m128i *>(behind)));
            const __m128i places = _mm_set_epi64x(int64_t(kShuffles[high] + 0x0808080808080808), int64_t(kShuffles[low]));
            _mm_store_si128(reinterpret_cast<__m128i *>(codes + column + i), _mm_shuffle_epi8(values, places));
            value = behind + _mm_popcnt_u32(high);
        }
    }
}

SNED_TARGET float dot(const int8_t * codes, const float * scales, const Column & column, int64_t columns) {
    __m256 total = _mm256_setzero_ps();
    const __m256i ones = _mm256_set1_epi16(1);
    for (int64_t i = 0; i < columns; i += kScaled) {
        const __m256i weights = _mm256_load_si256(reinterpret_cast<const __m256i *>(codes + i));
        const __m256i inputs = _mm256_load_si256(reinterpret_cast<const __m256i *>(column.codes + i));
        // 2 * 128 * 127 is less than 2^15: nothing saturates.
        const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(inputs, weights));
        const __m256 sums = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
        total = _mm256_fmadd_ps(sums, _mm256_set1_ps(scales[i / kScaled] * column.scales[i / kScaled]), total);
    }
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps(total, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

}  // namespace

SNED_TARGET void multiply_avx2(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                               float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns;
    auto * codes = static_cast<int8_t *>(scratch);
    auto * scales = reinterpret_cast<float *>(codes + rounded(width, kStep));
    for (int64_t row = first; row < last; ++row) {
        const Row parts(matrix, row);
        unpack(parts, width, codes);
        for (int64_t i = 0; i < width; i += kScaled) scales[i / kScaled] = half_to_float(parts.half(i / matrix->block));
        for (int64_t j = 0; j < count; ++j) y[j * stride + row] = dot(codes, scales, Column(columns, width, j), width);
    }
}

}  // namespace sned

#endif
