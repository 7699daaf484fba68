"""Plans files: the examples load, and an error names its place and a valid value."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from streams.plan_files import read_plans
from streams.rules import WhenFull
from tests.builders import plans_of
from tests.servers import PROJECT

DEFAULT = plans_of(limit=3, lease_ms=60_000).default
EXAMPLES = sorted((PROJECT / "docs" / "plans").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_the_documentation_is_a_file_of_plans(path: Path) -> None:
    (plan,) = read_plans("PLANS", path, default=DEFAULT).named.values()
    assert plan.rules
    assert path.name in (PROJECT / "docs" / "plans.md").read_text()


def test_there_are_five_examples() -> None:
    assert len(EXAMPLES) == 5


def test_what_a_plan_does_not_give_is_the_environments(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text("[small]\nlimit = 1\n")
    plans = read_plans(
        "PLANS",
        path,
        default=plans_of(
            limit=7, lease_ms=30_000, when_full=WhenFull.EVICT_OLDEST
        ).default,
    )
    assert (plans.default.name, plans.default.limit) == ("default", 7)
    small = plans.named["small"]
    assert (small.limit, small.lease_ms, small.when_full) == (
        1,
        30_000,
        WhenFull.EVICT_OLDEST,
    )


def test_a_default_of_the_file_takes_the_place_of_the_environments(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plans.toml"
    path.write_text("[default]\nlimit = 1\n[more]\nlimit = 2\n")
    plans = read_plans("PLANS", path, default=DEFAULT)
    assert [(plan.name, plan.limit) for plan in plans.all] == [
        ("default", 1),
        ("more", 2),
    ]


RULE = '[family]\nlimit = 4\n\n[[family.rules]]\nname = "one"\nlimit = 1\n'
WRONG = {
    "not TOML": (
        "[family\n",
        "is not valid TOML: Expected ']' at the end of a table declaration "
        "(at line 1, column 8)",
    ),
    "no plan": (
        "",
        "the file contains 0 plans. Write 1 to 100 tables such as [family].",
    ),
    "a plan that is none": (
        "family = 4\n",
        "line 1: family is not a table. Write [family] on a line",
    ),
    "a bad name": (
        '["a b"]\nlimit = 1\n',
        "the name of a plan must have 1 to 64 characters",
    ),
    "no limit": (
        "[family]\nlease_seconds = 60\n",
        "line 1: plan family: limit is missing. Write an integer",
    ),
    "a limit that is none": (
        "\n[family]\nlimit = '4'\n",
        "line 3: plan family: limit is '4'. Write an integer from",
    ),
    "a true limit": ("[family]\nlimit = true\n", "line 2: plan family: limit is True."),
    "an unknown key": (
        "[family]\nlimit = 4\nlimits = 5\n",
        "line 3: plan family: limits is an unknown key. Did you mean limit? "
        "The keys are limit,",
    ),
    "a key that resembles no other": (
        "[family]\nlimit = 4\ncolour = 5\n",
        "line 3: plan family: colour is an unknown key. The keys are limit,",
    ),
    "when full": (
        "[family]\nlimit = 4\nwhen_full = 'x'\n",
        "line 3: plan family: when_full is 'x'. Write \"deny\" or",
    ),
    "a relaxed lease that is shorter": (
        "[family]\nlimit = 4\nlease_seconds = 90\nrelaxed_lease_seconds = 60\n",
        "line 4: plan family: relaxed_lease_seconds is 60. "
        "Write an integer from 90 to 3600.",
    ),
    "a pause that is shorter": (
        "[family]\nlimit = 4\npaused_seconds = 30\n",
        "line 3: plan family: paused_seconds is 30.",
    ),
    "a rule without a name": (
        "[family]\nlimit = 4\n[[family.rules]]\nlimit = 1\n",
        "line 3: plan family, rule number 1: name is None. Write 1 to 64 characters",
    ),
    "a rule without a limit": (
        RULE.replace("limit = 1\n", ""),
        "line 4: plan family, rule one: limit is missing.",
    ),
    "two rules of one name": (
        RULE + '[[family.rules]]\nlimit = 2\nname = "one"\n',
        "line 9: plan family, rule number 2: two rules have the name 'one'. "
        "Rename one.",
    ),
    "an unknown attribute": (
        RULE + 'per = "title"\n',
        "line 7: plan family, rule one: per is 'title'. Write one of streamId,",
    ),
    "two kinds of rule": (
        RULE + 'per = "streamId"\ndistinct = "network"\n',
        "line 8: plan family, rule one: a rule has either per or distinct. Remove one.",
    ),
    "where that is no list": (
        RULE + 'where = { deviceType = "tv" }\n',
        "line 7: plan family, rule one: deviceType must be a list of 1 to 64 values, "
        "such as deviceType = [",
    ),
    "where of networks": (
        RULE + 'where = { network = ["x"] }\n',
        "only hashes are stored. Use per or distinct.",
    ),
    "a number for a device type": (
        RULE + "where = { deviceType = [1] }\n",
        "deviceType must be a list",
    ),
    "a message of two lines": (
        RULE + 'message = "a\\nb"\n',
        "line 7: plan family, rule one: message must be one line",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_place_and_what_to_write(
    tmp_path: Path, name: str
) -> None:
    text, said = WRONG[name]
    path = tmp_path / "plans.toml"
    path.write_text(text)
    with pytest.raises(ImproperlyConfigured) as refused:
        read_plans("SHADOW_PLANS", path, default=DEFAULT)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"SHADOW_PLANS: {path}")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"PLANS: .*gone.toml cannot be read .* Set it to a plans file",
    ):
        read_plans("PLANS", tmp_path / "gone.toml", default=DEFAULT)
