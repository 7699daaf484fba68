"""The file of a stage, and the rates that its viewers imply."""

import re
from pathlib import Path

import pytest

from capacity.sizing import capacity_for
from deploy.infrastructure.changes import Change
from deploy.infrastructure.stage_file import StageFile, read_stage_file
from stages import Stage

STAGE = Stage("test", {"project_name": "limits", "aws_region": "eu-west-1"})


def a_file(folder: Path, text: str) -> Path:
    (folder / "test.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("viewers", "rate"), [(1_000, 84), (18_000, 1500), (200_000, 16_667)]
)
def test_rates_follow_from_viewers(viewers: int, rate: int) -> None:
    capacity = capacity_for(viewers)
    assert capacity.rate == rate
    assert capacity.burst == 2 * rate
    assert capacity.write_units == 2 * rate
    assert capacity.rate > viewers / 18, "each sends a heartbeat every 18 seconds"


def test_longer_leases_need_a_lower_rate() -> None:
    assert capacity_for(18_000, lease_seconds=120).rate == 750


def test_the_shortest_lease_of_the_plans_sets_the_rates(tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(
        "[default]\nlease_seconds = 90\n\n[live]\nlease_seconds = 30\n"
    )
    variables = {"PLANS": str(tmp_path / "plans.toml")}
    stage = Stage("test", {"environment_variables": variables})
    folder = a_file(tmp_path, "viewers = 18000")

    assert read_stage_file(stage, files=folder).rate == 3000
    assert read_stage_file(STAGE, files=folder).rate == 1500


def test_a_flag_takes_precedence_over_the_file(tmp_path: Path) -> None:
    folder = a_file(tmp_path, "viewers = 18000\nburst = 100\n")
    assert read_stage_file(STAGE, files=folder).rate == 1500
    assert read_stage_file(STAGE, files=folder).burst == 100
    flags = {"rate": 7.0, "burst": None}
    assert read_stage_file(STAGE, flags, files=folder).rate == 7


def test_provisioned_units_replace_the_maximum_that_viewers_imply() -> None:
    assert StageFile(viewers=1000).filled().max_write_units == 168
    file = StageFile(viewers=1000, units=20)
    assert file.filled().max_write_units is None


def test_a_stage_can_do_without_reserved_instances() -> None:
    assert StageFile(viewers=1000).filled().concurrency == 50
    file = StageFile(viewers=1000, reserve=False)
    assert file.filled().concurrency is None


def test_zappas_own_reservation_must_not_contradict_the_file(tmp_path: Path) -> None:
    stage = Stage("test", {"lambda_concurrency": 20})
    for text in ("viewers = 18000", "concurrency = 20"):
        assert read_stage_file(stage, files=a_file(tmp_path, text)).concurrency == 20

    message = "concurrency is 50, and lambda_concurrency of the stage is 20"
    with pytest.raises(ValueError, match=message):
        read_stage_file(stage, {"concurrency": 50}, files=tmp_path)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test\.toml names viwers"):
        read_stage_file(STAGE, files=a_file(tmp_path, "viwers = 5"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('viewers = "many"', "viewers is 'many'. Set it to a whole number from 1"),
        ("viewers = 0", "viewers is 0"),
        ("rate = -5", "rate is -5"),
        ("rate = nan", "rate is nan"),
        ("rate = true", "rate is True"),
        ("burst = 1.5", "burst is 1.5"),
        ("concurrency = -1", "concurrency is -1"),
        ("viewer_rate = 9", "viewer_rate is 9. Set it to a whole number from 10"),
        ('on_demand = "yes"', "on_demand is 'yes'"),
        ('topic = "operators"', "topic is 'operators'. Set it to the ARN"),
        ('managed_policies = "x"', "managed_policies is 'x'"),
        ("log_days = 31", "log_days is 31. Set it to one of 1, 3, 5"),
        ("thresholds = 5", "thresholds is 5"),
        ('[thresholds]\napi-slow = "1"', "thresholds is"),
        ('[[consumers]]\nname = "a"', "consumers is"),
        ('[[consumers]]\nname = "a b"\nrate = 1\nburst = 1', "consumers is"),
        ('[[consumers]]\nname = "a"\nrate = 0\nburst = 1', "consumers is"),
        (
            '[[consumers]]\nname = "a"\nrate = 1\nburst = 1\n' * 2,
            "two consumers have the same name",
        ),
        ("viewers", "cannot be read as TOML"),
    ],
)
def test_an_invalid_value_is_refused_with_a_valid_one(
    tmp_path: Path, text: str, message: str
) -> None:
    pattern = rf"test\.toml.*{re.escape(message)}"
    with pytest.raises(ValueError, match=pattern):
        read_stage_file(STAGE, files=a_file(tmp_path, text))


@pytest.mark.parametrize("name", ["test", "production"])
def test_the_files_of_the_stages_can_be_read(name: str) -> None:
    file = read_stage_file(Stage(name, {}))
    assert file.rate
    assert file.rate >= 1000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            Change(subject="rate", before=2000.0, after=1000.0, can_lower=True),
            "LOWER rate: 2000 -> 1000",
            id="lowered",
        ),
        pytest.param(
            Change(subject="rate", before=1000.0, after=2000.0, can_lower=True),
            "rate: 1000 -> 2000",
            id="raised",
        ),
        pytest.param(
            Change(subject="rate", after=2000, can_lower=True),
            "rate: none -> 2000",
            id="new",
        ),
        pytest.param(
            Change(subject="threshold", before="9", after="3"),
            "threshold: 9 -> 3",
            id="no capacity",
        ),
        pytest.param(Change(subject="add Role"), "add Role", id="no value"),
    ],
)
def test_a_change_shows_the_value_before_and_after(
    change: Change, expected: str
) -> None:
    assert str(change) == expected
