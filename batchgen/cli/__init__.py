"""Arguments in, exit code out; the only package that prints."""
