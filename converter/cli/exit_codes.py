"""What each exit code means, for `--help` and for the README."""

from converter.errors import ConverterError, InternalError

INTERRUPTED = 130


def exit_codes() -> dict[int, str]:
    """Each exit code with its meaning."""
    kinds = sorted(ConverterError.__subclasses__(), key=lambda kind: kind.exit_code)
    return {
        0: "All is well.",
        ConverterError.exit_code: "Another error that a person can act on.",
        **{kind.exit_code: (kind.__doc__ or "").partition("\n")[0] for kind in kinds},
        InternalError.exit_code: InternalError.__doc__ or "",
        INTERRUPTED: "Interrupted.",
    }
