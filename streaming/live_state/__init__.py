"""The live windows on disk, so that an origin that is killed goes on where it was."""
