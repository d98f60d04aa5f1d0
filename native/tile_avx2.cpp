// Several tokens with AVX2: a panel whose weights are all there, times columns.

#if defined(__x86_64__)

#include "avx2.h"

namespace sned::SNED_VARIANT {
namespace {

// The place of a side's weights in a tile, and their number of blocks.
struct Side {
    const uint8_t * weights;
    const float * scales;
    int64_t blocks;

    SNED_TARGET SNED_INLINE __m256i at(int64_t block, int64_t step) const {
        return _mm256_load_si256(reinterpret_cast<const __m256i *>(weights + block * kBlock * kRows + step * kStepBytes));
    }
    SNED_TARGET SNED_INLINE __m256 scale(int64_t block) const { return _mm256_load_ps(scales + block * kRows); }
};

// N columns, whose chains are in registers for so many steps at a time: for two columns, half of them, as there are sixteen registers.
template <int N, int64_t kPass>
SNED_TARGET void multiply8(const Side & side, const void * columns, int64_t width, int64_t j, __m256 (&out)[N]) {
    const Column first(columns, width, j);
    const auto apart = int64_t(sned_column_bytes(width));
    const auto of = [&](const auto * base, int64_t i) {
        return reinterpret_cast<decltype(base)>(reinterpret_cast<const uint8_t *>(base) + i * apart);
    };
    __m256 done[N][kSteps];
    for (int64_t pass = 0; pass < kSteps; pass += kPass) {
        __m256 chains[N][kPass];
        for (auto & each : chains) {
            for (auto & chain : each) chain = _mm256_setzero_ps();
        }
        for (int64_t block = 0; block < side.blocks; ++block) {
            __m256 both[N];
            for (int i = 0; i < N; ++i) {
                both[i] = _mm256_mul_ps(side.scale(block), _mm256_broadcast_ss(of(first.scales + block, i)));
            }
#pragma GCC unroll 8
            for (int64_t step = 0; step < kPass; ++step) {
                const __m256i weights = side.at(block, pass + step);
                const int64_t all = block * kSteps + pass + step;
                for (int i = 0; i < N; ++i) {
                    const __m256 dots = dots8(weights, of(first.codes + 4 * all, i), of(first.quads + all, i));
                    chains[i][step] = _mm256_fmadd_ps(dots, both[i], chains[i][step]);
                }
            }
        }
        for (int i = 0; i < N; ++i) std::copy(chains[i], chains[i] + kPass, done[i] + pass);
    }
    for (int i = 0; i < N; ++i) out[i] = joined(done[i]);
}

// 4-bit weights plus 8, with N columns whose sums eight times are subtracted.
template <int N> SNED_TARGET void multiply4(const Side & side, const void * columns, int64_t width, int64_t j, __m256 (&out)[N]) {
    for (auto & each : out) each = _mm256_setzero_ps();
    const Column first(columns, width, j);
    const auto apart = int64_t(sned_column_bytes(width));
    const auto of = [&](const void * base, int64_t i) { return static_cast<const uint8_t *>(base) + i * apart; };
    for (int64_t block = 0; block < side.blocks; ++block) {
        __m256i sums[N];
        for (auto & each : sums) each = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const __m256i weights = side.at(block, step);
            for (int i = 0; i < N; ++i) {
                const auto * codes = reinterpret_cast<const int8_t *>(of(first.codes + block * kBlock + 4 * step, i));
                sums[i] = add4(sums[i], weights, four(codes));
            }
        }
        const __m256 scale = side.scale(block);
        for (int i = 0; i < N; ++i) {
            int32_t total;
            float own;
            std::memcpy(&total, of(first.totals + block, i), sizeof total);
            std::memcpy(&own, of(first.scales + block, i), sizeof own);
            const __m256 dots = _mm256_cvtepi32_ps(_mm256_add_epi32(dots4(sums[i]), _mm256_set1_epi32(total)));
            out[i] = _mm256_fmadd_ps(dots, _mm256_mul_ps(scale, _mm256_set1_ps(own)), out[i]);
        }
    }
}

}  // namespace

SNED_TARGET void multiply_tile(const sned_packed * matrix, const Tile & tile, const void * columns, int64_t count, int64_t rows,
                               float * y, int64_t stride) {
    const int64_t width = matrix->columns;
    for (int64_t row = 0; row < kRows; row += kSide) {
        const Side side = {tile.weights + 4 * row, tile.scales + row, blocks_of(width)};
        int64_t j = 0;
        if (matrix->bits == 4) {
            for (; j + 4 <= count; j += 4) {
                __m256 out[4];
                multiply4<4>(side, columns, width, j, out);
                for (int i = 0; i < 4; ++i) store(out[i], y + (j + i) * stride + row, rows - row);
            }
        } else {
            for (; j + 2 <= count; j += 2) {
                __m256 out[2];
                multiply8<2, kSteps / 2>(side, columns, width, j, out);
                for (int i = 0; i < 2; ++i) store(out[i], y + (j + i) * stride + row, rows - row);
            }
        }
        for (; j < count; ++j) {
            __m256 out[1];
            if (matrix->bits == 4) multiply4<1>(side, columns, width, j, out);
            else multiply8<1, kSteps>(side, columns, width, j, out);
            store(out[0], y + j * stride + row, rows - row);
        }
    }
}

}  // namespace sned::SNED_VARIANT

#endif
