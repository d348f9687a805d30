"""A day of one path through timeline, presentation and playlists, with all that publishers do."""
