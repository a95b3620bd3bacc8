"""Where engines are installed: `COMPAT_EXPORT_HOME`, else the user's cache folder."""

import os
from pathlib import Path

VARIABLE = "COMPAT_EXPORT_HOME"


def default_home() -> Path:
    """The folder that holds what is installed for this user."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    import platformdirs

    return platformdirs.user_cache_path("compat-export", appauthor=False)


def engine_folder(name: str, home: Path | None = None) -> Path:
    """The folder of an engine's environment; what belongs to it besides has a name beside it, `.NAME.…`."""
    return (home or default_home()) / "engines" / name
