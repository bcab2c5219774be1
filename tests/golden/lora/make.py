"""Golden values of low-rank adapters, their training and the losses of text.

transformers 4.57.1, peft 0.17.1, torch 2.13.0, f32 on the CPU (losses alone: f64), one thread, seed 11. A Llama (and a
classifying BERT) of two layers with random weights is trained for ten steps by peft and `torch.optim.AdamW`, on all examples in every step, so that their order
does not matter. Writes beside this script

    base/, classifier/            the models: config.json, model.safetensors
    start/, final/                peft's adapter before and after training
    classifier_start/, ..._final/ the same with a classification head that is trained as well
    every_layer/                  an adapter of all linear layers, rank-stabilised, B not zero
    golden.safetensors            examples, logits, merged weights, losses' inputs and gradients
    golden.json                   loss and learning rate of every step, values of the losses

and opens `ours/`, which unlearnd wrote, with peft: its tensors and logits must be those of `final/`.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

HERE = pathlib.Path(__file__).parent
VOCABULARY, STEPS, WARMUP, RATE, IGNORED, SEED = 61, 10, 2, 1e-2, -100, 11
LENGTHS = [5, 9, 7, 12, 6, 9, 11, 8]


def config(**more):
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        initializer_range=0.2, **more)


def save_model(model, name):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.safetensors",
              metadata={"format": "pt"})


def save_adapter(model, name):
    """The settings are written with their sets in order and without this machine's paths."""
    model.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink()
    file = HERE / name / "adapter_config.json"
    settings = json.loads(file.read_text()) | {"base_model_name_or_path": "base"}
    ordered = {key: sorted(value) if isinstance(value, list) else value for key, value in settings.items()}
    file.write_text(json.dumps(ordered, indent=1) + "\n")


