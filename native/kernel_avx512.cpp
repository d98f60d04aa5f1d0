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
constexpr int64_t kGroupBytes = 384;  // of a group that has half of its weights
constexpr int64_t kAhead = 4096;       // memory is asked for before it is needed: a row begins in three places
constexpr int64_t kFewColumns = 12;  // up to so many, rows are multiplied while they are spread

// The weights of a step, plus 128; moves on to the values behind them.
SNED_TARGET SNED_INLINE __m512i spread(uint64_t bits, const uint8_t *& value) {
    const __m512i weights = _mm512_mask_expand_epi8(_mm512_set1_epi8(char(0x80)), bits, _mm512_loadu_si512(value));
    value += _mm_popcnt_u64(bits);
    return weights;
}

// Asks for the memory that a group takes, and moves on.
SNED_TARGET SNED_INLINE void fetch(const uint8_t *& ahead) {
    for (int64_t i = 0; i < kGroupBytes; i += 64) _mm_prefetch(reinterpret_cast<const char *>(ahead + i), _MM_HINT_T0);
    ahead += kGroupBytes;
}

// The scales of blocks side by side; zeros in lanes that are not there.
SNED_TARGET SNED_INLINE __m512 scales_of(const Row & row, int64_t block, int64_t lanes) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(__mmask16((1u << lanes) - 1), row.scales + 2 * block));
}

// Blocks side by side, multiplied with N columns.
template <int N>
SNED_TARGET SNED_INLINE void group(const Row & row, int64_t block, int64_t lanes, const uint8_t *& mask, const uint8_t *& value,
                                   const Column & column, int64_t apart, __m512 (&total)[N]) {
    __m512i dots[N];
    for (int j = 0; j < N; ++j) dots[j] = _mm512_load_si512(reinterpret_cast<const uint8_t *>(column.sums + block) + j * apart);
    const int8_t * inputs = column.stepped + block * kBlock;
#pragma GCC unroll 8
    for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes), inputs += 4 * kLanes) {
        const __m512i weights = spread(step_bits(mask, lanes), value);
        for (int j = 0; j < N; ++j) dots[j] = _mm512_dpbusd_epi32(dots[j], weights, _mm512_load_si512(inputs + j * apart));
    }
    const __m512 scales = scales_of(row, block, lanes);
    for (int j = 0; j < N; ++j) {
        const auto * of = reinterpret_cast<const uint8_t *>(column.scales + block) + j * apart;
        total[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j]), _mm512_mul_ps(scales, _mm512_load_ps(of)), total[j]);
    }
}

template <int N>
SNED_TARGET void few(const sned_packed * matrix, const void * columns, int64_t index, int64_t first, int64_t last, float * y,
                     int64_t stride) {
    const int64_t blocks = blocks_of(matrix->columns);
    const Column column(columns, matrix->columns, index);
    const auto apart = int64_t(sned_column_bytes(matrix->columns));
    for (int64_t i = first; i < last; ++i) {
        const Row row(matrix, i);
        const uint8_t *mask = row.mask, *value = row.values, *ahead = row.scales + kAhead;
        __m512 total[N];
        for (int j = 0; j < N; ++j) total[j] = _mm512_setzero_ps();
        int64_t block = 0;
        for (; block + kLanes <= blocks; block += kLanes) {
            fetch(ahead);
            group<N>(row, block, kLanes, mask, value, column, apart, total);
        }
        if (block < blocks) fetch(ahead), group<N>(row, block, blocks - block, mask, value, column, apart, total);
        for (int j = 0; j < N; ++j) y[(index + j) * stride + i] = _mm512_reduce_add_ps(total[j]);
    }
}

// Sixteen rows side by side: four weights of each in a vector, and the scale of each in another.
struct Tile {
    uint8_t * weights;
    float * scales;
};

SNED_TARGET void unpack(const sned_packed * matrix, int64_t first, int64_t rows, const Tile & tile) {
    const int64_t blocks = blocks_of(matrix->columns);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i scales_apart = _mm512_slli_epi32(lane, 4);   // in units of four bytes
    const __m512i weights_apart = _mm512_slli_epi32(lane, 7);
    for (int64_t i = 0; i < kTile; ++i) {
        const Row row(matrix, first + (i < rows ? i : 0));  // any row in the place of one that is not there
        const uint8_t *mask = row.mask, *value = row.values;
        for (int64_t block = 0; block < blocks; block += kLanes) {
            const int64_t lanes = lanes_at(block, blocks);
            uint8_t * to = tile.weights + block * kBlock * kTile + 4 * i;
            for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes)) {
                _mm512_i32scatter_epi32(to + step * 4 * kTile, weights_apart, spread(step_bits(mask, lanes), value), 4);
            }
            _mm512_i32scatter_ps(tile.scales + block * kTile + i, scales_apart, scales_of(row, block, lanes), 4);
        }
    }
}

template <int N>
SNED_TARGET void many(const sned_packed * matrix, const Tile & tile, const void * columns, int64_t index, int64_t first,
                      int64_t rows, float * y, int64_t stride) {
    const auto apart = int64_t(sned_column_bytes(matrix->columns));
    const Column start(columns, matrix->columns, index);
    __m512 total[N];
    for (int j = 0; j < N; ++j) total[j] = _mm512_setzero_ps();
    for (int64_t at = 0; at < blocks_of(matrix->columns) * kBlock; at += kBlock) {
        __m512i dots[N];
        for (int j = 0; j < N; ++j) {
            int32_t sum;
            std::memcpy(&sum, reinterpret_cast<const uint8_t *>(start.sums + at / kBlock) + j * apart, sizeof sum);
            dots[j] = _mm512_set1_epi32(sum);
        }
        for (int64_t four = at; four < at + kBlock; four += 4) {
            const __m512i weights = _mm512_load_si512(tile.weights + 16 * four);
            for (int j = 0; j < N; ++j) {
                int32_t codes;
                std::memcpy(&codes, start.codes + j * apart + four, sizeof codes);
                dots[j] = _mm512_dpbusd_epi32(dots[j], weights, _mm512_set1_epi32(codes));
            }
        }
        const __m512 scales = _mm512_load_ps(tile.scales + at / kBlock * kTile);
        for (int j = 0; j < N; ++j) {
            float scale;
            std::memcpy(&scale, reinterpret_cast<const uint8_t *>(start.scales + at / kBlock) + j * apart, sizeof scale);
            total[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j]), _mm512_mul_ps(scales, _mm512_set1_ps(scale)), total[j]);
        }
    }
    const auto there = __mmask16((1u << rows) - 1);
    for (int j = 0; j < N; ++j) _mm512_mask_storeu_ps(y + (index + j) * stride + first, there, total[j]);
}

}  // namespace

SNED_TARGET uint64_t pack_step_avx512(const uint8_t * values, int64_t lanes, int64_t apart, uint8_t *& end) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i places = _mm512_mullo_epi32(lane, _mm512_set1_epi32(int32_t(apart)));
    const auto there = __mmask16((1u << lanes) - 1);
    const __m512i step = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, places, values, 1);
    const __mmask64 kept = _mm512_test_epi8_mask(step, step);
    _mm512_storeu_si512(end, _mm512_maskz_compress_epi8(kept, _mm512_xor_si512(step, _mm512_set1_epi8(char(0x80)))));
    end += _mm_popcnt_u64(kept);
    return kept;
}

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
    const int64_t padded = rounded(matrix->columns, kGroup);
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
