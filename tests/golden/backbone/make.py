"""Golden logits of the built-in architectures, made with torch 2.13.0 and torchvision 0.28 (random numbers: none, no seed).

Weights are not stored: both sides compute them from the tensor's name. With h = crc32(name) and u(i) = frac(sin(i + h % 1000)
* 43758.5453) - 0.5 in float64 (i = position in C order), a weight or bias is u * sqrt(12 / fan_in) (variance 1/fan_in),
BatchNorm has scale 1/2 + u/4, shift u/2, running mean u/4, running variance 1 + u. Images are
frac(sin(i) * 43758.5453) * 2 - 1, plus 0, 1, 2 for the first, second and third image. Stored: architecture, image shape,
logits in float32.

gradients.json: in training mode, in float64, for loss mean(logits^2) over four such images: norm of every parameter's
gradient and its dot product with frac(sin(i) * 43758.5453) - 0.5.

Also tiny files as users bring them, filled by the same formula, with logits in torchscript.json: plain.pt (TorchScript with
`forward` alone), methods.pt (`embed` and `head` exported, NHWC, dropout, a frozen extra parameter), pickle.pt (torch.save).

Run: python tests/golden/backbone/make.py   (writes beside itself)
"""
import json
import pathlib
import zlib

import torch
import torch.nn.functional as F
import torchvision
from torch import nn


def wave(count, offset):
    position = torch.arange(count, dtype=torch.float64) + offset
    value = torch.sin(position) * 43758.5453
    return value - torch.floor(value)


def fill(model):
    fan_in = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in[f"{name}.weight"] = fan_in[f"{name}.bias"] = module.weight[0].numel()
    for name, tensor in model.state_dict().items():
        u = (wave(tensor.numel(), zlib.crc32(name.encode()) % 1000) - 0.5).reshape(tensor.shape)
        if name in fan_in:
            value = u * (12 / fan_in[name]) ** 0.5
        elif name.endswith("running_mean"):
            value = u / 4
        elif name.endswith("running_var"):
            value = 1 + u
        elif name.endswith("weight"):
            value = 0.5 + u / 4
        elif name.endswith("bias"):
            value = u / 2
        else:
            continue
        tensor.copy_(value.float())


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 2 if outputs != inputs else 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.padding = (outputs - inputs) // 2

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.padding:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + x)


class CifarResNet(nn.Module):
    def __init__(self, depth, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for stage, outputs in ((1, 16), (2, 32), (3, 64)):
            blocks = []
            for _ in range((depth - 2) // 6):
                blocks.append(BasicBlock(inputs, outputs))
                inputs = outputs
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class SmallCnn(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        widths = [channels, 32, 64, 128]
        for i in range(3):
            setattr(self, f"conv{i + 1}", nn.Conv2d(widths[i], widths[i + 1], 3, 1, 1, bias=False))
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        self.fc = nn.Linear(128, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(F.relu(self.bn3(self.conv3(x))).mean((2, 3)))


CASES = [(f"cifar_resnet{depth}", CifarResNet(depth, 10), (3, 32)) for depth in (20, 32, 44, 56, 110)]
CASES += [(name, getattr(torchvision.models, name)(num_classes=12), (3, 64)) for name in ("resnet18", "resnet34", "resnet50")]
CASES += [("small_cnn", SmallCnn(1, 10), (1, 8)), ("small_cnn", SmallCnn(3, 7), (3, 29))]


def make_images(channels, size, count=3):
    images = (wave(count * channels * size * size, 0) * 2 - 1).reshape(count, channels, size, size)
    return (images + torch.arange(count, dtype=torch.float64).reshape(count, 1, 1, 1)).float()


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(F.relu(self.bn(self.conv(x))).mean((2, 3)))


class Methods(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    @torch.jit.export
    def embed(self, x):
        return self.dropout(self.stem(x.permute(0, 3, 1, 2)).mean((2, 3)) * self.scale)

    @torch.jit.export
    def head(self, features):
        return self.classifier(features)

    def forward(self, x):
        return self.head(self.embed(x))


def torchscript(folder):
    images = make_images(1, 8)
    plain, methods = Plain().eval(), Methods().eval()
    fill(plain), fill(methods)
    torch.jit.script(plain).save(str(folder / "plain.pt"))
    torch.jit.script(methods).save(str(folder / "methods.pt"))
    torch.save(plain.state_dict(), folder / "pickle.pt")
    golden = {"plain": plain(images).flatten().tolist(), "methods": methods(images.permute(0, 2, 3, 1)).flatten().tolist()}
    (folder / "torchscript.json").write_text(json.dumps(golden) + "\n")


def gradients(folder):
    golden = []
    for name, model, (channels, size) in (CASES[0], CASES[5], CASES[8]):
        with torch.no_grad():
            fill(model)
        model = model.double().train()
        model(make_images(channels, size, 4).double()).square().mean().backward()
        named = sorted((name, value.grad) for name, value in model.named_parameters())
        golden.append({"architecture": name, "channels": channels, "size": size, "classes": 10 if size < 64 else 12,
                       "norms": [[name, value.norm().item(), value.flatten().dot(wave(value.numel(), 0) - 0.5).item()]
                                 for name, value in named]})
    (folder / "gradients.json").write_text(json.dumps(golden) + "\n")


@torch.no_grad()
def main():
    golden = []
    for name, model, (channels, size) in CASES:
        fill(model)
        logits = model.eval()(make_images(channels, size))
        print(name, "logits up to", logits.abs().max().item(), "images differ by", logits.std(0).mean().item())
        state = "\n".join(f"{key} {list(value.shape)}" for key, value in sorted(model.state_dict().items()))
        names = zlib.crc32(state.encode())
        golden.append({"architecture": name, "channels": channels, "size": size, "classes": logits.shape[1],
                       "parameters": sum(p.numel() for p in model.parameters()), "state_names_and_shapes_crc32": names,
                       "logits": [round(value, 7) for value in logits.flatten().tolist()]})
    folder = pathlib.Path(__file__).parent
    (folder / "logits.json").write_text(json.dumps(golden, indent=0) + "\n")
    torchscript(folder)


if __name__ == "__main__":
    main()
    gradients(pathlib.Path(__file__).parent)
