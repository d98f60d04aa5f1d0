#include "buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLargePage = size_t(2) << 20;
constexpr int64_t kMostColumns = 1 << 17;  // of a matrix that is packed

// A stretch of address space, whose pages are there once they are written.
struct Reserved {
    uint8_t * base = nullptr;
    size_t size = 0;

    // False where there is no such stretch.
    bool reserve(size_t wanted) {
        void * got = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (got == MAP_FAILED) return false;
        base = static_cast<uint8_t *>(got);
        size = wanted;
        return true;
    }

    ~Reserved() {
        if (base) munmap(base, size);
    }
};

// A buffer's memory. ggml lays tensors out by their worst case: only a head is written there, which says where the packed
// matrix is. Those lie one after another, so that they can have large pages: with small ones, a product from memory takes
// up to a third longer.
struct Memory {
    Reserved heads;
    Reserved matrices;
    size_t used = 0;

    bool reserve(size_t size) {
        if (!heads.reserve(size) || !matrices.reserve(size + kLargePage)) return false;
        used = size_t(-reinterpret_cast<intptr_t>(matrices.base)) % kLargePage;
        madvise(matrices.base + used, size, MADV_HUGEPAGE);  // where that is refused, it works as well
        return true;
    }
};

// What is at a tensor's place.
struct Head {
    uint64_t magic;
    const sned_packed * matrix;
};

const Head * head_of(const ggml_tensor * tensor) { return static_cast<const Head *>(tensor->data); }

// A matrix that was packed before ggml hands over its dense bytes, in the thread that loads the model.
struct Given {
    std::string name;
    const sned_packed * matrix = nullptr;
    size_t size = 0;
};

thread_local Given given;

// --- buffers

void buffer_free(ggml_backend_buffer_t buffer) {
    delete static_cast<Memory *>(buffer->context);
}

void * buffer_base(ggml_backend_buffer_t buffer) { return static_cast<Memory *>(buffer->context)->heads.base; }

// Bits of a value that is packed, 0 for types that are not.
int64_t bits_of(const ggml_tensor * tensor) {
    return tensor->type == GGML_TYPE_Q8_0 ? 8 : tensor->type == GGML_TYPE_Q4_0 ? 4 : 0;
}

ggml_status buffer_init_tensor(ggml_backend_buffer_t, ggml_tensor * tensor) {
    return can_pack(tensor) ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED;
}

bool fits(const sned_packed * matrix, const ggml_tensor * tensor) {
    return matrix->magic == SNED_PACKED_MAGIC && matrix->rows == tensor->ne[1] && matrix->columns == tensor->ne[0] &&
           matrix->bits == bits_of(tensor);
}

void buffer_set(ggml_backend_buffer_t buffer, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(tensor) && "a matrix is packed as a whole");
    auto & memory = *static_cast<Memory *>(buffer->context);
    const size_t most = sned_pack_bound(bits_of(tensor), tensor->ne[1], tensor->ne[0]);
    GGML_ASSERT(memory.used + most <= memory.matrices.size && "a matrix is set once");
    uint8_t * to = memory.matrices.base + memory.used;
    const Given from = std::exchange(given, {});
    size_t taken = from.size;
    if (from.matrix && from.name == tensor->name && taken <= most && fits(from.matrix, tensor)) {
        std::memcpy(to, from.matrix, taken);
    } else {
        taken = sned_pack_dense(sned_best_kernel(), bits_of(tensor), data, tensor->ne[1], tensor->ne[0], to);
    }
    memory.used += (taken + kAlignment - 1) / kAlignment * kAlignment;
    *static_cast<Head *>(tensor->data) = {SNED_PACKED_MAGIC, reinterpret_cast<const sned_packed *>(to)};
}

void buffer_get(ggml_backend_buffer_t, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(tensor) && "a matrix is unpacked as a whole");
    if (head_of(tensor)->magic == SNED_PACKED_MAGIC) sned_unpack_dense(head_of(tensor)->matrix, data);
    else std::fill_n(static_cast<uint8_t *>(data), size, uint8_t(0));
}

void buffer_memset(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {
    GGML_ABORT("packed matrices cannot be filled");
}

void buffer_clear(ggml_backend_buffer_t, uint8_t) {}  // fresh memory holds no matrix

const ggml_backend_buffer_i kBuffer = {
    /* .free_buffer   = */ buffer_free,
    /* .get_base      = */ buffer_base,
    /* .init_tensor   = */ buffer_init_tensor,
    /* .memset_tensor = */ buffer_memset,
    /* .set_tensor    = */ buffer_set,
    /* .get_tensor    = */ buffer_get,
    /* .set_tensor_2d = */ nullptr,
    /* .get_tensor_2d = */ nullptr,
    /* .cpy_tensor    = */ nullptr,
    /* .clear         = */ buffer_clear,
    /* .reset         = */ nullptr,
};

const char * type_name(ggml_backend_buffer_type_t) { return "SNED_SPARSE"; }

ggml_backend_buffer_t type_alloc(ggml_backend_buffer_type_t type, size_t size) {
    auto memory = std::make_unique<Memory>();
    size = std::max(size, sizeof(Head));
    return memory->reserve(size) ? ggml_backend_buffer_init(type, kBuffer, memory.release(), size) : nullptr;
}

size_t type_alignment(ggml_backend_buffer_type_t) { return kAlignment; }

size_t type_alloc_size(ggml_backend_buffer_type_t, const ggml_tensor * tensor) {
    const size_t dense = ggml_nbytes(tensor);
    return can_pack(tensor) ? std::max(dense, sned_pack_bound(bits_of(tensor), tensor->ne[1], tensor->ne[0])) : dense;
}

bool type_is_host(ggml_backend_buffer_type_t) { return false; }

}  // namespace

bool can_pack(const ggml_tensor * tensor) {
    return bits_of(tensor) && ggml_is_contiguous(tensor) && ggml_n_dims(tensor) <= 2 && !tensor->view_src &&
           tensor->ne[0] <= kMostColumns;
}

const sned_packed * packed_of(const ggml_tensor * tensor) {
    GGML_ASSERT(head_of(tensor)->magic == SNED_PACKED_MAGIC && "weights that were never set");
    return head_of(tensor)->matrix;
}

ggml_backend_buffer_type packed_buffer_type(ggml_backend_dev_t device, void * context) {
    return {{type_name, type_alloc, type_alignment, nullptr, type_alloc_size, type_is_host}, device, context};
}

extern "C" {

// The packed matrix of this name, until llama.cpp sets the tensor in this thread: what it sets it to is not looked at then.
// None for none.
void sned_sparse_give(const char * name, const void * matrix, size_t size) {
    if (!matrix) given = {};
    else given = {name, static_cast<const sned_packed *>(matrix), size};
}

}  // extern "C"
