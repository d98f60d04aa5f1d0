// The product with AVX-512: vpexpandb spreads 64 weights of any pattern in one instruction, vpdpbusd multiplies them.
//
// vpdpbusd multiplies numbers without a sign with numbers that have one. Weights are taken as value + 128, which one exclusive-or
// makes of the bytes stored, and 128 times the sum of the activations is subtracted by beginning with it.

#if defined(__x86_64__)

#include <immintrin.h>

#include "rows.h"

#define SNED_TARGET __attribute__((target("avx2,fma,f16c,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,avx512vnni")))
#define SNED_INLINE __attribute__((always_inline)) inline

namespace sned {
namespace {

constexpr int64_t kTile = 16;      // rows that are unpacked together
constexpr int64_t kTogether = 8;   // columns that a tile is multiplied with at once
constexpr int64_t kFewColumns = 12;  // up to so many, rows are multiplied while they are spread

// The next 64 weights plus 128; moves on to the values behind them.
SNED_TARGET SNED_INLINE __m512i spread(uint64_t bits, const uint8_t *& value) {
    const __m512i offset = _mm512_set1_epi8(char(0x80));
    const __m512i values = _mm512_xor_si512(_mm512_loadu_si512(value), offset);
    value += _mm_popcnt_u64(bits);
    return _mm512_mask_expand_epi8(offset, bits, values);
}

// The scales of 16 times 32 weights, from `column` on; zeros behind the last.
SNED_TARGET SNED_INLINE __m512 scales_of(const Row & row, const sned_packed * matrix, int64_t column) {
    const int64_t left = (matrix->columns - column + kScaled - 1) / kScaled;
    const int64_t apart = matrix->block / kScaled;
    const int64_t halves = ((left < 16 ? left : 16) + apart - 1) / apart;
    const __m256i loaded = _mm256_maskz_loadu_epi16(__mmask16((1u << halves) - 1), row.scales + 2 * (column / matrix->block));
    const __m512 scales = _mm512_cvtph_ps(loaded);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i places = _mm512_srl_epi32(lanes, _mm_cvtsi32_si128(__builtin_ctzll(uint64_t(apart))));
    return _mm512_permutexvar_ps(places, scales);
}

template <int N>
SNED_TARGET void few(const sned_packed * matrix, const void * columns, int64_t index, int64_t first, int64_t last, float * y,
                     int64_t stride) {
    const int64_t width = matrix->columns;
    const Column start(columns, width, index);
    const auto apart = int64_t(sned_column_bytes(width));
    const __m512i both = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    for (int64_t row = first; row < last; ++row) {
        const Row parts(matrix, row);
        const uint8_t * value = parts.values;
        __m512 total[N];
        for (int j = 0; j < N; ++j) total[j] = _mm512_setzero_ps();
        for (int64_t column = 0; column < width; column += 16 * kScaled) {
            const __m512 scales = scales_of(parts, matrix, column);
            __m512 scaled[N];
            for (int j = 0; j < N; ++j) {
                const auto * of = reinterpret_cast<const float *>(reinterpret_cast<const uint8_t *>(start.scales) + j * apart);
                scaled[j] = _mm512_mul_ps(scales, _mm512_loadu_ps(of + column / kScaled));
            }
            __m512i pair = both;
            const int64_t end = column + 16 * kScaled < width ? column + 16 * kScaled : width;
            for (int64_t at = column; at < end; at += kStep) {
                const __m512i weights = spread(parts.bits(at, width), value);
                for (int j = 0; j < N; ++j) {
                    const auto * codes = reinterpret_cast<const uint8_t *>(start.codes) + j * apart + at;
                    const auto * offsets = reinterpret_cast<const uint8_t *>(start.offsets) + j * apart + at;
                    const __m512i dots =
                        _mm512_dpbusd_epi32(_mm512_loadu_si512(offsets), weights, _mm512_loadu_si512(codes));
                    total[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_permutexvar_ps(pair, scaled[j]), total[j]);
                }
                pair = _mm512_add_epi32(pair, _mm512_set1_epi32(2));
            }
        }
        for (int j = 0; j < N; ++j) y[(index + j) * stride + row] = _mm512_reduce_add_ps(total[j]);
    }
}

// Sixteen rows side by side: four weights of each in a vector, and the scale of each in another.
struct Tile {
    uint8_t * weights;
    float * scales;
};

SNED_TARGET void unpack(const sned_packed * matrix, int64_t first, int64_t rows, const Tile & tile) {
    const int64_t width = matrix->columns;
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i apart = _mm512_slli_epi32(lanes, 4);  // in units of four bytes
    for (int64_t i = 0; i < kTile; ++i) {
        const Row row(matrix, first + (i < rows ? i : 0));  // any row in the place of one that is not there
        const uint8_t * value = row.values;
        for (int64_t at = 0; at < width; at += kStep) {
            _mm512_i32scatter_epi32(tile.weights + 16 * at + 4 * i, apart, spread(row.bits(at, width), value), 4);
        }
        for (int64_t at = 0; at < width; at += 16 * kScaled) {
            const int64_t left = (width - at + kScaled - 1) / kScaled;
            const auto there = __mmask16(left >= 16 ? 0xffff : (1u << left) - 1);
            _mm512_mask_i32scatter_ps(tile.scales + at / kScaled * kTile + i, there, apart, scales_of(row, matrix, at), 4);
        }
    }
}

template <int N>
SNED_TARGET void many(const sned_packed * matrix, const Tile & tile, const void * columns, int64_t index, int64_t first,
                      int64_t rows, float * y, int64_t stride) {
    const int64_t width = matrix->columns;
    const auto apart = int64_t(sned_column_bytes(width));
    const Column start(columns, width, index);
    __m512 total[N];
    for (int j = 0; j < N; ++j) total[j] = _mm512_setzero_ps();
    for (int64_t at = 0; at < width; at += kScaled) {
        __m512i dots[N];
        for (int j = 0; j < N; ++j) {
            int32_t sum;
            std::memcpy(&sum, reinterpret_cast<const uint8_t *>(start.sums + at / kScaled) + j * apart, sizeof sum);
            dots[j] = _mm512_set1_epi32(sum);
        }
        for (int64_t four = at; four < at + kScaled; four += 4) {
            const __m512i weights = _mm512_load_si512(tile.weights + 16 * four);
            for (int j = 0; j < N; ++j) {
                int32_t codes;
                std::memcpy(&codes, start.codes + j * apart + four, sizeof codes);
                dots[j] = _mm512_dpbusd_epi32(dots[j], weights, _mm512_set1_epi32(codes));
            }
        }
        const __m512 scales = _mm512_load_ps(tile.scales + at / kScaled * kTile);
        for (int j = 0; j < N; ++j) {
            float scale;
            std::memcpy(&scale, reinterpret_cast<const uint8_t *>(start.scales + at / kScaled) + j * apart, sizeof scale);
            total[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j]), _mm512_mul_ps(scales, _mm512_set1_ps(scale)), total[j]);
        }
    }
    const auto there = __mmask16((1u << rows) - 1);
    for (int j = 0; j < N; ++j) _mm512_mask_storeu_ps(y + (index + j) * stride + first, there, total[j]);
}

}  // namespace

