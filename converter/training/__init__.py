"""The reference model: its network, the data it learns from, how it is trained, and how good it is.

Only `network`, `batches`, `fit`, `devices`, `state` and `train` import torch, and only `columns` and `table` pyarrow.
"""