def examples():
    """Right-padded tokens, mask, and labels that leave out a prompt of a third of each example."""
    tokens, mask = torch.zeros(8, 12, dtype=torch.long), torch.zeros(8, 12, dtype=torch.long)
    labels = torch.full((8, 12), IGNORED)
    for row, length in enumerate(LENGTHS):
        tokens[row, :length] = torch.randint(3, VOCABULARY, (length,))
        mask[row, :length] = 1
        labels[row, length // 3 + 1:length] = tokens[row, length // 3 + 1:length]
    return tokens, mask, labels


def batch(tokens, mask, labels, rows):
    return {"input_ids": tokens[rows], "attention_mask": mask[rows], "labels": labels[rows]}


def train(model, loss_parts, schedule=get_cosine_schedule_with_warmup):
    """Ten steps; `loss_parts` gives the parts of a step's loss one after the other, as accumulation does."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    schedule = schedule(optimizer, WARMUP, STEPS)
    losses, rates, norms = [], [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        total = 0.0
        for part in loss_parts(model):
            part.backward()
            total += part.item()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        losses.append(total)
    return {"losses": losses, "rates": rates, "norms": norms}


def sequence_losses(logits, labels):
    """Summed negative log-likelihood of each sequence."""
    flat = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="none")
    return flat.sum(-1)


def causal(out, values):
    torch.manual_seed(SEED)
    base = LlamaForCausalLM(config()).eval()
    save_model(base, "base")
    data = examples()
    out["tokens"], out["mask"], out["labels"] = data
    out["base.logits"] = base(input_ids=data[0], attention_mask=data[1]).logits
    reference = sequence_losses(out["base.logits"], data[2]).detach()
    settings = dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, LoraConfig(**settings))
    save_adapter(model, "start")
    count = (data[2] != IGNORED).sum()

    def fine_tune(model):
        for rows in (slice(0, 4), slice(4, 8)):
            yield model(**batch(*data, rows), num_items_in_batch=count).loss

    values["sft"] = train(model, fine_tune)
    save_adapter(model, "final")
    out["final.logits"] = model(input_ids=data[0], attention_mask=data[1]).logits
    merged = model.merge_and_unload(safe_merge=True)
    for kind in ("q_proj", "v_proj"):
        name = f"model.layers.1.self_attn.{kind}.weight"
        out[f"merged.{name}"] = merged.state_dict()[name]

    def again():
        base = LlamaForCausalLM.from_pretrained(HERE / "base").eval()
        return PeftModel.from_pretrained(base, HERE / "start", is_trainable=True)

    def forgetting(forget_loss, retain=1.0):
        def parts(model):
            logits = model(input_ids=data[0][:4], attention_mask=data[1][:4]).logits
            yield forget_loss(logits, data[2][:4])
            yield retain * model(**batch(*data, slice(4, 8))).loss
        return parts

    def negative(logits, labels):
        return -sequence_losses(logits, labels).sum() / (labels != IGNORED).sum()

    def npo(logits, labels, beta=0.1):
        return -2 / beta * F.logsigmoid(beta * (sequence_losses(logits, labels) - reference[:4])).mean()

    def simnpo(logits, labels, beta=4.5, delta=0.0, gamma=0.125):
        mean = sequence_losses(logits, labels) / (labels != IGNORED).sum(-1)
        return gamma * -2 / beta * F.logsigmoid(beta * (mean - delta)).mean()

    values["grad_diff"] = train(again(), forgetting(negative), get_linear_schedule_with_warmup)
    values["npo"] = train(again(), forgetting(npo))
    values["simnpo"] = train(again(), forgetting(simnpo))


def classifier(out, values):
    torch.manual_seed(SEED + 1)
    base = BertForSequenceClassification(BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, initializer_range=0.2, num_labels=3)).eval()
    save_model(base, "classifier")
    tokens, mask, labels = out["tokens"], out["mask"], torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    out["classifier.labels"] = labels
    out["classifier.logits"] = base(input_ids=tokens, attention_mask=mask).logits
    settings = dict(r=3, lora_alpha=6, target_modules=["query", "value"], task_type="SEQ_CLS")
    model = get_peft_model(base, LoraConfig(**settings))
    save_adapter(model, "classifier_start")
    values["classifier"] = train(
        model, lambda model: [model(input_ids=tokens, attention_mask=mask, labels=labels).loss])
    save_adapter(model, "classifier_final")
    out["classifier_final.logits"] = model(input_ids=tokens, attention_mask=mask).logits


def every_layer(out):
    torch.manual_seed(SEED + 2)
    base = LlamaForCausalLM.from_pretrained(HERE / "base").eval()
    model = get_peft_model(base, LoraConfig(
        r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", use_rslora=True))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    save_adapter(model, "every_layer")
    out["every_layer.logits"] = model(input_ids=out["tokens"], attention_mask=out["mask"]).logits


def loss_values(out, values):
    """Each loss and its gradient in f64, straight from its formula, on random logits."""
    torch.manual_seed(SEED + 3)
    labels = out["labels"][:4]
    logits = torch.randn(4, 12, VOCABULARY, dtype=torch.float64, requires_grad=True)
    other = torch.randn(4, 12, VOCABULARY, dtype=torch.float64)
    reference = sequence_losses(other, labels)
    counts = (labels != IGNORED).sum(-1)
    predicted = torch.zeros(4, 12, dtype=torch.bool)
    predicted[:, :-1] = labels[:, 1:] != IGNORED
    divergence = (other.softmax(-1) * (other.log_softmax(-1) - logits.log_softmax(-1))).sum(-1)
    nll = sequence_losses(logits, labels)
    losses = {
        "sft": nll.sum() / counts.sum(),
        "npo": -2 / 0.1 * F.logsigmoid(-0.1 * (reference - nll)).mean(),
        "simnpo": -2 / 4.5 * F.logsigmoid(4.5 * (nll / counts - 0.2)).mean(),
        "kl": divergence[predicted].mean(),
    }
    out["loss.logits"], out["loss.other"] = logits.detach(), other
    for name, loss in losses.items():
        values[f"loss.{name}"] = loss.item()
        out[f"loss.{name}.gradient"] = torch.autograd.grad(loss, logits, retain_graph=True)[0]
    hidden = torch.randn(4, 12, 16, dtype=torch.float64, requires_grad=True)
    direction = torch.rand(16, dtype=torch.float64)
    direction = direction / direction.norm() * 2.0
    square = ((hidden - direction) ** 2).mean(-1) * (labels != IGNORED)
    loss = (square.sum(-1) / counts).mean()
    values["loss.rmu"] = loss.item()
    out["loss.hidden"], out["loss.direction"] = hidden.detach(), direction
    out["loss.rmu.gradient"] = torch.autograd.grad(loss, hidden)[0]


def schedules(values):
    """Seventy steps from a peak of 0.4 with a warm-up ratio of 0.03."""
    for name, make in (("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
        schedule = make(optimizer, math.ceil(0.03 * 70), 70)
        values[f"schedule.{name}"] = []
        for _ in range(70):
            values[f"schedule.{name}"].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()


def open_ours(out):
    """peft opens what unlearnd wrote from `final/`."""
    if not (HERE / "ours").is_dir():
        print("tests/golden/lora: no folder `ours` yet, nothing opened")
        return
    final, ours = (load_file(HERE / name / "adapter_model.safetensors") for name in ("final", "ours"))
    assert final.keys() == ours.keys() and all(torch.equal(final[name], ours[name]) for name in final)
    base = LlamaForCausalLM.from_pretrained(HERE / "base").eval()
    model = PeftModel.from_pretrained(base, HERE / "ours")
    gap = (model(input_ids=out["tokens"], attention_mask=out["mask"]).logits - out["final.logits"]).abs().max()
    assert gap < 1e-6, gap
    classifier = BertForSequenceClassification.from_pretrained(HERE / "classifier").eval()
    model = PeftModel.from_pretrained(classifier, HERE / "ours_classifier")
    logits = model(input_ids=out["tokens"], attention_mask=out["mask"]).logits
    gap = (logits - out["classifier_final.logits"]).abs().max()
    assert gap < 1e-6, gap


def main():
    torch.set_num_threads(1)
    out, values = {}, {}
    causal(out, values)
    classifier(out, values)
    every_layer(out)
    loss_values(out, values)
    schedules(values)
    open_ours(out)
    save_file({name: value.detach().contiguous() for name, value in out.items()}, HERE / "golden.safetensors")
    (HERE / "golden.json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
