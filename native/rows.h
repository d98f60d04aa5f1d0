// What kernels share: where the parts of a row and of a quantised column lie.
#pragma once

#include <cstring>

#include "packed.h"

namespace sned {

constexpr int64_t kStep = 64;   // weights that a kernel takes at once
constexpr int64_t kScaled = 32; // activations that share a scale

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
        mask = scales + 2 * ((matrix->columns + matrix->block - 1) / matrix->block);
        values = mask + (matrix->columns + 7) / 8;
    }

    uint16_t half(int64_t block) const {
        uint16_t value;
        std::memcpy(&value, scales + 2 * block, sizeof value);
        return value;
    }

    // The mask of 64 weights, the first in the lowest bit; nothing of what lies behind the row's last weight.
    uint64_t bits(int64_t column, int64_t columns) const {
        uint64_t word = 0;
        if (column + kStep <= columns) {
            std::memcpy(&word, mask + column / 8, sizeof word);
            return word;
        }
        std::memcpy(&word, mask + column / 8, size_t((columns - column + 7) / 8));
        return word & ((uint64_t(1) << (columns - column)) - 1);
    }
};

// The parts of one quantised column. Behind the last activation all are zeros.
struct Column {
    int8_t * codes;     // rounded up to whole steps
    int32_t * offsets;  // -128 times the sum of each four codes: kernels multiply value + 128, which has no sign
    int32_t * sums;     // the same of each 32
    float * scales;     // of each 32, rounded up to 16 of them

    Column(const void * columns_, int64_t columns, int64_t index = 0) {
        const int64_t padded = rounded(columns, kStep);
        auto * base = static_cast<uint8_t *>(const_cast<void *>(columns_)) + index * int64_t(sned_column_bytes(columns));
        codes = reinterpret_cast<int8_t *>(base);
        offsets = reinterpret_cast<int32_t *>(base + padded);
        scales = reinterpret_cast<float *>(base + 2 * padded);
        sums = reinterpret_cast<int32_t *>(base + 2 * padded + 4 * rounded(padded / kScaled, 16));
    }
};

using Multiply = void (*)(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);

void multiply_portable(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#if defined(__x86_64__)
void multiply_avx2(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
void multiply_avx512(const sned_packed *, const void *, int64_t, int64_t, int64_t, float *, int64_t, void *);
#endif

}  // namespace sned
