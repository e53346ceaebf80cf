"""A YAML or CSV file → `Manifest` → jobs; every mistake in it, at once, with its line."""
