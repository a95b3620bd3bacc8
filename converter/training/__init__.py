"""The reference model: its network, the synthetic world it learns from, and how it is trained.

Importing this package imports torch.
"""

from converter.training.fit import EpochReport, TrainingResult, save_checkpoint, train
from converter.training.network import FeatureMlp, input_spec, reference_factory

__all__ = [
    "EpochReport",
    "FeatureMlp",
    "TrainingResult",
    "input_spec",
    "reference_factory",
    "save_checkpoint",
    "train",
]
