// Activations quantised with AVX2.

#if defined(__x86_64__)

#include <immintrin.h>

#include "panels.h"

#define SNED_TARGET __attribute__((target("avx2")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {
namespace {

constexpr int64_t kVectors = kBlock / 8;

SNED_TARGET SNED_INLINE float largest_of(__m256 values) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

SNED_TARGET SNED_INLINE int32_t sum_of(__m256i values) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

// Whole numbers, ties to even; zeros for what is no number.
SNED_TARGET SNED_INLINE __m256i rounded_to_even(__m256 values) {
    const __m256i there = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_ORD_Q));
    return _mm256_and_si256(_mm256_cvtps_epi32(values), there);
}

}  // namespace

SNED_TARGET void quantise_avx2(int64_t columns, const float * x, void * column) {
    const Column out(column, columns);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int64_t b = 0; b < blocks_of(columns); ++b) {
        __m256 values[kVectors], most = _mm256_setzero_ps();
        for (int64_t i = 0; i < kVectors; ++i) {
            values[i] = _mm256_loadu_ps(x + b * kBlock + 8 * i);
            most = _mm256_max_ps(_mm256_andnot_ps(sign, values[i]), most);  // what is no number is passed over
        }
        const BlockScale scale(largest_of(most));
        const __m256 inverse = _mm256_set1_ps(scale.inverse);
        __m256i whole[kVectors];
        for (int64_t i = 0; i < kVectors; ++i) whole[i] = rounded_to_even(_mm256_mul_ps(values[i], inverse));
        __m256i codes = _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
        codes = _mm256_permutevar8x32_epi32(codes, order);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out.codes + b * kBlock), codes);
        const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
        const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(-1));  // times -1
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out.quads + b * kSteps), _mm256_slli_epi32(fours, 7));
        out.totals[b] = 8 * sum_of(fours);
        out.scales[b] = scale.value;
    }
}

}  // namespace sned

#endif
