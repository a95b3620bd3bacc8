"""Names of groups may be ids of persons: an artifact has them only where its config asks for that."""

from pathlib import Path

import pytest

from converter.config import Config
from converter.pipeline.card import CARD_NAME, RECORD_NAME, published_record, write_card
from tests.unit.report.card_facts import facts, groups

PERSON = "person-4711"


@pytest.mark.parametrize("group_names", [False, True])
def test_ids_of_groups_are_published_only_where_asked_for(tmp_path: Path, group_names: bool) -> None:
    largest = (groups().largest[0].model_copy(update={"group": PERSON}),)
    record = facts(groups=groups().model_copy(update={"largest": largest})).record
    card = {"group_names": True} if group_names else {}
    write_card(tmp_path, Config.model_validate({"name": "scores", "card": card}), record)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name, text in texts.items() if PERSON in text} == (
        {CARD_NAME, RECORD_NAME} if group_names else set()
    )
    expected = PERSON if group_names else "1"
    assert f"| {expected} | 30 | 0.200 |" in texts[CARD_NAME]
    published = published_record(tmp_path)
    assert published is not None
    assert published.evaluation.groups is not None
    assert [one.group for one in published.evaluation.groups.largest] == [expected]
