// One token with AVX2 and matrices of N:M patterns: not weights are spread, but activations gathered, so that nothing is
// multiplied with zeros. A register has two kept weights of each of sixteen rows.

#if defined(__x86_64__)

#include "avx2.h"
#include "groups.h"

namespace sned {
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

// For each mask of a group, which of a row's four bytes (slots 0, 3, 1 and 2) is in a column, 4 where none is.
struct ColumnTable {
    uint8_t slots[256][kGroup] = {};

    constexpr ColumnTable() {
        constexpr uint8_t kByte[kSlots] = {0, 2, 3, 1};
        for (int mask = 0; mask < 256; ++mask) {
            int low = 0, high = 0;
            for (int column = 0; column < int(kGroup); ++column) {
                const int slot = column < 4 ? low : kSlots - 1 - high;
                const bool kept = mask >> column & 1 && slot >= 0 && slot < kSlots;
                slots[mask][column] = kept ? kByte[slot] : 4;
                (column < 4 ? low : high) += kept;
            }
        }
    }
};

constexpr ColumnTable kColumns;

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
    for (int64_t block = 0; block < blocks; ++block, at += group_block(4)) {
        const uint8_t *masks = at + kScaleBytes, *values = masks + kGroupMasks;
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
SNED_TARGET void groups8(const uint8_t * at, const Column & column, int64_t blocks, __m256 (&out)[2]) {
    const Slots slots;
    const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
    __m256 chains[2][kSteps];
    for (auto & each : chains) {
        for (auto & chain : each) chain = _mm256_setzero_ps();
    }
    for (int64_t block = 0; block < blocks; ++block, at += group_block(8)) {
        const uint8_t *masks = at + kScaleBytes, *values = masks + kGroupMasks;
        const __m256 scale = _mm256_set1_ps(column.scales[block]);
        const __m256 both[2] = {_mm256_mul_ps(scales_at(at), scale), _mm256_mul_ps(scales_at(at + 2 * kSide), scale)};
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

}  // namespace

SNED_TARGET void one_by_groups(const sned_packed * matrix, const uint8_t * at, const Column & column, __m256 (&out)[2]) {
    const int64_t blocks = blocks_of(matrix->columns);
    if (matrix->bits == 8) groups8(at, column, blocks, out);
    else groups4(at, column, blocks, out);
}

SNED_TARGET void unpack_groups(const sned_packed * matrix, int64_t panel, const Tile & tile) {
    const int64_t blocks = blocks_of(matrix->columns), bits = matrix->bits;
    const __m128i zero = _mm_set1_epi8(bits == 8 ? 0 : 8);
    const uint8_t * at = panel_at(matrix, panel);
    for (int64_t block = 0; block < blocks; ++block, at += group_block(bits)) {
        const uint8_t *masks = at + kScaleBytes, *values = masks + kGroupMasks;
        uint8_t * to = tile.weights + block * kBlock * kRows;
        for (int64_t group = 0; group < kGroups; ++group, to += 2 * kStepBytes) {
            alignas(32) uint32_t four[kRows];  // of each row, what is in slots 0, 3, 1 and 2
            const uint8_t * from = values + group * group_values(bits);
            const __m256i low = bits == 8 ? load256(from) : nibbles(load256(from), 0);
            const __m256i high = bits == 8 ? load256(from + 32) : nibbles(load256(from), 1);
            _mm256_store_si256(reinterpret_cast<__m256i *>(four), _mm256_unpacklo_epi16(low, high));
            _mm256_store_si256(reinterpret_cast<__m256i *>(four + kSide), _mm256_unpackhi_epi16(low, high));
            for (int64_t row = 0; row < kRows; ++row) {
                const auto mask = group_mask(masks, row, group);
                const __m128i places = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(kColumns.slots[mask]));
                // What is not kept is a zero: bytes behind the four.
                const __m128i kept = _mm_insert_epi32(zero, int(four[row]), 0);
                const __m128i plain = _mm_shuffle_epi8(kept, places);
                const uint64_t both = uint64_t(_mm_cvtsi128_si64(plain));
                const auto first = uint32_t(both), second = uint32_t(both >> 32);
                std::memcpy(to + 4 * row, &first, sizeof first);
                std::memcpy(to + kStepBytes + 4 * row, &second, sizeof second);
            }
        }
        for (int64_t row = 0; row < kRows; row += kSide) {
            _mm256_store_ps(tile.scales + block * kRows + row, scales_at(at + 2 * row));
        }
    }
}

}  // namespace sned

#endif
