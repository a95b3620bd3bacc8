"""The artifact: its manifest, the store of immutable versions, and the test vectors."""
