// One token with AVX2 and matrices of N:M patterns: not weights are spread, but activations gathered, so that nothing is
// multiplied with zeros. A register has two kept weights of each of sixteen rows.

#if defined(__x86_64__)

#include "avx2.h"
#include "groups.h"

namespace sned::SNED_VARIANT {
namespace {

// For four bits of a mask: which column is in slot 0 or 1, counted from this end; and which one is in there if the slot
// is counted from the other end, so many being left of four.
struct SlotTable {
    alignas(16) uint8_t near[2][16] = {}, far[2][16] = {};

    constexpr SlotTable() {
        for (int mask = 0; mask < 16; ++mask) {
            for (int column = 0, slot = 0; column < 4; ++column) {
                if (!(mask >> column & 1)) continue;
                if (slot < 2) near[slot][mask] = uint8_t(column);
                else far[3 - slot][mask] = uint8_t(column + 4);
                ++slot;
            }
        }
    }
};

constexpr SlotTable kSlotTable;

SNED_TARGET SNED_INLINE __m256i both_lanes(const uint8_t * table) { return _mm256_broadcastsi128_si256(load128(table)); }

// Which of a group's activations belong to the slots.
struct Slots {
    __m256i near[2], far[2], swap, other_half;

    SNED_TARGET SNED_INLINE Slots() {
        for (int i = 0; i < 2; ++i) near[i] = both_lanes(kSlotTable.near[i]), far[i] = both_lanes(kSlotTable.far[i]);
        swap = _mm256_broadcastsi128_si256(_mm_set_epi8(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1));
        other_half = _mm256_set1_epi16(0x0400);
    }

    // Slots 0 and 3, or 1 and 2. What is near for slot 3 are the last four columns.
    SNED_TARGET SNED_INLINE __m256i columns(int second, __m256i masks, __m256i swapped) const {
        const __m256i found = _mm256_or_si256(_mm256_shuffle_epi8(near[second], masks), _mm256_shuffle_epi8(far[second], swapped));
        return _mm256_xor_si256(found, other_half);
    }
};

SNED_TARGET SNED_INLINE __m256i nibbles(__m256i bytes, int high) {
    return _mm256_and_si256(high ? _mm256_srli_epi16(bytes, 4) : bytes, _mm256_set1_epi8(15));
}

SNED_TARGET SNED_INLINE __m256i eight(const int8_t * codes) {
    int64_t value;
    std::memcpy(&value, codes, sizeof value);
    return _mm256_set1_epi64x(value);
}

// Weights are taken plus 8, and eight times the activations' sum is subtracted; 16 * 15 * 127 is less than 2^15.
SNED_TARGET void groups4(const uint8_t * at, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    const Slots slots;
    const __m256i eights = _mm256_set1_epi8(8);
    for (auto & each : out) each = _mm256_setzero_ps();
    for (int64_t block = 0; block < blocks; ++block, at += kScaleBytes + group_block(4)) {
        const uint8_t *masks = at + kScaleBytes, *values = masks + kGroupMasks;
        prefetch(at, kScaleBytes + group_block(4));
        __m256i sums = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int group = 0; group < kGroups; ++group) {
            const __m256i mask = nibbles(load256(masks + group / 2 * 32), group % 2);
            const __m256i swapped = _mm256_shuffle_epi8(mask, slots.swap);
            const __m256i codes = eight(column.codes + block * kBlock + group * kGroup);
            const __m256i bytes = load256(values + group * 32);
#pragma GCC unroll 2
            for (int second = 0; second < 2; ++second) {
                const __m256i gathered = _mm256_shuffle_epi8(codes, slots.columns(second, mask, swapped));
                sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(nibbles(bytes, second), gathered));
                sums = _mm256_sub_epi16(sums, _mm256_maddubs_epi16(eights, gathered));
            }
        }
        const __m256 scale = _mm256_set1_ps(column.scales[block]);
        const __m256i low = _mm256_srai_epi32(_mm256_unpacklo_epi16(sums, sums), 16);
        const __m256i high = _mm256_srai_epi32(_mm256_unpackhi_epi16(sums, sums), 16);
        out[0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(low), _mm256_mul_ps(scales_at(at), scale), out[0]);
        out[1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), _mm256_mul_ps(scales_at(at + 2 * kSide), scale), out[1]);
    }
}

