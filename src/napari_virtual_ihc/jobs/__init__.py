"""A child process and its run folder: start, events, state, stop, find again."""
