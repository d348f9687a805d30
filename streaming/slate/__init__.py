"""The slate: what viewers see while no publisher delivers."""
