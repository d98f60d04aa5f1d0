// The product with AVX-512 where four of eight 4-bit weights are kept: activations are gathered, so that nothing is multiplied
// with zeros.
//
// vpermi2b looks up in which columns the weights of 64 groups are, one of each; a second permutation gathers their activations
// for vpdpbusd. Weights are plus 8; eight times what was gathered is subtracted. Memory is asked for ahead with each pair of
// blocks, in the order in which it is needed: for eight blocks at once, a third of the rate was lost.

#include "avx512.h"
#include "slots.h"

#if defined(__x86_64__)

namespace sned {
namespace {

constexpr int64_t kAhead = 32768;  // bytes

// A table of 128 bytes.
struct Table {
    __m512i low, high;

    SNED_TARGET SNED_INLINE explicit Table(const uint8_t * from)
        : low(_mm512_load_si512(from)), high(_mm512_load_si512(from + 64)) {}

    SNED_TARGET SNED_INLINE __m512i at(__m512i places) const { return _mm512_permutex2var_epi8(low, places, high); }
};

// Where a block's activations are for its weights: their columns from the group's first one on, and the groups' own.
struct Places {
    Table slots[kSlots];
    __m512i groups;

    SNED_TARGET SNED_INLINE Places()
        : slots{Table(kSlotCodes.columns[0]), Table(kSlotCodes.columns[1]), Table(kSlotCodes.columns[2]), Table(kSlotCodes.columns[3])},
          groups(_mm512_set1_epi32(0x18100800)) {}

    SNED_TARGET SNED_INLINE __m512i of(int64_t slot, __m512i codes) const { return _mm512_or_si512(slots[slot].at(codes), groups); }
};

// The codes of a stretch's last block, which are the highest bits of the others' bytes.
SNED_TARGET SNED_INLINE __m512i last_codes(const Stretch & stretch) {
    __m512i codes = _mm512_setzero_si512();
#pragma GCC unroll 7
    for (int i = 0; i < int(kStretch) - 1; ++i) {
        const __m512i highest = _mm512_set1_epi64(int64_t(uint64_t(0x80) << 8 * (7 - i)));  // to bit i, and nothing else
        codes = _mm512_or_si512(codes, _mm512_gf2p8affine_epi64_epi8(_mm512_loadu_si512(stretch.codes_of(i)), highest, 0));
    }
    return codes;
}

template <int N, int Shift>
SNED_TARGET SNED_INLINE void slot_block(const Stretch & stretch, int64_t in, __m512i codes, int64_t block, const Places & places,
                                        const Columns & columns, __m512 (&out)[N]) {
    const __m512i half = _mm512_set1_epi8(char(15 << Shift)), eight = _mm512_set1_epi8(char(8 << Shift));
    const uint8_t * values = stretch.values_of(in);
    __m512i activations[N], dots[N], more[N];
    for (int j = 0; j < N; ++j) {
        activations[j] = columns.block(j, block);
        dots[j] = more[j] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int64_t slot = 0; slot < kSlots; ++slot) {
        const __m512i own = places.of(slot, codes);
        const __m512i weights = _mm512_and_si512(_mm512_loadu_si512(values + slot * kSlotVector), half);
        for (int j = 0; j < N; ++j) {
            const __m512i gathered = _mm512_permutexvar_epi8(own, activations[j]);
            dots[j] = _mm512_dpbusd_epi32(dots[j], weights, gathered);
            more[j] = _mm512_dpbusd_epi32(more[j], eight, gathered);
        }
    }
    const __m512 scale = _mm512_mul_ps(scales_at(stretch.scales_of(in)), _mm512_set1_ps(Shift ? 0.0625f : 1.0f));
    for (int j = 0; j < N; ++j) {
        const __m512 whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(dots[j], more[j]));
        out[j] = _mm512_fmadd_ps(whole, _mm512_mul_ps(scale, columns.scale(j, block)), out[j]);
    }
}

template <int N>
SNED_TARGET void multiply_panel(const sned_packed * matrix, int64_t panel, const Columns & columns, __m512 * to) {
    const Places places;
    __m512 out[N];
    for (auto & each : out) each = _mm512_setzero_ps();
    const uint8_t * at = panel_at(matrix, panel);
    const int64_t blocks = blocks_of(matrix->columns);
    const auto codes = [](const Stretch & stretch, int64_t in) SNED_TARGET { return _mm512_loadu_si512(stretch.codes_of(in)); };
    int64_t index = 0;
    for (; index + kStretch <= blocks; index += kStretch) {
        const Stretch stretch(at, matrix->shared, kStretch);
        const int64_t share = (stretch.end - at) / kStretch;  // of the memory that is asked for
#pragma GCC unroll 4
        for (int64_t in = 0; in < kStretch; in += 2) {
            fetch<2, kAhead>(at + in * share, 2 * share);
            slot_block<N, 0>(stretch, in, codes(stretch, in), index + in, places, columns, out);
            const __m512i others = in + 2 < kStretch ? codes(stretch, in + 1) : last_codes(stretch);
            slot_block<N, 4>(stretch, in + 1, others, index + in + 1, places, columns, out);
        }
        at = stretch.end;
    }
    const Stretch stretch(at, matrix->shared, blocks - index);
    for (int64_t in = 0; in < stretch.blocks; in += 2) {
        fetch<2, kAhead>(stretch.codes_of(in), kPairBytes);
        slot_block<N, 0>(stretch, in, codes(stretch, in), index + in, places, columns, out);
        if (in + 1 == stretch.blocks) break;
        slot_block<N, 4>(stretch, in + 1, codes(stretch, in + 1), index + in + 1, places, columns, out);
    }
    for (int j = 0; j < N; ++j) to[j] = out[j];
}

constexpr uint8_t kNone = 0x80;  // makes a byte shuffle give zero

// For each half of a mask, four bytes: the slots of its columns, or none. The first columns fill the first slots.
struct Halves {
    alignas(64) uint8_t slots[2][16][4] = {};

