"""What all tests share: options, hypothesis profiles, the example data, and the rule that CI skips nothing.

pytest --update-golden                 rewrite the files under tests/golden/
pytest --hypothesis-profile=long       many random examples instead of the few and fixed ones of `ci`
BHC_NO_SKIP=1 pytest                   a skipped test fails, unless only the shared example data are missing
BHC_SHARED=DIR pytest                  where the shared example data are, if not in ../shared
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Times are not measured: a busy machine must not fail a test. Simulators take their time to build.
settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=5000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


# The one reason to skip that is accepted everywhere: the example models and recordings belong to third parties; they
# may lie beside a checkout, never in it.
NO_SHARED_DATA = "no shared example data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the files under tests/golden/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "shared" in item.fixturenames:
            item.add_marker(pytest.mark.shared)


@pytest.fixture(scope="session")
def update_golden(pytestconfig: pytest.Config) -> bool:
    """Whether golden files are to be rewritten instead of compared."""
    return bool(pytestconfig.getoption("--update-golden"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the shared example models/ and data/; the test is skipped where there is none."""
    folder = Path(os.environ.get("BHC_SHARED", ROOT.parent / "shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"{NO_SHARED_DATA} in {folder} (set BHC_SHARED)")
    return folder


def _must_not_skip() -> bool:
    return os.environ.get("BHC_NO_SKIP", "0") not in {"", "0"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    accepted = call.excinfo is not None and str(call.excinfo.value).startswith(NO_SHARED_DATA)
    if _must_not_skip() and report.skipped and not expected_failure and not accepted:
        report.outcome = "failed"
        report.longrepr = f"skipped, although BHC_NO_SKIP is set: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _must_not_skip() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped while it was collected, although BHC_NO_SKIP is set: {report.longrepr}"
    return report
