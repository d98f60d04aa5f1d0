// ggml's view of packed matrices: a type of buffer that packs what is written to it.
#pragma once

#include "ggml-backend.h"
#include "ggml.h"
#include "ggml/ggml-backend-impl.h"
#include "packed.h"

// Whether a tensor can lie in such a buffer.
bool can_pack(const ggml_tensor * tensor);

// The matrix of a tensor that does.
const sned_packed * packed_of(const ggml_tensor * tensor);

// The type of buffer, of this device and with this context.
ggml_backend_buffer_type packed_buffer_type(ggml_backend_dev_t device, void * context);
