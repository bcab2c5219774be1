// Convolutions with what follows them in one operation.
#include <memory>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "../kernels/winograd.h"
#include "guard.h"

using namespace unlearnd;
using at::Tensor;

namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;

constexpr const char* kConvolution = "mkldnn::_convolution_pointwise";
constexpr const char* kConvolutionOnto = "mkldnn::_convolution_pointwise_";

// Whether this libtorch has oneDNN's convolution with an epilogue.
bool fused_convolutions() {
  static const bool found = c10::Dispatcher::singleton().findSchema({kConvolution, ""}).has_value() &&
                            c10::Dispatcher::singleton().findSchema({kConvolutionOnto, "binary"}).has_value();
  return found && at::globalContext().userEnabledMkldnn();
}

// With an addend the sum is written over it: oneDNN adds to its output at no cost, while adding a third tensor is a pass of its own.
Tensor fused_convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                         at::IntArrayRef padding, at::IntArrayRef stride, at::IntArrayRef dilation,
                         const Tensor* addend, bool rectify) {
  if (addend) {
    static const auto onto =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow(kConvolutionOnto, "binary")
            .typed<Tensor&(Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, at::IntArrayRef,
                           at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view, std::optional<at::Scalar>,
                           std::optional<std::string_view>, Scalars, std::optional<std::string_view>)>();
    const auto unary = rectify ? std::optional<std::string_view>("relu") : std::nullopt;
    Tensor sum = *addend;
    return onto.call(sum, input, weight, bias, padding, stride, dilation, 1, "add", 1.0, unary, Scalars(), std::nullopt);
  }
  static const auto alone =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow(kConvolution, "")
          .typed<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, at::IntArrayRef, at::IntArrayRef,
                        at::IntArrayRef, int64_t, std::string_view, Scalars, std::optional<std::string_view>)>();
  return alone.call(input, weight, bias, padding, stride, dilation, 1, rectify ? "relu" : "none", Scalars(), std::nullopt);
}

}  // namespace

extern "C" {

// relu?(convolution + bias + addend?). One oneDNN operation on a CPU when no gradient is asked for; it may write over the addend,
// which must be channels_last then.
Tensor* unlearnd_convolution(const Tensor* input, const Tensor* weight, const Tensor* bias, int64_t stride,
                             int64_t padding, const Tensor* addend, int rectify) {
  return guarded_new<Tensor>([&] {
    const std::vector<int64_t> strides{stride, stride}, paddings{padding, padding}, dilation{1, 1};
    const auto some_bias = bias ? std::optional<Tensor>(*bias) : std::nullopt;
    const bool records = at::GradMode::is_enabled() && (input->requires_grad() || (addend && addend->requires_grad()));
    if (input->is_cpu() && !records && fused_convolutions()) {
      return fused_convolution(*input, *weight, some_bias, paddings, strides, dilation, addend, rectify != 0);
    }
    auto output = at::conv2d(*input, *weight, some_bias, strides, paddings, dilation, 1);
    if (addend) output = output.add_(*addend);
    return rectify ? output.relu_() : output;
  });
}

// Whether this processor has what the kernel is made for; with AVX-512 oneDNN's direct convolution is as good.
int unlearnd_winograd_supported() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !__builtin_cpu_supports("avx512f") ? 1 : 0;
#else
  return 0;
#endif
}

// Weights [K,C,3,3] as `unlearnd_winograd` takes them: [16,K,C]. Both counts must be multiples of 16.
Tensor* unlearnd_winograd_pack(const Tensor* weight) {
  return guarded_new<Tensor>([&] {
    const auto plain = weight->to(at::kCPU, at::kFloat).contiguous();
    TORCH_CHECK(plain.dim() == 4 && plain.size(2) == 3 && plain.size(3) == 3, "only 3x3 filters can be packed");
    TORCH_CHECK(unlearnd::winograd_takes(plain.size(1), plain.size(0)), "channels must be multiples of 16");
    auto packed = at::empty({16, plain.size(0), plain.size(1)}, plain.options());
    unlearnd::pack_winograd(plain.data_ptr<float>(), plain.size(0), plain.size(1), packed.data_ptr<float>());
    return packed;
  });
}

// relu?((convolution + bias + addend) where mask > 0) into `output`, which may be `mask`. Images are f32 and channels_last.
int unlearnd_winograd(const Tensor* input, const Tensor* packed, const Tensor* bias, const Tensor* addend,
                      const Tensor* mask, int rectify, const Tensor* output) {
  return guarded([&] {
    const auto n = input->size(0), c = input->size(1), h = input->size(2), w = input->size(3), k = packed->size(1);
    const auto data = [](const Tensor* tensor, at::IntArrayRef sizes) -> float* {
      if (!tensor) return nullptr;
      TORCH_CHECK(tensor->sizes() == sizes, "an image of the convolution has another size than needed");
      TORCH_CHECK(sizes.size() != 4 || tensor->is_contiguous(at::MemoryFormat::ChannelsLast), "images must be channels_last");
      return tensor->data_ptr<float>();
    };
    const unlearnd::Winograd task{
        n, h, w, c, k, data(input, {n, c, h, w}), data(packed, {16, k, c}), data(bias, {k}), data(addend, {n, k, h, w}),
        data(mask, {n, k, h, w}), rectify != 0, data(output, {n, k, h, w}),
    };
    at::parallel_for(0, task.block_count(), 1, [&](int64_t first, int64_t last) {
      std::unique_ptr<float[]> scratch(new float[task.scratch_size()]);
      task.run(first, last, scratch.get());
    });
  });
}

}  // extern "C"
