"""Ways to look: linked panes, and two layers in one canvas."""
