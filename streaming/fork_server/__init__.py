"""Processes of ours in milliseconds: a process that has imported what they run, and forks them."""
