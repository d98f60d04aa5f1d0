// From dense rows, or a sparse GGUF's, to packed ones, and back.

#include <algorithm>
#include <vector>

#include "rows.h"

namespace {

using namespace sned;

constexpr int64_t kQ8Bytes = 34;  // of a block of Q8_0: a half-precision scale and 32 values
constexpr uint8_t kOffset = 0x80;

// Writes rows one after another.
class Writer {
  public:
    Writer(void * out, int64_t rows, int64_t columns) : base_(static_cast<uint8_t *>(out)), blocks_(blocks_of(columns)) {
        const sned_packed head = {SNED_PACKED_MAGIC, rows, columns};
        std::memcpy(base_, &head, sizeof head);
        table_ = base_ + sizeof head;
        end_ = table_ + 8 * (rows + 1);
        note();
    }

    // Adds a row of blocks that lie `apart` bytes from each other: scales, and values of whole blocks.
    void add(const uint8_t * scales, const uint8_t * values, int64_t apart) {
        for (int64_t block = 0; block < blocks_; ++block, end_ += 2) std::memcpy(end_, scales + block * apart, 2);
        uint8_t * mask = end_;
        end_ += mask_bytes(blocks_ * kBlock);
        for (int64_t block = 0; block < blocks_; block += kLanes) {
            const int64_t lanes = lanes_at(block, blocks_);
            for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes)) {
                const uint64_t bits = add_step(values + block * apart + 4 * step, lanes, apart);
                std::memcpy(mask, &bits, size_t(step_bytes(lanes)));
            }
        }
        while ((end_ - base_) % 8) *end_++ = 0;
        note();
    }

    size_t finish() {
        std::memset(end_, 0, SNED_SLACK);
        return size_t(end_ - base_) + SNED_SLACK;
    }

  private:
    uint64_t add_step(const uint8_t * values, int64_t lanes, int64_t apart) {
#if defined(__x86_64__)
        if (fast_) return pack_step_avx512(values, lanes, apart, end_);  // stores 64 bytes: the slack is behind the bound's rows
#endif
        uint64_t bits = 0;
        for (int64_t i = 0; i < 4 * lanes; ++i) {  // without branches: zeros are overwritten by what follows
            const uint8_t value = values[i / 4 * apart + i % 4];
            const uint64_t kept = value != 0;
            *end_ = value ^ kOffset;
            end_ += kept;
            bits |= kept << i;
        }
        return bits;
    }

    void note() {
        const uint64_t offset = uint64_t(end_ - base_);
        std::memcpy(table_, &offset, sizeof offset);
        table_ += sizeof offset;
    }

    uint8_t * base_;
    uint8_t * table_;
    uint8_t * end_;
    int64_t blocks_;
    bool fast_ = sned_has_kernel(SNED_AVX512) != 0;
};

// Calls `take(block, index in it, value)` for each weight of a row that is kept.
template <typename Take> void each_kept(const sned_packed * matrix, const Row & row, Take take) {
    const int64_t blocks = blocks_of(matrix->columns);
    const uint8_t *mask = row.mask, *value = row.values;
    for (int64_t block = 0; block < blocks; block += kLanes) {
        const int64_t lanes = lanes_at(block, blocks);
        for (int64_t step = 0; step < kSteps; ++step, mask += step_bytes(lanes)) {
            const uint64_t bits = step_bits(mask, lanes);
            for (int64_t i = 0; i < 4 * lanes; ++i) {
                if (bits >> i & 1) take(block + i / 4, 4 * step + i % 4, uint8_t(*value++ ^ kOffset));
            }
        }
    }
}

bool bit(const uint8_t * mask, int64_t index) { return mask[index / 8] >> index % 8 & 1; }

bool finite_halves(const uint8_t * halves, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        if ((halves[2 * i + 1] & 0x7c) == 0x7c) return false;
    }
    return true;
}

// How a sparse GGUF's matrix is packed.
struct FileForm {
    int64_t columns, block, group, kept_of, kept;

    int64_t width() const { return group ? group : columns; }
    int64_t stored() const { return group == 4 || group == 8 ? group - 1 : width(); }
    int64_t scales() const { return (columns + block - 1) / block; }
    int64_t head() const { return 2 * scales() + (columns / width() * stored() + 7) / 8; }
};

