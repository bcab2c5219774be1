// What unlearnd needs of libtorch and tch does not offer. Every entry catches C++ exceptions: 0 (or a pointer) is
// success, 1 (or null) is failure with the text in `unlearnd_last_error`. Tensors cross as `at::Tensor*`, as in torch-sys;
// a returned tensor belongs to the caller. See shim.rs for what each entry promises.
#include <malloc.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <caffe2/serialize/in_memory_adapter.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/graph_iterator.h>
#include <torch/script.h>

#include "rms_norm.h"
#include "swiglu.h"
#include "turn.h"
#include "winograd.h"

using torch::Tensor;
using torch::jit::Module;

namespace {

thread_local std::string last_error;

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
at::Device device_of(int index) {
  return index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

// The module of `path` ("layer1.0.conv1") below `root`, made on the way where missing.
Module submodule(Module root, const std::string& path) {
  std::istringstream parts(path);
  std::string part;
  while (std::getline(parts, part, '.')) {
    if (!root.hasattr(part)) {
      Module child(c10::QualifiedName("__torch__.unlearnd.Layer"), root._ivalue()->compilation_unit(), true);
      child.register_attribute("training", c10::BoolType::get(), false);
      root.register_module(part, child);
    }
    root = root.attr(part).toModule();
  }
  return root;
}

// Bytes of CPU tensors allocated by the thread under it (and by those that libtorch hands the thread's state to) and not yet freed.
class AllocationMeter final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device device) override {
    if (!device.is_cpu()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    live_ += size;
    peak_ = std::max(peak_, live_);
  }

  void reportOutOfMemory(int64_t, size_t, size_t, c10::Device) override {}

  bool memoryProfilingEnabled() const override { return true; }

  uint64_t peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<uint64_t>(peak_);
  }

 private:
  std::mutex mutex_;
  int64_t live_ = 0;
  int64_t peak_ = 0;
};

struct RunningMeter {
  std::shared_ptr<AllocationMeter> meter = std::make_shared<AllocationMeter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, meter};
};

thread_local std::unique_ptr<RunningMeter> running_meter;

using Scalars = torch::List<std::optional<at::Scalar>>;

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

// Whether a method has an operation that stops gradients: detach, .data, or a context such as no_grad.
bool cuts_gradients(const Module& module, const std::string& method) {
  auto graph = module.get_method(method).graph()->copy();
  torch::jit::Inline(*graph);
  torch::jit::DepthFirstGraphNodeIterator nodes(graph);
  while (const auto* node = nodes.next()) {
    const std::string kind = node->kind().toQualString();
    if (kind == "aten::detach" || kind == "aten::detach_" || kind == "prim::data" || kind == "prim::Enter") return true;
  }
  return false;
}

}  // namespace

