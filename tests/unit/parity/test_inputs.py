import numpy as np
import pytest

from converter.config import TensorSpec
from converter.errors import ConfigError
from converter.parity.inputs import batch_dimension, make_samples

AUDIO = TensorSpec(name="audio", shape=("batch", 1024))
IDS = TensorSpec(name="ids", dtype="int64", shape=("batch", "sequence"), low=1, high=100)
MASK = TensorSpec(name="mask", dtype="bool", shape=("batch", "sequence"))


def by_label(*args, **kwargs):
    return {sample.label: sample.inputs for sample in make_samples(*args, **kwargs)}


def test_each_batch_size_gets_random_and_edge_values():
    samples = by_label([AUDIO], seed=0, batches=[1, 4], random_rows=4)
    edges = ["zeros", "ones", "low", "corners"]  # all-high is all-ones here, and no sample is run twice
    fills = {1: ["random", "random2", "random3", "random4", *edges], 4: ["random", *edges]}
    assert list(samples) == [f"batch{count}-{fill}" for count in (1, 4) for fill in fills[count]]
    assert samples["batch4-random"]["audio"].shape == (4, 1024)
    assert samples["batch4-random"]["audio"].dtype == np.float32
    assert np.all(samples["batch1-low"]["audio"] == -1)
    assert np.all(samples["batch1-zeros"]["audio"] == 0)
    assert set(samples["batch1-corners"]["audio"].flat) == {-1, 1}


@pytest.mark.parametrize(("batch", "rows", "n_sets"), [(1, 8, 8), (4, 8, 2), (3, 8, 3), (32, 8, 1), (1, 1, 1)])
def test_small_batches_get_as_many_random_rows(batch, rows, n_sets):
    samples = by_label([AUDIO], seed=0, batches=[batch], random_rows=rows)
    random = [inputs["audio"] for label, inputs in samples.items() if "random" in label]
    assert len(random) == n_sets
    assert len(np.unique(np.concatenate(random), axis=0)) == n_sets * batch


def test_without_edges_there_are_random_values_only():
    samples = by_label([AUDIO], seed=0, batches=[4], random_rows=4, edges=False)
    assert list(samples) == ["batch4-random"]


def test_every_size_is_tried_and_named_in_the_label():
    image = TensorSpec(name="image", shape=("batch", "height", "width", 3))
    sizes = {"height": [8, 16, 24], "width": [5, 7]}
    samples = by_label([image], seed=0, batches=[1, 2], sizes=sizes, random_rows=2)
    shapes = {label: inputs["image"].shape for label, inputs in samples.items()}
    assert shapes["batch1-height8-width5-random2"] == (1, 8, 5, 3)
    assert shapes["batch1-height16-width7-random"] == (1, 16, 7, 3)
    assert shapes["batch2-height24-width5-random"] == (2, 24, 5, 3)
    at_the_ends = {label for label in shapes if "random" not in label}
    assert {label.rpartition("-")[0] for label in at_the_ends} == {"batch1-height8-width5", "batch2-height8-width5"}


def test_random_values_fill_the_range_and_stay_inside():
    wide = TensorSpec(name="x", shape=("batch", 1000), low=-3.0, high=5.0)
    values = by_label([wide], seed=0, batches=[2])["batch2-random"]["x"]
    assert values.min() < -2.9
    assert values.max() > 4.9
    assert np.all((values >= -3) & (values <= 5))
    assert len(np.unique(values)) > 1900


def test_a_bound_for_each_entry_of_the_last_dimension():
    spec = TensorSpec(name="x", shape=("batch", 3), low=(0.0, 10.0, -1.0), high=(1.0, 20.0, -0.5))
    samples = by_label([spec], seed=0, batches=[50])
    np.testing.assert_array_equal(samples["batch50-low"]["x"], np.float32([[0, 10, -1]] * 50))
    np.testing.assert_array_equal(samples["batch50-high"]["x"], np.float32([[1, 20, -0.5]] * 50))
    values = samples["batch50-random"]["x"]
    assert np.all((values >= [0, 10, -1]) & (values <= [1, 20, -0.5]))
    assert np.all(np.ptp(values, axis=0) > [0.8, 8, 0.4])
    assert "batch50-zeros" not in samples
    assert "batch50-ones" not in samples


def test_integers_are_uniform_with_both_ends_and_booleans_both_values():
    spec = TensorSpec(name="i", dtype="int32", shape=("batch", 500), low=1, high=3)
    samples = by_label([spec, MASK.model_copy(update={"shape": ("batch", 8)})], seed=3, batches=[4])
    values, mask = samples["batch4-random"]["i"], samples["batch4-random"]["mask"]
    assert (values.dtype, mask.dtype) == (np.int32, np.bool_)
    assert set(values.flat) == {1, 2, 3}
    assert set(mask.flat) == {True, False}
    assert "batch4-zeros" not in samples  # outside the range of `i`
    assert not samples["batch4-low"]["mask"].any()
    assert samples["batch4-high"]["mask"].all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "float16", "float64"])
