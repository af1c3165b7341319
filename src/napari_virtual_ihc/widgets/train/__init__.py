"""The Train page: form, runs, curves, and pairs cut from two slides."""
