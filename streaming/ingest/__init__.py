"""Where samples come from: publishers that push, sources that we pull."""
