"""What an artifact says of the training of its model: the record of it, and the card that people read."""

from pathlib import Path

from converter.artifact.training_record import TrainingRecord
from converter.config import Config
from converter.errors import ArtifactError
from converter.fileio import canonical_json
from converter.report.calibration_plot import calibration_plot
from converter.report.card import CardFacts, card_from_facts

RECORD_NAME = "training.json"
CARD_NAME = "MODEL_CARD.md"
PLOT_NAME = "calibration.svg"


def write_card(folder: Path, config: Config, record: TrainingRecord) -> None:
    """Write the record, the card and its plot into a folder; names of groups only where the config asks for them."""
    groups = record.evaluation.groups
    if groups is not None and not config.card.group_names:
        evaluation = record.evaluation.model_copy(update={"groups": groups.without_names()})
        record = record.model_copy(update={"evaluation": evaluation})
    card = CardFacts(
        name=config.name,
        version=config.version,
        description=config.description,
        intended_use=config.card.intended_use,
        limits=config.card.limits,
        record=record,
        plot=PLOT_NAME,
    )
    (folder / RECORD_NAME).write_bytes(canonical_json(record.model_dump(mode="json")))
    (folder / PLOT_NAME).write_text(calibration_plot(record.evaluation.calibration.bins), encoding="utf-8")
    (folder / CARD_NAME).write_text(card_from_facts(card), encoding="utf-8")


def published_record(folder: Path) -> TrainingRecord | None:
    """The record of an artifact's training, None where it has none: it was trained elsewhere.

    Raises: ArtifactError if the record is of a form that this version doesn't know.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        return TrainingRecord.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ArtifactError(
            f"can't be read: {str(error).splitlines()[0]}",
            where=str(path),
            hint="use the version of compat-export that wrote it, or a newer one",
        ) from error
