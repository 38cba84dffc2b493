#!/usr/bin/env python3
"""Checks what no schema says about Dockerfile, deploy/compose.yaml and deploy/kubernetes.

Each rule is a generator of complaints. Called by scripts/check-deploy.sh with a Python that has PyYAML.
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / "crates/settings/src/parse.rs"
COMPOSE = ROOT / "deploy/compose.yaml"
# Images whose program has capabilities as a file. The kernel does not start it in a container without them.
FILE_CAPABILITIES = {"caddy": ["NET_BIND_SERVICE"]}


def settings() -> set[str]:
    """Names of all settings, as the environment has them."""
    text = SHARED.read_text()
    names = text[text.index("pub const ALL") :]
    names = names[names.index("= [") : names.index("];")]
    found = {f"STENO_{name.upper()}" for name in re.findall(r'"(\w+)"', names)}
    # STENO_COMMIT is read by the build.
    return found | {"STENO_CONFIG", "STENO_COMMIT"}


def manifests() -> list[dict]:
    files = sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    return [
        manifest
        for file in files
        if file.name != "kustomization.yaml"
        for manifest in yaml.safe_load_all(file.read_text())
    ]


def of_kind(kind: str) -> dict[str, dict]:
    return {item["metadata"]["name"]: item for item in manifests() if item["kind"] == kind}


def seconds(text: str) -> int:
    """A time of an environment variable or of Compose: 60s, 2m."""
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def every_setting_exists():
    known = settings()
    files = [ROOT / "Dockerfile", COMPOSE, *(ROOT / "deploy/kubernetes").glob("*.yaml")]
    for file in files:
        for name in set(re.findall(r"\bSTENO_[A-Z_]+\b", file.read_text())) - known:
            yield f"{file.name}: {name} is no setting of Steno"


def containers_have_no_rights():
    for name, deployment in of_kind("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        if not pod["securityContext"].get("runAsNonRoot"):
            yield f"{name}: runs as root"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name}: has a token of the cluster"
        for container in pod["initContainers"] + pod["containers"]:
            rights = container["securityContext"]
            if not rights.get("readOnlyRootFilesystem"):
                yield f"{name}: its root is writable"
            if rights.get("allowPrivilegeEscalation") is not False or rights["capabilities"] != {"drop": ["ALL"]}:
                yield f"{name}: keeps capabilities"
            if "memory" not in container["resources"]["limits"]:
                yield f"{name}: has no memory limit"

    compose = yaml.safe_load(COMPOSE.read_text())
    for name in ("api", "worker", "courier", "proxy"):
        service = compose["services"][name]
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"] or service["user"].startswith("0"):
            yield f"compose: {name} has rights that it does not need"
    for name, service in compose["services"].items():
        program = service["image"].split(":")[0]
        if "cap_drop" in service and service.get("cap_add", []) != FILE_CAPABILITIES.get(program, []):
            yield f"compose: {name} must have the capabilities of the file of its program, and no others"


def pods_get_time_to_drain():
    for name, deployment in of_kind("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        grace = pod["terminationGracePeriodSeconds"]
        for container in pod["containers"]:
            environment = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
            drain = seconds(environment.get("STENO_DRAIN_TIMEOUT", "20s"))
            hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
            wait = int(hook[hook.index("sleep") + 1])
            if grace < drain + wait + 10:
                yield f"{name}: is killed after {grace} s, before its {drain} s of drain and {wait} s of waiting end"

    compose = yaml.safe_load(COMPOSE.read_text())
    for name in ("api", "worker", "courier"):
        service = compose["services"][name]
        drain = seconds(service["environment"].get("STENO_DRAIN_TIMEOUT", "20s"))
        if seconds(service["stop_grace_period"]) < drain + 10:
            yield f"compose: {name} is killed before its drain ends"


def folders_in_memory_are_larger_than_the_reserve():
    """Below its reserve, an api refuses uploads and a courier downloads nothing."""
    compose = yaml.safe_load(COMPOSE.read_text())
    for name in ("api", "courier"):
        service = compose["services"][name]
        size = next(int(found[1]) for mount in service["tmpfs"] if (found := re.search(r"size=(\d+)m", mount)))
        reserve = int(service["environment"].get("STENO_DISK_RESERVE_BYTES", "256MiB").removesuffix("MiB"))
        if size < 2 * reserve:
            yield f"compose: {name} has {size} MiB of memory for files, with a reserve of {reserve} MiB"


def names_that_are_referred_to_exist():
    deployments = of_kind("Deployment")
    configs = of_kind("ConfigMap")
    labels = {name: item["spec"]["template"]["metadata"]["labels"] for name, item in deployments.items()}

    for name, item in deployments.items():
        pod = item["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for container in pod["initContainers"] + pod["containers"]:
            for source in container.get("envFrom", []):
                config = source.get("configMapRef", {}).get("name")
                if config and config not in configs:
                    yield f"{name}: there is no ConfigMap {config}"
            for mount in container["volumeMounts"]:
                if mount["name"] not in volumes:
                    yield f"{name}: there is no volume {mount['name']}"

    for kind in ("PodDisruptionBudget", "Service", "NetworkPolicy"):
        for name, item in of_kind(kind).items():
            selector = item["spec"].get("selector") or item["spec"].get("podSelector")
            wanted = selector.get("matchLabels", selector if kind == "Service" else {})
            if not any(wanted.items() <= have.items() for have in labels.values()):
                yield f"{kind} {name} selects no pod"

    for name, item in of_kind("HorizontalPodAutoscaler").items():
        target = item["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            yield f"HorizontalPodAutoscaler {name} scales nothing"
        elif "replicas" in deployments[target]["spec"]:
            yield f"{target}: a number of replicas undoes what the autoscaler set"


def secrets_are_only_referred_to():
    for item in manifests():
        if item["kind"] == "Secret":
            yield f"{item['metadata']['name']}: a secret is in the repository"
    for file in [COMPOSE, *(ROOT / "deploy/kubernetes").glob("*.yaml")]:
        if re.search(r"://[^/\s@]+:[^/\s@]+@", file.read_text()):
            yield f"{file.name}: an address contains a password"


def every_secret_is_made_by_the_header():
    """Its commands make each file, and let each container read it: they have users of their own."""
    text = COMPOSE.read_text()
    header = text[: text.index("\nname:")]
    for name, secret in yaml.safe_load(text)["secrets"].items():
        path = re.escape(secret["file"].removeprefix("./"))
        if not re.search(rf"^# .* deploy/{path}(\s|$)", header, re.MULTILINE):
            yield f"compose: no command of the header makes the secret {name}"
    for command in ("install -d -m 700 deploy/secrets", "chmod 444 deploy/secrets/*"):
        if command not in header:
            yield f"compose: the header lacks {command}"


def images_use_their_own_toolchain():
    """With the file in the image, rustup downloads what it names."""
    if "!rust-toolchain.toml" in (ROOT / ".dockerignore").read_text().splitlines():
        yield "the image is built with rust-toolchain.toml and not with the toolchain of its base"


def images_listen_where_they_say():
    """The default of STENO_BIND is an address of the container alone."""
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    for stage in stages:
        for port in re.findall(r"^EXPOSE (\d+)$", stage, re.MULTILINE):
            if not re.search(rf"^ENV STENO_BIND=0\.0\.0\.0:{port}$", stage, re.MULTILINE):
                yield f"Dockerfile: nothing listens on the exposed port {port}"


def traffic_does_not_depend_on_the_database():
    """When it is away, each api answers with Retry-After. Pods that are not ready leave the Service all at once."""
    for container in of_kind("Deployment")["steno-api"]["spec"]["template"]["spec"]["containers"]:
        if container["readinessProbe"]["httpGet"]["path"] != "/healthz":
            yield "steno-api: its readiness depends on the database"


RULES = [
    every_setting_exists,
    containers_have_no_rights,
    pods_get_time_to_drain,
    folders_in_memory_are_larger_than_the_reserve,
    names_that_are_referred_to_exist,
    secrets_are_only_referred_to,
    every_secret_is_made_by_the_header,
    images_use_their_own_toolchain,
    images_listen_where_they_say,
    traffic_does_not_depend_on_the_database,
]

complaints = [complaint for rule in RULES for complaint in rule()]
for complaint in complaints:
    print(f"check-deploy: {complaint}", file=sys.stderr)
sys.exit(1 if complaints else 0)
