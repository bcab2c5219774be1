"""Golden values of SGD, AdamW, clipping and learning-rate schedules.

torch 2.13.0, f32 on the CPU, one thread, seed 7. Writes `optim.safetensors` (parameters after each of 10 steps on fixed
gradients) and `schedules.json` (rates of 24 steps, 6 steps an epoch, peak 0.4) beside this script.
"""

import json
import math
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS, EPOCH_STEPS, PEAK = 24, 6, 0.4

OPTIMIZERS = {
    "sgd_plain": lambda p: torch.optim.SGD(p, lr=0.05),
    "sgd_momentum_decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-3),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
    "adamw_other": lambda p: torch.optim.AdamW(p, lr=0.003, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.0),
    "sgd_clipped": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
}


def optimizers():
    torch.manual_seed(7)
    start = [torch.randn(5, 3), torch.randn(4)]
    gradients = [[torch.randn(5, 3), torch.randn(4)] for _ in range(10)]
    out = {"start.0": start[0], "start.1": start[1]}
    for step, pair in enumerate(gradients):
        out[f"gradient.{step}.0"], out[f"gradient.{step}.1"] = pair
    for name, make in OPTIMIZERS.items():
        parameters = [torch.nn.Parameter(value.clone()) for value in start]
        optimizer = make(parameters)
        for step, pair in enumerate(gradients):
            for parameter, gradient in zip(parameters, pair):
                parameter.grad = gradient.clone()
            if name == "sgd_clipped":
                torch.nn.utils.clip_grad_norm_(parameters, 1.5)
            optimizer.step()
            for index, parameter in enumerate(parameters):
                out[f"{name}.{step}.{index}"] = parameter.detach().clone()
    save_file(out, HERE / "optim.safetensors")


def rates(make):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=PEAK)
    scheduler, by_epoch = make(optimizer)
    values = []
    for step in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not by_epoch or (step + 1) % EPOCH_STEPS == 0:
            scheduler.step()
    return values


def schedules():
    lr = torch.optim.lr_scheduler
    warmup = lambda o, n: lr.LinearLR(o, start_factor=1 / n, end_factor=1.0, total_iters=n - 1)
    out = {
        "constant": rates(lambda o: (lr.ConstantLR(o, factor=1.0), False)),
        "step": rates(lambda o: (lr.StepLR(o, step_size=2, gamma=0.1), True)),
        "cosine": rates(lambda o: (lr.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.05 * PEAK), False)),
        "warmup_constant": rates(lambda o: (warmup(o, 5), False)),
        # torch has no warm-up whose first step after it is the cosine's second; the formula is stated by hand.
        "warmup_cosine": [
            PEAK * (s + 1) / 4 if s < 4 else PEAK * (1 + math.cos(math.pi * (s - 4) / (STEPS - 4))) / 2
            for s in range(STEPS)
        ],
    }
    (HERE / "schedules.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    optimizers()
    schedules()
