// What the kernels with 256-bit vectors share. Eight rows are side by side in a register, in lanes of 32 bits.
//
// There are three from one source: with AVX2 alone, and with vpdpbusd, which adds four products of bytes to a 32-bit sum, in each of
// the two codings that processors have it in (kernel_avxvnni.cpp, kernel_avx512vnni.cpp). SNED_VARIANT is the kernel's namespace.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include "panels.h"

#ifndef SNED_VARIANT
#define SNED_VARIANT avx2
#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt")))
#endif
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned::SNED_VARIANT {

constexpr int64_t kSide = 8;  // rows in a register: half of a panel

SNED_TARGET SNED_INLINE __m128i load128(const void * at) { return _mm_loadu_si128(static_cast<const __m128i *>(at)); }

SNED_TARGET SNED_INLINE __m256i load256(const void * at) { return _mm256_loadu_si256(static_cast<const __m256i *>(at)); }

// What lies 4 KiB ahead of so many bytes: a panel is read once, from its beginning to its end.
SNED_INLINE void prefetch(const uint8_t * at, int64_t size) {
    for (int64_t line = 0; line < size; line += 64) _mm_prefetch(reinterpret_cast<const char *>(at + 4096 + line), _MM_HINT_T0);
}

// The scales of eight rows.
SNED_TARGET SNED_INLINE __m256 scales_at(const uint8_t * at) { return _mm256_cvtph_ps(load128(at)); }

// Four activations in every lane.
SNED_TARGET SNED_INLINE __m256i four(const int8_t * codes) {
    int32_t value;
    std::memcpy(&value, codes, sizeof value);
    return _mm256_set1_epi32(value);
}

// Sums of two neighbours among 16-bit numbers.
SNED_TARGET SNED_INLINE __m256i neighbours(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

SNED_TARGET SNED_INLINE __m256 floats(__m256i sums) { return _mm256_cvtepi32_ps(neighbours(sums)); }

// How four products of bytes are added. `own8` is an 8-bit weight, given plus 128, as this kernel wants it; `dots8` are a step's sums
// with four activations of a column, which come with -128 times their sum; `add4` adds products with 4-bit weights plus 8, and `dots4` are a block's sums of them.
#ifdef SNED_DOT

SNED_TARGET SNED_INLINE __m256i own8(__m256i weights) { return weights; }

SNED_TARGET SNED_INLINE __m256 dots8(__m256i weights, const int8_t * codes, const int32_t * quad) {
    return _mm256_cvtepi32_ps(SNED_DOT(_mm256_set1_epi32(*quad), weights, four(codes)));
}

SNED_TARGET SNED_INLINE __m256i add4(__m256i sums, __m256i weights, __m256i codes) { return SNED_DOT(sums, weights, codes); }

SNED_TARGET SNED_INLINE __m256i dots4(__m256i sums) { return sums; }

#else

SNED_TARGET SNED_INLINE __m256i own8(__m256i weights) { return _mm256_xor_si256(weights, _mm256_set1_epi8(char(0x80))); }

// 2 * 128 * 127 is less than 2^15: nothing saturates.
SNED_TARGET SNED_INLINE __m256 dots8(__m256i weights, const int8_t * codes, const int32_t *) {
    const __m256i own = _mm256_sign_epi8(four(codes), weights);
    return floats(_mm256_maddubs_epi16(_mm256_abs_epi8(weights), own));
}

// 8 * 2 * 15 * 127, of a block, is less than 2^15.
SNED_TARGET SNED_INLINE __m256i add4(__m256i sums, __m256i weights, __m256i codes) {
    return _mm256_add_epi16(sums, _mm256_maddubs_epi16(weights, codes));
}

SNED_TARGET SNED_INLINE __m256i dots4(__m256i sums) { return neighbours(sums); }

#endif

// The chains of a product added up, in ggml's order.
SNED_TARGET SNED_INLINE __m256 joined(const __m256 * c) {
    const __m256 even = _mm256_add_ps(_mm256_add_ps(c[0], c[4]), _mm256_add_ps(c[2], c[6]));
    return _mm256_add_ps(even, _mm256_add_ps(_mm256_add_ps(c[1], c[5]), _mm256_add_ps(c[3], c[7])));
}

// Stores the rows that are there.
SNED_TARGET SNED_INLINE void store(__m256 from, float * to, int64_t there) {
    if (there >= kSide) return _mm256_storeu_ps(to, from);
    alignas(32) float out[kSide];
    _mm256_store_ps(out, from);
    if (there > 0) std::memcpy(to, out, size_t(there) * sizeof(float));
}

// Of a panel whose weights are all there: those of each block, in steps of four for each row, 8-bit ones as `own8` has them and
// 4-bit ones plus 8; and scales.
struct Tile {
    uint8_t * weights;
    float * scales;
};

// A panel of a matrix that keeps four of eight, multiplied with one column, `out` being its two sides; and the tile of one.
void one_by_groups(const sned_packed * matrix, const uint8_t * at, const Column & column, __m256 (&out)[2]);
void unpack_groups(const sned_packed * matrix, int64_t panel, const Tile & tile);

// A tile multiplied with columns, of which the first `rows` products are stored: y[j * stride + i].
void multiply_tile(const sned_packed * matrix, const Tile & tile, const void * columns, int64_t count, int64_t rows, float * y,
                   int64_t stride);

}  // namespace sned::SNED_VARIANT

#endif
