"""What launch/ hands to other people's schedulers: parsed, and run dry beside stand-ins for them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from matscout.cli.app import app
from matscout.drive.config import parse_config

LAUNCH = Path(__file__).parents[1] / "launch"

DEADLINE_S = 60.0

FAKES = {
    "ray": """#!/bin/bash
echo "ray $*" >> "$CALLS"
[ "$1" = start ] || exit 0
echo "token $RAY_AUTH_MODE ${#RAY_AUTH_TOKEN}" >> "$CALLS"
exec tail -f /dev/null
""",
    "srun": """#!/bin/bash
echo "srun $*" >> "$CALLS"
while [[ "$1" == --* ]]; do shift; done
exec "$@"
""",
    "scontrol": '#!/bin/bash\necho "scontrol $*" >> "$CALLS"\n',
    "matscout": """#!/bin/bash
trap 'echo asked to stop >> "$CALLS"; exit 130' TERM
echo "matscout $*" >> "$CALLS"
[ -n "$LONG" ] || exit 0
tail -f /dev/null &
trap 'echo asked to stop >> "$CALLS"; kill $!; exit 130' TERM
echo running >> "$CALLS"
wait
""",
}


@dataclass
class Node:
    """A folder that looks like a checkout, whose programs only write down that they were called."""

    root: Path

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self, **more: str) -> dict[str, str]:
        bin_ = self.root / ".venv" / "bin"
        return {
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "CALLS": str(self.root / "calls"),
            "LONG": "",
            **more,
        }

    def begin(self, nodes: int = 2, **more: str) -> subprocess.Popen[str]:
        job = {
            "SLURM_JOB_ID": "77", "SLURM_NNODES": str(nodes), "SLURM_CPUS_PER_TASK": "4",
            "SLURMD_NODENAME": "first", "SLURM_SUBMIT_DIR": str(self.root),
        }  # fmt: skip
        return subprocess.Popen(
            ["bash", str(LAUNCH / "slurm"), "steels", "steels.toml", "--workers", "8"],
            env=self.environment(**job, **more), cwd="/", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_for(self, line: str, times: int = 1) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while self.calls.count(line) < times:
            assert time.monotonic() < until_s, self.calls
            os.sched_yield()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    for name, text in FAKES.items():
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o755)
    return Node(tmp_path)


def check_words(words: list[str]) -> None:
    """The command line knows these words (nothing is run)."""
    assert words[0] == "matscout", words
    command: Any = get_command(app)
    command.commands[words[1]].make_context(words[1], words[2:])


def matscout_line(node: Node) -> list[str]:
    words = [shlex.split(line) for line in node.calls if line.startswith("matscout ")]
    assert len(words) == 1
    check_words(words[0])
    return words[0]


@pytest.mark.parametrize(("shell", "name"), [("sh", "laptop"), ("bash", "slurm")])
def test_scripts_are_shell(shell: str, name: str) -> None:
    subprocess.run([shell, "-n", str(LAUNCH / name)], check=True)
    assert os.access(LAUNCH / name, os.X_OK)
    assert "matscout" in (LAUNCH / name).read_text().splitlines()[-1]
    done = subprocess.run([shell, str(LAUNCH / name)], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def test_laptop_begins_and_goes_on(node: Node) -> None:
    shutil.copy(LAUNCH / "laptop", node.root / "laptop")
    (node.root / "setup").write_text("")
    where = node.environment(MATSCOUT_VENV=str(node.root / ".venv"))
    command = ["sh", str(node.root / "laptop"), "steels", "steels.toml", "--workers", "2"]
    subprocess.run(command, check=True, env=where, cwd=node.root)
    wanted = "matscout sweep steels.toml --name steels --runs results/runs --workers 2"
    assert shlex.join(matscout_line(node)) == wanted
    (node.root / "calls").unlink()
    (node.root / "results" / "runs" / "steels").mkdir(parents=True)
    subprocess.run(command, check=True, env=where, cwd=node.root)
    assert (
        shlex.join(matscout_line(node)) == "matscout resume steels --runs results/runs --workers 2"
    )


def test_laptop_finds_what_setup_has_made(node: Node) -> None:
    """Both take a relative MATSCOUT_VENV from the checkout, wherever they are called."""
    (node.root / "launch").mkdir()
    shutil.copy(LAUNCH / "laptop", node.root / "launch" / "laptop")
    (node.root / "launch" / "setup").write_text("")
    (node.root / "elsewhere").mkdir()
    command = ["sh", "../launch/laptop", "steels", "../steels.toml"]
    where = node.environment(MATSCOUT_VENV=".venv")
    subprocess.run(command, check=True, env=where, cwd=node.root / "elsewhere")
    assert matscout_line(node)[1] == "sweep"


def test_slurm_says_what_the_scheduler_needs_to_know() -> None:
    said = [x.split()[1] for x in (LAUNCH / "slurm").read_text().splitlines() if "#SBATCH" in x[:7]]
    options = dict(word.removeprefix("--").partition("=")[::2] for word in said)
    assert {"nodes", "time", "cpus-per-task", "requeue"} <= set(options)
    assert options["signal"] == "B:USR1@180" and options["open-mode"] == "append"


def test_slurm_head_workers_and_run(node: Node) -> None:
    job = node.begin(nodes=3, LONG="yes")
    node.wait_for("running")
    node.wait_for("token token 64", 2)
    job.terminate()
    job.communicate(timeout=DEADLINE_S)
    starts = [line for line in node.calls if line.startswith("ray start")]
    assert len(starts) == 2 and "--head" in starts[0] and "--include-dashboard=false" in starts[0]
    address = starts[1].split("--address=")[1].split()[0]
    assert address.endswith(":20077") and "--head" not in starts[1]
    workers = next(line for line in node.calls if "ray start" in line and line.startswith("srun"))
    assert "--nodes=2 --ntasks=2" in workers and "--exclude=first" in workers
    assert matscout_line(node)[1:] == [
        "sweep", "steels.toml", "--name", "steels", "--runs", "results/runs", "--workers", "8",
        "--fleet", "ray", "--address", address,
    ]  # fmt: skip
    home = starts[0].split("--temp-dir=")[1].split()[0]
    assert home.startswith("/tmp/matscout-77-") and not Path(home).exists()
    assert not [line for line in node.calls if line.startswith("scontrol")]


def test_slurm_on_one_node_needs_no_srun(node: Node) -> None:
    (node.root / "results" / "runs" / "steels").mkdir(parents=True)
    job = node.begin(nodes=1)
    job.communicate(timeout=DEADLINE_S)
    assert job.returncode == 0 and matscout_line(node)[1] == "resume"
    assert not [line for line in node.calls if line.startswith("srun")]


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGTERM])
def test_slurm_goes_back_into_the_queue_when_its_time_is_nearly_up(
    node: Node, signum: signal.Signals
) -> None:
    """SIGUSR1 comes from the time limit; SIGTERM from somebody who cancelled the job."""
    job = node.begin(LONG="yes")
    node.wait_for("running")
    job.send_signal(signum)
    job.communicate(timeout=DEADLINE_S)
    assert job.returncode == 130 and "asked to stop" in node.calls
    assert ("scontrol requeue 77" in node.calls) == (signum == signal.SIGUSR1)


def test_a_head_that_does_not_start_is_said(node: Node) -> None:
    (node.root / ".venv" / "bin" / "ray").write_text("#!/bin/bash\necho no port; exit 1\n")
    job = node.begin()
    _, err = job.communicate(timeout=DEADLINE_S)
    assert job.returncode == 3 and err.splitlines() == [
        "launch/slurm: Ray's head did not start:", "no port"
    ]  # fmt: skip
    assert not node.calls[1:]


def test_the_ray_cluster_file_against_rays_own_schema() -> None:
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    text = (LAUNCH / "ray-cluster.yaml").read_text()
    config = yaml.safe_load(text)
    validate_config(fillout_defaults(config))
    kinds = config["available_node_types"]
    assert kinds["spot"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in kinds["head"]["node_config"]
    assert kinds["spot"]["min_workers"] == 0 < kinds["spot"]["max_workers"] <= config["max_workers"]
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    starts = [line for line in starts if "ray start" in line]
    assert len(starts) == 2 and all("RAY_AUTH_MODE=token ray start" in line for line in starts)
    assert "--include-dashboard=false" in starts[0]
    assert "--autoscaling-config=" in starts[0] and "$RAY_HEAD_IP" in starts[1]
    assert any("chmod 600" in line for line in config["setup_commands"])
    end = text[text.rindex("matscout sweep") :].replace("#", "").replace("'", "")
    check_words(shlex.split(end))


# The fields of KubeRay 1.5's ray.io/v1 types (ray-operator/apis/ray/v1) that a manifest may set, and
# among them those without which the API server refuses it.
RAY_JOB = {
    "activeDeadlineSeconds", "authOptions", "backoffLimit", "rayClusterSpec", "submitterPodTemplate",
    "metadata", "clusterSelector", "submitterConfig", "managedBy", "deletionStrategy", "entrypoint",
    "runtimeEnvYAML", "jobId", "submissionMode", "entrypointResources", "entrypointNumCpus",
    "entrypointNumGpus", "ttlSecondsAfterFinished", "shutdownAfterJobFinishes", "suspend",
}  # fmt: skip
RAY_CLUSTER = {
    "headGroupSpec", "workerGroupSpecs", "rayVersion", "enableInTreeAutoscaling", "authOptions",
    "autoscalerOptions", "headServiceAnnotations", "suspend", "managedBy",
}  # fmt: skip
HEAD = {"rayStartParams", "template", "serviceType", "headService", "enableIngress", "resources"}
WORKER = {
    "groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template",
    "numOfHosts", "idleTimeoutSeconds", "scaleStrategy", "suspend", "resources",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    with open(LAUNCH / "kuberay.yaml") as file:
        return {part["kind"]: part for part in yaml.safe_load_all(file)}


def test_the_kuberay_manifest_has_what_its_types_require(manifest: dict[str, Any]) -> None:
    assert manifest["RayJob"]["apiVersion"] == "ray.io/v1"
    job = manifest["RayJob"]["spec"]
    assert set(job) <= RAY_JOB and job["submissionMode"] in {"K8sJobMode", "HTTPMode"}
    cluster = job["rayClusterSpec"]
    assert set(cluster) <= RAY_CLUSTER and cluster["authOptions"] == {"mode": "token"}
    assert tuple(map(int, cluster["rayVersion"].split("."))) >= (2, 59)
    head, (worker,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert set(head) <= HEAD and {"rayStartParams", "template"} <= set(head)
    assert set(worker) <= WORKER
    assert {"groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"} <= set(worker)
    assert all(isinstance(v, str) for g in (head, worker) for v in g["rayStartParams"].values())
    for group in (head, worker):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {"name", "image", "resources"} <= set(container)
        assert {m["name"] for m in container["volumeMounts"]} <= {v["name"] for v in pod["volumes"]}
        assert pod["securityContext"]["runAsNonRoot"]
        allowed = manifest["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
        assert group["template"]["metadata"]["labels"] == allowed


def test_the_kuberay_cluster_is_one_that_rays_autoscaler_understands(
    manifest: dict[str, Any],
) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import (
        _derive_autoscaling_config_from_ray_cr,
    )
    from ray.autoscaler._private.util import validate_config

    spec = manifest["RayJob"]["spec"]["rayClusterSpec"]
    cluster = {"metadata": {"name": "matscout", "namespace": "default"}, "spec": spec}
    config = _derive_autoscaling_config_from_ray_cr(cluster)
    validate_config(config)
    kinds = config["available_node_types"]
    assert [(k, v["max_workers"], v["resources"]["CPU"]) for k, v in kinds.items()] == [
        ("headgroup", 0, 0), ("spot", 8, 4),
    ]  # fmt: skip


def test_the_kuberay_run_begins_and_goes_on(manifest: dict[str, Any], node: Node) -> None:
    files = manifest["ConfigMap"]["data"]
    config = parse_config(tomllib.loads(files["steels.toml"]))
    assert config.run.workers == 8 and config.name == "steels"
    assert manifest["RayJob"]["spec"]["entrypoint"] == "sh /config/run"
    script = files["run"].replace("/runs", str(node.root))
    subprocess.run(["sh", "-c", script], check=True, env=node.environment())
    assert matscout_line(node)[1] == "sweep"
    (node.root / "calls").unlink()
    (node.root / "steels").mkdir()
    subprocess.run(["sh", "-c", script], check=True, env=node.environment())
    assert matscout_line(node)[1:3] == ["resume", "steels"]
