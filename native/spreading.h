// How kernels without an instruction for it put values to the places that a mask gives them: by tables and a byte shuffle.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sned {

// For each mask of eight bits: which of the next values goes where, 0x80 making a zero, and how many there are, eight times.
struct Spreading {
    std::array<uint64_t, 256> places{}, counts{};

    constexpr Spreading() {
        for (int mask = 0; mask < 256; ++mask) {
            uint64_t next = 0;
            for (int i = 0; i < 8; ++i) places[size_t(mask)] |= (mask >> i & 1 ? next++ : uint64_t(0x80)) << 8 * i;
            counts[size_t(mask)] = next * 0x0101010101010101;
        }
    }
};

inline constexpr Spreading kSpreading;

}  // namespace sned
