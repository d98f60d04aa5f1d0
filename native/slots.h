// Where 4-bit weights of a pattern that keeps four of eight neighbours lie for AVX-512.
//
// Four of eight can be kept in 70 ways, so that seven bits say which: a code. A panel, which begins at a multiple of 64 bytes,
// goes from stretch to stretch of eight blocks, which are: their scales; the codes; and four values of each group of eight
// columns. Codes and values lie in vectors of 64 bytes, of which a row has four, one for each group of a block. Of the codes
// there are seven vectors, one for each block, in the low seven bits of the bytes; the highest bits are the eighth block's
// code, its lowest bit in the first vector. Of the values there are four vectors for two blocks, the kept columns from left
// to right: plus 8, the first block's in the low halves of the bytes, the second's in the high ones.
//
// Blocks behind the last eight are a shorter stretch, whose codes have a byte each.
#pragma once

#include "groups.h"

namespace sned {

constexpr int64_t kStretch = 8;
constexpr int64_t kSlotVector = kRows * kGroups;  // bytes
constexpr int64_t kPairValues = kSlots * kSlotVector;
constexpr int64_t kPanelAlignment = 64;

// Which code a mask has; and which mask a code, and which columns are kept. A vector looks 128 bytes up.
struct SlotCodes {
    uint8_t of_mask[256] = {};
    alignas(64) uint8_t masks[128] = {};
    alignas(64) uint8_t columns[kSlots][128] = {};

    constexpr SlotCodes() {
        int code = 0;
        for (int mask = 0; mask < 256; ++mask) {
            int kept = 0, ones = 0;
            for (int column = 0; column < int(kGroup); ++column) ones += mask >> column & 1;
            if (ones != int(kSlots)) continue;
            for (int column = 0; column < int(kGroup); ++column) {
                if (mask >> column & 1) columns[kept++][code] = uint8_t(column);
            }
            masks[code] = uint8_t(mask);
            of_mask[mask] = uint8_t(code++);
        }
    }
};

inline constexpr SlotCodes kSlotCodes;

// Where the parts of a stretch are that has at most so many blocks.
struct Stretch {
    int64_t shared, blocks;
    const uint8_t *scales, *codes, *values, *end;

    Stretch(const uint8_t * at, int64_t shared_, int64_t left)
        : shared(shared_),
          blocks(std::min(left, kStretch)),
          scales(at),
          codes(scales + (blocks + shared - 1) / shared * kScaleBytes),
          values(codes + (blocks < kStretch ? blocks : kStretch - 1) * kSlotVector),
          end(values + (blocks + 1) / 2 * kPairValues) {}

    const uint8_t * scales_of(int64_t block) const { return scales + block / shared * kScaleBytes; }
    const uint8_t * codes_of(int64_t block) const { return codes + block * kSlotVector; }
    const uint8_t * values_of(int64_t block) const { return values + block / 2 * kPairValues; }
    static int shift_of(int64_t block) { return block % 2 ? 4 : 0; }  // where a value lies in its byte

    uint8_t code(int64_t block, int64_t row, int64_t group) const {
        const uint8_t * at = codes + row * kGroups + group;
        if (block < kStretch - 1) return at[block * kSlotVector] & 127;
        unsigned code = 0;
        for (int64_t i = 0; i < kStretch - 1; ++i) code |= unsigned(at[i * kSlotVector] >> 7) << i;
        return uint8_t(code);
    }
    uint8_t value(int64_t block, int64_t row, int64_t group, int64_t slot) const {
        return values_of(block)[slot * kSlotVector + row * kGroups + group] >> shift_of(block) & 15;
    }
};

// Calls `take(index, stretch)` for each stretch of such a panel, `index` being its first block.
template <typename Take> inline void each_stretch(const sned_packed * matrix, int64_t panel, Take take) {
    const int64_t blocks = blocks_of(matrix->columns);
    const uint8_t * at = panel_at(matrix, panel);
    for (int64_t index = 0; index < blocks; index += kStretch) {
        const Stretch stretch(at, matrix->shared, blocks - index);
        take(index, stretch);
        at = stretch.end;
    }
}

}  // namespace sned
