"""Programs around released models: `python -m export.<program>` in a checkout."""
