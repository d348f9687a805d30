"""HTTP delivery: one file per protocol spoken."""
