"""`python -m tests.bench`: the figures that the README names, measured side by side."""
