"""Golden attributions, made with Captum 0.8.0 and torch 2.13.0 (requirements.txt beside this script, installed with --no-deps).

    python tests/golden/attribution/make.py

writes golden.safetensors and rules.safetensors beside this file, and the TorchScript models cnn.pt, linear.pt, pole.pt and cut.pt.

Two models: `cnn`, TorchScript with the weights in cnn.pt, and `small_cnn`, the built-in architecture with the weights of
tests/golden/backbone/make.py; three images [3,8,8] of the same formula. Random numbers are drawn here (seed 20240516) and
handed to both sides: `normal/...` and `uniform/...` are [image, draw, value] and replace what Captum would draw from
torch.normal and numpy.random, and what unlearnd would draw from its streams. Pixels are normalised with mean .5 and
deviation .25.

A result is called `model/case` (`attributions` [3,3,8,8], `delta` [3] where Captum gives one); rules.safetensors has Captum's
points and weights in f64 as `rule/steps/points` and `.../weights`.
"""

import contextlib
import importlib.util
import pathlib
from unittest import mock

import captum
import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Occlusion, Saliency
from captum.attr._utils.approximation_methods import approximation_parameters
from captum.metrics import infidelity, sensitivity_max
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from torch import nn

HERE = pathlib.Path(__file__).parent
SEED = 20240516
IMAGES, CLASSES, SIZE = 3, 5, (3, 8, 8)
VALUES = int(np.prod(SIZE))
TARGETS = torch.tensor([0, 3, 2])
STEPS, SAMPLES, BASELINES = 20, 6, 3
RULES = ["gausslegendre", "riemann_middle", "riemann_left", "riemann_right", "riemann_trapezoid"]
NORMALISE = lambda pixels: (pixels - 0.5) / 0.25  # noqa: E731


def backbone_goldens():
    path = HERE.parent / "backbone" / "make.py"
    specification = importlib.util.spec_from_file_location("backbone_goldens", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.bn1(self.conv1(x))), 2)
        return self.fc(F.softplus(self.conv2(x)).mean((2, 3)))


class Pole(nn.Module):
    """1 / (m - 1/2) with the mean m of the image: infinite half way from zeros to ones, finite at both."""

    def forward(self, x):
        m = x.mean((1, 2, 3))
        return torch.stack([1 / (m - 0.5), m], 1)


class Cut(nn.Module):
    """The gradient ends at detach()."""

    def forward(self, x):
        m = x.detach().mean((1, 2, 3))
        return torch.stack([m, -m], 1)


