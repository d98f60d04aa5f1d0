// The product with AVX-512: vpexpandb spreads 64 weights of any pattern in one instruction, vpdpbusd multiplies them.
//
// vpdpbusd multiplies numbers without a sign with numbers that have one. Weights are stored plus 128 (or plus 8), and so many
// times the sum of the activations is subtracted by beginning with it.

#if defined(__x86_64__)

#include "avx512.h"

namespace sned {
namespace {

// The chains of a product added up, in ggml's order.
SNED_TARGET SNED_INLINE __m512 joined(const __m512 * c) {
    const __m512 even = _mm512_add_ps(_mm512_add_ps(c[0], c[4]), _mm512_add_ps(c[2], c[6]));
    return _mm512_add_ps(even, _mm512_add_ps(_mm512_add_ps(c[1], c[5]), _mm512_add_ps(c[3], c[7])));
}

// The weights of a step, each plus its zero; moves on to the values behind them.
SNED_TARGET SNED_INLINE __m512i spread(const uint8_t * mask, const uint8_t *& value, __m512i zero) {
    const uint64_t bits = word(mask);
    const __m512i weights = _mm512_mask_expand_epi8(zero, bits, _mm512_loadu_si512(value));
    value += _mm_popcnt_u64(bits);
    return weights;
}

// As above, of 4-bit values; those in high halves are times 16, and so is their zero.
SNED_TARGET SNED_INLINE __m512i spread_half(const uint8_t * mask, const uint8_t *& value, __m512i half, __m512i zero) {
    const uint64_t bits = word(mask);
    const __m512i weights = _mm512_mask_expand_epi8(zero, bits, _mm512_and_si512(_mm512_loadu_si512(value), half));
    value += _mm_popcnt_u64(bits);
    return weights;
}

template <int N, bool Masked>
SNED_TARGET void few8(const uint8_t * at, int64_t shared, int64_t blocks, const Columns & columns, __m512 (&out)[N]) {
    const __m512i zero = _mm512_set1_epi8(char(0x80));
    __m512 scales = _mm512_setzero_ps(), chains[N][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm512_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; ++block) {
        if (Masked) fetch<2, 16384>(at, 384);
        else fetch<1, 8192>(at, 576);
        if ((block & (shared - 1)) == 0) {
            scales = scales_at(at);
            at += kScaleBytes;
        }
        const uint8_t *masks = at, *value = masks + (Masked ? kMaskBytes : 0);
        __m512 both[N];
        for (int j = 0; j < N; ++j) both[j] = _mm512_mul_ps(scales, columns.scale(j, block));
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const __m512i weights = Masked ? spread(masks + 8 * step, value, zero) : _mm512_loadu_si512(value);
            if (!Masked) value += kStepBytes;
            for (int j = 0; j < N; ++j) {
                const __m512i dots = _mm512_dpbusd_epi32(columns.quad(j, kSteps * block + step), weights,
                                                         columns.codes(j, kBlock * block + 4 * step));
                chains[j][step] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), both[j], chains[j][step]);
            }
        }
        at = value;
    }
    for (int j = 0; j < N; ++j) out[j] = joined(chains[j]);
}

// One block of 4-bit values, in the halves of bytes that `half` names.
template <int N, int Shift>
SNED_TARGET SNED_INLINE void half_block(const uint8_t * scales, const uint8_t * masks, const uint8_t *& value, int64_t block,
                                        const Columns & columns, __m512 (&out)[N]) {
    const __m512i half = _mm512_set1_epi8(char(15 << Shift)), zero = _mm512_set1_epi8(char(8 << Shift));
    __m512i dots[N];
    for (int j = 0; j < N; ++j) dots[j] = columns.total(j, block, Shift);
#pragma GCC unroll 8
    for (int64_t step = 0; step < kSteps; ++step) {
        const __m512i weights = spread_half(masks + 8 * step, value, half, zero);
        for (int j = 0; j < N; ++j) {
            dots[j] = _mm512_dpbusd_epi32(dots[j], weights, columns.codes(j, kBlock * block + 4 * step));
        }
    }
    const __m512 scale = _mm512_mul_ps(scales_at(scales), _mm512_set1_ps(Shift ? 0.0625f : 1.0f));
    for (int j = 0; j < N; ++j) {
        out[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j]), _mm512_mul_ps(scale, columns.scale(j, block)), out[j]);
    }
}

template <int N>
SNED_TARGET void few4(const uint8_t * at, int64_t shared, int64_t blocks, const Columns & columns, __m512 (&out)[N]) {
    for (auto & each : out) each = _mm512_setzero_ps();
    PairScales scales(shared);
    int64_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
        const uint8_t *masks = scales.pass(block, at), *low = masks + 2 * kMaskBytes, *high = low;
        half_block<N, 0>(scales.first, masks, low, block, columns, out);
        half_block<N, 4>(scales.second, masks + kMaskBytes, high, block + 1, columns, out);
        at = low > high ? low : high;
    }
    if (block < blocks) {
        const uint8_t *masks = scales.pass_last(block, at), *value = masks + kMaskBytes;
        half_block<N, 0>(scales.first, masks, value, block, columns, out);
    }
}

SNED_TARGET void unpack(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const __m512i zero = _mm512_set1_epi8(char(zero_of(matrix->bits)));
    const __m512i low = _mm512_set1_epi8(char(matrix->bits == 8 ? 255 : 15));
    each_block(matrix, panel, [&](int64_t index, const Block & block) SNED_TARGET {
        const uint8_t * value = block.values;
        for (int64_t step = 0; step < kSteps; ++step) {
            const uint64_t bits = word(block.masks + 8 * step);
            const __m512i values = _mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(value), unsigned(block.shift)), low);
            const __m512i weights = _mm512_mask_expand_epi8(zero, bits, values);
            _mm512_store_si512(tile.weights + (index * kSteps + step) * kStepBytes, weights);
            value += _mm_popcnt_u64(bits);
        }
        _mm512_store_ps(tile.scales + index * kRows, scales_at(block.scales));
    });
}

