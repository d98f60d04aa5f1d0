// Where the weights of an N:M pattern lie that keeps at most four of eight neighbours (4:8, and so 2:4).
//
// Such a matrix has a layout of its own, in which every block has the same size: nothing has to be counted to find the next.
// The four weights that a group of eight columns keeps are in four slots: those of its first four columns from slot 0 on,
// those of its last four from slot 3 downwards, so that each half of the mask alone says where its own are. A group without
// four weights keeps zeros, too.
//
// A block of a panel: 16 scales, unless it has those of the block before; for each two groups, 32 bytes of masks; for each group 64 values, as bytes or halves of
// them. A row has two neighbouring bytes of each 32. Of masks, those are its first four columns (the one group's low, the
// other's high) and its last four. Of values, slots 0 and 3, then slots 1 and 2, in whole bytes for 8-bit values as they
// are, and in the low and the high halves of bytes for 4-bit ones plus 8.
#pragma once

#include "panels.h"

namespace sned {

constexpr int64_t kGroup = 8;  // columns of which four are kept
constexpr int64_t kGroups = kBlock / kGroup;
constexpr int64_t kSlots = 4;
constexpr int64_t kGroupMasks = kRows * kGroups;  // bytes, in a block

inline int64_t group_values(int64_t bits) { return kRows * kSlots * bits / 8; }

// Of a block, behind its scales.
inline int64_t group_block(int64_t bits) { return kGroupMasks + kGroups * group_values(bits); }

// Where a row is among the pairs of bytes: 16-bit sums of 16 rows are widened half a lane at a time, which puts them in order.
inline int64_t place_of(int64_t row) { return (row & 3) | (row & 4) << 1 | (row & 8) >> 1; }

// Where a slot's value lies among a group's, and how far it is shifted there.
struct SlotPlace {
    int64_t byte;
    int shift;
};

inline SlotPlace slot_place(int64_t bits, int64_t row, int64_t slot) {
    const int64_t second = slot == 1 || slot == 2, pair = 2 * place_of(row) + (slot >= 2);
    return bits == 8 ? SlotPlace{pair + second * 2 * kRows, 0} : SlotPlace{pair, int(4 * second)};
}

// The mask of a row's group, its lowest bit the first column.
inline uint8_t group_mask(const uint8_t * masks, int64_t row, int64_t group) {
    const uint8_t * at = masks + group / 2 * 2 * kRows + 2 * place_of(row);
    const int shift = group % 2 ? 4 : 0;
    return uint8_t((at[0] >> shift & 15) | (at[1] >> shift & 15) << 4);
}

// For each mask of four: the column in each slot.
struct SlotColumns {
    uint8_t of[256][kSlots] = {};

    constexpr SlotColumns() {
        for (int mask = 0; mask < 256; ++mask) {
            int low = 0, high = 0;
            for (int column = 0; column < int(kGroup); ++column) {
                if (!(mask >> column & 1)) continue;
                const int slot = column < 4 ? low++ : int(kSlots) - 1 - high++;
                if (slot >= 0 && slot < int(kSlots)) of[mask][slot] = uint8_t(column);
            }
        }
    }
};

inline constexpr SlotColumns kSlotColumns;

}  // namespace sned