// Unpacks one row of a file: false if its mask has another number of ones than its pattern and the values there are.
bool dense_row(const FileForm & form, const uint8_t * row, const uint8_t * end, uint8_t * scales, uint8_t * values) {
    if (!finite_halves(row, form.scales())) return false;
    for (int64_t i = 0; i < blocks_of(form.columns); ++i) std::memcpy(scales + 2 * i, row + 2 * (i * kBlock / form.block), 2);
    const uint8_t * mask = row + 2 * form.scales();
    const uint8_t * const first = row + form.head();
    const uint8_t * value = first;
    for (int64_t start = 0, at = 0; start < form.columns; start += form.width()) {
        int64_t ones = 0;
        for (int64_t i = 0; i < form.width(); ++i) {
            const bool set = i < form.stored() ? bit(mask, at++) : ones < form.kept_of;
            if (set && value == end) return false;
            values[start + i] = set ? *value++ : 0;
            ones += set;
        }
        if (form.group && ones != form.kept_of) return false;
    }
    return form.kept < 0 || value - first == form.kept;
}

}  // namespace

extern "C" {

size_t sned_pack_bound(int64_t rows, int64_t columns) {
    const int64_t row = rounded(2 * blocks_of(columns) + mask_bytes(columns) + blocks_of(columns) * kBlock, 8);
    return size_t(int64_t(sizeof(sned_packed)) + 8 * (rows + 1) + rows * row + SNED_SLACK);
}

size_t sned_pack_q8_0(const void * dense, int64_t rows, int64_t columns, void * out) {
    Writer writer(out, rows, columns);
    const auto * block = static_cast<const uint8_t *>(dense);
    for (int64_t row = 0; row < rows; ++row, block += columns / kBlock * kQ8Bytes) writer.add(block, block + 2, kQ8Bytes);
    return writer.finish();
}

size_t sned_pack_file(const void * file, size_t size, int64_t rows, int64_t columns, int64_t block, int64_t group,
                      int64_t kept_of, int64_t kept, void * out) {
    const auto * base = static_cast<const uint8_t *>(file);
    const FileForm form = {columns, block, group, kept_of, kept};
    if (group ? columns % group || kept != columns / group * kept_of : kept > columns) return 0;
    const int64_t table = kept < 0 ? rounded(4 * (rows + 1), 8) : 0;
    if (int64_t(size) < table + SNED_SLACK) return 0;
    const int64_t room = int64_t(size) - table - SNED_SLACK;
    const auto offset = [&](int64_t row) {
        if (kept >= 0) return row * rounded(form.head() + kept, 8);
        uint32_t entry;
        std::memcpy(&entry, base + 4 * row, sizeof entry);
        return 8 * int64_t(entry);
    };
    Writer writer(out, rows, columns);
    std::vector<uint8_t> scales(size_t(2 * blocks_of(columns))), values(size_t(blocks_of(columns) * kBlock));
    std::vector<uint8_t> both(size_t(blocks_of(columns) * kQ8Bytes));
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t start = offset(row), end = offset(row + 1);
        if (end < start + form.head() || end > room) return 0;
        if (!dense_row(form, base + table + start, base + table + end, scales.data(), values.data())) return 0;
        for (int64_t i = 0; i < blocks_of(columns); ++i) {
            std::memcpy(&both[size_t(i * kQ8Bytes)], &scales[size_t(2 * i)], 2);
            std::memcpy(&both[size_t(i * kQ8Bytes + 2)], &values[size_t(i * kBlock)], size_t(kBlock));
        }
        writer.add(both.data(), both.data() + 2, kQ8Bytes);
    }
    return writer.finish();
}

void sned_unpack_q8_0(const sned_packed * matrix, void * out) {
    auto * dense = static_cast<uint8_t *>(out);
    const int64_t blocks = blocks_of(matrix->columns);
    for (int64_t i = 0; i < matrix->rows; ++i, dense += blocks * kQ8Bytes) {
        const Row row(matrix, i);
        std::memset(dense, 0, size_t(blocks * kQ8Bytes));
        for (int64_t block = 0; block < blocks; ++block) std::memcpy(dense + block * kQ8Bytes, row.scales + 2 * block, 2);
        each_kept(matrix, row, [&](int64_t block, int64_t at, uint8_t value) { dense[block * kQ8Bytes + 2 + at] = value; });
    }
}

void sned_unpack_f32(const sned_packed * matrix, float * out) {
    for (int64_t i = 0; i < matrix->rows; ++i, out += matrix->columns) {
        const Row row(matrix, i);
        std::fill_n(out, matrix->columns, 0.0f);
        each_kept(matrix, row, [&](int64_t block, int64_t at, uint8_t value) {
            out[block * kBlock + at] = float(int8_t(value)) * row.scale(block);
        });
    }
}

}  // extern "C"
