// A gate with its sigmoid and the gradient, on a CPU, see swiglu.cpp.
#pragma once
#include <cstdint>

namespace unlearnd {

// y = gate * sigmoid(gate) * up, of `count` values.
void swiglu(const float* gate, const float* up, int64_t count, float* y);

// The gradients for gate and up of the gradient for y.
void swiglu_gradient(const float* gradient, const float* gate, const float* up, int64_t count, float* of_gate, float* of_up);

}  // namespace unlearnd