SNED_TARGET void multiply_avx512(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                                 float * y, int64_t stride, void * scratch) {
    if (count <= kFewColumns) {
        int64_t j = 0;
        for (; j + 4 <= count; j += 4) few<4>(matrix, columns, j, first, last, y, stride);
        if (count - j == 3) few<3>(matrix, columns, j, first, last, y, stride);
        if (count - j == 2) few<2>(matrix, columns, j, first, last, y, stride);
        if (count - j == 1) few<1>(matrix, columns, j, first, last, y, stride);
        return;
    }
    const int64_t padded = rounded(matrix->columns, kStep);
    const Tile tile = {static_cast<uint8_t *>(scratch), reinterpret_cast<float *>(static_cast<uint8_t *>(scratch) + 16 * padded)};
    for (int64_t row = first; row < last; row += kTile) {
        const int64_t rows = last - row < kTile ? last - row : kTile;
        unpack(matrix, row, rows, tile);
        int64_t j = 0;
        for (; j + kTogether <= count; j += kTogether) many<kTogether>(matrix, tile, columns, j, row, rows, y, stride);
        for (; j + 2 <= count; j += 2) many<2>(matrix, tile, columns, j, row, rows, y, stride);
        if (j < count) many<1>(matrix, tile, columns, j, row, rows, y, stride);
    }
}

}  // namespace sned

#endif