class Affine(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(VALUES, CLASSES)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Golden:
    def __init__(self, name, model, inputs, random):
        self.name, self.model, self.inputs, self.random = name, model, inputs, random
        self.stored = {}
        # Outputs of single precision depend on the order of summation; a golden value should not.
        self.exact = model.double()

    def put(self, case, attributions, delta=None):
        self.stored[f"{self.name}/{case}/attributions"] = attributions.detach().float().contiguous()
        if delta is not None:
            self.stored[f"{self.name}/{case}/delta"] = delta.detach().double().contiguous()

    def integrated(self, case, method="gausslegendre", baselines=0, forward=None, scale=1.0, steps=STEPS):
        gradients = IntegratedGradients(forward or self.exact)
        attributions = gradients.attribute(self.inputs, baselines, TARGETS, n_steps=steps, method=method) * scale
        forward = forward or self.exact
        baselines = torch.zeros_like(self.inputs) + baselines
        difference = (forward(self.inputs) - forward(baselines)).gather(1, TARGETS[:, None])[:, 0]
        self.put(case, attributions, attributions.flatten(1).sum(1) - difference)
        return attributions

    def rules(self):
        for rule in RULES:
            self.integrated(f"ig/{rule}", rule)
        self.integrated("ig/trapezoid", "riemann_trapezoid", scale=STEPS / (STEPS - 1))
        points = torch.linspace(0, 1, STEPS, dtype=torch.float64)
        sums = torch.zeros_like(self.inputs)
        for point in points:
            sums += Saliency(self.exact).attribute(self.inputs * point, TARGETS, abs=False)
        attributions = self.inputs * sums / STEPS
        difference = (self.exact(self.inputs) - self.exact(self.inputs * 0)).gather(1, TARGETS[:, None])[:, 0]
        self.put("ig/linspace_mean", attributions, attributions.flatten(1).sum(1) - difference)

    def outputs(self):
        self.integrated("ig/log_probability", forward=lambda x: F.log_softmax(self.exact(x), 1))
        self.integrated("ig/probability", forward=lambda x: F.softmax(self.exact(x), 1))

    def baselines(self):
        pixels = self.random["uniform/baselines"].reshape(IMAGES, BASELINES, *SIZE).double()
        self.integrated("baseline/constant", baselines=NORMALISE(torch.full_like(self.inputs, 0.75)))
        self.integrated("baseline/mean", baselines=self.inputs.mean((2, 3), keepdim=True).expand_as(self.inputs))
        self.integrated("baseline/custom", baselines=NORMALISE(pixels[:1, 0]).expand_as(self.inputs))
        self.integrated("baseline/blur", baselines=blur(self.inputs))
        each = [self.integrated("baseline/uniform", baselines=NORMALISE(pixels[:, number])) for number in range(BASELINES)]
        self.stored.pop(f"{self.name}/baseline/uniform/delta")
        self.put("baseline/uniform", torch.stack(each).mean(0))

    def plain(self):
        self.put("saliency", Saliency(self.exact).attribute(self.inputs, TARGETS))
        self.put("saliency_signed", Saliency(self.exact).attribute(self.inputs, TARGETS, abs=False))
        self.put("input_x_gradient", InputXGradient(self.exact).attribute(self.inputs, TARGETS))
        for window, stride in ((3, 2), (2, 2), (4, 1)):
            attributions = Occlusion(self.exact).attribute(
                self.inputs, (3, window, window), (3, stride, stride), target=TARGETS)
            self.put(f"occlusion_{window}_{stride}", attributions)

    def noisy(self):
        noise = self.random["normal/noise"].double()
        methods = {
            "saliency": (Saliency(self.exact), {"abs": False}),
            "ig": (IntegratedGradients(self.exact), {"n_steps": STEPS}),
        }
        for name, (method, options) in methods.items():
            for kind in ("smoothgrad", "smoothgrad_sq", "vargrad"):
                with injected_noise(noise[:, :SAMPLES]):
                    attributions = NoiseTunnel(method).attribute(
                        self.inputs, nt_type=kind, nt_samples=SAMPLES, stdevs=0.3, target=TARGETS, **options)
                self.put(f"{name}/{kind}", attributions)
        # Relative deviations differ from image to image, Captum's are for all.
        relative = []
        for image in range(IMAGES):
            one, target = self.inputs[image:image + 1], TARGETS[image:image + 1]
            with injected_noise(noise[image:image + 1, :SAMPLES]):
                relative.append(NoiseTunnel(Saliency(self.exact)).attribute(
                    one, nt_type="smoothgrad", nt_samples=SAMPLES, stdevs=(0.15 * (one.max() - one.min())).item(),
                    target=target, abs=False))
        self.put("saliency/relative", torch.cat(relative))

    def gradient_shap(self):
        pixels = self.random["uniform/baselines"].reshape(IMAGES, BASELINES, *SIZE).double()
        path = self.random["uniform/path"].double()
        found = []
        for image in range(IMAGES):
            positions, choices = path[image, :, 0].numpy(), (path[image, :, 1] * BASELINES).long().numpy()
            with injected_noise(self.random["normal/noise"][image:image + 1].double()), \
                    mock.patch("numpy.random.uniform", lambda low, high, size: positions), \
                    mock.patch("numpy.random.choice", lambda count, size: choices):
                found.append(GradientShap(self.exact).attribute(
                    self.inputs[image:image + 1], NORMALISE(pixels[image]), n_samples=len(positions), stdevs=0.2,
                    target=TARGETS[image:image + 1]))
        self.put("gradient_shap", torch.cat(found))

    def quality(self):
        noise = self.random["normal/infidelity"].double()
        spread = (self.inputs.flatten(1).max(1)[0] - self.inputs.flatten(1).min(1)[0]) / 10
        cube = (2 * self.random["uniform/sensitivity"].double() - 1) * 0.02

        def perturb(inputs):
            by = (noise * spread[:, None, None]).reshape(IMAGES * 10, *SIZE)
            return by, inputs - by

        def nearby(inputs, radius):
            return inputs + cube.reshape(IMAGES * 10, *SIZE)

        for name, method, options in (("ig", IntegratedGradients, {"n_steps": STEPS}), ("saliency", Saliency, {})):
            method = method(self.exact)
            attributions = method.attribute(self.inputs, target=TARGETS, **options)
            self.stored[f"{self.name}/{name}/infidelity"] = infidelity(
                self.exact, perturb, self.inputs, attributions, target=TARGETS, n_perturb_samples=10)
            self.stored[f"{self.name}/{name}/sensitivity"] = sensitivity_max(
                method.attribute, self.inputs, nearby, n_perturb_samples=10, target=TARGETS, **options)


def blur(inputs, stdev=1.0):
    """Gaussian, weights near the border scaled to sum 1."""
    smooth = lambda image: gaussian_filter(image, stdev, mode="constant", truncate=4)  # noqa: E731
    ones = smooth(np.ones(SIZE[1:]))
    return torch.from_numpy(np.stack([[smooth(channel) / ones for channel in image] for image in inputs.numpy()]))


@contextlib.contextmanager
def injected_noise(noise):
    """Captum draws all samples of an image, then of the next."""
    rows = noise.reshape(-1, *SIZE)
    with mock.patch("torch.normal", lambda mean, stdev: rows * stdev):
        yield


def draws():
    generator = torch.Generator().manual_seed(SEED)
    normal = lambda *size: torch.randn(*size, generator=generator)  # noqa: E731
    uniform = lambda *size: torch.rand(*size, generator=generator)  # noqa: E731
    return {
        "normal/noise": normal(IMAGES, 12, VALUES),
        "normal/infidelity": normal(IMAGES, 10, VALUES),
        "uniform/baselines": uniform(IMAGES, BASELINES, VALUES),
        "uniform/path": uniform(IMAGES, 12, 2),
        "uniform/sensitivity": uniform(IMAGES, 10, VALUES),
    }


def write_rules():
    """In f64, whatever Captum's default is."""
    stored = {}
    torch.set_default_dtype(torch.float64)
    for rule in RULES:
        sizes, points = approximation_parameters(rule)
        for steps in (1, 2, 3, 20, 50, 255):
            if steps == 1 and rule != "gausslegendre":
                continue  # Captum's Riemann sums need two
            stored[f"{rule}/{steps}/points"] = torch.tensor(points(steps), dtype=torch.float64)
            stored[f"{rule}/{steps}/weights"] = torch.tensor(sizes(steps), dtype=torch.float64)
    torch.set_default_dtype(torch.float32)
    save_file(stored, HERE / "rules.safetensors")


def main():
    assert captum.__version__ == "0.8.0", captum.__version__
    torch.manual_seed(SEED)
    write_rules()
    backbone = backbone_goldens()
    cnn, small = Cnn().eval(), backbone.SmallCnn(3, CLASSES).eval()
    with torch.no_grad():
        backbone.fill(small)
        cnn.bn1.running_mean.uniform_(-0.2, 0.2)
        cnn.bn1.running_var.uniform_(0.5, 1.5)
    torch.jit.script(cnn).save(str(HERE / "cnn.pt"))
    torch.jit.script(Affine()).save(str(HERE / "linear.pt"))
    torch.jit.script(Pole()).save(str(HERE / "pole.pt"))
    torch.jit.script(Cut()).save(str(HERE / "cut.pt"))
    inputs = backbone.make_images(SIZE[0], SIZE[1], IMAGES)
    stored = {"inputs": inputs, "targets": TARGETS, **draws()}
    for name, model in (("cnn", cnn), ("small_cnn", small)):
        golden = Golden(name, model, inputs.double(), stored)
        for part in (golden.rules, golden.outputs, golden.baselines, golden.plain, golden.noisy, golden.gradient_shap, golden.quality):
            part()
        stored.update(golden.stored)
    save_file({name: value.detach().contiguous() for name, value in stored.items()}, HERE / "golden.safetensors")


if __name__ == "__main__":
    main()
