"""The Compare page: maps between virtual and real, numbers, report."""
