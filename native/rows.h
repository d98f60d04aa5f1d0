// What kernels share: where the parts of a row and of a quantised column lie.
#pragma once

#include <cstring>

#include "packed.h"

namespace sned {

constexpr int64_t kBlock = 32;   // weights, or activations, that share a scale
constexpr int64_t kLanes = 16;   // blocks side by side
constexpr int64_t kSteps = 8;    // of four weights each, in a block
constexpr int64_t kGroup = kBlock * kLanes;

inline int64_t rounded(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

inline float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 1023;
    if (exponent == 0) {
        const float magnitude = float(fraction) * 5.9604644775390625e-8f;  // 2^-24
        return sign ? -magnitude : magnitude;
    }
    const uint32_t bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline int64_t blocks_of(int64_t columns) { return (columns + kBlock - 1) / kBlock; }

// Blocks of the group that begins with this one, of all there are.
inline int64_t lanes_at(int64_t block, int64_t blocks) { return blocks - block < kLanes ? blocks - block : kLanes; }

// Bytes of a step's mask.
inline int64_t step_bytes(int64_t lanes) { return (lanes + 1) / 2; }

// Bytes of a row's mask.
inline int64_t mask_bytes(int64_t columns) {
    const int64_t blocks = blocks_of(columns);
    return blocks / kLanes * kSteps * 8 + kSteps * step_bytes(blocks % kLanes);
}

// A step's mask, the first weight in the lowest bit. Of a step with fewer lanes nothing but its own is there.
inline uint64_t step_bits(const uint8_t * mask, int64_t lanes) {
    uint64_t bits;
    std::memcpy(&bits, mask, sizeof bits);  // a row's last step is followed by the matrix's last 64 bytes at least
    return lanes == kLanes ? bits : bits & ((uint64_t(1) << 4 * lanes) - 1);
}

// The parts of one row.
struct Row {
    const uint8_t * scales;  // half-precision numbers, not aligned
    const uint8_t * mask;
    const uint8_t * values;

    Row(const sned_packed * matrix, int64_t row) {
        uint64_t start;
        const auto * base = reinterpret_cast<const uint8_t *>(matrix);
        std::memcpy(&start, base + sizeof(sned_packed) + 8 * row, sizeof start);
        scales = base + start;
        mask = scales + 2 * blocks_of(matrix->columns);
        values = mask + mask_bytes(matrix->columns);
    }

    float scale(int64_t block) const {
        uint16_t half;
        std::memcpy(&half, scales + 2 * block, sizeof half);
        return half_to_float(half);
    }
};

// The parts of one quantised column. Behind the last activation all are zeros.
struct Column {
    int8_t * codes;    // in the order of the columns
    int8_t * stepped;  // in the order of the steps, each of 16 lanes
    int32_t * sums;    // of each block, times -128: kernels multiply value + 128, which has no sign
    float * scales;    // of each block

    Column(const void * columns_, int64_t columns, int64_t index = 0) {
        const int64_t padded = rounded(columns, kGroup);
        auto * base = static_cast<uint8_t *>(const_cast<void *>(columns_)) + index * int64_t(sned_column_bytes(columns));
        codes = reinterpret_cast<int8_t *>(base);
        stepped = reinterpret_cast<int8_t *>(base + padded);
        sums = reinterpret_cast<int32_t *>(base + 2 * padded);
        scales = reinterpret_cast<float *>(base + 2 * padded + 4 * (padded / kBlock));
    }
};

using Multiply = void (*)(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);

void multiply_portable(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#if defined(__x86_64__)
void multiply_avx2(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
uint64_t pack_step_avx512(const uint8_t * values, int64_t lanes, int64_t apart, uint8_t *& end);
void multiply_avx512(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#endif

}  // namespace sned
