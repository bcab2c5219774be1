// Parts of a language model in one pass, with their gradients where they have any.
#include <cmath>
#include <memory>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../kernels/attention.h"
#include "../kernels/rms_norm.h"
#include "../kernels/swiglu.h"
#include "../kernels/turn.h"
#include "guard.h"

using namespace unlearnd;
using at::Tensor;

extern "C" {

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

// Attention of heads [N,H,T,D] to keys and values [N,K,S,D] that groups of heads share, in bf16 on a CPU and without gradients.
Tensor* unlearnd_attention(const Tensor* query, const Tensor* key, const Tensor* value, int causal) {
  return guarded_new<Tensor>([&] {
    for (const auto* tensor : {query, key, value}) {
      TORCH_CHECK(tensor->is_cpu() && tensor->scalar_type() == at::kBFloat16 && tensor->dim() == 4, "the attention is for bf16 on a CPU");
      TORCH_CHECK(!at::GradMode::is_enabled() || !tensor->requires_grad(), "the attention records no gradients");
    }
    const auto rows = query->size(0), heads = query->size(1), queries = query->size(2), size = query->size(3);
    const auto key_heads = key->size(1), keys = key->size(2);
    TORCH_CHECK(key->sizes() == value->sizes() && key->size(0) == rows && key->size(3) == size && keys > 0 && key_heads > 0 &&
                    heads % key_heads == 0,
                "keys and values do not fit the heads");
    TORCH_CHECK(!causal || keys == queries, "each query has a key of its own");
    TORCH_CHECK(unlearnd::attention_supported() && unlearnd::attention_takes(size), "there is no kernel for these heads");
    const auto dense = [](const Tensor* tensor) { return tensor->stride(3) == 1 ? *tensor : tensor->contiguous(); };
    const auto q = dense(query), k = dense(key), v = dense(value);
    auto output = at::empty({rows, queries, heads, size}, q.options());
    const auto data = [](const Tensor& tensor) { return static_cast<uint16_t*>(tensor.data_ptr()); };
    const unlearnd::Attention task{
        rows, queries, keys, heads, key_heads, size, 1.0f / std::sqrt(static_cast<float>(size)), causal != 0,
        data(q), {q.stride(0), q.stride(2), q.stride(1)}, data(k), {k.stride(0), k.stride(2), k.stride(1)},
        data(v), {v.stride(0), v.stride(2), v.stride(1)}, data(output),
    };
    const auto packed = at::empty({task.packed_words()}, q.options().dtype(at::kInt));
    auto* words = static_cast<uint32_t*>(packed.data_ptr());
    at::parallel_for(0, task.pack_count(), 1, [&](int64_t first, int64_t last) { task.pack(first, last, words); });
    at::parallel_for(0, task.block_count(), 1, [&](int64_t first, int64_t last) {
      std::unique_ptr<uint32_t[]> scratch(new uint32_t[task.scratch_words()]());
      task.run(first, last, words, scratch.get());
    });
    return output.transpose(1, 2);
  });
}

int unlearnd_attention_supported() { return unlearnd::attention_supported() ? 1 : 0; }

}  // extern "C"
