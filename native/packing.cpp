// From dense rows, or a sparse GGUF's, to packed ones, and back.

#include <algorithm>

#include "rows.h"

namespace {

using namespace sned;

constexpr int64_t kQ8Block = 32;
constexpr int64_t kQ8Bytes = 34;  // a half-precision scale and 32 values

int64_t blocks_of(int64_t columns, int64_t block) { return (columns + block - 1) / block; }

// Writes rows one after another.
class Writer {
  public:
    Writer(void * out, int64_t rows, int64_t columns, int64_t block)
        : base_(static_cast<uint8_t *>(out)), columns_(columns), block_(block) {
        const sned_packed head = {SNED_PACKED_MAGIC, rows, columns, block};
        std::memcpy(base_, &head, sizeof head);
        table_ = base_ + sizeof head;
        end_ = table_ + 8 * (rows + 1);
        note();
    }

    // Begins a row whose scales are given; its mask and values follow.
    void begin(const uint8_t * scales) {
        const int64_t bytes = 2 * blocks_of(columns_, block_);
        std::memcpy(end_, scales, size_t(bytes));
        mask_ = end_ + bytes;
        end_ = mask_ + (columns_ + 7) / 8;
        std::memset(mask_, 0, size_t(end_ - mask_));
    }

    void keep(int64_t column, uint8_t value) {
        mask_[column / 8] = uint8_t(mask_[column / 8] | 1 << column % 8);
        *end_++ = value;
    }

    void end() {
        while ((end_ - base_) % 8) *end_++ = 0;
        note();
    }

    size_t finish() {
        std::memset(end_, 0, SNED_SLACK);
        return size_t(end_ - base_) + SNED_SLACK;
    }

  private:
    void note() {
        const uint64_t offset = uint64_t(end_ - base_);
        std::memcpy(table_, &offset, sizeof offset);
        table_ += sizeof offset;
    }

    uint8_t * base_;
    uint8_t * table_;
    uint8_t * end_;
    uint8_t * mask_ = nullptr;
    int64_t columns_;
    int64_t block_;
};

// Bit `index` of a mask.
bool bit(const uint8_t * mask, int64_t index) { return mask[index / 8] >> index % 8 & 1; }

bool finite_halves(const uint8_t * halves, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        if ((halves[2 * i + 1] & 0x7c) == 0x7c) return false;
    }
    return true;
}

// Adds one row of a file: false if its mask has another number of ones than its pattern and the values there are.
bool add_row(Writer & writer, const uint8_t * row, const uint8_t * end, int64_t columns, int64_t block, int64_t group,
             int64_t kept_of, int64_t kept) {
    const int64_t width = group ? group : columns;
    const int64_t stored = group == 4 || group == 8 ? group - 1 : width;
    const uint8_t * mask = row + 2 * blocks_of(columns, block);
    const uint8_t * value = mask + (columns / width * stored + 7) / 8;
    if (value > end || !finite_halves(row, blocks_of(columns, block))) return false;
    const uint8_t * first = value;
    writer.begin(row);
    for (int64_t start = 0, at = 0; start < columns; start += width) {
        int64_t ones = 0;
        for (int64_t i = 0; i < width; ++i) {
            const bool set = i < stored ? bit(mask, at++) : ones < kept_of;
            if (!set) continue;
            if (value == end) return false;
            writer.keep(start + i, *value++);
            ++ones;
        }
        if (group && ones != kept_of) return false;
    }
    writer.end();
    return kept < 0 || value - first == kept;
}

}  // namespace

extern "C" {

size_t sned_pack_bound(int64_t rows, int64_t columns, int64_t block) {
    const int64_t row = rounded(2 * blocks_of(columns, block) + (columns + 7) / 8 + columns, 8);
    return size_t(int64_t(sizeof(sned_packed)) + 8 * (rows + 1) + rows * row + SNED_SLACK);
}

size_t sned_pack_q8_0(const void * dense, int64_t rows, int64_t columns, void * out) {
    Writer writer(out, rows, columns, kQ8Block);
    const auto * block = static_cast<const uint8_t *>(dense);
    const int64_t blocks = columns / kQ8Block;
    uint8_t scales[2 * 4096];
    for (int64_t row = 0; row < rows; ++row, block += blocks * kQ8Bytes) {
        for (int64_t b = 0; b < blocks; ++b) std::memcpy(scales + 2 * b, block + b * kQ8Bytes, 2);
        writer.begin(scales);
        for (int64_t b = 0; b < blocks; ++b) {
            const uint8_t * values = block + b * kQ8Bytes + 2;
            for (int64_t i = 0; i < kQ8Block; ++i) {
                if (values[i]) writer.keep(b * kQ8Block + i, values[i]);
            }
        }
        writer.end();
    }
    return writer.finish();
}

size_t sned_pack_file(const void * file, size_t size, int64_t rows, int64_t columns, int64_t block, int64_t group,
                      int64_t kept_of, int64_t kept, void * out) {
    const auto * base = static_cast<const uint8_t *>(file);
    if (group && (columns % group || kept != columns / group * kept_of)) return 0;
    if (kept > columns) return 0;
    const int64_t width = group ? group : 1;
    const int64_t stored = group == 4 || group == 8 ? group - 1 : width;
    const int64_t head = 2 * blocks_of(columns, block) + (columns / width * stored + 7) / 8;
    const int64_t table = kept < 0 ? rounded(4 * (rows + 1), 8) : 0;
    if (int64_t(size) < table + SNED_SLACK) return 0;
    const int64_t room = int64_t(size) - table - SNED_SLACK;
    const auto offset = [&](int64_t row) {
        if (kept >= 0) return row * rounded(head + kept, 8);
        uint32_t entry;
        std::memcpy(&entry, base + 4 * row, sizeof entry);
        return 8 * int64_t(entry);
    };
    Writer writer(out, rows, columns, block);
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t start = offset(row), end = offset(row + 1);
        if (start < 0 || end < start + head || end > room) return 0;
        if (!add_row(writer, base + table + start, base + table + end, columns, block, group, kept_of, kept)) return 0;
    }
    return writer.finish();
}

void sned_unpack_q8_0(const sned_packed * matrix, void * out) {
    auto * block = static_cast<uint8_t *>(out);
    for (int64_t row = 0; row < matrix->rows; ++row) {
        const Row parts(matrix, row);
        const uint8_t * value = parts.values;
        for (int64_t b = 0; b < matrix->columns / kQ8Block; ++b, block += kQ8Bytes) {
            std::memcpy(block, parts.scales + 2 * b, 2);
            for (int64_t i = 0; i < kQ8Block; ++i) block[2 + i] = bit(parts.mask, b * kQ8Block + i) ? *value++ : 0;
        }
    }
}

void sned_unpack_f32(const sned_packed * matrix, float * out) {
    for (int64_t row = 0; row < matrix->rows; ++row) {
        const Row parts(matrix, row);
        const uint8_t * value = parts.values;
        for (int64_t i = 0; i < matrix->columns; ++i) {
            *out++ = bit(parts.mask, i) ? float(int8_t(*value++)) * half_to_float(parts.half(i / matrix->block)) : 0.0f;
        }
    }
}

}  // extern "C"