def test_a_range_is_cut_to_what_the_dtype_holds(dtype):
    spec = TensorSpec(name="x", dtype=dtype, shape=("n", 2), low=-1e30, high=1e30)
    samples = by_label([spec], seed=0, batches=[1])
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    if dtype != "float64":
        assert min(inputs["x"].min() for inputs in samples.values()) == info.min
        assert max(inputs["x"].max() for inputs in samples.values()) == info.max
    assert np.isfinite(samples["batch1-random"]["x"].astype(float)).all()


def test_the_same_seed_gives_the_same_values_whatever_the_order():
    one = by_label([IDS, MASK], seed=7, batches=[1, 4])
    other = by_label([MASK, IDS], seed=7, batches=[4, 1])
    assert one.keys() == other.keys()
    for label, inputs in one.items():
        for name, array in inputs.items():
            np.testing.assert_array_equal(array, other[label][name])


def test_seeds_names_and_batches_decide_the_values():
    def first(spec, seed):
        return by_label([spec], seed=seed, batches=[1])["batch1-random"][spec.name]

    assert not np.array_equal(first(AUDIO, 0), first(AUDIO, 1))
    assert not np.array_equal(first(AUDIO, 0), first(AUDIO, -1))
    assert not np.array_equal(first(AUDIO, 0), first(AUDIO.model_copy(update={"name": "other"}), 0))
    samples = by_label([AUDIO], seed=0, batches=[1, 4])
    assert not np.array_equal(samples["batch1-random"]["audio"][0], samples["batch4-random"]["audio"][0])


def test_the_values_of_a_seed_are_fixed():
    [first, *_] = make_samples([TensorSpec(name="x", shape=(2,))], seed=0, batches=[1])
    assert first.sha256 == make_samples([TensorSpec(name="x", shape=(2,))], seed=0, batches=[1])[0].sha256
    np.testing.assert_allclose(first.inputs["x"], [0.31680816, 0.38638732], atol=1e-7)


def test_other_dynamic_dimensions_get_sizes_that_differ_and_can_be_set():
    image = TensorSpec(name="image", shape=("batch", 3, "height", "width"))
    [sample, *_] = make_samples([image], seed=0, batches=[2])
    assert sample.inputs["image"].shape == (2, 3, 32, 64)
    [sample, *_] = make_samples([image], seed=0, batches=[2], sizes={"height": [48]})
    assert sample.inputs["image"].shape == (2, 3, 48, 64)
    [sample, *_] = make_samples([image], seed=0, batches=[2, 3], sizes={"batch": [7]})
    assert sample.label == "batch7-random"


def test_a_dimension_has_one_size_in_all_inputs():
    [sample, *_] = make_samples([IDS, MASK], seed=0, batches=[3])
    assert sample.inputs["ids"].shape == sample.inputs["mask"].shape == (3, 32)


def shapes_of(sample):
    return {name: array.shape for name, array in sample.inputs.items()}


X, STATE = TensorSpec(name="x", shape=("x_dim_0", "x_dim_1")), TensorSpec(name="state", shape=(2, "state_dim_1", 128))
NAMED = TensorSpec(name="named", shape=("rows", "time"))


@pytest.mark.parametrize(
    ("specs", "sizes", "expected"),
    [
        pytest.param([X, STATE], {}, {"x": (3, 32), "state": (2, 32, 128)}, id="alike-at-one-axis"),
        pytest.param([STATE, X], {"x_dim_0": [5]}, {"x": (5, 3), "state": (2, 3, 128)}, id="first-is-the-batch"),
        pytest.param([X, STATE], {"x_dim_1": [7]}, {"x": (3, 7), "state": (2, 7, 128)}, id="follows-a-size"),
        pytest.param([X, STATE], {"state_dim_1": [1]}, {"x": (3, 32), "state": (2, 1, 128)}, id="a-size-of-its-own"),
        pytest.param([X, NAMED], {}, {"x": (3, 32), "named": (3, 32)}, id="as-named-ones"),
        pytest.param([X.model_copy(update={"shape": ("x_dim_1", "x_dim_0")}), NAMED], {},
                     {"x": (3, 32), "named": (32, 3)}, id="axes-of-the-model"),
    ],
)  # fmt: skip
def test_dimensions_without_a_name_are_drawn_alike_where_nothing_else_is_said(specs, sizes, expected):
    [sample, *_] = make_samples(specs, seed=0, batches=[3], sizes=sizes)
    assert shapes_of(sample) == expected


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([("batch", 4)], "batch"),
        ([("time", "batch")], "batch"),
        ([("time", 4), ("n", 4)], "n"),
        ([("frames", "bands")], "frames"),
        ([(1, 4)], None),
    ],
)
def test_the_batch_dimension_is_known_by_name_else_it_is_the_first(shapes, expected):
    specs = [TensorSpec(name=f"x{place}", shape=shape) for place, shape in enumerate(shapes)]
    assert batch_dimension(specs) == expected


