"""Train, compile, convert, verify, inspect, as functions over configs and paths; they emit events and print nothing."""
