// From the matrices of a sparse GGUF to packed ones. Their bytes may be anything: nothing is believed.

#include <algorithm>
#include <vector>

#include "panels.h"

namespace {

using namespace sned;

constexpr int64_t kChunk = 32;  // 4-bit values of an N:M row: 16 in the low halves of 16 bytes, then 16 in the high ones
constexpr int64_t kMost = int64_t(1) << 31;

bool bit(const uint8_t * mask, int64_t index) { return mask[index / 8] >> index % 8 & 1; }

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
        return group > 0 && group <= kBlock && columns % group == 0 && kept_of > 0 && kept_of < group &&
               kept == columns / group * kept_of;
    }

    int64_t width() const { return group ? group : columns; }
    int64_t stored() const { return group == 4 || group == 8 ? group - 1 : width(); }  // bits of mask for each group
    int64_t scales() const { return (columns + block - 1) / block; }
    int64_t head() const { return 2 * scales() + (columns / width() * stored() + 7) / 8; }
    int64_t value_bytes(int64_t count) const {
        if (bits == 8) return count;
        return group ? (count + kChunk - 1) / kChunk * (kChunk / 2) : (count + 1) / 2;
    }

    // A stored value as a signed code.
    int8_t code(const uint8_t * values, int64_t index) const {
        if (bits == 8) return int8_t(values[index]);
        if (!group) return int8_t((values[index / 2] >> index % 2 * 4 & 15) - 8);
        const int64_t in = index % kChunk;
        return int8_t((values[index / kChunk * (kChunk / 2) + in % 16] >> in / 16 * 4 & 15) - 8);
    }

    // Unpacks one row: false if its mask has another number of ones than its pattern and the values there are.
    bool unpack(const uint8_t * row, const uint8_t * end, int64_t into, uint8_t * to_scales, uint8_t * to) const {
        if (end - row < head() || !finite_halves(row, scales()) || bits_after_mask(row)) return false;
        for (int64_t i = 0; i < blocks_of(columns); ++i) std::memcpy(to_scales + 2 * i, row + 2 * (i * kBlock / block), 2);
        const uint8_t *mask = row + 2 * scales(), *values = row + head();
        const int64_t room = (end - values) * 8 / bits;
        const uint8_t zero = zero_of(into);
        int64_t next = 0;
        for (int64_t start = 0, at = 0; start < columns; start += width()) {
            int64_t ones = 0;
            for (int64_t i = 0; i < width(); ++i) {
                const bool set = i < stored() ? bit(mask, at++) : ones < kept_of;
                ones += set;
                if (set && next == room) return false;
                to[start + i] = set ? uint8_t(code(values, next++) + zero) : zero;
            }
            if (group && ones != kept_of) return false;
        }
        return (kept < 0 || next == kept) && rounded(head() + value_bytes(next), 8) == end - row;
    }

    // Whether a mask has bits after the last column.
    bool bits_after_mask(const uint8_t * row) const {
        const int64_t count = columns / width() * stored();
        return count % 8 && row[head() - 1] >> count % 8;
    }
};

}  // namespace

extern "C" size_t sned_pack_file(const sned_file_form * given, const void * file, size_t size, int64_t bits, void * out) {
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
    Writer writer(bits, rows, columns, out);
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
            if (!form.unpack(row + start, row + end, bits, &scales[size_t(i * 2 * blocks_of(columns))],
                             &values[size_t(i * columns)])) {
                return 0;
            }
        }
        writer.add({values.data(), scales.data()});
    }
    return writer.finish();
}
