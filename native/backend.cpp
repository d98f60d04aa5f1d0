// A ggml backend that computes with pruned matrices in packed form.
//
// It is an ACCEL device, so that every llama.cpp context has it, and takes two operations whose weights lie in its own
// buffers: MUL_MAT, and GET_ROWS for embeddings that are the output matrix too. Whoever loads a model names the tensors that
// go there (`tensor_buft_overrides` of llama_model_params). Everything else, the activations too, stays in ordinary memory:
// nothing is copied between backends.

#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"
#include "ggml/ggml-backend-impl.h"
#include "packed.h"

#ifndef SNED_GGML
#error "the build script says which ggml this is made for"
#endif

extern "C" const char * ggml_commit(void);

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLargePage = size_t(2) << 20;
constexpr int64_t kMostColumns = 1 << 17;  // of a matrix that is packed
constexpr int64_t kPieces = 8;  // that each thread's share of a matrix is cut into, so that a slow thread holds up no other

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

// Memory of the backend's own, which grows and is kept.
struct Scratch {
    void * base = nullptr;
    size_t size = 0;

    void * of(size_t wanted) {
        if (wanted > size) {
            std::free(base);
            size = (wanted + kAlignment - 1) / kAlignment * kAlignment;
            base = std::aligned_alloc(kAlignment, size);
            GGML_ASSERT(base && "no memory for activations");
        }
        return base;
    }

    ~Scratch() { std::free(base); }
};

struct Context {
    int threads = 1;
    int kernel = sned_best_kernel();
    Scratch columns;
    Scratch rows;
};

const sned_packed * packed_of(const ggml_tensor * tensor) {
    const auto * head = static_cast<const Head *>(tensor->data);
    return head->magic == SNED_PACKED_MAGIC ? head->matrix : nullptr;
}

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

bool can_pack(const ggml_tensor * tensor) {
    return bits_of(tensor) && ggml_is_contiguous(tensor) && ggml_n_dims(tensor) <= 2 && !tensor->view_src &&
           tensor->ne[0] <= kMostColumns;
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
    if (const auto * matrix = packed_of(tensor)) sned_unpack_dense(matrix, data);
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

ggml_backend_buffer_type_t packed_type();

// --- computing

// One product: `rows` pieces of the matrix are given to whichever thread asks.
void multiply(Context & context, const ggml_tensor * node) {
    const auto * matrix = packed_of(node->src[0]);
    GGML_ASSERT(matrix && "weights that were never set");
    const ggml_tensor * x = node->src[1];
    const int64_t width = matrix->columns, rows = matrix->rows;
    const int64_t count = x->ne[1] * x->ne[2] * x->ne[3];
    const size_t apart = sned_column_bytes(width);
    const size_t scratch = (sned_scratch_bytes(width) + kAlignment - 1) / kAlignment * kAlignment;
    auto * columns = static_cast<uint8_t *>(context.columns.of(apart * size_t(count)));
    auto * unpacked = static_cast<uint8_t *>(context.rows.of(scratch * size_t(context.threads)));
    auto * y = static_cast<float *>(node->data);
    const auto quantise = [&](int64_t j) {
        const int64_t i1 = j % x->ne[1], i2 = j / x->ne[1] % x->ne[2], i3 = j / x->ne[1] / x->ne[2];
        const char * from = static_cast<const char *>(x->data) + i1 * int64_t(x->nb[1]) + i2 * int64_t(x->nb[2]) +
                            i3 * int64_t(x->nb[3]);
        sned_quantise(width, reinterpret_cast<const float *>(from), columns + apart * size_t(j));
    };
    const int64_t share = rows / (context.threads * kPieces) / int64_t(SNED_PANEL) * int64_t(SNED_PANEL);
    const int64_t piece = std::max(share, int64_t(SNED_PANEL));
    if (count == 1) quantise(0);
    std::atomic<int64_t> next_column{0}, next_row{0};
#pragma omp parallel num_threads(context.threads)
    {
        if (count > 1) {
            for (int64_t j = next_column++; j < count; j = next_column++) quantise(j);
#pragma omp barrier
        }
        void * own = unpacked + scratch * size_t(omp_get_thread_num());
        for (int64_t row = next_row.fetch_add(piece); row < rows; row = next_row.fetch_add(piece)) {
            sned_multiply(context.kernel, matrix, columns, count, row, std::min(row + piece, rows), y, rows, own);
        }
    }
}

// Rows of embeddings that are the output matrix as well.
void get_rows(const ggml_tensor * node) {
    const auto * matrix = packed_of(node->src[0]);
    GGML_ASSERT(matrix && "weights that were never set");
    const ggml_tensor * rows = node->src[1];
    for (int64_t i = 0; i < rows->ne[0]; ++i) {
        int32_t row;
        std::memcpy(&row, static_cast<const char *>(rows->data) + i * int64_t(rows->nb[0]), sizeof row);
        GGML_ASSERT(row >= 0 && row < matrix->rows);
        sned_read_row(matrix, row, reinterpret_cast<float *>(static_cast<char *>(node->data) + i * int64_t(node->nb[1])));
    }
}

const char * backend_name(ggml_backend_t) { return "SNED_SPARSE"; }

void backend_free(ggml_backend_t backend) {
    delete static_cast<Context *>(backend->context);
    delete backend;
}

ggml_status backend_compute(ggml_backend_t backend, ggml_cgraph * graph) {
    auto & context = *static_cast<Context *>(backend->context);
    for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (!(node->flags & GGML_TENSOR_FLAG_COMPUTE)) continue;
        if (node->op == GGML_OP_MUL_MAT) multiply(context, node);
        if (node->op == GGML_OP_GET_ROWS) get_rows(node);
    }
    return GGML_STATUS_SUCCESS;
}

