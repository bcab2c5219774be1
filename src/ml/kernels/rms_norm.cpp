// The root mean square norm (Zhang and Sennrich 2019) in one pass over a row that is in the first level of cache; libtorch composes it,
// and its gradient, of some thirteen operations that each read and write all rows.
//
// With n = x * scale the gradient is scale * (g * weight - n * mean(g * weight * n)).
#include "rms_norm.h"

#include <cmath>

#include "versions.h"

namespace unlearnd {

UNLEARND_VERSIONS
void rms_norm(const float* x, const float* weight, int64_t rows, int64_t width, float epsilon, float* y, float* scale) {
  for (int64_t row = 0; row < rows; row++, x += width, y += width) {
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < width; i++) squares += x[i] * x[i];
    const float factor = 1 / std::sqrt(squares / static_cast<float>(width) + epsilon);
    scale[row] = factor;
#pragma omp simd
    for (int64_t i = 0; i < width; i++) y[i] = x[i] * factor * weight[i];
  }
}

UNLEARND_VERSIONS
void rms_norm_gradient(const float* gradient, const float* x, const float* weight, const float* scale, int64_t rows,
                       int64_t width, float* result) {
  for (int64_t row = 0; row < rows; row++, gradient += width, x += width, result += width) {
    float along = 0;
#pragma omp simd reduction(+ : along)
    for (int64_t i = 0; i < width; i++) along += gradient[i] * weight[i] * x[i];
    const float factor = scale[row], part = factor * factor * along / static_cast<float>(width);
#pragma omp simd
    for (int64_t i = 0; i < width; i++) result[i] = factor * (gradient[i] * weight[i] - x[i] * part);
  }
}

}  // namespace unlearnd
