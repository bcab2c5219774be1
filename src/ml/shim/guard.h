// What every entry of the shim does: catch C++ exceptions. 0 (or a pointer) is success, 1 (or null) is failure with the text in
// `unlearnd_last_error`. Tensors cross as `at::Tensor*`, as in torch-sys; a returned tensor belongs to the caller. See the Rust half for
// what each entry promises.
#pragma once
#include <string>

#include <ATen/ATen.h>

namespace unlearnd {

extern thread_local std::string last_error;

template <class Body>
int guarded(Body&& body) {
  try {
    body();
    return 0;
  } catch (const c10::Error& error) {
    last_error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "unknown C++ exception";
  }
  return 1;
}

template <class Result, class Body>
Result* guarded_new(Body&& body) {
  Result* result = nullptr;
  guarded([&] { result = new Result(body()); });
  return result;
}

// As torch-sys numbers devices: -1 is the CPU, n is the n-th CUDA device.
inline at::Device device_of(int index) {
  return index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace unlearnd
