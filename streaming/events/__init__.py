"""The event log: what happened, told once, in order, with ids that outlive a restart."""
