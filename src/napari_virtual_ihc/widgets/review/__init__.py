"""The Review page: views, regions, blind reads, and the review as a file."""
