"""(runtime, case) -> why it can't pass there. Strict: an entry that starts to pass must go."""

CANNOT: dict[tuple[str, str], str] = {}