extern "C" {

const char* unlearnd_last_error() { return last_error.c_str(); }

// ---- modes of the calling thread and of the process

int unlearnd_autocast_get(int device) {
  return at::autocast::is_autocast_enabled(device_of(device).type()) ? 1 : 0;
}

int unlearnd_autocast_set(int device, int enabled) {
  return guarded([&] {
    const auto type = device_of(device).type();
    if (enabled) at::autocast::set_autocast_dtype(type, at::kBFloat16);
    at::autocast::set_autocast_enabled(type, enabled != 0);
  });
}

void unlearnd_autocast_nest(int enter) {
  if (enter) {
    at::autocast::increment_nesting();
  } else if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
}

// Whether this CPU multiplies bf16 in hardware (or has what oneDNN needs to do it fast).
int unlearnd_cpu_has_bf16() {
  static const auto supported = c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
  bool has = false;
  guarded([&] { has = supported && supported->typed<bool()>().call(); });
  return has ? 1 : 0;
}

int unlearnd_set_matmul_precision(const char* precision) {
  return guarded([&] { at::globalContext().setFloat32MatmulPrecision(precision); });
}

int unlearnd_set_deterministic(int on) {
  return guarded([&] {
    at::globalContext().setDeterministicCuDNN(on != 0);
    at::globalContext().setBenchmarkCuDNN(on == 0);
  });
}

// ---- memory

void unlearnd_trim_memory() { malloc_trim(0); }

void unlearnd_keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most glibc allows
  mallopt(M_TOP_PAD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

// Fills free, total, allocated, reserved and peak bytes of a CUDA device.
int unlearnd_device_memory(int device, uint64_t* values) {
  return guarded([&] {
    TORCH_CHECK(at::hasCUDA(), "libtorch was built without CUDA");
    at::globalContext().lazyInitDevice(at::kCUDA);
    auto* allocator = c10::getDeviceAllocator(at::kCUDA);
    const auto index = static_cast<c10::DeviceIndex>(device);
    const auto memory = allocator->getMemoryInfo(index);
    const auto stats = allocator->getDeviceStats(index);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    values[0] = memory.first;
    values[1] = memory.second;
    values[2] = stats.allocated_bytes[all].current;
    values[3] = stats.reserved_bytes[all].current;
    values[4] = stats.allocated_bytes[all].peak;
  });
}

int unlearnd_device_empty_cache() {
  return guarded([&] {
    if (at::hasCUDA()) c10::getDeviceAllocator(at::kCUDA)->emptyCache();
  });
}

int unlearnd_device_reset_peak(int device) {
  return guarded([&] {
    TORCH_CHECK(at::hasCUDA(), "libtorch was built without CUDA");
    c10::getDeviceAllocator(at::kCUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(device));
  });
}

// Begins to count the allocations of CPU tensors by this thread; one count at a time.
int unlearnd_meter_start() {
  return guarded([&] {
    TORCH_CHECK(!running_meter, "a measurement is under way on this thread");
    running_meter = std::make_unique<RunningMeter>();
  });
}

uint64_t unlearnd_meter_peak() { return running_meter ? running_meter->meter->peak() : 0; }

void unlearnd_meter_stop() { running_meter.reset(); }

// ---- inference

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

static bool is_f32_on_cpu(const Tensor& tensor) { return tensor.is_cpu() && tensor.scalar_type() == at::kFloat; }

// The norm of rows [..,D] by a weight [D] that is not trained, with the gradient of its input.
struct RmsNorm : torch::autograd::Function<RmsNorm> {
  // Rows a thread takes at least.
  static constexpr int64_t kGrain = 16;

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& input, const Tensor& weight, double epsilon) {
    const auto x = input.contiguous();
    const auto width = x.size(-1), rows = x.numel() / width;
    auto y = at::empty_like(x), scale = at::empty({rows}, x.options());
    at::parallel_for(0, rows, kGrain, [&](int64_t first, int64_t last) {
      unlearnd::rms_norm(x.const_data_ptr<float>() + first * width, weight.const_data_ptr<float>(), last - first, width,
                         static_cast<float>(epsilon), y.mutable_data_ptr<float>() + first * width,
                         scale.mutable_data_ptr<float>() + first);
    });
    context->save_for_backward({x, weight, scale});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto gradient = gradients[0].contiguous(), x = saved[0];
    const auto width = x.size(-1);
    auto result = at::empty_like(x);
    at::parallel_for(0, x.numel() / width, kGrain, [&](int64_t first, int64_t last) {
      unlearnd::rms_norm_gradient(gradient.const_data_ptr<float>() + first * width, x.const_data_ptr<float>() + first * width,
                                  saved[1].const_data_ptr<float>(), saved[2].const_data_ptr<float>() + first, last - first, width,
                                  result.mutable_data_ptr<float>() + first * width);
    });
    return {result, Tensor(), Tensor()};
  }
};

Tensor* unlearnd_rms_norm(const Tensor* input, const Tensor* weight, double epsilon) {
  return guarded_new<Tensor>([&] {
    TORCH_CHECK(is_f32_on_cpu(*input) && is_f32_on_cpu(*weight) && weight->is_contiguous(), "the norm is for f32 on a CPU");
    TORCH_CHECK(input->dim() > 0 && input->size(-1) > 0 && weight->sizes() == input->sizes().slice(input->dim() - 1),
                "the norm's weight does not fit");
    TORCH_CHECK(!weight->requires_grad(), "the norm's weight must not be trained");
    return RmsNorm::apply(*input, *weight, epsilon);
  });
}

// gate * sigmoid(gate) * up, with the gradients of both.
struct SwiGlu : torch::autograd::Function<SwiGlu> {
  // Values a thread takes at least.
  static constexpr int64_t kGrain = 1 << 14;

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& gate_values, const Tensor& up_values) {
    const auto gate = gate_values.contiguous(), up = up_values.contiguous();
    auto y = at::empty_like(gate);
    at::parallel_for(0, gate.numel(), kGrain, [&](int64_t first, int64_t last) {
      unlearnd::swiglu(gate.const_data_ptr<float>() + first, up.const_data_ptr<float>() + first, last - first,
                       y.mutable_data_ptr<float>() + first);
    });
    context->save_for_backward({gate, up});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto gradient = gradients[0].contiguous();
    auto of_gate = at::empty_like(saved[0]), of_up = at::empty_like(saved[1]);
    at::parallel_for(0, gradient.numel(), kGrain, [&](int64_t first, int64_t last) {
      unlearnd::swiglu_gradient(gradient.const_data_ptr<float>() + first, saved[0].const_data_ptr<float>() + first,
                                saved[1].const_data_ptr<float>() + first, last - first,
                                of_gate.mutable_data_ptr<float>() + first, of_up.mutable_data_ptr<float>() + first);
    });
    return {of_gate, of_up};
  }
};