const ggml_backend_i kBackend = {
    /* .get_name            = */ backend_name,
    /* .free                = */ backend_free,
    /* .set_tensor_async    = */ nullptr,
    /* .get_tensor_async    = */ nullptr,
    /* .set_tensor_2d_async = */ nullptr,
    /* .get_tensor_2d_async = */ nullptr,
    /* .cpy_tensor_async    = */ nullptr,
    /* .synchronize         = */ nullptr,
    /* .graph_plan_create   = */ nullptr,
    /* .graph_plan_free     = */ nullptr,
    /* .graph_plan_update   = */ nullptr,
    /* .graph_plan_compute  = */ nullptr,
    /* .graph_compute       = */ backend_compute,
    /* .event_record        = */ nullptr,
    /* .event_wait          = */ nullptr,
    /* .graph_optimize      = */ nullptr,
};

void set_threads(ggml_backend_t backend, int threads) {
    static_cast<Context *>(backend->context)->threads = std::max(threads, 1);
}

// --- the device

const char * device_name(ggml_backend_dev_t) { return "SNED_SPARSE"; }

const char * device_description(ggml_backend_dev_t) { return sned_kernel_name(sned_best_kernel()); }

void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) { *free = *total = 0; }

enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; }

void device_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    *props = {};
    props->name = device_name(device);
    props->description = device_description(device);
    props->type = device_type(device);
}

ggml_backend_t device_init(ggml_backend_dev_t device, const char *) {
    static ggml_guid guid = {0x53, 0x6e, 0x65, 0x64, 0xb1, 0x7a, 0x4c, 0x02, 0x9d, 0x38, 0x60, 0xf4, 0x1e, 0xa7, 0x55, 0x90};
    return new ggml_backend{&guid, kBackend, device, new Context};
}

ggml_backend_buffer_type_t device_type_of_activations(ggml_backend_dev_t) { return ggml_backend_cpu_buffer_type(); }

bool is_packed(const ggml_tensor * weights) {
    return weights->buffer && ggml_backend_buffer_get_type(weights->buffer) == packed_type() && can_pack(weights);
}

