// From the matrices of a sparse GGUF to packed ones. Their bytes may be anything: nothing is believed.

#include <algorithm>
#include <vector>

#include "groups.h"

namespace {

using namespace sned;

constexpr int64_t kChunk = 32;  // 4-bit values of an N:M row: 16 in the low halves of 16 bytes, then 16 in the high ones
constexpr int64_t kMost = int64_t(1) << 31;

bool finite_halves(const uint8_t * halves, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        if ((halves[2 * i + 1] & 0x7c) == 0x7c) return false;
    }
    return true;
}

struct Form : sned_file_form {
    explicit Form(const sned_file_form & form) : sned_file_form(form) {}

    // Whether these are numbers that a matrix can have, so that what is computed from them is in range.
    bool sane() const {
        if (rows < 1 || rows >= kMost || columns < kBlock || columns >= kMost || columns % kBlock) return false;
        if ((bits != 8 && bits != 4) || block < kBlock || block >= kMost || block % kBlock) return false;
        if (group == 0) return kept_of == 0 && kept >= -1 && kept <= columns;
        if (group != 4 && group != 8 && group != 16 && group != 32) return false;
        return columns % group == 0 && kept_of > 0 && kept_of < group && kept == columns / group * kept_of;
    }

    int64_t width() const { return group ? group : columns; }
    int64_t stored() const { return group == 4 || group == 8 ? group - 1 : width(); }  // bits of mask for each group
    int64_t scales() const { return (columns + block - 1) / block; }
    int64_t head() const { return 2 * scales() + (columns / width() * stored() + 7) / 8; }
    int64_t value_bytes(int64_t count) const {
        if (bits == 8) return count;
        return group ? (count + kChunk - 1) / kChunk * (kChunk / 2) : (count + 1) / 2;
    }

    // Whether a mask has bits after the last column.
    bool bits_after_mask(const uint8_t * row) const {
        const int64_t count = columns / width() * stored();
        return count % 8 && row[head() - 1] >> count % 8;
    }
};

// Unpacks rows one after another.
class Rows {
  public:
    Rows(const Form & form, int64_t into)
        : form_(form), zero_(zero_of(into)), mask_(size_t(form.columns + 63) / 64), bytes_(size_t(form.columns + 64)) {}

    // One row: false if its mask has another number of ones than its pattern and the values there are.
    bool unpack(const uint8_t * row, const uint8_t * end, uint8_t * scales, uint8_t * to) {
        if (end - row < form_.head() || !finite_halves(row, form_.scales()) || form_.bits_after_mask(row)) return false;
        for (int64_t i = 0; i < blocks_of(form_.columns); ++i) std::memcpy(scales + 2 * i, row + 2 * (i * kBlock / form_.block), 2);
        const uint8_t *mask = row + 2 * form_.scales(), *values = row + form_.head();
        const int64_t count = form_.group ? group_mask(mask) : whole_mask(mask);
        if (count < 0 || (form_.kept >= 0 && count != form_.kept)) return false;
        if (rounded(form_.head() + form_.value_bytes(count), 8) != end - row) return false;
        read_values(values, count);
        spread(to);
        return true;
    }

  private:
    // The mask as words; gives how many ones it has.
    int64_t whole_mask(const uint8_t * mask) {
        int64_t ones = 0;
        mask_.back() = 0;
        std::memcpy(mask_.data(), mask, size_t(form_.columns / 8));
        for (const uint64_t each : mask_) ones += __builtin_popcountll(each);
        return ones;
    }

    // As above, with the bits that are left out; -1 if a group has another number of ones.
    int64_t group_mask(const uint8_t * mask) {
        const int64_t group = form_.group, stored = form_.stored();
        std::fill(mask_.begin(), mask_.end(), uint64_t(0));
        for (int64_t start = 0, at = 0; start < form_.columns; start += group, at += stored) {
            uint64_t bits = 0;
            std::memcpy(&bits, mask + at / 8, size_t((at % 8 + stored + 7) / 8));
            bits = bits >> at % 8 & ((uint64_t(1) << stored) - 1);
            const int64_t missing = form_.kept_of - __builtin_popcountll(bits);
            if (missing != 0 && (missing != 1 || stored == group)) return -1;
            if (missing) bits |= uint64_t(1) << stored;
            mask_[size_t(start / 64)] |= bits << start % 64;
        }
        return form_.kept;
    }