Tensor* unlearnd_swiglu(const Tensor* gate, const Tensor* up) {
  return guarded_new<Tensor>([&] {
    TORCH_CHECK(is_f32_on_cpu(*gate) && is_f32_on_cpu(*up), "the gate is for f32 on a CPU");
    TORCH_CHECK(gate->sizes() == up->sizes(), "the gate and what goes through it are of different sizes");
    return SwiGlu::apply(*gate, *up);
  });
}

// Heads [N,H,T,D] turned by the angles [N or 1,1,T,D] of their tokens, with the gradient of the heads.
struct Turn : torch::autograd::Function<Turn> {
  // Tokens a thread takes at least.
  static constexpr int64_t kGrain = 16;

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& heads, const Tensor& cosines, const Tensor& sines) {
    context->save_for_backward({cosines, sines});
    return turned(heads, cosines, sines, 1);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {turned(gradients[0], saved[0], saved[1], -1), Tensor(), Tensor()};
  }

  static Tensor turned(const Tensor& values, const Tensor& cosines, const Tensor& sines, float direction) {
    const auto x = values.stride(-1) == 1 ? values : values.contiguous();
    const auto rows = x.size(0), count = x.size(1), tokens = x.size(2), size = x.size(3), half = size / 2;
    auto y = at::empty({rows, tokens, count, size}, x.options());
    at::parallel_for(0, rows * tokens, kGrain, [&](int64_t first, int64_t last) {
      for (int64_t at = first; at < last; at++) {
        const auto row = at / tokens, token = at % tokens;
        const auto angle = (cosines.size(0) == 1 ? token : at) * size;
        // The first half of the sines is negative.
        unlearnd::turn(x.const_data_ptr<float>() + row * x.stride(0) + token * x.stride(2), x.stride(1), count, half,
                       cosines.const_data_ptr<float>() + angle, sines.const_data_ptr<float>() + angle + half, direction,
                       y.mutable_data_ptr<float>() + at * count * size);
      }
    });
    return y.transpose(1, 2);
  }
};

Tensor* unlearnd_turn(const Tensor* heads, const Tensor* cosines, const Tensor* sines) {
  return guarded_new<Tensor>([&] {
    for (const auto* tensor : {heads, cosines, sines}) {
      TORCH_CHECK(is_f32_on_cpu(*tensor) && tensor->dim() == 4, "heads are turned in f32 on a CPU");
    }
    const auto rows = cosines->size(0), size = heads->size(3);
    TORCH_CHECK(size % 2 == 0 && (rows == 1 || rows == heads->size(0)), "the angles do not fit the heads");
    TORCH_CHECK(cosines->sizes() == at::IntArrayRef({rows, 1, heads->size(2), size}) && cosines->sizes() == sines->sizes(),
                "the angles do not fit the heads");
    TORCH_CHECK(cosines->is_contiguous() && sines->is_contiguous(), "the angles are not dense");
    return Turn::apply(*heads, *cosines, *sines);
  });
}

