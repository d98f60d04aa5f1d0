// From dense rows to packed ones.

#include <algorithm>
#include <vector>

#include "slots.h"

namespace sned {
namespace {

// For eight weights, bytes of 1 where there is no zero.
uint64_t kept_bytes(const uint8_t * weights, uint8_t zero) {
    constexpr uint64_t kOnes = 0x0101010101010101;
    const uint64_t changed = word(weights) ^ kOnes * zero;
    return (((changed & kOnes * 0x7f) + kOnes * 0x7f) | changed) >> 7 & kOnes;
}

// Which of eight weights are no zeros, with as many zeros as make four.
uint8_t full_mask(const uint8_t * weights, uint8_t zero) {
    auto mask = unsigned(kept_bytes(weights, zero) * 0x0102040810204080 >> 56);
    while (__builtin_popcount(mask) < kSlots) mask |= mask + 1;
    return uint8_t(mask);
}

// Adds a group of a stretch's block, the weights being plus 8, at place `i` of its vectors; the stretch lies at `out`.
void add_group(const uint8_t * weights, const Stretch & stretch, int64_t block, int64_t i, uint8_t * out) {
    const auto at = [&](const uint8_t * vector) -> uint8_t & { return out[vector - stretch.scales + i]; };
    const uint8_t code = kSlotCodes.of_mask[full_mask(weights, zero_of(4))];
    if (block < kStretch - 1) {
        at(stretch.codes_of(block)) = uint8_t(at(stretch.codes_of(block)) | code);
    } else {
        for (int64_t bit = 0; bit < kStretch - 1; ++bit) {
            uint8_t & other = at(stretch.codes_of(bit));
            other = uint8_t(other | (code >> bit & 1) << 7);
        }
    }
    for (int64_t slot = 0; slot < kSlots; ++slot) {
        uint8_t & both = at(stretch.values_of(block) + slot * kSlotVector);
        both = uint8_t(both | weights[kSlotCodes.columns[slot][code]] << Stretch::shift_of(block));
    }
}

}  // namespace

Writer::Writer(const sned_packed & head, void * out)
    : head_(head), base_(static_cast<uint8_t *>(out)), fast_(sned_has_kernel(SNED_AVX512) != 0) {
    std::memcpy(base_, &head, sizeof head);
    table_ = base_ + sizeof head;
    end_ = table_ + 8 * (panels_of(head.rows) + 1);
    if (head.layout == SNED_SLOTS) end_ = std::fill_n(end_, rounded(end_ - base_, kPanelAlignment) - (end_ - base_), uint8_t(0));
    note();
}

void Writer::add(const Dense & rows) {
    if (head_.layout == SNED_GROUPS) add_groups(rows);
    else if (head_.layout == SNED_SLOTS) add_slots(rows);
    else add_masks(rows);
    note();
}

void Writer::add_scales(const Dense & rows, int64_t block) {
    for (int64_t row = 0; row < kRows; ++row, end_ += 2) {
        std::memcpy(end_, rows.scales + 2 * (row * blocks_of(head_.columns) + block), 2);
    }
}

void Writer::add_groups(const Dense & rows) {
    const int64_t blocks = blocks_of(head_.columns), bits = head_.bits;
    const uint8_t zero = zero_of(bits), flip = bits == 8 ? 128 : 0;
    for (int64_t block = 0; block < blocks; ++block) {
        if (block % head_.shared == 0) add_scales(rows, block);
        uint8_t *masks = end_, *values = masks + kGroupMasks;
        end_ += group_block(bits);
        std::fill(masks, end_, uint8_t(0));
        for (int64_t row = 0; row < kRows; ++row) {
            for (int64_t group = 0; group < kGroups; ++group) {
                const uint8_t * from = rows.values + row * head_.columns + block * kBlock + group * kGroup;
                const uint8_t mask = full_mask(from, zero);
                uint8_t * at = masks + group / 2 * 2 * kRows + 2 * place_of(row);
                at[0] = uint8_t(at[0] | (mask & 15) << (group % 2 * 4));
                at[1] = uint8_t(at[1] | mask >> 4 << (group % 2 * 4));
                const uint8_t * columns = kSlotColumns.of[mask];
                uint8_t * to = values + group * group_values(bits) + 2 * place_of(row);
                const auto slot = [&](int64_t i) { return uint8_t(from[columns[i]] ^ flip); };
                if (bits == 8) {
                    to[0] = slot(0), to[1] = slot(3), to[2 * kRows] = slot(1), to[2 * kRows + 1] = slot(2);
                } else {
                    to[0] = uint8_t(slot(0) | slot(1) << 4), to[1] = uint8_t(slot(3) | slot(2) << 4);
                }
            }
        }
    }
}

void Writer::add_slots(const Dense & rows) {
    const int64_t blocks = blocks_of(head_.columns);
    for (int64_t index = 0; index < blocks; index += kStretch) {
        uint8_t * out = end_;
        const Stretch stretch(out, head_.shared, blocks - index);
        for (int64_t in = 0; in < stretch.blocks; in += head_.shared) add_scales(rows, index + in);
        end_ = std::fill_n(end_, stretch.end - stretch.pairs, uint8_t(0));
        for (int64_t in = 0; in < stretch.blocks; ++in) {
            for (int64_t i = 0; i < kSlotVector; ++i) {
                const uint8_t * row = rows.values + i / kGroups * head_.columns;
                add_group(row + (index + in) * kBlock + i % kGroups * kGroup, stretch, in, i, out);
            }
        }
    }
    end_ = std::fill_n(end_, rounded(end_ - base_, kPanelAlignment) - (end_ - base_), uint8_t(0));
}

void Writer::add_masks(const Dense & rows) {
    const int64_t blocks = blocks_of(head_.columns), most = head_.bits == 8 ? 1 : 2;
    // A step is stored as a whole vector, of which what follows overwrites the end: not where its bound ends.
    uint8_t values[2][kBlock * kRows + kStepBytes];
    for (int64_t index = 0; index < blocks; index += most) {
        const int64_t here = std::min(most, blocks - index);
        if (index % head_.shared == 0) {
            for (int64_t i = 0; i < (head_.shared > 1 ? 1 : here); ++i) add_scales(rows, index + i);
        }
        int64_t counts[2] = {};
        uint8_t unused[kMaskBytes];
        for (int64_t i = 0; i < here; ++i) {
            counts[i] = add_steps(rows, index + i, head_.layout == SNED_MASKS ? end_ : unused, values[i]);
            if (head_.layout == SNED_MASKS) end_ += kMaskBytes;
        }
        const int64_t size = std::max(counts[0], counts[1]);
        if (head_.bits == 8) {
            std::memcpy(end_, values[0], size_t(size));
        } else {
            for (int64_t i = 0; i < 2; ++i) std::fill(values[i] + counts[i], values[i] + size, uint8_t(0));
            for (int64_t k = 0; k < size; ++k) end_[k] = uint8_t(values[0][k] | values[1][k] << 4);
        }
        end_ += size;
    }
}

int64_t Writer::add_steps(const Dense & rows, int64_t block, uint8_t * masks, uint8_t * values) const {
    const uint8_t zero = zero_of(head_.bits);
    const uint8_t * const begin = values;
    for (int64_t step = 0; step < kSteps; ++step, masks += 8) {
        uint8_t weights[kStepBytes];
        for (int64_t row = 0; row < kRows; ++row) {
            std::memcpy(weights + 4 * row, rows.values + row * head_.columns + block * kBlock + 4 * step, 4);
        }
        if (head_.layout == SNED_WHOLE) {
            std::memcpy(values, weights, kStepBytes);
            values += kStepBytes;
            continue;
        }
        uint64_t bits = 0;
#if defined(__x86_64__)
        if (fast_) bits = pack_step_avx512(weights, zero, values);
        else
#endif
            for (int64_t i = 0, kept = 0; i < kStepBytes; ++i) {  // without branches: zeros are overwritten by what follows
                const bool there = weights[i] != zero;
                values[kept] = weights[i];
                kept += there;
                bits |= uint64_t(there) << i;
            }
        values += __builtin_popcountll(bits);
        std::memcpy(masks, &bits, sizeof bits);
    }
    return values - begin;
}

size_t Writer::finish() {
    std::memset(end_, 0, SNED_SLACK);
    return size_t(end_ - base_) + SNED_SLACK;
}

void Writer::note() {
    const uint64_t offset = uint64_t(end_ - base_);
    std::memcpy(table_, &offset, sizeof offset);
    table_ += sizeof offset;
}

}  // namespace sned