bool device_supports_op(ggml_backend_dev_t, const ggml_tensor * op) {
    switch (op->op) {
        case GGML_OP_NONE:
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_PERMUTE:
        case GGML_OP_TRANSPOSE:
            return true;
        case GGML_OP_MUL_MAT: {
            const ggml_tensor *weights = op->src[0], *x = op->src[1];
            return is_packed(weights) && x->type == GGML_TYPE_F32 && x->nb[0] == sizeof(float) && op->type == GGML_TYPE_F32;
        }
        case GGML_OP_GET_ROWS: {
            const ggml_tensor *weights = op->src[0], *rows = op->src[1];
            return is_packed(weights) && rows->type == GGML_TYPE_I32 && ggml_nelements(rows) == rows->ne[0] &&
                   op->type == GGML_TYPE_F32 && op->nb[0] == sizeof(float);
        }
        default:
            return false;
    }
}

bool device_supports_type(ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return type == packed_type() || ggml_backend_buft_is_host(type);
}

const ggml_backend_device_i kDevice = {
    /* .get_name             = */ device_name,
    /* .get_description      = */ device_description,
    /* .get_memory           = */ device_memory,
    /* .get_type             = */ device_type,
    /* .get_props            = */ device_props,
    /* .init_backend         = */ device_init,
    /* .get_buffer_type      = */ device_type_of_activations,
    /* .get_host_buffer_type = */ nullptr,
    /* .buffer_from_host_ptr = */ nullptr,
    /* .supports_op          = */ device_supports_op,
    /* .supports_buft        = */ device_supports_type,
    /* .offload_op           = */ nullptr,
    /* .event_new            = */ nullptr,
    /* .event_free           = */ nullptr,
    /* .event_synchronize    = */ nullptr,
};

// --- the registry

const char * reg_name(ggml_backend_reg_t) { return "SNED_SPARSE"; }

size_t reg_count(ggml_backend_reg_t) { return 1; }

ggml_backend_dev_t reg_device(ggml_backend_reg_t reg, size_t) {
    static ggml_backend_device device = {kDevice, reg, nullptr};
    return &device;
}

void * reg_function(ggml_backend_reg_t, const char * name) {
    return std::strcmp(name, "ggml_backend_set_n_threads") == 0 ? reinterpret_cast<void *>(set_threads) : nullptr;
}

ggml_backend_reg_t registry() {
    static ggml_backend_reg reg = {GGML_BACKEND_API_VERSION, {reg_name, reg_count, reg_device, reg_function}, nullptr};
    return &reg;
}

ggml_backend_buffer_type_t packed_type() {
    static ggml_backend_buffer_type type = {
        {type_name, type_alloc, type_alignment, nullptr, type_alloc_size, type_is_host}, reg_device(registry(), 0), nullptr};
    return &type;
}

}  // namespace

extern "C" {

// Which ggml this library was made for: its version and commit.
const char * sned_sparse_ggml(void) { return SNED_GGML; }

// Where pruned matrices are to lie.
ggml_backend_buffer_type_t sned_sparse_buffer_type(void) { return packed_type(); }

// The packed matrix of this name, until llama.cpp sets the tensor in this thread: what it sets it to is not looked at then.
// None for none.
void sned_sparse_give(const char * name, const void * matrix, size_t size) {
    if (!matrix) given = {};
    else given = {name, static_cast<const sned_packed *>(matrix), size};
}

// So many threads for a backend of this library.
void sned_sparse_set_threads(ggml_backend_t backend, int threads) { set_threads(backend, threads); }

// ggml's entry point: nothing where the ggml that loads it is another one, whose structures may differ.
ggml_backend_reg_t ggml_backend_init(void) {
    const std::string running = std::string(ggml_version()) + " " + ggml_commit();
    return running == SNED_GGML ? registry() : nullptr;
}

}  // extern "C"
