// Root mean square norm of rows on a CPU and its gradient, see rms_norm.cpp.
#pragma once
#include <cstdint>

namespace unlearnd {

// y = x * scale * weight with scale = 1 / sqrt(mean(x^2) + epsilon): `rows` rows of `width` values, a scale a row.
void rms_norm(const float* x, const float* weight, int64_t rows, int64_t width, float epsilon, float* y, float* scale);

// The gradient for x of the gradient for y.
void rms_norm_gradient(const float* gradient, const float* x, const float* weight, const float* scale, int64_t rows,
                       int64_t width, float* result);

}  // namespace unlearnd
