"""What operating the daemon costs: its restart over ten thousand finished jobs, and how it answers while a job saturates the cores.

Usage: operations.py [SECONDS]    (of load; default 30). Needs target/release/unlearnd and the tools of `make tools`.
"""

import csv
import os
import pathlib
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/python"))
from unlearnd_stubs import generate  # noqa: E402

BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
FINISHED_JOBS = 10_000
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
SIZE, IMAGES, BATCH = 32, 1024, 128


class Daemon:
    """The real daemon on a free port; its data outlive a restart."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.start()

    def start(self):
        """Returns the seconds from the start of the process to its first answer."""
        address = self.folder / "address"
        address.unlink(missing_ok=True)
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            [BIN / "unlearnd", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "data", "--root", self.folder,
             "--address-file", address],
            stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "a"),
        )
        while not (address.exists() and address.read_text().strip()):
            if self.process.poll() is not None:
                raise SystemExit(f"the daemon did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.002)
        self.channel = grpc.insecure_channel(address.read_text().strip())
        ready(self.channel)
        return time.perf_counter() - begin

    def stop(self):
        self.channel.close()
        self.process.terminate()
        return self.process.wait(60)


def ready(channel):
    pb = PB["system"]
    PB["system_grpc"].SystemServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest(), wait_for_ready=True, timeout=60)


def write_csv(path, count):
    noise = random.Random(0)
    with open(path, "w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["label"] + [f"pixel{i}" for i in range(SIZE * SIZE)])
        for index in range(count):
            writer.writerow([index % 10] + noise.choices(range(256), k=SIZE * SIZE))


def prepare(daemon):
    """A data set, a ResNet-20 and one finished job."""
    write_csv(daemon.folder / "noise.csv", IMAGES)
    datasets, models = (PB[f"{name}_grpc"] for name in ("datasets", "models"))
    datasets.DatasetServiceStub(daemon.channel).RegisterDataset(
        PB["datasets"].RegisterDatasetRequest(dataset_id="noise", uri=(daemon.folder / "noise.csv").as_uri(), split="train"))
    models.ModelServiceStub(daemon.channel).CreateModel(PB["models"].CreateModelRequest(
        model_id="net", architecture="cifar_resnet20", class_count=10, seed=1,
        preprocessing=PB["models"].Preprocessing(height=SIZE, width=SIZE, channels=3)))
    operation = train(daemon, 1, "SCOPE_HEAD")
    while not PB["operations_grpc"].OperationsStub(daemon.channel).GetOperation(
            PB["operations"].GetOperationRequest(name=operation.name)).done:
        time.sleep(0.05)


def train(daemon, epochs, scope):
    source = PB["common"].DataSource(dataset="noise")
    spec = PB["unlearning"].PoisonSpec(model="models/net", train=source)
    trainer = PB["unlearning"].TrainerSpec(scope=scope, epochs=epochs, learning_rate=0.001, batch_size=BATCH)
    return PB["unlearning_grpc"].UnlearningServiceStub(daemon.channel).FineTunePoisoned(
        PB["unlearning"].FineTunePoisonedRequest(poison=spec, trainer=trainer, method="METHOD_TRAIN"))


def multiply_jobs(folder):
    """Copies the one finished job with its events, as if so many had run."""
    store = sqlite3.connect(folder / "data/store.db")
    (job, body), = store.execute("SELECT id, body FROM jobs").fetchall()
    columns = "state, kind, model, last_sequence"
    for _ in range(FINISHED_JOBS - 1):
        copy = str(uuid.uuid4())
        store.execute(f"INSERT INTO jobs (id, {columns}, body) SELECT ?, {columns}, ? FROM jobs WHERE id = ?",
                      (copy, body.replace(job, copy), job))
        store.execute("INSERT INTO events SELECT ?, sequence, time, body FROM events WHERE job = ?", (copy, job))
    store.commit()
    store.close()
    return (folder / "data/store.db").stat().st_size


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def quantile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def attribute_once(daemon):
    pb = PB["attributions"]
    request = pb.AttributeRequest(model="models/net")
    request.inputs.add().sample.CopyFrom(pb.AttributeRequest.Input.Sample(source=PB["common"].DataSource(dataset="noise")))
    for _ in PB["attributions_grpc"].AttributionServiceStub(daemon.channel).Attribute(request):
        pass


def under_load(daemon):
    health = daemon.channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
    alone = [timed(lambda: attribute_once(daemon)) for _ in range(10)]
    job = train(daemon, 10_000, "SCOPE_ALL")
    jobs = PB["jobs_grpc"].JobServiceStub(daemon.channel)
    progress = lambda: jobs.GetJob(PB["jobs"].GetJobRequest(name=job.name)).progress  # noqa: E731
    while progress().step < 3:
        time.sleep(0.05)
    first, begin = progress().step, time.perf_counter()
    checks, loaded = [], []
    while time.perf_counter() - begin < SECONDS:
        checks += [timed(lambda: health(b"")) for _ in range(50)]
        loaded.append(timed(lambda: attribute_once(daemon)))
    steps, seconds = progress().step - first, time.perf_counter() - begin
    PB["operations_grpc"].OperationsStub(daemon.channel).CancelOperation(PB["operations"].CancelOperationRequest(name=job.name))
    print(f"while a fine-tune of ResNet-20 (batch {BATCH}) runs: {steps} steps in {seconds:.0f} s")
    print(f"  health, {len(checks)} calls: median {1e3 * statistics.median(checks):.1f} ms, "
          f"p99 {1e3 * quantile(checks, 0.99):.1f} ms (at most 50), longest {1e3 * max(checks):.1f} ms")
    print(f"  attribution of one image, {len(loaded)} calls: median {1e3 * statistics.median(loaded):.0f} ms, p99 "
          f"{1e3 * quantile(loaded, 0.99):.0f} ms; alone {1e3 * statistics.median(alone):.0f} ms")
    return steps, seconds


def main():
    with tempfile.TemporaryDirectory(prefix="unlearnd-operations-") as folder:
        daemon = Daemon(folder)
        prepare(daemon)
        daemon.stop()
        size = multiply_jobs(daemon.folder)
        starts = []
        for _ in range(5):
            starts.append(daemon.start())
            daemon.stop()
        print(f"restart over {FINISHED_JOBS} finished jobs ({size >> 20} MiB): {statistics.median(starts):.2f} s to the first "
              f"answer (at most 2), longest {max(starts):.2f} s", flush=True)
        daemon.start()
        under_load(daemon)
        begin = time.perf_counter()
        code = daemon.stop()
        print(f"stopped in {time.perf_counter() - begin:.1f} s with exit code {code}")


PB = generate()

if __name__ == "__main__":
    main()
