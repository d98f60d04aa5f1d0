// From dense rows to packed ones, and back.

#include <algorithm>
#include <vector>

#include "panels.h"

namespace sned {

Writer::Writer(const sned_packed & head, void * out)
    : head_(head), base_(static_cast<uint8_t *>(out)), fast_(sned_has_kernel(SNED_AVX512) != 0) {
    std::memcpy(base_, &head, sizeof head);
    table_ = base_ + sizeof head;
    end_ = table_ + 8 * (panels_of(head.rows) + 1);
    note();
}

void Writer::add(const Dense & rows) {
    const int64_t blocks = blocks_of(head_.columns), most = head_.bits == 8 ? 1 : 2;
    // A step is stored as a whole vector, of which what follows overwrites the end: not where its bound ends.
    uint8_t values[2][kBlock * kRows + kStepBytes];
    for (int64_t index = 0; index < blocks; index += most) {
        const int64_t here = std::min(most, blocks - index);
        for (int64_t i = 0; i < here; ++i) {
            for (int64_t row = 0; row < kRows; ++row, end_ += 2) {
                std::memcpy(end_, rows.scales + 2 * (row * blocks + index + i), 2);
            }
        }
        int64_t counts[2] = {};
        uint8_t unused[kMaskBytes];
        for (int64_t i = 0; i < here; ++i) {
            counts[i] = add_steps(rows, index + i, head_.masked ? end_ : unused, values[i]);
            if (head_.masked) end_ += kMaskBytes;
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
    note();
}

int64_t Writer::add_steps(const Dense & rows, int64_t block, uint8_t * masks, uint8_t * values) const {
    const uint8_t zero = zero_of(head_.bits);
    const uint8_t * const begin = values;
    for (int64_t step = 0; step < kSteps; ++step, masks += 8) {
        uint8_t weights[kStepBytes];
        for (int64_t row = 0; row < kRows; ++row) {
            std::memcpy(weights + 4 * row, rows.values + row * head_.columns + block * kBlock + 4 * step, 4);
        }
        if (!head_.masked) {
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

// The weights of a block of Q8_0 or Q4_0 as they are stored packed, and the other way.
void read_block(int64_t bits, const uint8_t * from, uint8_t * values) {
    if (bits == 8) {
        for (int64_t i = 0; i < kBlock; ++i) values[i] = from[i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < kHalf; ++i) values[i] = from[i] & 15, values[i + kHalf] = from[i] >> 4;
}

void write_block(int64_t bits, const uint8_t * values, uint8_t * to) {
    if (bits == 8) {
        for (int64_t i = 0; i < kBlock; ++i) to[i] = values[i] ^ 0x80;
        return;
    }
    for (int64_t i = 0; i < kHalf; ++i) to[i] = uint8_t(values[i] | values[i + kHalf] << 4);
}

// Whether less than an eighth of the weights is zeros: a mask takes an eighth of a value.
bool is_whole(int64_t bits, const uint8_t * from, int64_t blocks) {
    if (bits != 8) return false;
    int64_t zeros = 0;
    for (int64_t i = 0; i < blocks; ++i, from += block_bytes(bits)) {
        for (int64_t k = 2; k < 2 + kBlock; ++k) zeros += from[k] == 0;
    }
    return 8 * zeros < kBlock * blocks;
}

}  // namespace

extern "C" {

size_t sned_pack_bound(int64_t bits, int64_t rows, int64_t columns) {
    const int64_t blocks = blocks_of(columns), values = bits == 8 ? blocks : (blocks + 1) / 2;
    const int64_t panel = blocks * (kScaleBytes + kMaskBytes) + values * kBlock * kRows;
    return size_t(int64_t(sizeof(sned_packed)) + 8 * (panels_of(rows) + 1) + panels_of(rows) * panel + SNED_SLACK);
}

size_t sned_pack_dense(int64_t bits, const void * dense, int64_t rows, int64_t columns, void * out) {
    const int64_t blocks = blocks_of(columns), apart = block_bytes(bits);
    const bool whole = is_whole(bits, static_cast<const uint8_t *>(dense), rows * blocks);
    Writer writer({SNED_PACKED_MAGIC, rows, columns, bits, !whole}, out);
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

void sned_unpack_dense(const sned_packed * matrix, void * out) {
    const int64_t blocks = blocks_of(matrix->columns), apart = block_bytes(matrix->bits);
    const uint8_t zero = zero_of(matrix->bits);
    const auto low = uint8_t(matrix->bits == 8 ? 255 : 15);
    auto * to = static_cast<uint8_t *>(out);
    for (int64_t panel = 0; panel < panels_of(matrix->rows); ++panel) {
        const int64_t there = std::min(matrix->rows - panel * kRows, kRows);
        each_block(matrix, panel, [&](int64_t index, const Block & block) {
            uint8_t weights[kRows][kBlock];
            const uint8_t * value = block.values;
            for (int64_t step = 0; step < kSteps; ++step) {
                const uint64_t bits = word(block.masks + 8 * step);
                for (int64_t i = 0; i < kStepBytes; ++i) {
                    weights[i / 4][4 * step + i % 4] = bits >> i & 1 ? uint8_t(*value++ >> block.shift & low) : zero;
                }
            }
            for (int64_t row = 0; row < there; ++row) {
                uint8_t * at = to + ((panel * kRows + row) * blocks + index) * apart;
                std::memcpy(at, block.scales + 2 * row, 2);
                write_block(matrix->bits, weights[row], at + 2);
            }
        });
    }
}

}  // extern "C"