def test_a_fixed_shape_gives_one_set_and_a_scalar_works():
    samples = by_label([TensorSpec(name="x", shape=(1, 3)), TensorSpec(name="k", shape=())], seed=0, batches=[1, 4])
    assert list(samples) == ["random", *(f"random{i}" for i in range(2, 9)), "zeros", "ones", "low", "corners"]
    assert samples["random"]["k"].shape == ()


def test_a_model_without_inputs_has_one_empty_sample() -> None:
    (sample,) = make_samples([], seed=0, batches=[1, 4])
    assert sample.inputs == {}


@pytest.mark.parametrize(
    ("specs", "options", "message", "where"),
    [
        ([AUDIO], {"batches": []}, "no size to compare dimension batch on", "parity.batches"),
        ([AUDIO], {"batches": [1, 0]}, "dimension batch can't be 0", "parity"),
        ([IDS], {"sizes": {"sequence": [16, -1]}}, "dimension sequence can't be -1", "parity"),
        ([IDS], {"sizes": {"width": [3]}}, "no input has a dimension width", "parity.sizes"),
        ([TensorSpec(name="x", shape=(2,), low=2, high=1)], {}, r"\[2.0, 1.0\]", "input x"),
        ([TensorSpec(name="x", shape=(2,), high=float("inf"))], {}, "inf", "input x"),
        ([TensorSpec(name="x", shape=(2,), low=float("nan"))], {}, "nan", "input x"),
        ([TensorSpec(name="x", dtype="uint8", shape=(2,), low=-9, high=-2)], {}, "no uint8", "input x"),
        ([TensorSpec(name="x", dtype="int64", shape=(2,), low=0.2, high=0.8)], {}, "no int64", "input x"),
        ([TensorSpec(name="x", shape=(2,), low=(0.0,) * 3)], {}, "last dimension is 2", "input x"),
        ([TensorSpec(name="x", shape=("batch",), low=(0.0,))], {}, "last dimension is batch", "input x"),
        ([TensorSpec(name="x", shape=(2,), low=(0.0,) * 2, high=(1.0,))], {}, r"\[1, 2\] bounds", "input x"),
    ],
)
def test_what_does_not_fit_is_refused(specs, options, message, where):
    with pytest.raises(ConfigError, match=message) as caught:
        make_samples(specs, **({"seed": 0, "batches": [1]} | options))
    assert (caught.value.where, caught.value.exit_code) == (where, 2)
    assert caught.value.hint


def test_masks_have_whole_rows_of_zeros_and_ones_beside_random_values():
    counts = TensorSpec(name="counts", dtype="int64", shape=("batch", 3, 7), low=0, high=1)
    samples = by_label([AUDIO, IDS, MASK, counts], seed=0, batches=[1, 4])
    assert [label for label in samples if label.endswith("masked")] == ["batch1-masked", "batch4-masked"]
    for label in ("batch1-masked", "batch4-masked"):
        assert len(np.unique(samples[label]["audio"])) > 1000
        assert len(np.unique(samples[label]["ids"])) > 10
    assert not samples["batch1-masked"]["mask"].any()
    mask, numbers = samples["batch4-masked"]["mask"], samples["batch4-masked"]["counts"]
    assert (mask.dtype, numbers.dtype) == (np.bool_, np.int64)
    for rows in (mask, numbers):
        assert np.all(rows == rows[..., :1])
    assert (mask[0, 0], mask[1, 0], numbers[0, 0, 0], numbers[0, 1, 0]) == (False, True, 0, 1)


@pytest.mark.parametrize("spec", [AUDIO, IDS, TensorSpec(name="n", dtype="int64", shape=("batch", 3), low=0, high=9)])
def test_inputs_that_are_no_masks_get_no_such_rows(spec):
    assert not [label for label in by_label([spec], seed=0, batches=[2]) if label.endswith("masked")]


def test_a_mask_of_one_number_is_zero():
    flag = TensorSpec(name="flag", dtype="bool", shape=())
    assert not by_label([AUDIO, flag], seed=0, batches=[1])["batch1-masked"]["flag"].any()
