"""Do what packaging/Containerfile and compose.yaml say, in a root file system of Debian: for tools/container.sh.

    container.py build kept|rest          prints the instructions as a shell script, for inside; the context is in /.context
    container.py try ROOT SCRATCH         starts the services of compose.yaml in ROOT, and looks whether they work

An instruction or a key that is not known here is an error, so that nothing of the files is passed over. ``try`` needs root, and
namespaces of its own for mounts, processes and the network (unshare), where ROOT has /proc, /sys and /dev.
"""

# ruff: noqa: T201 - a script prints

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import yaml

PACKAGING = Path(__file__).resolve().parents[1] / "packaging"
COMPOSE = PACKAGING / "compose"
SUITE = "trixie"
_PATIENCE_S = 90


class ContainerError(Exception):
    """What is wrong with the files, or with what they made."""


@dataclass
class Image:
    """What the instructions set for the programs of an image."""

    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    folder: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile, each with its text."""
    text = re.sub(r"^#.*\n", "", (PACKAGING / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def image() -> Image:
    """Return what the instructions set. Raises ContainerError for one that is not known."""
    made = Image()
    for name, text in instructions():
        match name:
            case "ENV":
                key, _, made.env[key] = text.partition("=")
            case "USER":
                made.user = text
            case "WORKDIR":
                made.folder = text
            case "ENTRYPOINT":
                made.entrypoint = json.loads(text)
            case "CMD":
                made.command = json.loads(text)
            case "FROM" | "RUN" | "COPY":
                pass
            case _:
                raise ContainerError(f"packaging/Containerfile: {name} is not known to tools/container.py")
    return made


def copied(text: str) -> str:
    """Return the commands of a COPY: the content of a folder, or files, into a folder."""
    *sources, target = shlex.split(text)
    into = f"mkdir -p {target}"
    copies = [
        f"if [ -d /.context/{one} ]; then cp -r /.context/{one}/. {target}; else cp /.context/{one} {target}; fi"
        for one in sources
    ]
    return "\n".join([into, *copies])


def script(which: str) -> str:
    """Return the instructions before the first COPY (``kept``), or those from there on (``rest``), as a shell script."""
    listed = instructions()
    if listed[0] != ("FROM", f"docker.io/library/debian:{SUITE}-slim"):
        raise ContainerError(f"packaging/Containerfile begins with {listed[0]}; tools/container.py makes debian:{SUITE}-slim")
    image()
    first = next(number for number, (name, _) in enumerate(listed) if name == "COPY")
    chosen = listed[1:first] if which == "kept" else listed[first:]
    if any(name in ("RUN", "COPY") for name, _ in listed[[name for name, _ in listed].index("USER") :]):
        raise ContainerError("packaging/Containerfile: RUN and COPY behind USER are not known to tools/container.py")
    kinds: dict[str, Callable[[str], str]] = {
        "RUN": lambda text: text,
        "COPY": copied,
        "ENV": lambda text: f"export {text}",
        "WORKDIR": lambda text: f"mkdir -p {text}",
    }
    return "\n".join(["set -e", *(kinds[name](text) for name, text in chosen if name in kinds)])


class Services:
    """The services of compose.yaml as processes on this machine, all with the address of this machine."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root, self._scratch, self._image = root, scratch, image()
        content = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
        self.services: dict[str, dict[str, Any]] = content["services"]
        entry = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith(f"{self._image.user}:"))
        self._uid, self._home = int(entry.split(":")[2]), entry.split(":")[5]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all of them, in the order of the file."""
        names = " ".join(["localhost", *self.services])
        (self._root / "etc/hosts").write_text(f"127.0.0.1 {names}\n")
        for name, service in self.services.items():
            line = self._contained(service) if "build" in service else self._foreign(service)
            with (self._scratch / f"{name}.log").open("wb") as log:
                self._running[name] = subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _foreign(self, service: dict[str, Any]) -> list[str]:
        """Return the command of another project's image: the program of this name here, with the files of its volumes."""
        places = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
        return [str(COMPOSE / places[part]) if part in places else part for part in service["command"]]

    def _contained(self, service: dict[str, Any], *program: str) -> list[str]:
        """Return the command of one of ours, or ``program`` in its place.

        It has no rights, in a root that can only be read but where the file says otherwise.
        """
        wanted = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
        if lacking := {key for key, value in wanted.items() if service.get(key) != value}:
            raise ContainerError(f"compose.yaml: a service lacks {lacking}")
        root, mounts = self._root, []
        for source, target, *_ in (volume.split(":") for volume in service.get("volumes", [])):
            mounts.append(f"mount --bind {self._source(source, target)} {root}{target}")
        for target in service["tmpfs"]:
            path, _, options = target.partition(":")
            mounts.append(f"mount -t tmpfs -o {options or 'mode=1777'} tmpfs {root}{path}")
        env = {**self._image.env, "HOME": self._home, "LANG": "C.UTF-8"}
        rights = f"--reuid={self._uid} --regid={self._uid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
        usual = [*service.get("entrypoint", self._image.entrypoint), *service.get("command", [])]
        line = shlex.join(
            ["env", "-i", f"--chdir={self._image.folder}", *(f"{key}={value}" for key, value in env.items()), *(program or usual)]
        )
        inner = "\n".join(["set -e", f"mount -o remount,bind,ro {root}", *mounts, f"exec chroot {root} setpriv {rights} {line}"])
        return ["unshare", "--mount", "sh", "-c", inner]

    def _source(self, source: str, target: str) -> Path:
        """Return what is mounted: a file beside compose.yaml, or a volume, which belongs to the user. Makes the place for it."""
        place = self._root / target.lstrip("/")
        if source.startswith("./"):
            place.touch()
            return COMPOSE / source
        volume = self._scratch / source
        volume.mkdir(exist_ok=True)
        os.chown(volume, self._uid, self._uid)
        return volume

    def is_healthy(self, name: str) -> bool:
        """Return whether the health check of a service succeeds."""
        kind, *program = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(self._contained(self.services[name], *program), capture_output=True, check=False).returncode == 0

    def said(self, name: str) -> str:
        """Return what a service has printed."""
        return (self._scratch / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Return what ``look`` finds, as soon as it does. Raises ContainerError, with all that was printed, if it never does."""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if ended := [name for name, process in self._running.items() if process.poll() is not None]:
                break
            if found := look():
                print(f"container: works: {what}", flush=True)
                return found
            time.sleep(0.3)
        told = "\n".join(f"--- {name}:\n{self.said(name)}" for name in self.services)
        raise ContainerError(f"{what}: {f'{ended} ended' if ended else f'not within {_PATIENCE_S} s'}\n{told}")

    def uids(self) -> dict[str, set[int]]:
        """Return the users of the processes of each service."""
        found: dict[str, set[int]] = {}
        for name, process in self._running.items():
            status = Path(f"/proc/{process.pid}/status").read_text()
            found[name] = set(map(int, re.search(r"^Uid:\s+(.*)$", status, re.MULTILINE)[1].split()))  # type: ignore[index]  # each status has that line
        return found


def status_of(url: str, opener: urllib.request.OpenerDirector | None = None) -> int:
    """Return the status with which a server answers, 0 if there is none."""
    try:
        return (opener or urllib.request.build_opener()).open(url, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def message_of_broker() -> Any:
    """Return the next message that the broker gets, as a value; None if there is none for a while."""
    line = ["mosquitto_sub", "-h", "127.0.0.1", "-t", "camera/ball", "-C", "1", "-W", "5"]
    printed = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    return json.loads(printed) if printed else None


def check_ports(services: dict[str, dict[str, Any]]) -> None:
    """Raise ContainerError where more than the page, or not this machine alone, is reached from outside."""
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    if list(ports) != ["page"] or not all(port.startswith("127.0.0.1:") for port in ports["page"]):
        raise ContainerError(f"compose.yaml: ports should be those of the page on 127.0.0.1 alone, not {ports}")


def raise_loopback() -> None:
    """Let this machine reach itself: in a new namespace of the network nothing is up, and iproute2 may not be installed."""
    flags = struct.pack("16sh22x", b"lo", 0x1)  # IFF_UP
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS


def try_out(root: Path, scratch: Path) -> None:
    """Start the services and look whether frames, messages and the page arrive. Raises ContainerError."""
    raise_loopback()
    running = Services(root, scratch)
    check_ports(running.services)
    running.start()
    running.wait_for("frames flow (the health check of count)", lambda: running.is_healthy("count"))
    message = running.wait_for("the broker gets messages", message_of_broker)
    if "ball" not in json.dumps(message):
        raise ContainerError(f"the message of the broker has no ball: {message}")
    found = running.wait_for(
        "the page prints its address", lambda: re.search(r"http://\S+:8000/(\?token=\S+)", running.said("page"))
    )
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    running.wait_for("the page", lambda: status_of(f"http://localhost:8000/{found[1]}", browser) == 200)
    if (status := status_of("http://localhost:8000/")) not in (401, 403):
        raise ContainerError(f"without its token the page answers with {status}")
    if privileged := {name for name, uids in running.uids().items() if 0 in uids}:
        raise ContainerError(f"these services run as root: {privileged}")


def main(arguments: list[str]) -> str | None:
    """Do what the command line asks for; return what is wrong."""
    try:
        match arguments:
            case ["build", "kept" | "rest" as which]:
                print(script(which))
            case ["try", root, scratch]:
                try_out(Path(root), Path(scratch))
            case _:
                return __doc__
    except ContainerError as error:
        return f"container: error: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
