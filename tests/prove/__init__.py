"""`python -m tests.prove`: the long proofs, with their figures in one table."""
