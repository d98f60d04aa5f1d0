// Rows of a sparse GGUF's matrices (docs/sparse-gguf.md). Their bytes may be anything: nothing is believed.
#pragma once

#include <cstring>
#include <vector>

#include "packed.h"

namespace sned {

constexpr int64_t kFileBlock = 32;  // columns are a multiple of it, as Q8_0 and Q4_0 have them

inline int64_t rounded_to_8(int64_t bytes) { return (bytes + 7) / 8 * 8; }

// A matrix's description, and where the parts of its rows lie.
struct FileForm : sned_file_form {
    explicit FileForm(const sned_file_form & form) : sned_file_form(form) {}

    // Whether these are numbers that a matrix can have, so that what is computed from them is in range.
    bool sane() const;

    int64_t width() const { return group ? group : columns; }
    int64_t stored() const { return group == 4 || group == 8 ? group - 1 : width(); }  // bits of mask for each group
    int64_t scales() const { return (columns + block - 1) / block; }
    int64_t mask_bits() const { return columns / width() * stored(); }
    int64_t head() const { return 2 * scales() + (mask_bits() + 7) / 8; }
    int64_t value_bytes(int64_t count) const;
    int64_t row_bytes(int64_t count) const { return rounded_to_8(head() + value_bytes(count)); }
};

// The matrix's bytes, `size` of them, and where its rows begin: by a table, or at equal distances.
class FileRows {
  public:
    FileRows(const FileForm & form, const void * file, size_t size);

    // Whether there are as many bytes as the form says, and the table fits them. Nothing else may be asked before.
    bool sound() const;

    const uint8_t * row(int64_t index) const { return base_ + table_ + offset(index); }

  private:
    int64_t offset(int64_t row) const;

    const FileForm & form_;
    const uint8_t * base_;
    int64_t table_, room_, apart_;
};

// Unpacks rows one after another; whole words behind a row's mask and values are read, which a matrix's slack allows.
class RowUnpacker {
  public:
    explicit RowUnpacker(const FileForm & form);

    // The codes of one row, zeros where none is stored. False if its mask has another number of ones than its pattern
    // and the values there are, or a scale is not finite.
    bool unpack(const uint8_t * row, const uint8_t * end, int8_t * codes);

  private:
    int64_t whole_mask(const uint8_t * mask);
    int64_t group_mask(const uint8_t * mask);
    const int8_t * values(const uint8_t * from, int64_t count);

    const FileForm & form_;
    std::vector<uint64_t> mask_;  // of the row, the bits that are left out included
    std::vector<int8_t> values_;  // 64 more than there can be
};

}  // namespace sned