// ---- TorchScript modules

Module* unlearnd_module_load(const uint8_t* data, size_t size, int device) {
  return guarded_new<Module>([&] {
    auto reader = std::make_shared<caffe2::serialize::MemoryReadAdapter>(data, static_cast<off_t>(size));
    auto module = torch::jit::load(reader, device_of(device), /*load_debug_files=*/false);
    module.eval();
    return module;
  });
}

// An empty module; `unlearnd_module_insert` and `unlearnd_module_define` fill it.
Module* unlearnd_module_new(const char* class_name) {
  return guarded_new<Module>([&] {
    Module module{c10::QualifiedName(class_name)};
    module.register_attribute("training", c10::BoolType::get(), false);
    return module;
  });
}

int unlearnd_module_insert(Module* module, const char* path, const char* name, const Tensor* tensor, int is_buffer) {
  return guarded([&] { submodule(*module, path).register_parameter(name, *tensor, is_buffer != 0); });
}

int unlearnd_module_define(Module* module, const char* source) {
  return guarded([&] { module->define(source); });
}

Module* unlearnd_module_copy(const Module* module) {
  return guarded_new<Module>([&] {
    torch::NoGradGuard no_grad;
    return module->deepcopy();
  });
}

// For inference and gradients by the input alone: weights become constants and BatchNorm is folded into them. With
// `keeps_head` the methods `embed` and `head` stay beside `forward`. The module must be in evaluation mode. Freezing drops
// `detach`, so code that cuts gradients off on purpose is refused.
Module* unlearnd_module_freeze(const Module* module, int keeps_head) {
  return guarded_new<Module>([&] {
    torch::NoGradGuard no_grad;
    std::vector<std::string> kept;
    if (keeps_head) kept = {"embed", "head"};
    TORCH_CHECK(!cuts_gradients(*module, "forward"), "the code cuts gradients off");
    for (const auto& method : kept) TORCH_CHECK(!cuts_gradients(*module, method), "the code cuts gradients off");
    return torch::jit::freeze(*module, kept);
  });
}

void unlearnd_module_free(Module* module) { delete module; }

int unlearnd_module_train(Module* module, int on) {
  return guarded([&] { module->train(on != 0); });
}

int unlearnd_module_has_method(const Module* module, const char* name) {
  return module->find_method(name).has_value() ? 1 : 0;
}

// Calls a method that takes one tensor and gives one. Without the graph executor's optimiser: its autodiff is several
// times slower than the interpreter's plain operators.
Tensor* unlearnd_module_call(Module* module, const char* method, const Tensor* input) {
  return guarded_new<Tensor>([&] {
    torch::jit::GraphOptimizerEnabledGuard plain(false);
    const c10::IValue output = module->get_method(method)({*input});
    TORCH_CHECK(output.isTensor(), "`", method, "` returns a ", output.tagKind(), ", not a tensor");
    return output.toTensor();
  });
}

int unlearnd_module_tensors(const Module* module, int buffers, void* data,
                            void (*visit)(void*, const char*, Tensor*)) {
  return guarded([&] {
    if (buffers) {
      for (const auto& entry : module->named_buffers()) visit(data, entry.name.c_str(), new Tensor(entry.value));
    } else {
      for (const auto& entry : module->named_parameters()) visit(data, entry.name.c_str(), new Tensor(entry.value));
    }
  });
}

int unlearnd_module_save(const Module* module, void* data, void (*write)(void*, const char*, size_t)) {
  return guarded([&] {
    std::ostringstream stream;
    module->save(stream);
    const std::string bytes = stream.str();
    write(data, bytes.data(), bytes.size());
  });
}

}  // extern "C"