namespace {

using namespace sned;

constexpr int64_t kHalf = kBlock / 2;

// Bytes of a block of Q8_0 or Q4_0: a half-precision scale, and the values.
int64_t block_bytes(int64_t bits) { return 2 + kBlock * bits / 8; }

// The weights of a block of Q8_0 or Q4_0 as they are stored packed.
void read_block(int64_t bits, const uint8_t * from, uint8_t * values) {
    if (bits == 8) {
        for (int64_t i = 0; i < kBlock; ++i) values[i] = from[i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < kHalf; ++i) values[i] = from[i] & 15, values[i + kHalf] = from[i] >> 4;
}

// The layout for a matrix. Without masks if less than an eighth of its weights is zeros: a mask takes an eighth of a value.
sned_layout choose_layout(int kernel, int64_t bits, const uint8_t * from, int64_t blocks) {
    int64_t kept = 0, most = 0;
    for (int64_t i = 0; i < blocks; ++i, from += block_bytes(bits)) {
        uint8_t values[kBlock];
        read_block(bits, from + 2, values);
        for (int64_t group = 0; group < kBlock; group += kGroup) {
            const auto here = int64_t(kept_bytes(values + group, zero_of(bits)) * 0x0101010101010101 >> 56);
            kept += here;
            most = std::max(most, here);
        }
    }
    if (bits == 8 && 8 * kept > 7 * kBlock * blocks) return SNED_WHOLE;
    return most <= kSlots && 8 * kept > 3 * kBlock * blocks ? layout_of(kernel, bits) : SNED_MASKS;
}

// How many blocks side by side have one scale, in every row: 1, 2, 4 or 8.
int64_t count_shared(int64_t bits, const uint8_t * from, int64_t rows, int64_t blocks) {
    int64_t shared = 8;
    for (int64_t row = 0; row < rows && shared > 1; ++row) {
        for (int64_t block = 0; block < blocks; ++block) {
            const auto scale = [&](int64_t index) { return from + (row * blocks + index) * block_bytes(bits); };
            while (std::memcmp(scale(block), scale(block / shared * shared), 2) != 0) shared /= 2;
        }
    }
    return shared;
}

}  // namespace

extern "C" {

size_t sned_pack_bound(int64_t bits, int64_t rows, int64_t columns) {
    const int64_t blocks = blocks_of(columns), values = bits == 8 ? blocks : (blocks + 1) / 2;
    const int64_t panel = blocks * (kScaleBytes + kMaskBytes) + values * kBlock * kRows;
    return size_t(int64_t(sizeof(sned_packed)) + 8 * (panels_of(rows) + 1) + panels_of(rows) * panel + SNED_SLACK);
}

size_t sned_pack_dense(int kernel, int64_t bits, const void * dense, int64_t rows, int64_t columns, void * out) {
    const int64_t blocks = blocks_of(columns), apart = block_bytes(bits);
    const sned_layout layout = choose_layout(kernel, bits, static_cast<const uint8_t *>(dense), rows * blocks);
    const int64_t found = count_shared(bits, static_cast<const uint8_t *>(dense), rows, blocks);
    const int64_t shared = shared_for(kernel, bits, found, blocks);
    Writer writer({SNED_PACKED_MAGIC, rows, columns, bits, layout, shared}, out);
    std::vector<uint8_t> values(size_t(kRows * columns)), scales(size_t(kRows * 2 * blocks));
    const auto * from = static_cast<const uint8_t *>(dense);
    for (int64_t first = 0; first < rows; first += kRows) {
        const int64_t there = std::min(rows - first, kRows);
        if (there < kRows) {
            std::fill(values.begin(), values.end(), zero_of(bits));
            std::fill(scales.begin(), scales.end(), uint8_t(0));
        }
        for (int64_t i = 0; i < there * blocks; ++i, from += apart) {
            std::memcpy(&scales[size_t(2 * i)], from, 2);
            read_block(bits, from + 2, &values[size_t(i * kBlock)]);
        }
        writer.add({values.data(), scales.data()});
    }
    return writer.finish();
}

}  // extern "C"