// The two chains of a group: products of its first four columns, and of its last four.
SNED_TARGET void groups8(const uint8_t * at, int64_t shared, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    const Slots slots;
    const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
    __m256 chains[2][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm256_setzero_ps();
    }
    const uint8_t * scales = at;
    for (int64_t block = 0; block < blocks; ++block, at += group_block(8)) {
        if (block % shared == 0) {
            scales = at;
            at += kScaleBytes;
        }
        const uint8_t *masks = at, *values = masks + kGroupMasks;
        prefetch(at, group_block(8));
        const __m256 scale = _mm256_set1_ps(column.scales[block]);
        const __m256 both[2] = {_mm256_mul_ps(scales_at(scales), scale), _mm256_mul_ps(scales_at(scales + 2 * kSide), scale)};
#pragma GCC unroll 4
        for (int group = 0; group < kGroups; ++group) {
            const __m256i mask = nibbles(load256(masks + group / 2 * 32), group % 2);
            const __m256i swapped = _mm256_shuffle_epi8(mask, slots.swap);
            const __m256i codes = eight(column.codes + block * kBlock + group * kGroup);
            const __m256i halves[2] = {_mm256_and_si256(codes, low_half), _mm256_andnot_si256(low_half, codes)};
            __m256i products[2][2];
#pragma GCC unroll 2
            for (int second = 0; second < 2; ++second) {
                const __m256i weights = load256(values + group * 64 + second * 32);
                const __m256i places = slots.columns(second, mask, swapped), sizes = _mm256_abs_epi8(weights);
                for (int half = 0; half < 2; ++half) {
                    const __m256i gathered = _mm256_sign_epi8(_mm256_shuffle_epi8(halves[half], places), weights);
                    products[half][second] = _mm256_maddubs_epi16(sizes, gathered);
                }
            }
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half) {
                const __m256i low = _mm256_unpacklo_epi16(products[half][0], products[half][1]);
                const __m256i high = _mm256_unpackhi_epi16(products[half][0], products[half][1]);
                const int chain = 2 * group + half;
                chains[0][chain] = _mm256_fmadd_ps(floats(low), both[0], chains[0][chain]);
                chains[1][chain] = _mm256_fmadd_ps(floats(high), both[1], chains[1][chain]);
            }
        }
    }
    for (int side = 0; side < 2; ++side) out[side] = joined(chains[side]);
}

// Puts a row's four values, which are those of slots 0, 3, 1 and 2, to the places of half a group's columns.
struct Spread {
    __m256i pick[2][2], slots[2], before, own, rows, zero;

    SNED_TARGET explicit Spread(int zero_) {
        const auto lanes = [](__m128i lane) SNED_TARGET { return _mm256_broadcastsi128_si256(lane); };
        const __m128i low = _mm_set_epi8(6, 6, 6, 6, 4, 4, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0);
        for (int side = 0; side < 2; ++side) {
            for (int half = 0; half < 2; ++half) pick[side][half] = lanes(_mm_add_epi8(low, _mm_set1_epi8(char(8 * side + half))));
        }
        // By the columns kept before this one in its half: the byte that has the slot's value.
        slots[0] = lanes(_mm_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 2, 3, 2, 2, 0));
        slots[1] = lanes(_mm_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 3, 2, 3, 3, 1));
        before = _mm256_set1_epi32(0x07030100);
        own = _mm256_set1_epi32(0x08040201);
        rows = lanes(_mm_set_epi8(12, 12, 12, 12, 8, 8, 8, 8, 4, 4, 4, 4, 0, 0, 0, 0));
        zero = _mm256_set1_epi8(char(zero_));
    }

    SNED_TARGET SNED_INLINE __m256i weights(__m256i fours, __m256i masks, int side, int half) const {
        const __m256i mask = _mm256_shuffle_epi8(masks, pick[side][half]);
        const __m256i absent = _mm256_cmpeq_epi8(_mm256_and_si256(mask, own), _mm256_setzero_si256());
        const __m256i found = _mm256_shuffle_epi8(slots[half], _mm256_and_si256(mask, before));
        const __m256i places = _mm256_or_si256(_mm256_or_si256(found, rows), absent);
        return _mm256_xor_si256(_mm256_shuffle_epi8(_mm256_xor_si256(fours, zero), places), zero);
    }
};

}  // namespace

SNED_TARGET void one_by_groups(const sned_packed * matrix, const uint8_t * at, const Column & column, __m256 (&out)[2]) {
    const int64_t blocks = blocks_of(matrix->columns);
    if (matrix->bits == 8) groups8(at, matrix->shared, column, blocks, out);
    else groups4(at, column, blocks, out);
}

SNED_TARGET void unpack_groups(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const int64_t blocks = blocks_of(matrix->columns), bits = matrix->bits;
    const Spread spread(zero_of(bits) & 15);
    const uint8_t *at = panel_at(matrix, panel), *scales = at;
    for (int64_t block = 0; block < blocks; ++block, at += group_block(bits)) {
        if (block % matrix->shared == 0) {
            scales = at;
            at += kScaleBytes;
        }
        const uint8_t *masks = at, *values = masks + kGroupMasks;
        auto * to = reinterpret_cast<__m256i *>(tile.weights + block * kBlock * kRows);
        for (int group = 0; group < kGroups; ++group, to += 4) {
            const uint8_t * from = values + group * group_values(bits);
            const __m256i mask = nibbles(load256(masks + group / 2 * 32), group % 2);
            const __m256i first = bits == 8 ? load256(from) : nibbles(load256(from), 0);
            const __m256i second = bits == 8 ? load256(from + 32) : nibbles(load256(from), 1);
            const __m256i fours[2] = {_mm256_unpacklo_epi16(first, second), _mm256_unpackhi_epi16(first, second)};
            for (int side = 0; side < 2; ++side) {
                for (int half = 0; half < 2; ++half) {
                    const __m256i weights = spread.weights(fours[side], mask, side, half);
                    const __m256i own = bits == 8 ? own8(_mm256_xor_si256(weights, _mm256_set1_epi8(char(0x80)))) : weights;
                    _mm256_store_si256(to + 2 * half + side, own);
                }
            }
        }
        for (int64_t row = 0; row < kRows; row += kSide) {
            _mm256_store_ps(tile.scales + block * kRows + row, scales_at(scales + 2 * row));
        }
    }
}

}  // namespace sned::SNED_VARIANT

#endif
