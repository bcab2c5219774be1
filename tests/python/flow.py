"""The whole flow through a generated client: data, model, training, plan, unlearning, evaluation, export, and a resumed watch.

Usage: flow.py ADDRESS FOLDER    (FOLDER is one of the daemon's roots)
Prints one line a step and ends with `flow: ok`.
"""

import csv
import pathlib
import random
import sys

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from unlearnd_stubs import generate

CLASSES = ["bar", "cross", "square"]
SIZE = 8


def image(kind, noise):
    """An 8x8 grey picture of a class, in bytes."""
    pixels = [[noise.randint(0, 40) for _ in range(SIZE)] for _ in range(SIZE)]
    for i in range(1, SIZE - 1):
        if kind == 0:
            pixels[i][3] = pixels[i][4] = 230
        elif kind == 1:
            pixels[i][i] = pixels[i][SIZE - 1 - i] = 230
        else:
            pixels[1][i] = pixels[6][i] = pixels[i][1] = pixels[i][6] = 230
    return [value for row in pixels for value in row]


def write_csv(path, count, seed):
    noise = random.Random(seed)
    with open(path, "w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["label"] + [f"pixel{i}" for i in range(SIZE * SIZE)])
        for index in range(count):
            kind = index % len(CLASSES)
            writer.writerow([CLASSES[kind]] + image(kind, noise))


class Client:
    def __init__(self, address):
        self.pb = generate()
        self.channel = grpc.insecure_channel(address)
        self.models = self.pb["models_grpc"].ModelServiceStub(self.channel)
        self.datasets = self.pb["datasets_grpc"].DatasetServiceStub(self.channel)
        self.unlearning = self.pb["unlearning_grpc"].UnlearningServiceStub(self.channel)
        self.evaluations = self.pb["evaluations_grpc"].EvaluationServiceStub(self.channel)
        self.jobs = self.pb["jobs_grpc"].JobServiceStub(self.channel)
        self.system = self.pb["system_grpc"].SystemServiceStub(self.channel)
        self.operations = self.pb["operations_grpc"].OperationsStub(self.channel)

    def finish(self, operation):
        """Waits for an operation and unpacks its response."""
        waited = self.operations.WaitOperation(
            self.pb["operations"].WaitOperationRequest(name=operation.name, timeout={"seconds": 300}), timeout=330
        )
        assert waited.done, waited
        assert not waited.HasField("error"), waited.error
        kind = waited.response.type_url.rsplit(".", 1)[1]
        module = next(m for m in self.pb.values() if hasattr(m, kind))
        message = getattr(module, kind)()
        assert waited.response.Unpack(message), waited.response.type_url
        return message


def check_error(call, code, reason, field):
    """The call fails with this code, ErrorInfo reason and field path."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        status = rpc_status.from_call(error)
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert any(detail.Unpack(info) for detail in status.details), status
        assert (info.reason, info.domain) == (reason, "unlearnd"), info
        assert any(detail.Unpack(bad) for detail in status.details), status
        assert field in [violation.field for violation in bad.field_violations], bad
        return
    raise AssertionError(f"no error {reason}")


def main(address, folder):
    folder = pathlib.Path(folder)
    client = Client(address)
    pb = client.pb
    info = client.system.GetServerInfo(pb["system"].GetServerInfoRequest(), wait_for_ready=True, timeout=60)
    assert "small_cnn" in info.architectures, info
    print("flow: server", info.version, "torch", info.torch_version)

    for split, count, seed in (("train", 240, 1), ("test", 90, 2)):
        write_csv(folder / f"{split}.csv", count, seed)
    train = client.datasets.RegisterDataset(
        pb["datasets"].RegisterDatasetRequest(dataset_id="shapes-train", uri=(folder / "train.csv").as_uri(), split="train")
    )
    assert list(train.class_names) == CLASSES, train
    assert [list(split.class_counts) for split in train.splits] == [[80, 80, 80]], train

    def parts():
        upload = pb["datasets"].UploadDatasetRequest
        yield upload(header=upload.Header(dataset_id="shapes-test", format="DATASET_FORMAT_CSV", split="test"))
        content = (folder / "test.csv").read_bytes()
        for start in range(0, len(content), 1000):
            yield upload(chunk=content[start : start + 1000])

    test = client.datasets.UploadDataset(parts())
    assert test.splits[0].sample_count == 90, test
    print("flow: datasets registered and uploaded")

    create = pb["models"].CreateModelRequest(
        model_id="shapes", architecture="small_cnn", class_count=3, class_names=CLASSES, seed=7,
        preprocessing=pb["models"].Preprocessing(height=SIZE, width=SIZE, channels=1, mean=[0.5], std=[0.5]),
        request_id="6a3bfa4e-5df6-4ef4-9c7a-6b8b3b1f0001",
    )
    model = client.models.CreateModel(create)
    assert client.models.CreateModel(create).name == model.name == "models/shapes", "request_id repeats the answer"

    source = pb["common"].DataSource
    trainer = pb["unlearning"].TrainerSpec
    poison = pb["unlearning"].PoisonSpec
    plain = client.unlearning.FineTunePoisoned(
        pb["unlearning"].FineTunePoisonedRequest(
            poison=poison(model="models/shapes", train=source(dataset="datasets/shapes-train")),
            trainer=trainer(scope="SCOPE_ALL", epochs=6, learning_rate=0.05, batch_size=16),
            method="METHOD_TRAIN", promote=True,
        )
    )
    trained = client.finish(plain)
    print("flow: trained", trained.version, "in", trained.steps, "steps")

    forget = pb["common"].Selector(classes=["cross"])
    request = poison(model="models/shapes", train=source(dataset="datasets/shapes-train"), forget=forget)
    plan = client.unlearning.PlanPoisoning(pb["unlearning"].PlanPoisoningRequest(poison=request))
    assert plan.poisoned_count == 80 and plan.retain_count == 160 and len(plan.donors) == 1, plan
    print("flow: donor", plan.donors[0].donor_name, "because", plan.donors[0].reason)

    bad = poison(model="models/shapes", train=source(dataset="datasets/shapes-train"), forget={"classes": ["cross", "circle"]})
    check_error(
        lambda: client.unlearning.PlanPoisoning(pb["unlearning"].PlanPoisoningRequest(poison=bad)),
        grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_CLASS", "poison.forget.classes[1]",
    )

    operation = client.unlearning.Unlearn(
        pb["unlearning"].UnlearnRequest(
            poison=request, test=source(dataset="datasets/shapes-test"),
            trainer=trainer(scope="SCOPE_HEAD", epochs=60, learning_rate=0.05, batch_size=16),
        )
    )
    result = client.finish(operation)
    assert result.after.test.forget.value <= 0.05, result.after.test
    assert result.before.test.forget.value >= 0.9, result.before.test
    print("flow: unlearned", result.version, "donor", result.donor)

    events = list(client.jobs.WatchJob(pb["jobs"].WatchJobRequest(name=operation.name), timeout=60))
    durable = [event.sequence for event in events if event.sequence]
    assert durable == list(range(1, len(durable) + 1)), durable
    half = len(durable) // 2
    rest = list(client.jobs.WatchJob(pb["jobs"].WatchJobRequest(name=operation.name, after_sequence=half), timeout=60))
    assert [event.sequence for event in rest if event.sequence] == durable[half:], "resumed watch"
    assert client.jobs.GetJob(pb["jobs"].GetJobRequest(name=operation.name)).last_sequence == durable[-1]
    print("flow: watched", len(durable), "events, resumed after", half)

    membership = client.finish(
        client.evaluations.EvaluateMembershipInference(
            pb["evaluations"].EvaluateMembershipInferenceRequest(
                model=result.version, train=source(dataset="shapes-train"), test=source(dataset="shapes-test"), forget=forget
            )
        )
    )
    assert len(membership.attacks) == 8, json_format.MessageToJson(membership)
    evaluation = client.finish(
        client.evaluations.EvaluateModel(
            pb["evaluations"].EvaluateModelRequest(model=result.version, test=source(dataset="shapes-test"), forget=forget)
        )
    )
    assert evaluation.test.forget.total == 30, evaluation

    exported = client.models.ExportModelVersion(pb["models"].ExportModelVersionRequest(name=result.version))
    assert exported.size_bytes > 0 and len(exported.sha256) == 64, exported
    promoted = client.models.PromoteModelVersion(pb["models"].PromoteModelVersionRequest(name=result.version))
    assert promoted.served_version == result.version, promoted
    freed = client.models.UnloadModel(pb["models"].UnloadModelRequest(name="models/shapes"))
    assert freed.freed_bytes > 0, freed
    print("flow: exported, promoted, unloaded", freed.freed_bytes, "bytes")
    print("flow: ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
