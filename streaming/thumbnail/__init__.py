"""Small still pictures of live paths."""
