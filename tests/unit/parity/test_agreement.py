import numpy as np
import pytest

from converter.config import ParitySection
from converter.errors import ConfigError
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance, compare_by_rules
from converter.parity.output import OutputVerdict

F16 = "float16-textures"
SETTINGS = {
    "tolerances": {"float32": {"atol": 1e-6}, "quantised-weights": {"atol": 1e-3, "rtol": 0.2}},
    "outputs": {
        "score": {"tolerances": {F16: {"rtol": 0.5}}, "distribution": True, "min_top1": 0.99},
        "label": {},
    },
}


@pytest.fixture
def agreement():
    return Agreement.of(ParitySection.model_validate(SETTINGS))


def test_a_class_has_its_tolerance_and_what_is_not_given_is_the_default(agreement):
    assert agreement.rules(["float32"])("any").tolerance == Tolerance(1e-6, 1e-4)
    assert agreement.rules([F16])("any").tolerance == Tolerance(1e-2, 1e-2)


def test_an_output_may_have_its_own_for_one_class(agreement):
    rule = agreement.rules([F16])("score")
    assert rule.tolerance == Tolerance(1e-2, 0.5)
    assert (rule.distribution, rule.min_top1) == (True, 0.99)
    assert rule.setting == "parity.outputs.score.tolerances.float16-textures"
    assert agreement.rules(["float32"])("score").tolerance == Tolerance(1e-6, 1e-4)
    assert agreement.rules(["float32"])("score").setting == "parity.tolerances.float32"


def test_of_several_classes_the_widest_counts(agreement):
    assert agreement.rules([F16, "quantised-weights"])("any").tolerance == Tolerance(1e-2, 0.2)


def test_settings_for_an_output_that_there_is_not_are_refused(agreement):
    agreement.require_known(["label", "score", "more"])
    with pytest.raises(ConfigError, match="no output score") as refused:
        agreement.require_known(["label", "scores"])
    assert (refused.value.where, refused.value.hint) == ("parity.outputs", "its outputs: label, scores")


def test_the_documented_defaults():
    tolerances = Agreement.of(ParitySection()).tolerances
    assert tolerances == {
        "float32": Tolerance(1e-5, 1e-4),
        "float16-values": Tolerance(1e-3, 2e-3),
        "float16-textures": Tolerance(1e-2, 1e-2),
        "quantised-weights": Tolerance(2e-2, 5e-2),
    }


def test_outputs_that_the_graph_rounds_to_float16_have_its_tolerance_and_say_so():
    rules = Agreement.of(ParitySection(), frozenset({"rounded"})).rules(["float32"])
    assert rules("rounded").tolerance == Tolerance(1e-3, 2e-3)
    assert rules("rounded").setting == "parity.tolerances.float16-values"
    verdict = OutputVerdict.over_samples(
        [("one", compare_by_rules({"rounded": np.ones(2)}, {"rounded": np.ones(2) * 1.01}, rules)[0])], rules("rounded")
    )
    assert "the graph rounds values that it depends on to float16" in str(verdict)
    assert rules("other").tolerance == Tolerance(1e-5, 1e-4)
    assert not rules("other").reason


def test_the_settings_of_older_manifests_are_read():
    old = {"atol": 1e-3, "rtol": 2e-3, "seed": 0, "batches": [1, 4], "sizes": {"n": 5}, "runtimes": None}
    settings = ParitySection.model_validate(old)
    assert Agreement.of(settings).tolerances["float32"] == Tolerance(1e-3, 2e-3)
    assert settings.sizes == {"n": (5,)}