template <int N>
SNED_TARGET void many8(const Tile & tile, int64_t blocks, const Columns & columns, __m512 (&out)[N]) {
    __m512 chains[N][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm512_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; ++block) {
        const __m512 scales = _mm512_load_ps(tile.scales + block * kRows);
        __m512 both[N];
        for (int j = 0; j < N; ++j) both[j] = _mm512_mul_ps(scales, columns.scale(j, block));
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const __m512i weights = _mm512_load_si512(tile.weights + (block * kSteps + step) * kStepBytes);
            for (int j = 0; j < N; ++j) {
                const __m512i dots = _mm512_dpbusd_epi32(columns.quad(j, kSteps * block + step), weights,
                                                         columns.codes(j, kBlock * block + 4 * step));
                chains[j][step] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), both[j], chains[j][step]);
            }
        }
    }
    for (int j = 0; j < N; ++j) out[j] = joined(chains[j]);
}

template <int N>
SNED_TARGET void many4(const Tile & tile, int64_t blocks, const Columns & columns, __m512 (&out)[N]) {
    for (auto & each : out) each = _mm512_setzero_ps();
    for (int64_t block = 0; block < blocks; ++block) {
        __m512i dots[N];
        for (int j = 0; j < N; ++j) dots[j] = columns.total(j, block, 0);
#pragma GCC unroll 8
        for (int64_t step = 0; step < kSteps; ++step) {
            const __m512i weights = _mm512_load_si512(tile.weights + (block * kSteps + step) * kStepBytes);
            for (int j = 0; j < N; ++j) {
                dots[j] = _mm512_dpbusd_epi32(dots[j], weights, columns.codes(j, kBlock * block + 4 * step));
            }
        }
        const __m512 scales = _mm512_load_ps(tile.scales + block * kRows);
        for (int j = 0; j < N; ++j) {
            out[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[j]), _mm512_mul_ps(scales, columns.scale(j, block)), out[j]);
        }
    }
}

// What is multiplied, and where the product goes.
struct Work {
    const sned_packed * matrix;
    const void * columns;
    float * y;
    int64_t stride, row;
    __mmask16 there;

    SNED_TARGET SNED_INLINE Columns from(int64_t j) const {
        return {Column(columns, matrix->columns, j), int64_t(sned_column_bytes(matrix->columns))};
    }

    template <int N> SNED_TARGET SNED_INLINE void store(int64_t j, const __m512 (&out)[N]) const {
        for (int i = 0; i < N; ++i) _mm512_mask_storeu_ps(y + (j + i) * stride + row, there, out[i]);
    }
};

template <int N> SNED_TARGET void few(const Work & work) {
    __m512 out[N];
    if (work.matrix->layout == SNED_SLOTS) {
        few_slots(work.matrix, work.row / kRows, work.from(0), N, out);
        return work.store(0, out);
    }
    const int64_t blocks = blocks_of(work.matrix->columns);
    const uint8_t * at = panel_at(work.matrix, work.row / kRows);
    const int64_t shared = work.matrix->shared;
    if (work.matrix->layout != SNED_MASKS) few8<N, false>(at, shared, blocks, work.from(0), out);
    else if (work.matrix->bits == 8) few8<N, true>(at, shared, blocks, work.from(0), out);
    else few4<N>(at, shared, blocks, work.from(0), out);
    work.store(0, out);
}

template <int N> SNED_TARGET void many(const Work & work, const Tile & tile, int64_t j) {
    __m512 out[N];
    const int64_t blocks = blocks_of(work.matrix->columns);
    if constexpr (N <= 3) {
        if (work.matrix->bits == 8) {
            many8<N>(tile, blocks, work.from(j), out);
            return work.store(j, out);
        }
    }
    many4<N>(tile, blocks, work.from(j), out);
    work.store(j, out);
}

}  // namespace

SNED_TARGET uint64_t pack_step_avx512(const uint8_t * weights, uint8_t zero, uint8_t * out) {
    const __m512i step = _mm512_loadu_si512(weights);
    const __mmask64 kept = _mm512_cmpneq_epi8_mask(step, _mm512_set1_epi8(char(zero)));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(kept, step));
    return kept;
}

SNED_TARGET void multiply_avx512(const sned_packed * matrix, const void * columns, int64_t count, int64_t first, int64_t last,
                                 float * y, int64_t stride, void * scratch) {
    const int64_t width = matrix->columns;
    const Tile tile = {static_cast<uint8_t *>(scratch), reinterpret_cast<float *>(static_cast<uint8_t *>(scratch) + kRows * width)};
    for (int64_t row = first; row < last; row += kRows) {
        const int64_t rows = last - row < kRows ? last - row : kRows;
        const Work work = {matrix, columns, y, stride, row, __mmask16((1u << rows) - 1)};
        if (count == 1) few<1>(work);
        else if (count == 2) few<2>(work);
        else if (count == 3) few<3>(work);
        else {
            if (matrix->layout == SNED_SLOTS) unpack_slots(matrix, row / kRows, tile);
            else unpack(matrix, row / kRows, tile);
            int64_t j = 0;
            if (matrix->bits == 4) {
                for (; j + 8 <= count; j += 8) many<8>(work, tile, j);
            }
            for (; j + 3 <= count; j += 3) many<3>(work, tile, j);
            if (count - j == 2) many<2>(work, tile, j);
            if (count - j == 1) many<1>(work, tile, j);
        }
    }
}

}  // namespace sned

#endif
