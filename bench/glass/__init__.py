"""The true latency of players: the time code in the picture on the screen beside the clock now."""
