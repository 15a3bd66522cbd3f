"""The `lealla` command: a module for each subcommand."""