    constexpr Halves() {
        for (int side = 0; side < 2; ++side) {
            for (int half = 0; half < 16; ++half) {
                int kept = 0;
                for (int i = 0; i < 4; ++i) kept += half >> i & 1;
                int slot = side ? int(kSlots) - kept : 0;
                for (int i = 0; i < 4; ++i) slots[side][half][i] = half >> i & 1 ? uint8_t(slot++) : kNone;
            }
        }
    }
};

constexpr Halves kHalves;

// The values of each group of a block, which is all four slots of sixteen rows: from vectors of a slot with four groups.
SNED_TARGET SNED_INLINE void by_groups(const __m512i (&slots)[kSlots], __m512i (&groups)[kGroups]) {
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i by_row[kSlots];
    for (int64_t slot = 0; slot < kSlots; ++slot) by_row[slot] = _mm512_shuffle_epi8(slots[slot], order);
    const __m512i low[2] = {_mm512_unpacklo_epi8(by_row[0], by_row[1]), _mm512_unpacklo_epi8(by_row[2], by_row[3])};
    const __m512i high[2] = {_mm512_unpackhi_epi8(by_row[0], by_row[1]), _mm512_unpackhi_epi8(by_row[2], by_row[3])};
    groups[0] = _mm512_unpacklo_epi16(low[0], low[1]);
    groups[1] = _mm512_unpackhi_epi16(low[0], low[1]);
    groups[2] = _mm512_unpacklo_epi16(high[0], high[1]);
    groups[3] = _mm512_unpackhi_epi16(high[0], high[1]);
}

}  // namespace

SNED_TARGET void few_slots(const sned_packed * matrix, int64_t panel, const Columns & columns, int64_t count, __m512 * out) {
    if (count == 1) multiply_panel<1>(matrix, panel, columns, out);
    else if (count == 2) multiply_panel<2>(matrix, panel, columns, out);
    else multiply_panel<3>(matrix, panel, columns, out);
}

SNED_TARGET void unpack_slots(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const Table masks(kSlotCodes.masks);
    const __m512i first = _mm512_load_si512(kHalves.slots[0]), second = _mm512_load_si512(kHalves.slots[1]);
    const __m512i low = _mm512_set1_epi8(15), zero = _mm512_set1_epi8(8);
    const __m512i row = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    each_stretch(matrix, panel, [&](int64_t index, const Stretch & stretch) SNED_TARGET {
        for (int64_t in = 0; in < stretch.blocks; ++in) {
            __m512i slots[kSlots], groups[kGroups];
            for (int64_t slot = 0; slot < kSlots; ++slot) {
                const __m512i bytes = _mm512_loadu_si512(stretch.values_of(in) + slot * kSlotVector);
                const __m512i values = _mm512_and_si512(_mm512_srli_epi16(bytes, unsigned(Stretch::shift_of(in))), low);
                slots[slot] = _mm512_xor_si512(values, zero);  // so that zeros are 0
            }
            by_groups(slots, groups);
            const __m512i codes = in == kStretch - 1 ? last_codes(stretch) : _mm512_loadu_si512(stretch.codes_of(in));
            __m512i mask = masks.at(codes);  // of each row, four groups' masks, of which the lowest half is looked up
            uint8_t * to = tile.weights + (index + in) * kSteps * kStepBytes;
            for (int64_t group = 0; group < kGroups; ++group) {
                for (const __m512i table : {first, second}) {
                    const __m512i places = _mm512_or_si512(_mm512_permutexvar_epi32(mask, table), row);
                    _mm512_store_si512(to, _mm512_xor_si512(_mm512_shuffle_epi8(groups[group], places), zero));
                    mask = _mm512_srli_epi32(mask, 4);
                    to += kStepBytes;
                }
            }
            _mm512_store_ps(tile.scales + (index + in) * kRows, scales_at(stretch.scales_of(in)));
        }
    });
}

}  // namespace sned

#endif
