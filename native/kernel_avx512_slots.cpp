// The product with AVX-512 where four of eight 4-bit weights are kept: activations are gathered, so that nothing is multiplied
// with zeros.
//
// A half of a mask byte says which columns are in the slots that it fills: vpermd looks sixteen rows up at once, and both
// halves' columns are joined. A byte shuffle gathers their activations for vpdpbusd. Weights are plus 8; eight times what was
// gathered is subtracted.

#include "avx512.h"
#include "slots.h"

#if defined(__x86_64__)

namespace sned {
namespace {

constexpr uint8_t kNone = 0x80;  // makes a byte shuffle give zero

// For each half of a mask, four bytes: the columns in the slots it fills, zeros in others; and for each of its columns the
// slot, or none.
struct Tables {
    alignas(64) uint8_t columns[2][16][4] = {};
    alignas(64) uint8_t slots[2][16][4] = {};

    constexpr Tables() {
        for (int side = 0; side < 2; ++side) {
            for (int half = 0; half < 16; ++half) {
                for (int i = 0, kept = 0; i < 4; ++i) {
                    slots[side][half][i] = kNone;
                    if (!(half >> i & 1)) continue;
                    const int slot = side ? 3 - kept : kept;
                    columns[side][half][slot] = uint8_t(4 * side + i);
                    slots[side][half][i] = uint8_t(slot);
                    ++kept;
                }
            }
        }
    }
};

constexpr Tables kTables;

SNED_TARGET SNED_INLINE __m512i masks_at(const uint8_t * at) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(at)));
}

// Four bytes of each row, that its mask names in two tables; what vpermd does not look at may be anything.
SNED_TARGET SNED_INLINE __m512i named(__m512i masks, __m512i first, __m512i second) {
    const __m512i high = _mm512_permutexvar_epi32(_mm512_srli_epi32(masks, 4), second);
    return _mm512_or_si512(_mm512_permutexvar_epi32(masks, first), high);
}

template <int N, int Shift>
SNED_TARGET SNED_INLINE void slot_block(const uint8_t * scales, const uint8_t * masks, const uint8_t * values, int64_t block,
                                        __m512i first, __m512i second, const Columns & columns, __m512 (&out)[N]) {
    const __m512i half = _mm512_set1_epi8(char(15 << Shift)), eight = _mm512_set1_epi8(char(8 << Shift));
    __m512i dots[N], more[N];
    for (int j = 0; j < N; ++j) dots[j] = more[j] = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int64_t group = 0; group < kGroups; ++group) {
        const __m512i places = named(masks_at(masks + group * kRows), first, second);
        const __m512i weights = _mm512_and_si512(_mm512_loadu_si512(values + group * kSlotValues), half);
        for (int j = 0; j < N; ++j) {
            const __m512i codes = _mm512_shuffle_epi8(columns.eight(j, kBlock * block + kGroup * group), places);
            dots[j] = _mm512_dpbusd_epi32(dots[j], weights, codes);
            more[j] = _mm512_dpbusd_epi32(more[j], eight, codes);
        }
    }
    const __m512 scale = _mm512_mul_ps(scales_at(scales), _mm512_set1_ps(Shift ? 0.0625f : 1.0f));
    for (int j = 0; j < N; ++j) {
        const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(dots[j], more[j]));
        out[j] = _mm512_fmadd_ps(whole, _mm512_mul_ps(scale, columns.scale(j, block)), out[j]);
    }
}

template <int N>
SNED_TARGET void multiply_panel(const sned_packed * matrix, int64_t panel, const Columns & columns, __m512 * to) {
    const __m512i first = _mm512_load_si512(kTables.columns[0]), second = _mm512_load_si512(kTables.columns[1]);
    __m512 out[N];
    for (auto & each : out) each = _mm512_setzero_ps();
    const uint8_t * at = panel_at(matrix, panel);
    const int64_t blocks = blocks_of(matrix->columns);
    PairScales scales(matrix->shared);
    int64_t block = 0;
    for (; block + 2 <= blocks; block += 2) {
        const uint8_t *masks = scales.pass(block, at), *values = masks + 2 * kGroupMasks;
        slot_block<N, 0>(scales.first, masks, values, block, first, second, columns, out);
        slot_block<N, 4>(scales.second, masks + kGroupMasks, values, block + 1, first, second, columns, out);
        at = values + kGroups * kSlotValues;
    }
    if (block < blocks) {
        const uint8_t * masks = scales.pass_last(block, at);
        slot_block<N, 0>(scales.first, masks, masks + kGroupMasks, block, first, second, columns, out);
    }
    for (int j = 0; j < N; ++j) to[j] = out[j];
}

}  // namespace

SNED_TARGET void few_slots(const sned_packed * matrix, int64_t panel, const Columns & columns, int64_t count, __m512 * out) {
    if (count == 1) multiply_panel<1>(matrix, panel, columns, out);
    else if (count == 2) multiply_panel<2>(matrix, panel, columns, out);
    else multiply_panel<3>(matrix, panel, columns, out);
}

SNED_TARGET void unpack_slots(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const __m512i first = _mm512_load_si512(kTables.slots[0]), second = _mm512_load_si512(kTables.slots[1]);
    const __m512i low = _mm512_set1_epi8(15), zero = _mm512_set1_epi8(8);
    const __m512i row = _mm512_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808, 0x04040404, 0, 0x0c0c0c0c,
                                         0x08080808, 0x04040404, 0, 0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    each_slot_block(matrix, panel, [&](int64_t index, const SlotBlock & block) SNED_TARGET {
        for (int64_t group = 0; group < kGroups; ++group) {
            const __m512i masks = masks_at(block.masks + group * kRows);
            const __m512i bytes = _mm512_loadu_si512(block.values + group * kSlotValues);
            const __m512i shifted = _mm512_srli_epi16(bytes, unsigned(block.shift));
            const __m512i values = _mm512_xor_si512(_mm512_and_si512(shifted, low), zero);  // so that zeros are 0
            const auto side = [&](__m512i halves, __m512i table) SNED_TARGET {
                const __m512i places = _mm512_or_si512(_mm512_permutexvar_epi32(halves, table), row);
                return _mm512_xor_si512(_mm512_shuffle_epi8(values, places), zero);
            };
            uint8_t * to = tile.weights + (index * kSteps + 2 * group) * kStepBytes;
            _mm512_store_si512(to, side(masks, first));
            _mm512_store_si512(to + kStepBytes, side(_mm512_srli_epi32(masks, 4), second));
        }
        _mm512_store_ps(tile.scales + index * kRows, scales_at(block.scales));
    });
}

}  // namespace sned

#endif
