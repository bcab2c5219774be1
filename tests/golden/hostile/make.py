"""TorchScript models that behave until an image has a white corner: one raises, one asks for more memory than there is.

Run with the reference environment: .venv-reference/bin/python tests/golden/hostile/make.py
"""

from pathlib import Path

import torch


class Raises(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if bool((images[:, 0, 0, 0] > 0.99).any()):
            raise RuntimeError("a white corner")
        return self.linear(images.flatten(1))


class Greedy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.linear(images.flatten(1))
        if bool((images[:, 0, 0, 0] > 0.99).any()):
            room = torch.empty([1 << 50], dtype=torch.uint8)
            logits = logits + room[0]
        return logits


if __name__ == "__main__":
    torch.manual_seed(1)
    for module in (Raises(), Greedy()):
        torch.jit.script(module).save(str(Path(__file__).parent / f"{type(module).__name__.lower()}.pt"))
