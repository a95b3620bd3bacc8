import re

import pytest

from converter.report.card import NO_USE, CardFacts, card_from_facts
from tests.unit.report.card_facts import evaluation, facts, groups

REAL = {"name": "dates.csv", "is_synthetic": False, "group": None, "split_by": "random"}


def sections(card: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", card, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_card_has_its_sections_in_order_and_every_table_is_whole() -> None:
    card = card_from_facts(facts())
    assert card.startswith("# my\\_model 1.2.3\n\nScores \\*pairs\\*.\n")
    assert list(sections(card)) == ["Use", "How good it is", "Calibration", "What it looks at", "Data and training"]
    tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\|\n)+", card, flags=re.MULTILINE)]
    assert len(tables) == 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, table
        assert set(table[1]) <= set("|-:")
    assert "\n\n\n" not in card


def test_baselines_stand_beside_the_model_with_intervals() -> None:
    told = sections(card_from_facts(facts()))["How good it is"]
    assert "| | model | logistic regression | legacy formula | majority class |\n" in told
    assert "| accuracy | 0.800 [0.790, 0.810] | 0.700 [0.690, 0.710] | 0.650 [0.640, 0.660] | 0.600 [" in told
    assert "| says yes from | 0.5 | 0.5 | 0.41 | 0.5 |" in told
    assert "On 500 held-out rows, of which 42.0 % are a yes. In brackets" in told
    assert "95 % intervals from 1,000\nresamples of the rows.\n" in told
    assert "| came true | 150 | 60 |\n| did not | 40 | 250 |" in told


def test_score_that_is_no_probability_gets_no_metric_of_probabilities() -> None:
    told = sections(card_from_facts(facts()))["How good it is"]
    assert re.search(r"\| log loss \(less is better\) \| [^|]+ \| [^|]+ \| - \| ", told)
    assert "Against the legacy formula: accuracy +0.150 [+0.140, +0.160].\n" in told
    assert "likesGiven, likesReceived, commentsCount" in told
    assert "ageGap" not in told


def test_gain_that_may_be_luck_is_called_so() -> None:
    card = card_from_facts(facts())
    assert "ROC-AUC +0.005 [-0.005, +0.015], which may be luck of these rows." in card
    assert "A logistic regression ranks these rows as well" in sections(card)["Use"]
    better = tuple(one for one in evaluation().gains if one.metric != "roc_auc")
    assert "luck" not in card_from_facts(facts(gains=better))


def test_synthetic_data_are_never_sold_as_real() -> None:
    assert "**The data are synthetic.**" in card_from_facts(facts())
    assert "synthetic" not in card_from_facts(facts(data=REAL))


def test_best_possible_accuracy_is_told_where_it_is_known() -> None:
    assert "an accuracy of 0.907" in card_from_facts(facts(bayes_accuracy=0.9071))
    assert "any classifier" not in card_from_facts(facts())


def test_calibration_shows_the_plot_and_its_numbers() -> None:
    told = sections(card_from_facts(facts()))["Calibration"]
    assert "](plot.svg)" in told
    assert "is 0.0120; before the temperature of 1.250, which is part of the graph, it was 0.0400" in told
    assert "| 0.20 to 0.30 | 500 | 0.250 | 0.270 |" in told


def test_importance_is_sorted() -> None:
    told = sections(card_from_facts(facts()))["What it looks at"]
    assert told.index("| likes\\_given | 0.2000 ± 0.0040 |") < told.index("| ageGap | 0.0100 ± 0.0010 |")


def test_provenance_names_digests_splits_and_features() -> None:
    told = sections(card_from_facts(facts()))["Data and training"]
    assert f"sha256 `{'a' * 64}`" in told
    assert f"sha256 `{'b' * 64}`" in told
    assert "| rows | 1,200 | 300 | 500 |\n| yes | 40.0 % | 40.0 % | 42.0 % |" in told
    assert "Seed 7; the weights are those of epoch 9 of 12" in told
    assert "| ageGap | years | 0 to 40 | inverse | taken for 5, as in 17 rows of the data |" in told
    assert "| likes\\_given | likes | 0 to 30 | saturate | refused |" in told


def test_groups_are_listed_and_drawn_whole() -> None:
    data = {**REAL, "split_by": "group", "group": "person_id"}
    card = card_from_facts(facts(data=data, groups=groups(), resampled="groups"))
    told = sections(card)
    assert "resamples of whole groups (person\\_id)." in told["How good it is"]
    spread = "with 10 rows and more: 10th percentile 0.70, median 0.80, 90th percentile 0.95."
    assert spread in told["Groups"]
    assert "| p\\|1 | 30 | 0.200 | 0.250 | 0.900 | - |" in told["Groups"]
    assert "split by person\\_id: no value of it is on two sides" in told["Data and training"]
    assert "rows of one person" not in told["Use"]


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (REAL, "if rows of one person are on both sides"),
        (REAL, "the data name no group"),
        ({**REAL, "split_by": "time", "time": "day"}, "people elsewhere may differ"),
    ],
)
def test_limits_follow_from_the_data(data: dict[str, object], limit: str) -> None:
    use = sections(card_from_facts(facts(data=data)))["Use"]
    assert limit in use
    assert "- Not for people." in use


def test_few_groups_are_a_limit() -> None:
    few = groups().model_copy(update={"count": 4})
    use = sections(card_from_facts(facts(data=REAL, groups=few, resampled="groups")))["Use"]
    assert "Only 4 groups in the held-out rows" in use
    assert "Only" not in sections(card_from_facts(facts(data=REAL, groups=groups(), resampled="groups")))["Use"]


def test_use_that_nobody_has_written_down_is_missed() -> None:
    told = facts()
    silent = CardFacts(told.name, told.version, told.description, "", (), told.record, told.plot)
    assert NO_USE in card_from_facts(silent)


def test_equal_facts_give_equal_bytes() -> None:
    assert card_from_facts(facts()) == card_from_facts(facts())
