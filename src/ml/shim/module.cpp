// TorchScript modules.
#include <sstream>

#include <caffe2/serialize/in_memory_adapter.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/graph_iterator.h>
#include <torch/script.h>

#include "guard.h"

using namespace unlearnd;
using at::Tensor;
using torch::jit::Module;

namespace {

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
