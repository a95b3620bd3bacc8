import numpy as np
import pytest
from graph_models import BIAS, WEIGHTS, linear

from converter.errors import RuntimeMissing
from converter.runtimes.catalog import FIREFOX_RUNTIMES, RuntimePool

X = np.ones((2, 4), np.float32)


@pytest.mark.parametrize("name", FIREFOX_RUNTIMES)
def test_without_firefox_the_message_says_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with RuntimePool() as pool:
        assert pool.browser("firefox") is None
        with pytest.raises(RuntimeMissing, match="no Firefox that starts was found") as missing:
            pool.get(name).start()
    assert (missing.value.where, missing.value.exit_code) == (name, 7)
    assert "install Firefox" in missing.value.hint


def test_a_program_that_is_no_firefox_is_named(tmp_path, monkeypatch):
    liar = tmp_path / "firefox"
    liar.write_text("#!/bin/sh\necho Mozilla Firefox 150.0\n")
    liar.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with RuntimePool() as pool, pytest.raises(RuntimeMissing, match="firefox does not start"):
        pool.get("tfjs-wasm@firefox").start()


def test_firefox_computes_where_it_is_installed(tmp_path):
    with RuntimePool() as pool:
        if pool.browser("firefox") is None:
            pytest.skip("no Firefox on this machine")
        runtime = pool.get("tfjs-wasm@firefox")
        info = runtime.start()
        outputs = runtime.load(linear().write(tmp_path)).run({"x": X}).outputs
    assert set(info.versions) == {"tfjs", "firefox"}
    np.testing.assert_allclose(outputs["y"], X @ WEIGHTS + BIAS, rtol=1e-5)
