"""`python -m numpygrad`: what it says, and that nothing stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import numpygrad as npg
from numpygrad import _backend, _report
from numpygrad.__main__ import main

ROOT = Path(__file__).parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "numpygrad", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[str, _backend.Backend]:
    """Backends of the test's own beside NumPy's: found, but not by entry point."""
    known: dict[str, _backend.Backend] = {"numpy": _backend.find_backend("numpy")}

    def find(name: str) -> _backend.Backend:
        return known[name]

    monkeypatch.setattr(_report, "find_backend", find)
    monkeypatch.setattr(_report, "backend_names", lambda: tuple(known))
    return known


def fail(error: Exception) -> Any:
    """A function that raises."""

    def failing(*arguments: Any) -> Any:
        raise error

    return failing


def made(name: str, **fields: Any) -> _backend.Backend:
    """A backend by that name."""
    numpys = _backend.find_backend("numpy")
    given = {"install": f"pip install {name}", "load": numpys.load, "resolve": numpys.resolve}
    return _backend.Backend(name=name, **{**given, **fields})


def test_the_command_prints_versions_backends_and_what_is_missing() -> None:
    finished = run()
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].split() == ["numpygrad", npg.__version__]
    starts = [line.split()[0] for line in lines if line]
    for name in ("array", "python", "platform", "numpy", "array-api-compat", "default", "threads"):
        assert name in starts
    assert {*_backend.backend_names(), "scipy", "matplotlib", "graphviz"} <= set(starts)


def test_it_can_be_read_by_machines() -> None:
    finished = run("--json", NUMPYGRAD_BACKEND="", NUMPYGRAD_NUM_THREADS="3")
    found = json.loads(finished.stdout)
    assert found["numpygrad"] == npg.__version__
    assert found["array API"] == "2025.12"
    assert found["backends"]["numpy"]["devices"] == ["cpu"]
    assert found["backends"]["numpy"]["version"] == found["numpy"]
    assert found["default device"] == {"device": "cpu", "from": "NUMPYGRAD_BACKEND is not set"}
    assert found["threads"]["NUMPYGRAD_NUM_THREADS"] == "3"
    assert found["threads"]["cores"] >= 1


def test_every_backend_is_told_with_its_devices_or_how_to_install_it() -> None:
    usable = npg.installed_backends()
    for name, told in _report.report()["backends"].items():
        assert told["installed"] == (name in usable)
        if told["installed"]:
            assert told["devices"]
            assert told["version"]
        else:
            assert told["install"] == _backend.find_backend(name).install
            assert told["install"] in _report.shown(_report.report())


def test_a_backend_that_does_not_exist_is_told() -> None:
    finished = run(NUMPYGRAD_BACKEND="abacus")
    assert finished.returncode == 0
    line = next(line for line in finished.stdout.splitlines() if line.startswith("default device"))
    assert "none: unknown backend 'abacus'" in line
    assert "NUMPYGRAD_BACKEND=abacus" in line
    assert "Traceback" not in finished.stderr


def test_the_default_device_is_told_with_who_chose_it() -> None:
    with npg.device("numpy:cpu"):
        told = _report.report()["default device"]
    assert told == {"device": "cpu", "from": "set_default_device() or device()"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"load": fail(ImportError("no module"))}, "no module"),
        ({"load": fail(OSError("wrong\n  library"))}, "OSError: wrong library"),
        ({"load": fail(RuntimeError())}, "RuntimeError: no message"),
        ({"specifications": fail(RuntimeError("driver too old"))}, "RuntimeError: driver too old"),
        ({"resolve": fail(KeyError("x")), "specifications": lambda: ("cpu",)}, "KeyError"),
    ],
)
def test_a_broken_backend_is_a_line_and_not_the_end(
    broken: dict[str, _backend.Backend], fields: dict[str, Any], told: str
) -> None:
    broken["abacus"] = made("abacus", **fields)
    found = _report.report()
    text = _report.shown(found)
    line = next(line for line in text.splitlines() if line.strip().startswith("abacus"))
    assert told in line
    if "load" in fields:
        assert "pip install abacus" in line
    assert found["backends"]["numpy"]["installed"]
    assert "scipy" in text
    json.dumps(found)


def test_an_entry_point_that_leads_nowhere_is_a_line_too(
    broken: dict[str, _backend.Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken["abacus"] = made("abacus")
    monkeypatch.setattr(_report, "find_backend", fail(ModuleNotFoundError("No module 'abacus'")))
    assert "no: ModuleNotFoundError: No module 'abacus'" in _report.shown(_report.report())


def test_a_gpu_that_is_not_seen_is_told_of_backends_that_could(
    broken: dict[str, _backend.Backend],
) -> None:
    numpys = _backend.find_backend("numpy")
    broken["abacus"] = made("abacus", resolve=lambda s: "gpu:0" if s == "gpu" else "cpu")
    told = _report.report()["backends"]
    assert told["abacus"]["gpu"] is False
    assert told["numpy"]["gpu"] is None
    assert _report.shown(_report.report()).count("sees no GPU") == 1
    broken["abacus"] = made("abacus", resolve=lambda s: "gpu:0", device_name=numpys.device_name)
    assert _report.report()["backends"]["abacus"]["gpu"] is True


def test_what_is_optional_is_told_with_its_use_and_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_report, "_version", lambda name: None)
    monkeypatch.setenv("PATH", "")
    text = _report.shown(_report.report())
    for use, command in [*_report.OPTIONAL.values(), _report.GRAPHVIZ]:
        assert f"no, for {use}: {command}" in text


def test_the_install_commands_name_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for _, command in _report.OPTIONAL.values():
        if "[" in command:
            assert command.partition("[")[2].partition("]")[0] in extras


def test_main_prints_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out.count("array API") == 1
    main(["--json"])
    assert json.loads(capsys.readouterr().out)["numpygrad"] == npg.__version__


def test_help_and_unknown_options_are_told_without_a_traceback() -> None:
    assert "--json" in run("--help").stdout
    finished = run("--nonsense")
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell with pipes")
def test_a_reader_that_stops_reading_sees_no_traceback() -> None:
    command = f"'{sys.executable}' -m numpygrad | true"
    finished = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.stderr == ""
