// Where 4-bit weights of a pattern that keeps four of eight neighbours lie for AVX-512.
//
// Four of eight can be kept in 70 ways, so that seven bits say which: a code. A panel, which begins at a multiple of 64 bytes,
// goes from stretch to stretch of eight blocks, which are: their scales, then four pairs of blocks. Of a pair there are vectors of
// 64 bytes, of which a row has four, one for each group of eight columns: a vector of codes for each block, in the low seven bits of
// the bytes; then four of values, the kept columns from left to right: plus 8, the first block's in the low halves of the bytes, the
// second's in the high ones. The last block has no vector of codes: the highest bits of the other seven are its codes, the lowest bit
// in the first vector.
//
// Blocks behind the last eight are a shorter stretch, where each has a vector of codes.
#pragma once

#include "groups.h"

namespace sned {

constexpr int64_t kStretch = 8;
constexpr int64_t kSlotVector = kRows * kGroups;  // bytes
constexpr int64_t kPairBytes = (2 + kSlots) * kSlotVector;  // of two blocks with codes
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
    int64_t shared, blocks, vectors;  // of codes
    const uint8_t *scales, *pairs, *end;

    Stretch(const uint8_t * at, int64_t shared_, int64_t left)
        : shared(shared_),
          blocks(std::min(left, kStretch)),
          vectors(std::min(left, kStretch - 1)),
          scales(at),
          pairs(scales + (blocks + shared - 1) / shared * kScaleBytes),
          end(pairs + vectors * kSlotVector + (blocks + 1) / 2 * kSlots * kSlotVector) {}

    const uint8_t * scales_of(int64_t block) const { return scales + block / shared * kScaleBytes; }
    const uint8_t * codes_of(int64_t block) const { return pairs + block / 2 * kPairBytes + block % 2 * kSlotVector; }
    const uint8_t * values_of(int64_t block) const {
        const int64_t pair = block / 2;
        return pairs + pair * kPairBytes + std::min<int64_t>(2, vectors - 2 * pair) * kSlotVector;
    }
    static int shift_of(int64_t block) { return block % 2 ? 4 : 0; }  // where a value lies in its byte

    uint8_t code(int64_t block, int64_t row, int64_t group) const {
        const int64_t at = row * kGroups + group;
        if (block < kStretch - 1) return codes_of(block)[at] & 127;
        unsigned code = 0;
        for (int64_t i = 0; i < kStretch - 1; ++i) code |= unsigned(codes_of(i)[at] >> 7) << i;
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
