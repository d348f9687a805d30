"""Who may publish, view and command."""