    // The values as they are stored packed, a byte each.
    void read_values(const uint8_t * from, int64_t count) {
        const auto shift = uint8_t(zero_ - 8);  // 4-bit values are stored plus 8
        uint8_t * to = bytes_.data();
        if (form_.bits == 8) {
            for (int64_t i = 0; i < count; ++i) to[i] = from[i] ^ 0x80;
        } else if (form_.group) {
            for (int64_t i = 0; i < count; ++i) {
                const int64_t in = i % kChunk;
                to[i] = uint8_t((from[i / kChunk * (kChunk / 2) + in % 16] >> in / 16 * 4 & 15) + shift);
            }
        } else {
            for (int64_t i = 0; i < count; ++i) to[i] = uint8_t((from[i / 2] >> i % 2 * 4 & 15) + shift);
        }
    }

    // Puts them where the mask says.
    void spread(uint8_t * to) const {
        const uint8_t * value = bytes_.data();
        for (int64_t start = 0; start < form_.columns; start += 64) {
            const uint64_t bits = mask_[size_t(start / 64)];
            const int64_t width = std::min<int64_t>(form_.columns - start, 64);
#if defined(__x86_64__)
            if (fast_) spread_avx512(bits, value, zero_, to + start, width);
            else
#endif
                for (int64_t i = 0, next = 0; i < width; ++i) {  // without branches
                    const auto set = uint8_t(bits >> i & 1);
                    to[start + i] = set ? value[next] : zero_;
                    next += set;
                }
            value += __builtin_popcountll(bits);
        }
    }

    const Form & form_;
    uint8_t zero_;
    std::vector<uint64_t> mask_;
    std::vector<uint8_t> bytes_;  // 64 more than there can be: whole vectors are read
    bool fast_ = sned_has_kernel(SNED_AVX512) != 0;
};

}  // namespace

extern "C" size_t sned_pack_file(int kernel, const sned_file_form * given, const void * file, size_t size, int64_t bits,
                                 void * out) {
    const Form form(*given);
    if (!form.sane() || (bits != 8 && bits != form.bits) || size > size_t(1) << 40) return 0;
    const auto * base = static_cast<const uint8_t *>(file);
    const int64_t rows = form.rows, columns = form.columns;
    const int64_t table = form.kept < 0 ? rounded(4 * (rows + 1), 8) : 0;
    const int64_t room = int64_t(size) - table - SNED_SLACK;
    if (room < 0) return 0;
    const auto offset = [&](int64_t row) {
        if (form.kept >= 0) return row * rounded(form.head() + form.value_bytes(form.kept), 8);
        uint32_t entry;
        std::memcpy(&entry, base + 4 * row, sizeof entry);
        return 8 * int64_t(entry);
    };
    if (offset(0) != 0 || offset(rows) != room) return 0;
    const bool grouped = form.group && form.group <= kGroup && 2 * form.kept_of == form.group;
    const int64_t shared = shared_for(kernel, bits, form.block / kBlock, blocks_of(columns));
    Writer writer({SNED_PACKED_MAGIC, rows, columns, bits, grouped ? layout_of(kernel) : SNED_MASKS, shared}, out);
    Rows reader(form, bits);
    std::vector<uint8_t> values(size_t(kRows * columns)), scales(size_t(kRows * 2 * blocks_of(columns)));
    for (int64_t first = 0; first < rows; first += kRows) {
        const int64_t there = std::min(rows - first, kRows);
        if (there < kRows) {
            std::fill(values.begin(), values.end(), zero_of(bits));
            std::fill(scales.begin(), scales.end(), uint8_t(0));
        }
        for (int64_t i = 0; i < there; ++i) {
            const int64_t start = offset(first + i), end = offset(first + i + 1);
            if (start < 0 || end < start || end > room) return 0;
            const uint8_t * row = base + table;
            uint8_t * to_scales = &scales[size_t(i * 2 * blocks_of(columns))];
            if (!reader.unpack(row + start, row + end, to_scales, &values[size_t(i * columns)])) return 0;
        }
        writer.add({values.data(), scales.data()});
    }
    return writer.finish();
}
