// Where 4-bit weights of a pattern that keeps four of eight neighbours lie for AVX-512, in the slots of groups.h.
//
// Blocks come in pairs. Behind their scales: the masks of the first block's groups, 16 bytes each, a row a byte, and those of the
// second's; then for each group 64 bytes, of which a row has four, one for each slot: the first block's value plus 8 in the low
// half, the second's in the high one. A block without another one has its masks alone, and the low halves.
#pragma once

#include "groups.h"

namespace sned {

constexpr int64_t kSlotValues = kRows * kSlots;  // bytes of a group of two blocks

// One block.
struct SlotBlock {
    const uint8_t * scales;
    const uint8_t * masks;
    const uint8_t * values;
    int shift;  // where a value lies in its byte

    uint8_t mask(int64_t row, int64_t group) const { return masks[group * kRows + row]; }
    const uint8_t * of(int64_t row, int64_t group) const { return values + group * kSlotValues + row * kSlots; }
};

// Calls `take(index, block)` for each block of such a panel.
template <typename Take> inline void each_slot_block(const sned_packed * matrix, int64_t panel, Take take) {
    const uint8_t * at = panel_at(matrix, panel);
    const int64_t blocks = blocks_of(matrix->columns);
    PairScales scales(matrix->shared);
    for (int64_t index = 0; index < blocks; index += 2) {
        const bool pair = index + 1 < blocks;
        const uint8_t * masks = pair ? scales.pass(index, at) : scales.pass_last(index, at);
        const uint8_t * values = masks + (pair ? 2 : 1) * kGroupMasks;
        take(index, SlotBlock{scales.first, masks, values, 0});
        if (pair) take(index + 1, SlotBlock{scales.second, masks + kGroupMasks, values, 4});
        at = values + kGroups * kSlotValues;
    }
}

}  // namespace sned
