"""One file a subcommand; each exposes `command`."""
